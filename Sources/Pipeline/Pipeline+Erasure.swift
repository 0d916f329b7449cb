import Engine
import Ingest
import Storage

/// Erasure (`operations.md`, Privacy): out of the engine, out of the database with its log of changes, out of the outboxes, out of the control log.
extension Pipeline {
    /// Whom a control line means: the customer of that number if it is one of the ids (after a rebuild of the state it may be another's), else
    /// whoever is at hand and is.
    mutating func forget(_ hashes: [String], _ number: Int64?, until: Instant, deadLetters: [[Int64]]) throws {
        let wanted = Set(hashes)
        var found: Int64?
        if let number, isFollowing {
            if !engine.isResident(number), !engine.isGone(number), try store?.customer(number) != nil {
                try bringIn(number: number)
            }
            if engine.isCustomer(number, hashes: wanted) { found = number }
        }
        found = found ?? engine.residentCustomer(hashes: wanted)
        if let found {
            while let missing = engine.erase(found, hashes: hashes, until: until, forgets: true) { try bringIn(missing) }
        } else {
            engine.entomb(hashes, until: until)
        }
        for entry in deadLetters where entry.count == 2 {
            if let row = try store?.deadLetter(entry[0]), row.offset == entry[1] { work.retried.append(entry[0]) }
        }
    }

    /// Tombstones of the state and of the control log are known before the first event.
    static func tombstones(_ settings: Settings, _ store: Store?, _ log: ControlLog?, follows: Bool) throws -> Tombstones {
        var tombstones = Tombstones(secret: settings.secret, sha256: Digest.sha256)
        for tombstone in try store?.tombstones() ?? [] { tombstones.add(tombstone.hash, until: tombstone.until) }
        for tombstone in settings.tombstones { tombstones.add(tombstone.hash, until: tombstone.until) }
        guard !follows else { return tombstones }
        for tombstone in try log?.tombstones() ?? [] { tombstones.add(tombstone.hash, until: tombstone.until) }
        return tombstones
    }

    /// After the commit, and again until it has succeeded: files, the control log's own lines, the log of changes.
    @discardableResult
    package mutating func finishErasures(_ erasures: [Erasure] = []) throws -> Bool {
        try finishCommit()
        guard isFollowing, let store else { return true }
        let forgotten = Set(erasures.filter(\.isForgotten).flatMap(\.keys))
        if !forgotten.isEmpty { try controlLog?.blank(linesNaming: forgotten) }
        guard try store.needsScrubbing() else { return true }
        let files = try store.leavingFiles()
        if !files.isEmpty {
            var removed: [MessageFile] = []
            changeOutboxes { removed = $0.erase(files) }
            try store.begin()
            try store.removeLeavingFiles(removed)
            try store.commit()
            try recountOutboxes(store)
            guard removed.count == files.count else { return false }
        }
        return try store.scrub()
    }
}

extension ControlLog {
    /// Whom forget lines and the daemon's own notes name, and until when.
    func tombstones() throws(ControlLogError) -> [(hash: String, until: Instant)] {
        var result: [(hash: String, until: Instant)] = []
        try forEachLine { view in
            guard let type = view["type"]?.string, type == "forget" || type == "erased", let until = view["until"]?.milliseconds
            else {
                return
            }
            for hash in view["ids"]?.elements.compactMap(\.string) ?? [] { result.append((hash, until)) }
        }
        return result
    }

    static func erased(_ erasure: Erasure, at: Instant) -> CanonicalJSON {
        .object([
            ("type", .string("erased")), ("at", .number(Double(at))), ("until", .number(Double(erasure.until))),
            ("ids", .array(erasure.hashes.map { .string($0) })),
        ])
    }

    /// Overwrites events made by hand for these customers with spaces: every other line keeps its place.
    func blank(linesNaming keys: Set<CustomerKey>) throws(ControlLogError) {
        let bytes = try read(from: 0)
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
            if let packed = JSONText.pack(Array(bytes[start..<end])), let line = JSONView(bytes: packed, offset: 0)["line"] {
                let named = [(line["userId"], false), (line["anonymousId"], true)].compactMap { view, isAnonymous in
                    view?.identifier.map { CustomerKey(isAnonymous: isAnonymous, id: Array($0.utf8)) }
                }
                if named.contains(where: { keys.contains($0) }) { try overwrite(start..<end) }
            }
            start = end + 1
        }
    }
}
