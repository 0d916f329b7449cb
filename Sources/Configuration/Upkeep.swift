import Engine

/// How long things are kept after their last use.
package struct RetentionDefinition: Sendable, Equatable {
    package var profiles: Milliseconds = 400 * 86_400_000
    package var decisions: Milliseconds = 90 * 86_400_000
    package var messages: Milliseconds = 90 * 86_400_000
    package var deadLetters: Milliseconds = 30 * 86_400_000
    /// So many dead letters at most, whatever their age.
    package var maxDeadLetters = 100_000

    package init() {}
}

/// The valve that stops staging when a rule set runs wild.
package struct SafetyDefinition: Sendable, Equatable {
    package var atMost: Int
    package var per: Milliseconds
}

/// Which id names the customers of a source, or of all sources of a format, instead of the format's own: one person in several
/// systems.
package struct IdentityDefinition: Sendable, Equatable {
    package var keys: [Key] = []

    package struct Key: Sendable, Equatable {
        /// A source's name or a preset's.
        package var name: String
        /// Path of the id in what the line is about.
        package var path: String

        package init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    /// What counts for a source: by its own name, else by its format's.
    package func key(of source: SourceDefinition) -> Key? {
        if let own = keys.first(where: { $0.name == source.name.value }) { return own }
        guard case .preset(let preset) = source.format else { return nil }
        return keys.first { $0.name == preset.rawValue }
    }
}

extension Reading {
    mutating func retention(_ entry: Entry?) -> RetentionDefinition {
        var result = RetentionDefinition()
        guard let entry, let fields = fields(entry.value, .retention, called: "`retention`") else { return result }
        result.profiles = duration(fields["profiles"], atLeast: 1) ?? result.profiles
        result.decisions = duration(fields["decisions"], atLeast: 1) ?? result.decisions
        result.messages = duration(fields["messages"], atLeast: 1) ?? result.messages
        result.deadLetters = duration(fields["dead_letters"], atLeast: 1) ?? result.deadLetters
        result.maxDeadLetters = integer(fields["max_dead_letters"], in: 1...1_000_000_000) ?? result.maxDeadLetters
        return result
    }

    mutating func safety(_ entry: Entry?) -> SafetyDefinition? {
        guard let entry, let fields = fields(entry.value, .safety, called: "`safety`") else { return nil }
        for key in ["at_most", "per"] where fields[key] == nil { error(entry.value.position, "`safety` has no `\(key)`") }
        guard let atMost = integer(fields["at_most"], in: 1...1_000_000_000), let per = duration(fields["per"], atLeast: 1) else {
            return nil
        }
        return SafetyDefinition(atMost: atMost, per: per)
    }

    /// `identity: { stripe: metadata.user_id, shopify: email }`.
    mutating func identity(_ entry: Entry?, sources: [SourceDefinition], hasSecret: Bool) -> IdentityDefinition {
        var result = IdentityDefinition()
        for item in named(entry) {
            guard let path = jsonPath(item) else { continue }
            let isUsed = sources.contains { source in
                if case .preset(let preset) = source.format, preset.rawValue == item.name { return true }
                return source.name.value == item.name
            }
            if !isUsed {
                warn(
                    item.key.position,
                    "there is no source and no source's format \"\(printable(item.name))\", so this has no effect",
                    hint: guess(item.name, among: sources.map(\.name.value) + FormatDefinition.Preset.allCases.map(\.rawValue))
                        .map {
                            "Did you mean `\($0)`?"
                        })
            }
            if !hasSecret, path.lowercased().contains("mail") {
                error(
                    item.value.position,
                    "an e-mail address is an id only as a keyed hash, and there is no `secret_file` with the key",
                    hint: "Make one with head -c 32 /dev/urandom | base64 > FILE, and write secret_file: FILE.")
            }
            result.keys.append(IdentityDefinition.Key(name: item.name, path: path))
        }
        return result
    }
}
