import Engine

/// One outbox: a directory from which a sender takes messages.
package struct OutboxDefinition: Sendable, Equatable {
    package var name: String
    /// Absolute.
    package var path: String
    /// How long a sender may hold a claimed file before it goes back to `new/`.
    package var claimTimeout: Milliseconds = 15 * 60_000
    /// Reading of logs pauses while this many messages wait for this outbox.
    package var maxPending = 100_000
    /// How long files in `done/` and `failed/` are kept.
    package var keep: Milliseconds = 30 * 86_400_000

    package init(name: String, path: String) {
        self.name = name
        self.path = path
    }
}

extension Reading {
    static let defaultOutbox = "/var/spool/nudged/outbox"

    /// `outbox`: a directory; or one outbox's keys; or a mapping of names to such.
    mutating func outboxes(_ entry: Entry?) -> [OutboxDefinition] {
        let fallback = [OutboxDefinition(name: "default", path: Self.defaultOutbox)]
        guard let entry else { return fallback }
        guard case .mapping(let entries) = entry.value.content else {
            guard let path = path(entry) else { return fallback }
            return [OutboxDefinition(name: "default", path: path)]
        }
        if !entries.isEmpty, entries.allSatisfy({ isSetting($0) }) {
            return outbox(Entry(key: Located("default", at: entry.key.position), value: entry.value)).map { [$0] } ?? fallback
        }
        var result: [OutboxDefinition] = []
        var names: [String: String] = [:]
        for item in named(entry) {
            guard case .mapping = item.value.content else {
                error(
                    item.value.position, "the outbox \"\(printable(item.name))\" is a mapping, but this is \(item.value.kind)",
                    hint: "Write \(printable(item.name)): { path: … }.")
                continue
            }
            guard let outbox = outbox(item) else { continue }
            if let other = names.updateValue(outbox.name, forKey: outbox.path) {
                error(item.key.position, "the outboxes \"\(other)\" and \"\(outbox.name)\" have the same path")
            }
            result.append(outbox)
        }
        if entries.isEmpty { error(entry.value.position, "`outbox` names no outbox") }
        return result.isEmpty ? fallback : result
    }

    /// Whether an entry is a setting of the one outbox rather than an outbox of its own.
    private func isSetting(_ entry: Entry) -> Bool {
        if case .scalar = entry.value.content { return true }
        return false
    }

    private mutating func outbox(_ entry: Entry) -> OutboxDefinition? {
        guard let fields = fields(entry.value, .outbox, called: "an outbox") else { return nil }
        if fields["path"] == nil, entry.name != "default" {
            error(entry.key.position, "the outbox \"\(printable(entry.name))\" has no `path`")
        }
        var outbox = OutboxDefinition(name: entry.name, path: path(fields["path"]) ?? Self.defaultOutbox)
        outbox.claimTimeout = duration(fields["claim_timeout"], atLeast: 1000) ?? outbox.claimTimeout
        outbox.maxPending = integer(fields["max_pending"], in: 1...1_000_000_000) ?? outbox.maxPending
        outbox.keep = duration(fields["keep"]) ?? outbox.keep
        return outbox
    }
}
