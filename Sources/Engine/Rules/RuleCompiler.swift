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
        var rules: [Rule] = []
        var eventTriggers: [(EventName, Trigger)] = []
        var entering = [[Trigger]](repeating: [], count: segments.count)
        var leaving = entering
        var calendars: [CalendarTrigger] = []
        for (index, definition) in definitions.rules.enumerated() {
            var starts: [Trigger] = []
            for (action, triggers) in [(Trigger.Action.cancel, definition.cancel), (.start, definition.start)] {
                for (place, trigger) in triggers.enumerated() {
                    switch trigger {
                    case .event(let name, let condition):
                        checkSpelling(of: name.value, at: name.position)
                        let shared = condition.flatMap { triggerCondition($0) }
                        if let shared, shared.readsProfile, StateEvent.isAboutAProduct(name.value) {
                            issues.append(
                                Issue(
                                    at: shared.text.position,
                                    "\(name.value) is about a product, where there is no customer yet",
                                    hint: "ask for the customer in the rule's `if`, which is judged for each of the audience"))
                        }
                        let event = vocabulary.add(
                            name.value, needsProperties: true, isProductEvent: action == .start && !definition.audience.isEmpty)
                        let entry = Trigger(rule: index, action: action, condition: shared)
                        eventTriggers.append((event, entry))
                        if action == .start { starts.append(entry) }
                    case .enters(let name):
                        if let segment = segment(name) {
                            entering[segment].append(Trigger(rule: index, action: action, condition: nil))
                        }
                    case .leaves(let name):
                        if let segment = segment(name) {
                            leaving[segment].append(Trigger(rule: index, action: action, condition: nil))
                        }
                    case .calendar(let name, let before, let minute):
                        guard let calendar = definitions.calendars.first(where: { $0.name.value.same(as: name.value) }) else {
                            issues.append(Issue(at: name.position, "there is no calendar \"\(name.value)\""))
                            continue
                        }
                        calendars.append(
                            CalendarTrigger(
                                rule: index, index: place, days: calendar.days, before: before, minuteOfDay: minute,
                                segments: definition.audience.compactMap {
                                    if case .segment(let name) = $0 { self.segment(name) } else { nil }
                                }))
                    }
                }
            }
            let rule = compileRule(definition)
            warnIfSilent(definition, rule, segments)
            rules.append(rule)
        }
        let indexed = Set(rules.filter(\.hasAudience).flatMap(\.interestKinds))
        // A rule whose audience names interests reads only those; any other rule reads whichever the customer has, views too.
        let readsAnyInterest =
            rules.contains { rule in
                rule.interestKinds.isEmpty
                    && (([rule.condition].compactMap { $0 }) + rule.data.map(\.condition)).contains { $0.readsInterest }
            } || eventTriggers.contains { $0.1.condition?.readsInterest ?? false }
        let keepsViews = indexed.contains(.viewed) || readsAnyInterest
        if keepsViews { vocabulary.add(StateEvent.productViewed.name, needsProperties: true) }

        let names = vocabulary.entries.count
        var seriesByEvent = [[Int]](repeating: [], count: names)
        for (index, definition) in series.enumerated() {
            let event = vocabulary.add(definition.event)
            seriesByEvent[Int(event.index)].append(index)
        }
        var markByEvent = [Int?](repeating: nil, count: names)
        for (index, name) in marks.enumerated() { markByEvent[Int(vocabulary.add(name).index)] = index }
        var triggersByEvent = [[Trigger]](repeating: [], count: names)
        // Cancels come before starts, rules in their order: an event that does both cancels, then starts.
        for action in [Trigger.Action.cancel, .start] {
            for (event, trigger) in eventTriggers where trigger.action == action {
                triggersByEvent[Int(event.index)].append(trigger)
            }
        }
        var segmentsByEvent = [[Int]](repeating: [], count: names)
        var sensitivity = SegmentSensitivity()
        var affectedBy = [Set<Int>](repeating: [], count: segments.count)
        for index in order {
            let segment = segments[index]
            var events: Set<Int> = []
            var always = false
            var context = false
            for slot in segment.condition.slots {
                switch slot {
                case .count(let series, _), .sum(let series, _), .minimum(let series, _), .maximum(let series, _),
                    .average(let series, _), .distinct(let series, _), .top(let series, _), .ordered(let series, _):
                    events.insert(Int(vocabulary.add(self.series[series].event).index))
                case .ever(let mark), .first(let mark), .last(let mark), .since(let mark):
                    events.insert(Int(vocabulary.add(marks[mark]).index))
                case .locale, .timezone, .traits: context = true
                case .member(let other):
                    events.formUnion(affectedBy[other])
                    always = always || sensitivity.always.contains(other)
                    context = context || sensitivity.context.contains(other)
                case .profileID, .profileAnonymous, .distance, .days, .money: break
                default: always = true
                }
            }
            affectedBy[index] = events
            // Even a condition over what never changes is judged once, with the first event.
            if always { sensitivity.always.append(index) } else if context { sensitivity.context.append(index) }
            if !always { for event in events { segmentsByEvent[event].append(index) } }
        }
        let position = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        for event in segmentsByEvent.indices {
            segmentsByEvent[event].sort { position[$0, default: 0] < position[$1, default: 0] }
        }
        if vocabulary.entries.count >= Vocabulary.most, let rule = definitions.rules.last {
            issues.append(
                Issue(
                    at: rule.name.position, "rules and segments name more than \(Vocabulary.most) events",
                    hint: "Give the events of one kind one name, and tell them apart by their properties."))
        }
        guard vocabulary.entries.count < Vocabulary.most, issues.allSatisfy({ $0.severity != .error }) else { return nil }

        let byName = rules.indices.sorted { rules[$0].name.precedes(rules[$1].name) }
        var rank = [Int](repeating: 0, count: rules.count)
        for (place, rule) in byName.enumerated() { rank[rule] = place }
        return RuleSet(
            definitions: definitions, vocabulary: vocabulary, rules: rules, segments: segments, series: series, longest: longest,
            marks: marks, rank: rank, seriesByEvent: seriesByEvent, markByEvent: markByEvent, triggersByEvent: triggersByEvent,
            entering: entering, leaving: leaving, calendars: calendars, segmentsByEvent: segmentsByEvent,
            sensitivity: sensitivity,
            indexedInterests: indexed,
            indexedSegments: Array(
                Set(rules.flatMap(\.audience).compactMap { if case .segment(let index) = $0 { index } else { nil } })
            )
            .sorted(),
            keepsViews: keepsViews, judgement: judgement(), timeZone: timeZone, segmentOrder: order,
            dependents: dependents(segments, order: order),
            readsProductInTriggers: eventTriggers.contains { $0.1.condition?.readsProduct ?? false },
            usesProducts: !indexed.isEmpty || rules.contains { $0.hasAudience || $0.readsProduct }
                || eventTriggers.contains { $0.1.condition?.readsProduct ?? false },
            acts: (0..<names).map { index in
                guard let state = StateEvent(rawValue: UInt16(index)) else { return !triggersByEvent[index].isEmpty }
                return state != .productViewed || keepsViews || !triggersByEvent[index].isEmpty
            },
            seriesPaths: series.map { $0.property.isEmpty ? [] : $0.property.split(separator: ".").map(String.init) },
            windowMoments: series.indices.map { index in
                Set(segments.flatMap(\.windows).filter { $0.series == index }.map(\.window)).sorted()
            },
            sinceMoments: marks.indices.map { index in
                Set(segments.flatMap(\.since).filter { $0.mark == index }.map(\.constant)).sorted()
            })
    }

    // MARK: Rules

    mutating func compileRule(_ definition: RuleDefinition) -> Rule {
        let condition = definition.condition.flatMap { compile($0, .rule, expecting: .bool)?.condition }
        let limit = definition.limit.flatMap { text -> Condition? in
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
        let productStart = definition.start.contains {
            guard case .event(let name, _) = $0 else { return false }
            return StateEvent.isAboutAProduct(name.value)
        }
        if productStart, definition.audience.isEmpty {
            issues.append(
                Issue(
                    at: definition.name.position,
                    "rule \"\(definition.name.value)\" is started by a product event, so it needs an audience",
                    hint: "add `audience: waitlist` (or wishlist, cart, viewed 30d, segment NAME)"))
        }
        let per = definition.per?.value ?? (hasAudience ? .product : .customer)
        if hasAudience, per != .product, let position = definition.per?.position {
            issues.append(
                Issue(at: position, "a rule with an audience has one instance for each customer and product: `per: product`"))
        }
        if !hasAudience, definition.limit != nil || definition.pace != nil {
            issues.append(
                Issue(
                    at: definition.limit?.position ?? definition.name.position,
                    "`limit` and `pace` share out a product among an audience, and this rule has none"))
        }
        let conditions = [condition, limit].compactMap { $0 } + data.map(\.condition)
        let readsSubject = conditions.contains { condition in
            condition.slots.contains {
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
            keepsProperties: readsSubject || conditions.contains { $0.readsProperties },
            readsProduct: conditions.contains { $0.readsProduct })
    }

    mutating func segment(_ name: Located<String>) -> Int? {
        if let index = segmentNames.firstIndex(where: { $0.same(as: name.value) }) { return index }
        issues.append(Issue(at: name.position, "there is no segment \"\(name.value)\""))
        return nil
    }
}
