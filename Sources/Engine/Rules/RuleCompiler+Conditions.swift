import CEL

/// Conditions: compiled, and their references resolved against what is kept.
extension RuleCompiler {
    /// A trigger's condition; one that was written before is the same one.
    mutating func triggerCondition(_ text: Located<String>) -> Condition? {
        let bytes = Array(text.value.utf8)
        if let known = triggerConditions[bytes] { return known }
        let compiled = compile(text, .rule, expecting: .bool, number: triggerConditions.count)?.condition
        triggerConditions[bytes] = compiled
        return compiled
    }

    mutating func compile(
        _ text: Located<String>, _ place: ConditionEnvironment.Place, expecting: Type?, number: Int? = nil
    ) -> (condition: Condition, type: Type)? {
        let environment = ConditionEnvironment.make(place, segments: segmentNames, timeZone: timeZone)
        do {
            let program = try environment.compile(text.value, expecting: expecting)
            let references = program.references.map { resolve($0) }
            let calls = resolveCalls(of: program)
            refuseWholes(in: program.expression, references.map(\.referent), text)
            warnOfIntegers(in: program.expression, text)
            warnOfPlainFields(in: program.expression, of: program, text)
            checkSpelling(in: program.expression, text)
            return (
                Condition(program: program, references: references, calls: calls, text: text, number: number),
                program.expression.type
            )
        } catch {
            for problem in error.errors {
                issues.append(
                    Issue(
                        at: text.position(ofCharacter: problem.offset),
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
    mutating func warnOfIntegers(in expression: Expression, _ text: Located<String>) {
        if case .binary(let sign, let left, let right) = expression.kind,
            [.add, .subtract, .multiply, .divide, .remainder].contains(sign)
        {
            for (field, number) in [(left, right), (right, left)] {
                guard case .int(let value)? = number.constant, field.type == .dyn else { continue }
                switch field.kind {
                case .select, .index: break
                case .call(let builtin, _) where builtin == .orValue || builtin == .value: break
                default: continue
                }
                issues.append(
                    Issue(
                        .warning, at: text.position(ofCharacter: number.span.offset),
                        "numbers of a log are doubles: with the whole number \(value) this is an error each time",
                        hint: "Write \(value).0, or make the other one whole with int(…)."))
            }
        }
        for child in expression.children { warnOfIntegers(in: child, text) }
    }

    /// `event`, `cart` and the like are there for their fields: as a whole they have no value.
    private mutating func refuseWholes(in expression: Expression, _ referents: [Referent], _ text: Located<String>) {
        if let reference = expression.reference, case .variable(let name) = expression.kind,
            case .nothing = referents[reference]
        {
            issues.append(
                Issue(
                    at: text.position(ofCharacter: expression.span.offset), "'\(name)' has no value as a whole",
                    hint: "take its fields where they are needed, such as \(Self.someField[name] ?? name + ".id")"))
        }
        for child in expression.children { refuseWholes(in: child, referents, text) }
    }

    private static let someField = [
        "event": "event.properties", "cart": "cart.total", "product": "product.price", "subscription": "subscription.status",
        "interest": "interest.since", "profile": "profile.traits",
    ]

    /// What a log says is never optional: asked as if it were, it is an error each time.
    private mutating func warnOfPlainFields(in expression: Expression, of program: Program, _ text: Located<String>) {
        let asked: Expression? =
            switch expression.kind {
            case .call(let builtin, let arguments) where [.or, .orValue, .hasValue, .value].contains(builtin): arguments.first
            case .optionalMap(let target, _, _, _): target
            default: nil
            }
        if let asked, asked.type == .dyn, case .select(let operand, let field) = asked.kind {
            issues.append(
                Issue(
                    .warning, at: text.position(ofCharacter: asked.span.offset),
                    "a field taken with '.' is not optional: this is an error each time",
                    hint: "Write \(program.source.text(of: operand.span)).?\(field)."))
        }
        for child in expression.children { warnOfPlainFields(in: child, of: program, text) }
    }

    /// Calls whose arguments are known only at run time; their literal ones (a window) are read off the tree.
    mutating func resolveCalls(of program: Program) -> [Referent] {
        var referents = program.calls.map { Referent.nothing($0.function) }
        var found: [(index: Int, function: String, arguments: [Value])] = []
        func visit(_ expression: Expression) {
            if case .hostCall(let call, _, let arguments, let index?) = expression.kind {
                found.append((index, call.function, arguments.map { $0.constant ?? .null }))
            }
            for child in expression.children { visit(child) }
        }
        visit(program.expression)
        for call in found where referents.indices.contains(call.index) {
            referents[call.index] = resolve(call: call.function, arguments: call.arguments)
        }
        return referents
    }

    /// The line of the expression with the place marked below it.
    private static func marked(_ problem: CompileError, in text: String) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.indices.contains(problem.line - 1) else { return "" }
        return "\n    \(lines[problem.line - 1])\n    " + String(repeating: " ", count: max(0, problem.column - 1))
            + String(repeating: "^", count: max(1, problem.length))
    }

    mutating func resolve(_ reference: Reference) -> (referent: Referent, keys: [Key], arguments: [Value]) {
        switch reference {
        case .call(let function, _, _, let arguments): return (resolve(call: function, arguments: arguments), [], arguments)
        case .path(let variable, let keys):
            guard case .string(let field)? = keys.first else { return (variable == "now" ? .now : .nothing(variable), [], []) }
            let rest = Array(keys.dropFirst())
            let referent: Referent
            switch (variable, field) {
            case ("event", "name"): referent = .eventName
            case ("event", "id"): referent = .eventID
            case ("event", "time"): referent = .eventTime
            case ("event", "properties"): referent = .eventProperties
            case ("profile", "id"): referent = .profileID
            case ("profile", "anonymous"): referent = .profileAnonymous
            case ("profile", "first_seen"): referent = .firstSeen
            case ("profile", "last_seen"): referent = .lastSeen
            case ("profile", "locale"): referent = .locale
            case ("profile", "timezone"): referent = .timezone
            case ("profile", "traits"): referent = .traits
            case ("profile", "segments"): referent = .segments
            case ("cart", _): referent = .cart(field)
            case ("product", _): referent = .product(field)
            case ("subscription", _): referent = .subscription(field)
            case ("interest", _): referent = .interest(field)
            default: referent = .nothing(variable)
            }
            return (referent, rest, [])
        }
    }

    mutating func resolve(call function: String, arguments: [Value]) -> Referent {
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

    func window(_ texts: [String], at index: Int) -> Milliseconds? {
        texts.indices.contains(index) ? DurationLiteral.parse(texts[index]) : nil
    }

    mutating func mark(_ texts: [String]) -> Int {
        let name = texts.first ?? ""
        vocabulary.add(name)
        if let index = marks.firstIndex(where: { $0.same(as: name) }) { return index }
        marks.append(name)
        return marks.count - 1
    }

    mutating func series(
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
