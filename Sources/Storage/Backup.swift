import CSQLite
import Engine

extension Store {
    /// Writes a consistent copy of the state to a new file, from a reader, while the daemon goes on. A daemon that is started on the copy
    /// begins paused (`outbox.md`, Exactly once): what was published since is not known to it.
    ///
    /// - Parameter wallNow: when, in milliseconds since 1970.
    package func backUp(to path: String, wallNow: Instant) throws(StoreError) {
        let statement = try Statement("VACUUM INTO ?", on: database)
        statement.bind(1, path)
        try statement.run()
        let copy = try Database(path: path, flags: SQLITE_OPEN_READWRITE)
        try copy.execute("PRAGMA synchronous=FULL; BEGIN IMMEDIATE", doing: "write the backup")
        let mark = try copy.statement("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value")
        mark.bind(1, Pause.key(nil))
        mark.bind(2, Pause(rule: nil, since: wallNow, reason: Pause.restored).text)
        try mark.run()
        try copy.execute("DELETE FROM meta WHERE key='\(Self.restoredUpTo)'", doing: "write the backup")
        try copy.execute("COMMIT", doing: "write the backup")
    }
}

/// Why nothing, or nothing of one rule, is staged at present.
package struct Pause: Sendable, Equatable {
    /// Nil: everything.
    package let rule: String?
    package let since: Instant
    package let reason: String

    package static let asked = "nudged pause"
    package static let restored = "restored from a backup; see `nudged run --restored`"

    package init(rule: String?, since: Instant, reason: String) {
        self.rule = rule
        self.since = since
        self.reason = reason
    }

    /// As kept in `meta`.
    static func key(_ rule: String?) -> String { "pause|" + (rule ?? "") }
    var text: String { "\(since) \(reason)" }
}

extension Store {
    /// What is paused, everything first.
    package func pauses() throws(StoreError) -> [Pause] {
        try metaEntries(prefix: "pause|").map { key, text in
            let rule = String(key.dropFirst(6))
            let parts = text.split(separator: " ", maxSplits: 1)
            return Pause(
                rule: rule.isEmpty ? nil : rule, since: parts.first.flatMap { Instant($0) } ?? 0,
                reason: parts.count > 1 ? String(parts[1]) : "")
        }
    }

    package func set(_ pause: Pause) throws(StoreError) { try setMeta(Pause.key(pause.rule), pause.text) }

    private static let restoredUpTo = "restored_up_to"

    /// Up to which byte the control log had been written when a backup was restored, whose pause still stands; 0 without such a pause. What stands before
    /// it was said by people who knew nothing of the restored state.
    ///
    /// - Parameter size: of the control log now, which counts when this is asked for the first time.
    package func controlBeforeRestore(size: Int) throws(StoreError) -> Int {
        guard try pauses().contains(where: { $0.reason == Pause.restored }) else {
            try dropMeta(Self.restoredUpTo)
            return 0
        }
        if let known = try metaNumber(Self.restoredUpTo) { return Int(known) }
        try setMeta(Self.restoredUpTo, String(size))
        return size
    }

    /// Ends the pause of one rule; of everything also those of the rules.
    package func endPause(of rule: String?) throws(StoreError) {
        let statement = try database.statement(
            rule == nil ? "DELETE FROM meta WHERE key LIKE 'pause|%'" : "DELETE FROM meta WHERE key=?")
        if let rule { statement.bind(1, Pause.key(rule)) }
        try statement.run()
    }
}
