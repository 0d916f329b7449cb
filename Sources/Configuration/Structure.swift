import Engine

/// What can be said of rules without compiling their conditions: names that are not declared, and parts that don't go together.
extension Reading {
    mutating func checkStructure(_ definitions: Definitions, segments: Names, includedRules: Names) {
        // What a file that can't be read would have declared is not known: nothing is said of names then.
        for name in unstarted where !isIncomplete {
            let guess = includedRules.contains(name.value) ? nil : guess(name.value, among: includedRules.ordered)
            error(
                name.position, "the rule \"\(printable(name.value))\" has no `start`",
                hint: guess.map { "Did you mean the included rule `\($0)`?" }
                    ?? "Name the events that start it: start: [Product Added].")
        }
        let calendars = Names(definitions.calendars.map(\.name.value))
        for rule in definitions.rules {
            for trigger in rule.start + rule.cancel {
                switch trigger {
                case .event: break
                case _ where isIncomplete: break
                case .enters(let name), .leaves(let name): check(name, among: segments, what: "segment")
                case .calendar(let name, _, _): check(name, among: calendars, what: "calendar")
                }
            }
            for case .segment(let name) in rule.audience where !isIncomplete {
                check(name, among: segments, what: "segment")
            }
            checkAudience(of: rule)
        }
        let tags = Names(definitions.rules.flatMap(\.delivery.tags))
        for tag in capTags where !isIncomplete && !definitions.rules.isEmpty && !tags.contains(tag.value) {
            warn(
                tag.position, "no rule has the tag \"\(printable(tag.value))\", so that this cap counts nothing",
                hint: guess(tag.value, among: tags.ordered).map { "Did you mean `\($0)`?" }
                    ?? "Give the rules that it is about tag: \(tag.value).")
        }
    }

    private static let productEvents = [StateEvent.productStockChanged.name, StateEvent.productPriceChanged.name]
    private static let customerEvents = Set(StateEvent.allCases.map(\.name)).subtracting(productEvents)

    private mutating func checkAudience(of rule: RuleDefinition) {
        var product: Located<String>?
        var customer: Located<String>?
        var others = 0
        var calendar: Located<String>?
        for trigger in rule.start {
            switch trigger {
            case .event(let name, _):
                if Self.productEvents.contains(name.value) {
                    product = product ?? name
                } else if Self.customerEvents.contains(name.value) {
                    customer = customer ?? name
                } else {
                    others += 1
                }
            case .calendar(let name, _, _): calendar = calendar ?? name
            case .enters, .leaves: break
            }
        }
        if rule.audience.isEmpty {
            guard let product, !faultyAudiences.contains(rule.name.value) else { return }
            error(
                product.position,
                "the rule \"\(printable(rule.name.value))\" needs an `audience`: \(product.value) belongs to no customer",
                hint: "Add for example audience: waitlist.")
            return
        }
        guard !rule.start.isEmpty, product == nil, others == 0 else { return }
        if calendar != nil {
            for audience in rule.audience {
                if case .segment = audience { continue }
                error(
                    rule.name.position,
                    "the rule \"\(printable(rule.name.value))\" starts by a calendar: its `audience` can only be segments",
                    hint: "Interests belong to a product, and a calendar has none.")
                return
            }
        } else {
            error(
                (customer ?? rule.name).position,
                "the rule \"\(printable(rule.name.value))\" has an `audience`, but no event of a product starts it",
                hint: "Remove `audience`, or start it by \(Self.productEvents[0]) or \(Self.productEvents[1]).")
        }
    }
}
