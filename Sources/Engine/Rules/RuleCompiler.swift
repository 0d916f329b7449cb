import CEL

/// Turns definitions into a rule set: resolves names, compiles conditions, and collects what must be kept for them.
struct RuleCompiler {
    let definitions: Definitions
    let timeZone: @Sendable (String) -> TimeZone?
    private(set) var issues: [Issue] = []

    private var vocabulary = Vocabulary()
    private var series: [SeriesDefinition] = []
    private var longest: [Milliseconds] = []
    private var marks: [String] = []
    private let segmentNames: [String]
    /// Of triggers, by the bytes of their text.
    private var triggerConditions: [[UInt8]: Condition] = [:]

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
                        let shared = condition.flatMap { triggerCondition($0) }
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
            rules.append(compileRule(definition))
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
                case .profileID, .profileAnonymous, .firstSeen, .distance, .days, .money: break
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
        guard vocabulary.entries.count < 65_000, issues.allSatisfy({ $0.severity != .error }) else { return nil }

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

    private mutating func compileRule(_ definition: RuleDefinition) -> Rule {
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
            return name.value.same(as: StateEvent.productStockChanged.name)
                || name.value.same(as: StateEvent.productPriceChanged.name)
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

    private mutating func segment(_ name: Located<String>) -> Int? {
        if let index = segmentNames.firstIndex(where: { $0.same(as: name.value) }) { return index }
        issues.append(Issue(at: name.position, "there is no segment \"\(name.value)\""))
        return nil
    }

    // MARK: Segments

    private mutating func compileSegments() -> [Segment] {
        definitions.segments.compactMap { definition in
            guard let condition = compile(definition.condition, .segment, expecting: .bool)?.condition else { return nil }
            var windows: [(series: Int, window: Milliseconds)] = []
            var dependencies: [Int] = []
            for slot in condition.slots {
                switch slot {
                case .count(let index, let window?), .sum(let index, let window?), .minimum(let index, let window?),
                    .maximum(let index, let window?), .average(let index, let window?), .distinct(let index, let window?),
                    .top(let index, let window?), .ordered(let index, let window?):
                    windows.append((index, window))
                case .member(let other): dependencies.append(other)
                case .segments:
                    issues.append(
                        Issue(
                            at: definition.condition.position, "a segment can't read `profile.segments`",
                            hint: "name the segment: profile.member(\"…\")"))
                default: break
                }
            }
            return Segment(
                name: definition.name.value, condition: condition, windows: windows, since: sinceComparisons(condition),
                dependencies: dependencies)
        }
    }

    /// Every `since` of a segment must stand on one side of a comparison with a constant, so that the moment at which it changes is
    /// known.
    private mutating func sinceComparisons(_ condition: Condition) -> [(mark: Int, constant: Milliseconds)] {
        var found: [(mark: Int, constant: Milliseconds)] = []
        func mark(_ expression: Expression) -> Int? {
            guard let reference = expression.reference, case .since(let mark) = condition.references[reference].slot else {
                return nil
            }
            return mark
        }
        func span(_ expression: Expression) -> Int? {
            if case .duration(let nanoseconds)? = expression.constant { return nanoseconds }
            guard let reference = expression.reference, condition.references[reference].slot == .days,
                case .int(let days)? = condition.references[reference].arguments.first, abs(days) < 100_000
            else { return nil }
            return days * 86_400_000_000_000
        }
        var misplaced: [Span] = []
        func visit(_ expression: Expression) {
            if mark(expression) != nil {
                misplaced.append(expression.span)
                return
            }
            if case .binary(let operation, let left, let right) = expression.kind {
                switch operation {
                case .less, .lessOrEqual, .greater, .greaterOrEqual, .equal, .notEqual:
                    if let mark = mark(left) ?? mark(right), let nanoseconds = span(left) ?? span(right) {
                        found.append((mark, Milliseconds(nanoseconds / 1_000_000)))
                        return
                    }
                default: break
                }
            }
            for child in expression.children { visit(child) }
        }
        visit(condition.program.expression)
        for span in misplaced {
            let place = condition.program.source.position(of: span.offset)
            issues.append(
                Issue(
                    at: condition.text.position(line: place.line, column: place.column),
                    "in a segment, since(…) must be compared with a constant, so that the moment of the change is known",
                    hint: "write it as profile.since(\"…\") > days(14), or duration(\"336h\")"))
        }
        return found
    }

    /// Segments before those that use them; a cycle is reported.
    private mutating func topologicalOrder(_ segments: [Segment]) -> [Int] {
        var order: [Int] = []
        var state = [Int](repeating: 0, count: segments.count)
        var cycles: [[Int]] = []
        func visit(_ index: Int, _ path: [Int]) {
            guard segments.indices.contains(index), state[index] != 2 else { return }
            if state[index] == 1 {
                cycles.append(Array(path[(path.firstIndex(of: index) ?? 0)...]) + [index])
                return
            }
            state[index] = 1
            for other in segments[index].dependencies { visit(other, path + [index]) }
            state[index] = 2
            order.append(index)
        }
        for index in segments.indices { visit(index, []) }
        for cycle in cycles {
            guard let first = cycle.first,
                let definition = definitions.segments.first(where: { $0.name.value == segments[first].name })
            else { continue }
            issues.append(
                Issue(
                    at: definition.name.position,
                    "segments use each other in a cycle: " + cycle.map { segments[$0].name }.joined(separator: " → ")))
        }
        return order
    }

    private func dependents(_ segments: [Segment], order: [Int]) -> [[Int]] {
        segments.indices.map { base in
            var reached: Set<Int> = [base]
            for index in order where !reached.isDisjoint(with: segments[index].dependencies) { reached.insert(index) }
            return order.filter { $0 != base && reached.contains($0) }
        }
    }

    /// FNV-1a over what segments and calendars say.
    private func judgement() -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ text: String) {
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash = (hash ^ 0xFF) &* 0x100_0000_01b3
        }
        for segment in definitions.segments {
            add(segment.name.value)
            add(segment.condition.value)
        }
        for rule in definitions.rules {
            for case .calendar(let name, let before, let minute) in rule.start {
                add("\(rule.name.value) \(name.value) \(before) \(minute)")
                for calendar in definitions.calendars where calendar.name.value.same(as: name.value) {
                    for country in calendar.days.keys.sorted() { add("\(country) \(calendar.days[country] ?? [])") }
                }
            }
        }
        return hash == 0 ? 1 : hash
    }

    // MARK: Conditions

    /// A trigger's condition; one that was written before is the same one.
    private mutating func triggerCondition(_ text: Located<String>) -> Condition? {
        let bytes = Array(text.value.utf8)
        if let known = triggerConditions[bytes] { return known }
        let compiled = compile(text, .rule, expecting: .bool, number: triggerConditions.count)?.condition
        triggerConditions[bytes] = compiled
        return compiled
    }

    private mutating func compile(
        _ text: Located<String>, _ place: ConditionEnvironment.Place, expecting: Type?, number: Int? = nil
    ) -> (condition: Condition, type: Type)? {
        let environment = ConditionEnvironment.make(place, segments: segmentNames, timeZone: timeZone)
        do {
            let program = try environment.compile(text.value, expecting: expecting)
            let references = program.references.map { resolve($0) }
            let calls = resolveCalls(of: program)
            warnOfIntegers(in: program.expression, text)
            return (
                Condition(program: program, references: references, calls: calls, text: text, number: number),
                program.expression.type
            )
        } catch {
            for problem in error.errors {
                issues.append(
                    Issue(
                        at: text.position(line: problem.line, column: problem.column),
                        problem.message + Self.marked(problem, in: text.value),
                        hint: problem.hint ?? Self.hint(problem, place)))
            }
            return nil
        }
    }

    /// What to do about an error that CEL itself can't know of.
    private static func hint(_ problem: CompileError, _ place: ConditionEnvironment.Place) -> String? {
        if problem.message.hasPrefix("Event has no field") { return "what the log says of an event is in event.properties" }
        let names = ["now", "event", "cart", "product", "subscription", "interest"]
        if place == .segment, names.contains(where: { problem.message == "unknown name '\($0)'" }) {
            return
                "a segment is about the profile alone: use its functions, such as profile.since(\"Order Completed\") >= days(14)"
        }
        return nil
    }

    /// Numbers of a log are doubles, with which CEL does no arithmetic of whole numbers: an error each time it is judged.
    private mutating func warnOfIntegers(in expression: Expression, _ text: Located<String>) {
        if case .binary(let sign, let left, let right) = expression.kind,
            [.add, .subtract, .multiply, .divide, .remainder].contains(sign)
        {
            for (field, number) in [(left, right), (right, left)] {
                guard case .int(let value)? = number.constant, field.type == .dyn else { continue }
                switch field.kind {
                case .select, .index: break
                default: continue
                }
                let before = text.value.unicodeScalars.prefix(number.span.offset)
                let line = before.split(separator: "\n", omittingEmptySubsequences: false)
                issues.append(
                    Issue(
                        .warning, at: text.position(line: line.count, column: (line.last?.count ?? 0) + 1),
                        "numbers of a log are doubles: with the whole number \(value) this is an error each time",
                        hint: "Write \(value).0, or make the other one whole with int(…)."))
            }
        }
        for child in expression.children { warnOfIntegers(in: child, text) }
    }

    /// Calls whose arguments are known only at run time; their literal ones (a window) are read off the tree.
    private mutating func resolveCalls(of program: Program) -> [Slot] {
        var slots = program.calls.map { Slot.nothing($0.function) }
        var found: [(index: Int, function: String, arguments: [Value])] = []
        func visit(_ expression: Expression) {
            if case .hostCall(let call, _, let arguments, let index?) = expression.kind {
                found.append((index, call.function, arguments.map { $0.constant ?? .null }))
            }
            for child in expression.children { visit(child) }
        }
        visit(program.expression)
        for call in found where slots.indices.contains(call.index) {
            slots[call.index] = resolve(call: call.function, arguments: call.arguments)
        }
        return slots
    }

    /// The line of the expression with the place marked below it.
    private static func marked(_ problem: CompileError, in text: String) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.indices.contains(problem.line - 1) else { return "" }
        return "\n    \(lines[problem.line - 1])\n    " + String(repeating: " ", count: max(0, problem.column - 1))
            + String(repeating: "^", count: max(1, problem.length))
    }

    private mutating func resolve(_ reference: Reference) -> (slot: Slot, keys: [Key], arguments: [Value]) {
        switch reference {
        case .call(let function, _, _, let arguments): return (resolve(call: function, arguments: arguments), [], arguments)
        case .path(let variable, let keys):
            guard case .string(let field)? = keys.first else { return (variable == "now" ? .now : .nothing(variable), [], []) }
            let rest = Array(keys.dropFirst())
            let slot: Slot
            switch (variable, field) {
            case ("event", "name"): slot = .eventName
            case ("event", "id"): slot = .eventID
            case ("event", "time"): slot = .eventTime
            case ("event", "properties"): slot = .eventProperties
            case ("profile", "id"): slot = .profileID
            case ("profile", "anonymous"): slot = .profileAnonymous
            case ("profile", "first_seen"): slot = .firstSeen
            case ("profile", "last_seen"): slot = .lastSeen
            case ("profile", "locale"): slot = .locale
            case ("profile", "timezone"): slot = .timezone
            case ("profile", "traits"): slot = .traits
            case ("profile", "segments"): slot = .segments
            case ("cart", _): slot = .cart(field)
            case ("product", _): slot = .product(field)
            case ("subscription", _): slot = .subscription(field)
            case ("interest", _): slot = .interest(field)
            default: slot = .nothing(variable)
            }
            return (slot, rest, [])
        }
    }

    private mutating func resolve(call function: String, arguments: [Value]) -> Slot {
        let texts = arguments.map { if case .string(let text) = $0 { text } else { "" } }
        switch function {
        case "distance": return .distance
        case "days": return .days
        case "money": return .money
        case "member": return .member(segmentNames.firstIndex { $0.same(as: texts.first ?? "") } ?? 0)
        case "ever": return .ever(mark(texts))
        case "first": return .first(mark(texts))
        case "last": return .last(mark(texts))
        case "since": return .since(mark(texts))
        case "count":
            let window = window(texts, at: 1)
            return .count(series(texts[0], "", .count, window), window)
        case "ordered":
            let window = window(texts, at: 1)
            return .ordered(series(StateEvent.orderCompleted.name, "", .ordered, window), window)
        case "sum", "min", "max", "avg", "distinct", "top":
            let window = window(texts, at: 2)
            func series(_ statistic: SeriesDefinition.Statistic) -> Int { self.series(texts[0], texts[1], statistic, window) }
            switch function {
            case "sum": return .sum(series(.sum), window)
            case "avg": return .average(series(.sum), window)
            case "min": return .minimum(series(.sum), window)
            case "max": return .maximum(series(.sum), window)
            case "distinct": return .distinct(series(.distinct), window)
            default: return .top(series(.top), window)
            }
        default: return .nothing(function)
        }
    }

    private func window(_ texts: [String], at index: Int) -> Milliseconds? {
        texts.indices.contains(index) ? DurationLiteral.parse(texts[index]) : nil
    }

    private mutating func mark(_ texts: [String]) -> Int {
        let name = texts.first ?? ""
        vocabulary.add(name)
        if let index = marks.firstIndex(where: { $0.same(as: name) }) { return index }
        marks.append(name)
        return marks.count - 1
    }

    private mutating func series(
        _ event: String, _ property: String, _ statistic: SeriesDefinition.Statistic, _ window: Milliseconds?
    ) -> Int {
        let definition = SeriesDefinition(
            event: event, property: property, statistic: statistic, width: SeriesDefinition.width(of: window))
        vocabulary.add(event, needsProperties: statistic != .count)
        if let index = series.firstIndex(of: definition) {
            longest[index] = max(longest[index], window ?? 0)
            return index
        }
        series.append(definition)
        longest.append(window ?? 0)
        return series.count - 1
    }
}

extension Located<String> {
    /// The place of a line and column of this text in its file.
    func position(line: Int, column: Int) -> Position {
        line == 1
            ? Position(file: position.file, line: position.line, column: position.column + column - 1)
            : Position(file: position.file, line: position.line + line - 1, column: column)
    }
}
