import Engine

/// What can be said of rules without compiling their conditions: names that are not declared, parts that don't go together, and rules that
/// can never fire.
extension Reading {
    mutating func checkStructure(_ definitions: Definitions, includedRules: Names) {
        for name in unstarted {
            let guess = includedRules.contains(name.value) ? nil : guess(name.value, among: includedRules.ordered)
            error(
                name.position, "the rule \"\(printable(name.value))\" has no `start`",
                hint: guess.map { "Did you mean the included rule `\($0)`?" }
                    ?? "Name the events that start it: start: [Product Added].")
        }
        let segments = Names(definitions.segments.map(\.name.value))
        let calendars = Names(definitions.calendars.map(\.name.value))
        let constants = Constants(definitions)
        for rule in definitions.rules {
            for trigger in rule.start + rule.cancel {
                switch trigger {
                case .enters(let name), .leaves(let name): check(name, among: segments, what: "segment")
                case .calendar(let name, _, _): check(name, among: calendars, what: "calendar")
                case .event: break
                }
            }
            for case .segment(let name) in rule.audience { check(name, among: segments, what: "segment") }
            checkAudience(of: rule)
            warnIfSilent(rule, constants)
        }
    }

    private mutating func checkAudience(of rule: RuleDefinition) {
        let productEvents = [StateEvent.productStockChanged.name, StateEvent.productPriceChanged.name]
        let customerEvents = Set(StateEvent.allCases.map(\.name)).subtracting(productEvents)
        var product: Located<String>?
        var customer: Located<String>?
        var others = 0
        var calendar: Located<String>?
        for trigger in rule.start {
            switch trigger {
            case .event(let name, _):
                if productEvents.contains(name.value) {
                    product = product ?? name
                } else if customerEvents.contains(name.value) {
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
                hint: "Remove `audience`, or start it by \(productEvents[0]) or \(productEvents[1]).")
        }
    }

    /// Warns of a rule that can never send anything.
    private mutating func warnIfSilent(_ rule: RuleDefinition, _ constants: Constants) {
        let name = printable(rule.name.value)
        func isFalse(_ text: Located<String>?) -> Bool { text?.value == "false" }
        if let condition = rule.condition, isFalse(condition) {
            warn(condition.position, "the rule \"\(name)\" can never fire: its `if` is false")
        }
        if let limit = rule.limit, ["0", "0.0", "0u"].contains(limit.value) {
            warn(limit.position, "the rule \"\(name)\" can never fire: its `limit` is 0")
        }
        let never = rule.start.filter { trigger in
            switch trigger {
            case .event(_, let condition): isFalse(condition)
            case .enters(let segment): constants.nobody.contains(segment.value)
            case .leaves(let segment): constants.nobody.contains(segment.value) || constants.everybody.contains(segment.value)
            case .calendar(let calendar, _, _): constants.never.contains(calendar.value)
            }
        }
        if !rule.start.isEmpty, never.count == rule.start.count {
            warn(rule.name.position, "the rule \"\(name)\" can never fire: nothing of its `start` can happen")
        }
        if rule.per?.value == .cart, rule.wait > constants.cartsForget {
            warn(
                rule.name.position,
                "the rule \"\(name)\" waits \(DurationLiteral.text(rule.wait)), but a cart is forgotten after \(DurationLiteral.text(constants.cartsForget))",
                hint: "Make `carts: { forget: … }` longer than the wait.")
        }
    }
}

/// What of a configuration never changes.
private struct Constants {
    /// Segments that nobody or everybody is in, and calendars without dates.
    var nobody: Set<String> = []
    var everybody: Set<String> = []
    var never: Set<String> = []
    var cartsForget: Milliseconds

    init(_ definitions: Definitions) {
        for segment in definitions.segments {
            if segment.condition.value == "false" { nobody.insert(segment.name.value) }
            if segment.condition.value == "true" { everybody.insert(segment.name.value) }
        }
        for calendar in definitions.calendars where calendar.days.values.allSatisfy(\.isEmpty) {
            never.insert(calendar.name.value)
        }
        cartsForget = definitions.cartsForget
    }
}
