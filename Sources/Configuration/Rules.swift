import Engine

extension Reading {
    /// What the daemon itself puts into a message's data; a computed field can't take its place.
    static let messageFields: Set<String> = [
        "rule", "key", "channel", "variant", "customer", "cart", "product", "subscription", "started_at", "due_at", "because",
        "content",
    ]

    /// One rule, its fields already merged with those it overrides.
    mutating func rule(_ entry: Entry) -> RuleDefinition? {
        guard let fields = fields(entry.value, .rule, called: "a rule") else { return nil }
        var rule = RuleDefinition(name: entry.key)
        rule.per = choice(fields["per"])
        rule.start = items(fields["start"]).compactMap { trigger($0) }
        rule.cancel = items(fields["cancel"]).compactMap { trigger($0) }
        rule.wait = duration(fields["wait"]) ?? rule.wait
        rule.restart = flag(fields["restart"]) ?? rule.restart
        rule.condition = expression(fields["if"])
        rule.cooldown = duration(fields["cooldown"]) ?? rule.cooldown
        rule.expires = duration(fields["expires"]) ?? rule.expires
        rule.priority = integer(fields["priority"], in: -1_000_000...1_000_000) ?? rule.priority
        rule.audience = values(fields["audience"]).compactMap { audience($0) }
        if rule.audience.isEmpty, fields["audience"] != nil { faultyAudiences.insert(entry.name) }
        rule.limit = expression(fields["limit"])
        rule.pace = duration(fields["pace"], atLeast: 1)
        rule.data = data(fields["data"])
        rule.include = values(fields["include"]).compactMap { word($0)?.value }
        rule.outbox = word(fields["outbox"])
        check(rule.outbox, among: outboxNames, what: "outbox")
        rule.delivery = ruleDelivery(fields)
        checkPresence(of: rule, in: fields)
        return rule
    }

    private mutating func data(_ entry: Entry?) -> [(key: Located<String>, expression: Located<String>)] {
        named(entry).compactMap { item in
            if Self.messageFields.contains(item.name) {
                error(item.key.position, "`\(item.name)` is a field that every message has; a computed one needs another name")
                return nil
            }
            return expression(item).map { (item.key, $0) }
        }
    }

    /// Reports a name that is not declared.
    mutating func check(_ name: Located<String>?, among known: Names, what: String) {
        guard let name, !known.contains(name.value) else { return }
        let hint: String?
        if let guess = guess(name.value, among: known.ordered) {
            hint = "Did you mean `\(guess)`?"
        } else if known.ordered.isEmpty {
            hint = "None is declared."
        } else {
            hint = "Declared are \(known.ordered.prefix(12).map(printable).joined(separator: ", "))."
        }
        error(name.position, "there is no \(what) \"\(printable(name.value))\"", hint: hint)
    }

    /// What a rule needs and what goes together, as far as it shows without CEL. A value that is wrong itself counts as given
    /// here.
    private mutating func checkPresence(of rule: RuleDefinition, in fields: Fields) {
        let name = printable(rule.name.value)
        if fields["start"] == nil {
            if fields["cancel"] != nil {
                error(
                    rule.name.position, "the rule \"\(name)\" has only `cancel`: nothing ever starts it",
                    hint: "Add `start` with the events that start it.")
            } else {
                unstarted.append(rule.name)
            }
        } else if rule.start.isEmpty, let start = fields["start"], case .list(let items) = start.value.content, items.isEmpty {
            error(start.value.position, "`start` is empty: nothing ever starts the rule \"\(name)\"")
        }
        for key in ["limit", "pace"] where fields["audience"] == nil {
            guard let entry = fields[key] else { continue }
            error(
                entry.key.position, "`\(key)` needs an `audience`: it bounds how many of the audience get a message",
                hint: "Add for example audience: waitlist.")
        }
        if let pace = fields["pace"], fields["limit"] == nil, fields["audience"] != nil {
            error(pace.key.position, "`pace` needs a `limit`: it says when the limit is judged anew")
        }
    }
}
