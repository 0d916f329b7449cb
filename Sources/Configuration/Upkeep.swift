import Engine

/// How long things are kept after their last use.
package struct RetentionDefinition: Sendable, Equatable {
    package var profiles: Milliseconds = 400 * 86_400_000
    package var decisions: Milliseconds = 90 * 86_400_000
    package var messages: Milliseconds = 90 * 86_400_000
    package var deadLetters: Milliseconds = 30 * 86_400_000

    package init() {}
}

/// The valve that stops staging when a rule set runs wild.
package struct SafetyDefinition: Sendable, Equatable {
    package var atMost: Int
    package var per: Milliseconds
}

/// Further ways in which two ids are found to be one customer, besides those of `events.md`.
package struct IdentityDefinition: Sendable, Equatable {
    package var joins: [Join] = []

    /// An event that carries two ids of one customer.
    package struct Join: Sendable, Equatable {
        package var event: String
        /// Paths of properties: the id that goes, and the customer that stays.
        package var from: String
        package var to: String
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

    mutating func identity(_ entry: Entry?) -> IdentityDefinition {
        guard let entry, let fields = fields(entry.value, .identity, called: "`identity`") else { return IdentityDefinition() }
        return IdentityDefinition(joins: list(fields["joins"]).compactMap { join($0.value) })
    }

    private mutating func join(_ node: Node) -> IdentityDefinition.Join? {
        guard let fields = fields(node, .join, called: "a join") else { return nil }
        for key in ["event", "from", "to"] where fields[key] == nil { error(node.position, "this join has no `\(key)`") }
        let event = word(fields["event"])
        let from = jsonPath(fields["from"])
        let to = jsonPath(fields["to"])
        guard let event, let from, let to else { return nil }
        return IdentityDefinition.Join(event: event.value, from: from, to: to)
    }
}
