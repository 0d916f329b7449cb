import CEL

/// Why a rule did not start or would not be sent, judged against the stored profile now.
extension Inspection {
    /// One condition with the value of each of its parts.
    package struct Judged: Sendable {
        /// `where`, `if`, or the name of the trigger it belongs to.
        package let place: String
        package let parts: [(text: String, value: String, depth: Int)]
        package let holds: Bool
    }

    /// The rule's `if` and the `where` of each start that has one. What an event would bring is not there, so parts that read `event` come to
    /// an error, which says so.
    ///
    /// - Parameter product: the facts of `product(of:)`, where the rule is about one.
    package func conditions(of rule: Int, product: ProductInspection? = nil) -> [Judged] {
        var result: [Judged] = []
        for (index, entry) in rules.vocabulary.entries.enumerated() {
            for trigger in rules.triggers.byEvent[index] where trigger.rule == rule && trigger.action == .start {
                guard let condition = trigger.condition else { continue }
                result.append(judge(condition, place: "where of start on \(entry.name)", rule: rule, product))
            }
        }
        if let condition = rules.rules[rule].condition { result.append(judge(condition, place: "if", rule: rule, product)) }
        return result
    }

    /// What starts the rule, in words, and when that last happened to this customer where the state keeps it.
    package func starts(of rule: Int) -> [(event: String, last: Instant?)] {
        rules.vocabulary.entries.indices.compactMap { index in
            guard rules.triggers.byEvent[index].contains(where: { $0.rule == rule && $0.action == .start }) else { return nil }
            let name = rules.vocabulary.entries[index].name
            return (name, profile.marks.first { rules.statistics.marks[$0.definition] == name }?.last)
        }
    }

    private func judge(_ condition: Condition, place: String, rule: Int, _ product: ProductInspection?) -> Judged {
        withUnsafePointer(to: profile) { profile in
            var scope = Scope(condition: condition, rules: rules, profile: profile, now: now)
            let running = profile.pointee.instances.first { $0.rule == rule }
            let kind = rules.rules[rule].per
            scope.cartID =
                kind == .cart ? running?.key ?? profile.pointee.carts.list.last?.id : profile.pointee.carts.list.last?.id
            scope.subscriptionID = (kind == .subscription ? running?.key : nil) ?? profile.pointee.subscriptions.last?.id
            scope.product = self.product(of: rule)
            scope.facts = product?.facts
            if let running {
                scope.eventName = running.eventName
                scope.eventID = running.eventID
                scope.eventTime = running.startedAt
                scope.properties = running.properties.isEmpty ? nil : JSONView(bytes: running.properties, offset: 0)
            }
            scope.interestKinds = rules.rules[rule].interestKinds
            let trace = condition.program.trace(scope)
            let parts = trace.map { entry in
                let value =
                    switch entry.result {
                    case .value(let value): CanonicalJSON(value)?.text ?? "null"
                    case .error(let error): "error: \(error.message)"
                    }
                return (text: entry.text, value: value, depth: entry.depth)
            }
            var holds = false
            if case .value(.bool(true))? = trace.first?.result { holds = true }
            return Judged(place: place, parts: parts, holds: holds)
        }
    }
}
