import Engine
import Ingest
import Outbox
import Storage

/// Opening the outboxes, and settling what a crash left.
extension OutboxSet {
    /// Opens every outbox, creating those the database has never known, and settles what a crash left.
    ///
    /// - Parameter observer: told of every change in an outbox's directories just before it is made; for tests of crashes and faults.
    package static func open(
        _ settings: [Settings.OutboxSettings], store: Store, safety: (atMost: Int, per: Milliseconds)? = nil,
        restored: Instant? = nil, observer: OutboxDirectory.Observer? = nil
    ) throws -> OutboxSet {
        var set = OutboxSet()
        set.observer = observer
        set.safety = safety
        if let restored {
            // A restored state goes on, and remembers what it takes as published when it meets it again.
            try store.begin()
            try store.setMeta("restored", String(restored))
            try store.endPause(of: nil)
            try store.commit()
        }
        set.restored = try store.metaNumber("restored")
        if let safety {
            set.recent = try store.lastDecided(safety.atMost, since: store.metaNumber("resumed") ?? 0)
        }
        for box in settings {
            let claims = ClaimTable(text: try store.meta(claimsKey(box.name)) ?? "")
            set.boxes.append(Box(settings: box, directory: nil, trouble: nil, claims: claims))
        }
        for index in set.boxes.indices { try set.attach(index, store) }
        set.pauses = try store.pauses()
        try set.recount(store)
        set.withdrawingCount = try store.count(.withdrawing)
        if set.withdrawingCount > 0 { try set.takeBack(store) }
        return set
    }

    /// Opens one outbox if it is there; if not, says why.
    mutating func attach(_ index: Int, _ store: Store) throws {
        let settings = boxes[index].settings
        let key = "outbox.\(settings.name)"
        do {
            var directory: OutboxDirectory
            let last = try store.meta(key).flatMap { OutboxPlace(name: settings.name, place: $0) }
            if let last, last.path == settings.path {
                directory = try last.open(observer)
            } else if let moved = moved(last, to: settings.path) {
                directory = moved
                try store.begin()
                try store.setMeta(key, "open \(moved.id) \(settings.path)")
                try store.commit()
            } else {
                if let last { try settle(last, index, store) }
                let former = try OutboxPlace.all(settings.name, store, isConfigured: true).first { $0.path == settings.path }
                if let former {
                    directory = try former.open(observer)
                } else {
                    // Its id is committed before it is created, so that a crash in between leads back here with the same id.
                    let known = try store.meta(key).flatMap { text in
                        text.hasPrefix("new ") && text.hasSuffix(" " + settings.path)
                            ? String(text.split(separator: " ")[1]) : nil
                    }
                    let id = known ?? Digest.randomID()
                    try store.begin()
                    if let last { try store.setMeta(last.key, last.path) }
                    try store.setMeta(key, "new \(id) \(settings.path)")
                    try store.commit()
                    directory = try OutboxDirectory.create(path: settings.path, id: id, observer: observer)
                }
                try store.begin()
                if let former {
                    if let last { try store.setMeta(last.key, last.path) }
                    try store.dropMeta(former.key)
                }
                try store.setMeta(key, "open \(directory.id) \(settings.path)")
                try store.commit()
            }
            try recover(index, &directory, store)
            boxes[index].directory = directory
            boxes[index].trouble = nil
        } catch let error as OutboxError {
            boxes[index].directory = nil
            boxes[index].trouble = "\(error)"
        }
    }

    /// Why outboxes that the database knows can't be used at this moment: for whoever looks, beside a daemon or without one. Nothing is changed.
    package static func troubles(_ settings: [Settings.OutboxSettings], _ store: Store) throws -> [String] {
        let unusable: [String] = try settings.compactMap { box in
            // One that is new, or has a new path, is made or found by the daemon's next start.
            guard let last = try store.meta("outbox.\(box.name)").flatMap({ OutboxPlace(name: box.name, place: $0) }),
                last.path == box.path
            else { return nil }
            do throws(OutboxError) {
                _ = try last.open()
                return nil
            } catch {
                return "\(error)"
            }
        }
        return unusable + unclaimed(try store.pendingCounts(), settings.map(\.name))
            + (try unreached(try store.leavingFiles(), store, settings.map(\.name)))
    }

    /// The directory that the database knows under another path, if somebody has moved it here with all it holds.
    func moved(_ last: OutboxPlace?, to path: String) -> OutboxDirectory? {
        last.flatMap { try? OutboxDirectory.open(path: path, expecting: $0.id, observer: observer) }
    }

    /// The outbox has another path now: what is staged at the old one is published there first, because only that directory can tell what of it
    /// was renamed already.
    mutating func settle(_ last: OutboxPlace, _ index: Int, _ store: Store) throws {
        guard try store.messages(in: .staged).contains(where: { $0.outbox == last.name }) else { return }
        var old = try last.open(observer)
        try recover(index, &old, store)
    }

    mutating func recover(_ index: Int, _ directory: inout OutboxDirectory, _ store: Store) throws {
        let name = boxes[index].settings.name
        let recovery = try directory.recover { file in
            try store.state(ofFile: file, outbox: name).map { RowState(rawValue: $0.rawValue) ?? .pending }
        }
        boxes[index].unexplained = recovery.unexplained
        let rows = try store.messages(in: .staged).filter { $0.outbox == name }
        let settled = rows.filter { recovery.waiting[$0.file] == nil }.map(\.sequence)
        try store.begin()
        try store.setState(.published, of: settled)
        try store.commit()
        staged.removeAll { $0.box == index }
        for row in rows where recovery.waiting[row.file] != nil { staged.append((row.sequence, index, row.file)) }
    }
}
