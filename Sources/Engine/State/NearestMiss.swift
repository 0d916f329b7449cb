import CEL

/// Why a rule did not start or would not be sent, judged against the stored profile now.
extension Inspection {
    /// One condition with the value of each of its parts.
    package struct Judged: Sendable {
        /// `where`, `if`, or the name of the trigger or segment it belongs to.
        package let place: String
        package let parts: [(text: String, value: String, depth: Int)]
        /// Nil: that depends on the event.
        package let holds: Bool?
    }

    /// The segments that the rule's starts and audience name and are made of, the `where` of each start that has one, and the rule's `if`. What only
    /// an event would bring is there if a running instance has kept it; else what hangs on it says so.
    ///
    /// - Parameter product: the facts of `product(of:)`, where the rule is about one.
    package func conditions(of rule: Int, product: ProductInspection? = nil) -> [Judged] {
        var result = segments(of: rule).map { segment in
            judge(
                rules.segments[segment].condition, place: "segment \(rules.segments[segment].name)", rule: rule, product,
                event: nil)
        }
        let running = running(of: rule)
        for (index, entry) in rules.vocabulary.entries.enumerated() {
            for trigger in rules.triggers.byEvent[index] where trigger.rule == rule && trigger.action == .start {
                guard let condition = trigger.condition else { continue }
                let event = running.flatMap { instance in
                    instance.eventName.same(as: entry.name) && rules.rules[rule].kept.covers(condition)
                        ? instance : nil
                }
                result.append(judge(condition, place: "where of start on \(entry.name)", rule: rule, product, event: event))
            }
        }
        if let condition = rules.rules[rule].condition {
            result.append(judge(condition, place: "if", rule: rule, product, event: running))
        }
        return result
    }

    /// The first running instance of a rule.
    func running(of rule: Int) -> Instance? { profile.instances.first { $0.rule == rule } }

    /// The segments by which a rule starts or chooses its audience, each behind those it is made of.
    private func segments(of rule: Int) -> [Int] {
        var found: Set<Int> = []
        func add(_ segment: Int) {
            guard found.insert(segment).inserted else { return }
            for other in rules.segments[segment].dependencies { add(other) }
        }
        let named = starts(of: rule).compactMap(\.standing) + audience(of: rule)
        for standing in named { if let segment = rules.segment(named: standing.segment) { add(segment) } }
        return rules.graph.order.filter { found.contains($0) }
    }

    private func judge(
        _ condition: Condition, place: String, rule: Int, _ product: ProductInspection?, event: Instance?
    ) -> Judged {
        withUnsafePointer(to: profile) { profile in
            var scope = Scope(condition: condition, rules: rules, profile: profile, now: now)
            let subject = running(of: rule).map { profile.pointee.subject(of: $0, rules) }
            scope.cartID = subject?.cart ?? profile.pointee.carts.current.map { profile.pointee.carts.list[$0].id }
            scope.subscriptionID = subject?.subscription ?? profile.pointee.subscriptions.last?.id
            scope.product = self.product(of: rule)
            scope.facts = product?.facts
            scope.interestKinds = rules.rules[rule].interestKinds
            let trace: [TraceEntry]
            if let event {
                scope.eventName = event.eventName
                scope.eventID = event.eventID
                scope.eventTime = event.startedAt
                scope.properties = event.properties.isEmpty ? nil : JSONView(bytes: event.properties, offset: 0)
                trace = condition.program.trace(scope)
            } else {
                trace = condition.program.trace(EventlessScope(scope: scope))
            }
            var holds: Bool? = false
            switch trace.first?.result {
            case .value(.bool(let value)): holds = value
            case .error where trace.contains { $0.result.error?.fault == EventlessScope.fault }: holds = nil
            default: break
            }
            return Judged(
                place: place,
                parts: trace.map { entry in
                    let isOpen = entry.result.error?.fault == EventlessScope.fault
                    return (text: entry.text, value: isOpen ? EventlessScope.words : entry.result.shown, depth: entry.depth)
                }, holds: holds)
        }
    }
}

/// A scope without an event, for people: what reads one is neither there nor absent.
private struct EventlessScope: Host {
    static let words = "depends on the event"
    static let fault = Fault.host(words)

    let scope: Scope

    func load(_ reference: Int, of program: Program) -> Loaded {
        readsEvent(reference) ? .error(Self.words) : scope.load(reference, of: program)
    }

    func has(_ reference: Int, of program: Program) throws(Fault) -> Bool {
        if readsEvent(reference) { throw Self.fault }
        return scope.has(reference, of: program)
    }

    func call(_ call: Int, of program: Program, target: Value?, arguments: [Value]) -> Loaded {
        scope.call(call, of: program, target: target, arguments: arguments)
    }

    func size(of reference: Int, of program: Program) -> Int? { scope.size(of: reference, of: program) }

    private func readsEvent(_ reference: Int) -> Bool {
        switch scope.condition.references[reference].referent {
        case .eventName, .eventID, .eventTime, .eventProperties: true
        default: false
        }
    }
}
