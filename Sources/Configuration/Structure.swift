import Engine

/// What can be said of rules without compiling their conditions: names that are not declared, parts that don't go together, and
/// rules that can never fire.
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
        let constants = Constants(definitions)
        for rule in definitions.rules {
            for trigger in rule.start + rule.cancel {
                switch trigger {
                case .event(let name, _): checkSpelling(name)
                case _ where isIncomplete: break
                case .enters(let name), .leaves(let name): check(name, among: segments, what: "segment")
                case .calendar(let name, _, _): check(name, among: calendars, what: "calendar")
                }
            }
            for case .segment(let name) in rule.audience where !isIncomplete {
                check(name, among: segments, what: "segment")
            }
            checkAudience(of: rule)
            warnIfSilent(rule, constants)
        }
    }

    /// Warns of an event that is all but one that the state knows. Any name is allowed, so that it can be no error.
    private mutating func checkSpelling(_ name: Located<String>) {
        guard Self.knownEvents[name.value] == nil, name.value.utf8.count <= 40 else { return }
        let letters = Self.letters(of: name.value)
        guard letters.count >= 8,
            let meant = Self.knownEvents.filter({
                abs($0.value.count - letters.count) <= 1 && editDistance(letters, $0.value) <= 1
            })
            .keys.min()
        else { return }
        warn(
            name.position, "no event that nudged knows of is called \"\(printable(name.value))\"",
            hint: "Did you mean `\(meant)`? Names of events are compared letter by letter.")
    }

    private static func letters(of name: String) -> [Unicode.Scalar] {
        name.lowercased().unicodeScalars.filter { $0 != " " && $0 != "_" && $0 != "-" && $0 != "." }
    }

    /// The names that the state and the formats know, each with its letters.
    private static let knownEvents = Dictionary(
        (StateEvent.allCases.map(\.name) + ["Page Viewed", "Screen Viewed"]).map { ($0, letters(of: $0)) },
        uniquingKeysWith: { $1 })
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
                "the rule \"\(name)\" waits \(DurationLiteral.text(rule.wait)),"
                    + " but a cart is forgotten after \(DurationLiteral.text(constants.cartsForget))",
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
