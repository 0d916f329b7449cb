import CEL

/// What is no error, and hardly meant: rules that can never fire, and events that are all but one that nudged knows.
extension RuleCompiler {
    // MARK: Names of events

    /// Warns of an event that is all but one that the state or a format knows, or that a format gives another name. Any name is allowed, so that
    /// it can be no error.
    mutating func checkSpelling(of name: String, at position: Position) {
        if let renamed = definitions.renamedEvents[name] {
            issues.append(
                Issue(
                    .warning, at: position, "no event comes as \"\(name)\": the format calls it `\(renamed)`",
                    hint: "Write `\(renamed)`."))
            return
        }
        guard Self.knownEvents[name] == nil, !definitions.mappedEvents.contains(name), name.utf8.count <= 40 else { return }
        let letters = Self.letters(of: name)
        guard letters.count >= 8,
            let meant = Self.knownEvents.filter({
                abs($0.value.count - letters.count) <= 1 && editDistance(letters, $0.value) <= 1
            })
            .keys.min()
        else { return }
        issues.append(
            Issue(
                .warning, at: position, "no event that nudged knows of is called \"\(name)\"",
                hint: "Did you mean `\(meant)`? Names of events are compared letter by letter."))
    }

    /// As `checkSpelling`, of what the functions of a condition look for.
    mutating func checkSpelling(in expression: Expression, _ text: Located<String>) {
        if case .hostCall(let call, _, let arguments, _) = expression.kind,
            ConditionEnvironment.eventFunctions.contains(call.function),
            let argument = arguments.first, case .string(let name)? = argument.constant
        {
            checkSpelling(of: name, at: text.position(ofCharacter: argument.span.offset))
        }
        for child in expression.children { checkSpelling(in: child, text) }
    }

    /// The names that the state and the formats know, each with its letters.
    private static let knownEvents = Dictionary(
        (StateEvent.allCases.map(\.name) + ["Page Viewed", "Screen Viewed"]).map { ($0, letters(of: $0)) },
        uniquingKeysWith: { $1 })

    private static func letters(of name: String) -> [Unicode.Scalar] {
        name.lowercased().unicodeScalars.filter { $0 != " " && $0 != "_" && $0 != "-" && $0 != "." }
    }

    // MARK: Rules that never fire

    /// Warns of a rule that can never send anything.
    mutating func warnIfSilent(_ definition: RuleDefinition, _ rule: Rule, _ segments: [Segment]) {
        func warn(_ place: Position, _ why: String, hint: String? = nil) {
            issues.append(Issue(.warning, at: place, "the rule \"\(rule.name)\" \(why)", hint: hint))
        }
        if let text = definition.condition, rule.condition?.program.expression.fixed == false {
            warn(text.position, "can never fire: its `if` is always false")
        }
        if let text = definition.limit, rule.limit?.program.expression.isBelowOne ?? false {
            warn(text.position, "can never fire: its `limit` is below 1")
        }
        if !definition.start.isEmpty, !definition.start.contains(where: { canHappen($0, segments) }) {
            warn(definition.name.position, "can never fire: nothing of its `start` can happen")
        }
        if rule.per == .cart, rule.wait > definitions.cartsForget {
            warn(
                definition.name.position,
                "waits \(DurationLiteral.text(rule.wait)), but a cart is forgotten after \(DurationLiteral.text(definitions.cartsForget))",
                hint: "Make `carts: { forget: … }` longer than the wait.")
        }
    }

    private func canHappen(_ trigger: TriggerDefinition, _ segments: [Segment]) -> Bool {
        /// Whether everybody or nobody is in a segment for ever.
        func fixed(_ name: Located<String>) -> Bool? {
            segments.first { $0.name.same(as: name.value) }?.condition.program.expression.fixed
        }
        switch trigger {
        case .event(_, let text):
            let condition = text.flatMap { triggerConditions[Array($0.value.utf8)] }
            return condition?.program.expression.fixed != false
        case .enters(let name): return fixed(name) != false
        case .leaves(let name): return fixed(name) == nil
        case .calendar(let name, _, _):
            guard let calendar = definitions.calendars.first(where: { $0.name.value.same(as: name.value) }) else { return true }
            return calendar.isFaulty || calendar.days.contains { !$0.value.isEmpty }
        }
    }
}

extension Expression {
    /// What it always is, whatever it is asked of; nil if that depends.
    fileprivate var fixed: Bool? {
        switch kind {
        case .constant(.bool(let value)): value
        case .and(let parts): parts.contains { $0.fixed == false } ? false : parts.allSatisfy { $0.fixed == true } ? true : nil
        case .or(let parts): parts.contains { $0.fixed == true } ? true : parts.allSatisfy { $0.fixed == false } ? false : nil
        default: nil
        }
    }

    /// Whether it is a number that, rounded down, leaves nothing.
    fileprivate var isBelowOne: Bool {
        switch constant {
        case .int(let value)?: value < 1
        case .uint(let value)?: value < 1
        case .double(let value)?: value < 1
        default: false
        }
    }
}
