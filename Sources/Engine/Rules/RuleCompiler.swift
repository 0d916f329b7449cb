import CEL

/// Turns definitions into a rule set: resolves names, compiles conditions, and collects what must be kept for them.
struct RuleCompiler {
    let definitions: Definitions
    let timeZone: @Sendable (String) -> TimeZone?
    var issues: [Issue] = []

    var vocabulary = Vocabulary()
    var series: [SeriesDefinition] = []
    var longest: [Milliseconds] = []
    var marks: [String] = []
    let segmentNames: [String]
    /// Of triggers, by the bytes of their text.
    var triggerConditions: [[UInt8]: Condition] = [:]

    mutating func listen(to event: String) { vocabulary.add(event, needsProperties: true) }
    mutating func report(_ issue: Issue) { issues.append(issue) }

    init(definitions: Definitions, timeZone: @escaping @Sendable (String) -> TimeZone?) {
        self.definitions = definitions
        self.timeZone = timeZone
        segmentNames = definitions.segments.map(\.name.value)
    }

    mutating func compile() -> RuleSet? {
        checkDelivery()
        let segments = compileSegments()
        let order = topologicalOrder(segments)
        var found = FoundTriggers(segments: segments.count)
        var rules: [Rule] = []
        for (index, definition) in definitions.rules.enumerated() {
            for trigger in definition.cancel { compile(trigger, .cancel, of: definition, at: index, into: &found) }
            for trigger in definition.start { compile(trigger, .start, of: definition, at: index, into: &found) }
            let rule = compileRule(definition)
            warnIfSilent(definition, rule, segments)
            rules.append(rule)
        }
        let products = ProductUse(rules: rules, triggers: found.events.map(\.trigger))
        if products.keepsViews { vocabulary.add(StateEvent.productViewed.name, needsProperties: true) }

        if vocabulary.entries.count >= Vocabulary.most, let rule = definitions.rules.last {
            issues.append(
                Issue(
                    at: rule.name.position, "rules and segments name more than \(Vocabulary.most) events",
                    hint: "Give the events of one kind one name, and tell them apart by their properties."))
        }
        guard vocabulary.entries.count < Vocabulary.most, issues.allSatisfy({ $0.severity != .error }) else { return nil }
        let names = vocabulary.entries.count
        return RuleSet(
            definitions: definitions, vocabulary: vocabulary, rules: rules, triggers: found.table(names: names, rules: rules),
            graph: SegmentGraph(
                segments, order: order, sensitivity: sensitivity(of: segments, order: order), names: names, series: series.count,
                marks: marks.count),
            statistics: EventStatistics(series: series, longest: longest, marks: marks, vocabulary: vocabulary),
            products: products, judgement: judgement(), timeZone: timeZone)
    }

    // MARK: Triggers

    /// What starts and cancels the rules, as it is found.
    private struct FoundTriggers {
        var events: [(event: EventName, trigger: Trigger)] = []
        var entering: [[Trigger]]
        var leaving: [[Trigger]]
        var calendars: [CalendarTrigger] = []

        init(segments: Int) {
            entering = [[Trigger]](repeating: [], count: segments)
            leaving = entering
        }

        func table(names: Int, rules: [Rule]) -> TriggerTable {
            var byEvent = [[Trigger]](repeating: [], count: names)
            // Cancels come before starts, rules in their order: an event that does both cancels, then starts.
            for action in [Trigger.Action.cancel, .start] {
                for (event, trigger) in events where trigger.action == action { byEvent[Int(event.index)].append(trigger) }
            }
            return TriggerTable(byEvent: byEvent, entering: entering, leaving: leaving, calendars: calendars, rules: rules)
        }
    }

    private mutating func compile(
        _ trigger: TriggerDefinition, _ action: Trigger.Action, of definition: RuleDefinition, at rule: Int,
        into found: inout FoundTriggers
    ) {
        switch trigger {
        case .event(let name, let condition):
            checkSpelling(of: name.value, at: name.position)
            let shared = condition.flatMap { triggerCondition($0) }
            if let shared, shared.readsProfile, StateEvent.isAboutAProduct(name.value) {
                issues.append(
                    Issue(
                        at: shared.text.position, "\(name.value) is about a product, where there is no customer yet",
                        hint: "ask for the customer in the rule's `if`, which is judged for each of the audience"))
            }
            let event = vocabulary.add(
                name.value, needsProperties: true, isProductEvent: action == .start && !definition.audience.isEmpty)
            found.events.append((event, Trigger(rule: rule, action: action, condition: shared)))
        case .enters(let name):
            if let segment = segment(name) {
                found.entering[segment].append(Trigger(rule: rule, action: action, condition: nil))
            }
        case .leaves(let name):
            if let segment = segment(name) {
                found.leaving[segment].append(Trigger(rule: rule, action: action, condition: nil))
            }
        case .calendar(let name, let before, let minute):
            guard let calendar = definitions.calendars.first(where: { $0.name.value.same(as: name.value) }) else {
                issues.append(Issue(at: name.position, "there is no calendar \"\(name.value)\""))
                return
            }
            found.calendars.append(
                CalendarTrigger(
                    rule: rule, id: CalendarTrigger.id(calendar: name.value, before: before, minuteOfDay: minute),
                    days: calendar.days,
                    before: before, minuteOfDay: minute,
                    segments: definition.audience.compactMap {
                        if case .segment(let name) = $0 { self.segment(name) } else { nil }
                    }))
        }
    }

    // MARK: Rules

    mutating func compileRule(_ definition: RuleDefinition) -> Rule {
        let condition = definition.condition.flatMap { compile($0, .rule, expecting: .bool)?.condition }
        let limit = definition.limit.flatMap { compileLimit($0) }
        let data = definition.data.compactMap { entry -> (key: String, condition: Condition)? in
            compile(entry.expression, .rule, expecting: nil).map { (entry.key.value, $0.condition) }
        }
        let audience = definition.audience.compactMap { entry -> Audience? in
            switch entry {
            case .waitlist: .waitlist
            case .wishlist: .wishlist
            case .cart: .cart
            case .viewed(let within): .viewed(within: within)
            case .segment(let name): segment(name).map(Audience.segment)
            }
        }
        // A calendar's audience is not a product's: members are reached one by one at their own local time.
        let onlyCalendars = definition.start.allSatisfy { if case .calendar = $0 { true } else { false } }
        let hasAudience = !definition.audience.isEmpty && !onlyCalendars
        let per = definition.per?.value ?? (hasAudience ? .product : .customer)
        checkAudience(of: definition, hasAudience: hasAudience, per)
        let conditions = [condition, limit].compactMap { $0 } + data.map(\.condition)
        let readsSubject = conditions.contains { condition in
            condition.referents.contains {
                switch $0 {
                case .cart: per != .cart
                case .product, .interest: per != .product
                case .subscription: per != .subscription
                default: false
                }
            }
        }
        return Rule(
            name: definition.name.value, per: per, wait: definition.wait, restart: definition.restart,
            cooldown: definition.cooldown,
            expires: definition.expires, priority: definition.priority, audience: audience, limit: limit, pace: definition.pace,
            condition: condition, data: data, include: definition.include, outbox: definition.outbox?.value,
            delivery: RuleDelivery(definition, definitions), hasAudience: hasAudience,
            kept: KeptProperties(conditions, findSubject: readsSubject),
            readsProduct: conditions.contains { $0.readsProduct })
    }

    private mutating func compileLimit(_ text: Located<String>) -> Condition? {
        guard let compiled = compile(text, .rule, expecting: nil) else { return nil }
        if compiled.condition.readsCustomer {
            issues.append(
                Issue(
                    at: text.position, "limit is judged for a product, where there is no customer and no event",
                    hint: "use the product's fields, such as product.available"))
            return nil
        }
        switch compiled.type {
        case .dyn, .int, .uint, .double: return compiled.condition
        default:
            issues.append(Issue(at: text.position, "limit must be a number, but this is \(compiled.type.name)"))
            return nil
        }
    }

    /// What of a rule does not go together with its audience. That it has none and needs one is seen where the configuration is read.
    private mutating func checkAudience(of definition: RuleDefinition, hasAudience: Bool, _ per: KeyKind) {
        if hasAudience, per != .product, let position = definition.per?.position {
            issues.append(
                Issue(at: position, "a rule with an audience has one instance for each customer and product: `per: product`"))
        }
        if !hasAudience, !definition.audience.isEmpty, definition.limit != nil || definition.pace != nil {
            issues.append(
                Issue(
                    at: definition.limit?.position ?? definition.name.position,
                    "`limit` and `pace` share out a product among an audience, and a calendar has no product"))
        }
    }

    mutating func segment(_ name: Located<String>) -> Int? {
        if let index = segmentNames.firstIndex(where: { $0.same(as: name.value) }) { return index }
        issues.append(Issue(at: name.position, "there is no segment \"\(name.value)\""))
        return nil
    }
}
