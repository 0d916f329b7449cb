import Engine
import Ingest
import Storage

/// Erasure (`operations.md`, Privacy): out of the engine, out of the database with its log of changes, out of the outboxes, out of the control log.
extension Pipeline {
    /// Erases whom a control line means: the customer of that number if it is one of the ids (after a rebuild of the state it may be another's), with or
    /// without a profile, else whoever is at hand and is, else whoever has come into the state since the line was written.
    mutating func forget(_ order: ControlLine.Forgetting, givenAt: Instant) throws {
        let wanted = Set(order.hashes)
        let tombstones = engine.tombstones
        var found: Int64?
        var keys: [CustomerKey] = []
        if let number = order.customer, isFollowing {
            if !engine.isResident(number), !engine.isGone(number), try store?.customer(number) != nil {
                try bringIn(number: number)
            }
            if engine.isCustomer(number, hashes: wanted) { found = number }
            let known = try store?.keys(of: number) ?? []
            if known.contains(where: { wanted.contains(tombstones.hash($0)) }) { keys = known }
        }
        found = found ?? engine.residentCustomer(hashes: wanted)
        if found == nil, isFollowing {
            // Who was known then may have become somebody else, whose number may be any.
            let first = order.customer == nil ? order.nextCustomer ?? 0 : 0
            try store?.forEachKey(from: first) { key, _ in if wanted.contains(tombstones.hash(key)) { keys.append(key) } }
        }
        if let found {
            try erase(found, hashes: order.hashes, until: order.until)
        } else {
            engine.entomb(order.hashes, keys: keys, until: order.until)
        }
        try eraseProfiles(of: keys, until: order.until)
        try forgetDeadLetters(order, givenAt: givenAt)
    }

    /// Those that the order names, and such as have come since it was given, whose ids only the hashes tell.
    private mutating func forgetDeadLetters(_ order: ControlLine.Forgetting, givenAt: Instant) throws {
        for entry in order.deadLetters where entry.count == 2 {
            if let row = try store?.deadLetter(entry[0]), row.offset == entry[1] { work.retried.append(entry[0]) }
        }
        guard isFollowing else { return }
        let tombstones = engine.tombstones
        deadLetters.removeAll { tombstones.drops(holding: $0.head, at: order.until) }
        for row in try store?.deadLetters(since: givenAt) ?? [] where tombstones.drops(holding: row.head, at: order.until) {
            work.retried.append(row.number)
        }
    }

    private mutating func erase(_ number: Int64, hashes: [String], until: Instant) throws {
        while let missing = engine.erase(number, hashes: hashes, until: until, forgets: true) { try bringIn(missing) }
    }

    private mutating func eraseProfiles(of keys: [CustomerKey], until: Instant) throws {
        for key in keys {
            guard let number = try engine.number(of: key) ?? store?.number(of: key), !engine.isGone(number) else { continue }
            if !engine.isResident(number) { try bringIn(number: number) }
            try erase(number, hashes: [], until: until)
        }
    }

    /// Carries out what the state that was restored has missed. Whose the hashes are nobody has written down: everybody is looked at, once.
    mutating func eraseAgain() throws {
        guard !missedErasures.isEmpty, let store else { return }
        let missed = missedErasures
        missedErasures = [:]
        var found: [(key: CustomerKey, customer: Int64, hash: String)] = []
        let tombstones = engine.tombstones
        try store.forEachKey(from: 0) { key, customer in
            let hash = tombstones.hash(key)
            if missed[hash] != nil { found.append((key, customer, hash)) }
        }
        for (_, customer, hash) in found {
            guard !engine.isGone(customer), let until = missed[hash] else { continue }
            if !engine.isResident(customer) {
                guard try store.customer(customer) != nil else { continue }
                try bringIn(number: customer)
            }
            try erase(customer, hashes: [], until: until)
        }
        for (until, hashes) in Dictionary(grouping: missed.keys, by: { missed[$0] ?? .min }).sorted(by: { $0.key < $1.key }) {
            engine.entomb(hashes.sorted(), keys: found.filter { hashes.contains($0.hash) }.map(\.key), until: until)
        }
        isChanged = true
    }

    /// Before a commit: under other ids something may be kept of customers who are erased, because their decisions outlast their profiles.
    mutating func completeErasures() throws {
        guard isFollowing, let store, engine.output.erasures.contains(where: \.isForgotten) else { return }
        var known = Set(engine.output.erasures.flatMap(\.keys))
        for erasure in engine.output.erasures where erasure.isForgotten {
            let keys = try store.everybody(of: erasure.keys, includesProfiles: false).keys.filter { !known.contains($0) }
            known.formUnion(keys)
            try eraseProfiles(of: keys, until: erasure.until)
            if !keys.isEmpty { engine.entomb(keys.map { engine.tombstones.hash($0) }, keys: keys, until: erasure.until) }
        }
    }

    /// Whether a line that is no event is of somebody who was erased since it was written, so that it is not kept. When a broken line was written
    /// nobody knows: at the engine's time.
    func isErased(_ letter: DeadLetter) -> Bool {
        let time = letter.time ?? engine.clock.now
        guard time <= engine.tombstones.newest else { return false }
        return letter.customers.contains { engine.tombstones.drops($0, at: time) }
            || engine.tombstones.drops(holding: letter.head, at: time)
    }

    /// Tombstones of the state, and of a control log that is repeated, are known before the first event.
    static func tombstones(_ settings: Settings, _ store: Store?, _ log: ControlLog?, follows: Bool) throws -> Tombstones {
        var tombstones = Tombstones(secret: settings.secret, sha256: Digest.sha256)
        for tombstone in try store?.tombstones() ?? [] { tombstones.add(tombstone.hash, until: tombstone.until) }
        for tombstone in settings.tombstones { tombstones.add(tombstone.hash, until: tombstone.until) }
        guard !follows else { return tombstones }
        for tombstone in try log?.tombstones() ?? [] { tombstones.add(tombstone.hash, until: tombstone.until) }
        return tombstones
    }

    // MARK: The control log

    /// Lines from this one on stand after the erasures so far.
    mutating func notePlace(of line: ControlLine) {
        while erasurePlaces.count < engine.output.erasures.count { erasurePlaces.append(line.start) }
    }

    /// What the control log is to hold of the erasures of a commit.
    mutating func erasureNotes(_ erasures: [Erasure]) -> [CanonicalJSON] {
        defer { erasurePlaces.removeAll() }
        return erasures.enumerated().filter(\.element.isForgotten).map { index, erasure in
            ControlLog.erased(
                erasure, at: engine.clock.now,
                before: erasurePlaces.indices.contains(index) ? erasurePlaces[index] : control?.applied ?? 0)
        }
    }

    // MARK: After the commit

    /// After the commit, and again until it has succeeded: files, the control log's own lines, the log of changes. False: something is left.
    @discardableResult
    package mutating func finishErasures() throws -> Bool {
        try finishCommit()
        guard isFollowing, let store else { return true }
        let areFilesGone = try removeLeavingFiles(store)
        guard try store.needsScrubbing() else { return areFilesGone }
        try controlLog?.blankErased(engine.tombstones)
        return try store.scrub() && areFilesGone
    }

    private mutating func removeLeavingFiles(_ store: Store) throws -> Bool {
        let leaving = try store.leavingFiles()
        guard !leaving.isEmpty else { return true }
        let tombstones = engine.tombstones
        var reached: [String] = []
        try changeOutboxes { reached = try $0.erase(leaving, store) { tombstones.hash($0) } }
        try store.begin()
        for outbox in reached { try store.removeLeaving(of: outbox) }
        try store.commit()
        try recountOutboxes(store)
        return reached.count == leaving.count
    }
}

extension ControlLog {
    /// Whom forget lines and the daemon's own notes name, and until when.
    package func tombstones() throws(ControlLogError) -> [(hash: String, until: Instant)] {
        try tombstones(of: ["forget", "erased"])
    }

    /// Of the erasures that were carried out those that somebody does not know of.
    func erasures(missingIn known: Tombstones) throws(ControlLogError) -> [String: Instant] {
        Dictionary(try tombstones(of: ["erased"]).filter { known.end(of: $0.hash) ?? .min < $0.until }, uniquingKeysWith: max)
    }

    private func tombstones(of types: [String]) throws(ControlLogError) -> [(hash: String, until: Instant)] {
        var result: [(hash: String, until: Instant)] = []
        try forEachLine { view in
            guard let type = view["type"]?.string, types.contains(type), let until = view["until"]?.milliseconds else { return }
            for hash in view["ids"]?.elements.compactMap(\.string) ?? [] { result.append((hash, until)) }
        }
        return result
    }

    /// - Parameter before: the byte of the log from which on lines stand after the erasure.
    static func erased(_ erasure: Erasure, at: Instant, before: Int) -> CanonicalJSON {
        .object([
            ("type", .string("erased")), ("at", .number(Double(at))), ("until", .number(Double(erasure.until))),
            ("ids", .array(erasure.hashes.map { .string($0) })), ("before", .number(Double(before))),
        ])
    }

    /// Overwrites with spaces what was ordered by hand for customers before they were erased: every other line keeps its place.
    func blankErased(_ tombstones: Tombstones) throws(ControlLogError) {
        let lines = try ControlTail.lines(of: read(from: 0), at: 0)
        var ends: [String: Int] = [:]
        for (start, _, view) in lines where view["type"]?.string == "erased" {
            let end = view["before"]?.whole.flatMap { Int(exactly: $0) } ?? start
            for hash in view["ids"]?.elements.compactMap(\.string) ?? [] { ends[hash] = max(ends[hash] ?? 0, end) }
        }
        for (start, end, view) in lines {
            let isErased = Self.customers(of: view).contains { ends[tombstones.hash($0)].map { start < $0 } ?? false }
            if isErased { try overwrite(start..<(end - 1)) }
        }
    }

    /// Events made by hand for one of these customers.
    package func events(of keys: [CustomerKey]) throws(ControlLogError) -> [CanonicalJSON] {
        var result: [CanonicalJSON] = []
        try forEachLine { view in
            if Self.customers(of: view).contains(where: keys.contains) { result.append(CanonicalJSON(view)) }
        }
        return result
    }

    /// Whom an event made by hand names.
    private static func customers(of line: JSONView) -> [CustomerKey] {
        guard line["type"]?.string == "event", let call = line["line"] else { return [] }
        return [(call["userId"], false), (call["anonymousId"], true)].compactMap { view, isAnonymous in
            view?.identifier.map { CustomerKey(isAnonymous: isAnonymous, id: Array($0.utf8)) }
        }
    }
}
