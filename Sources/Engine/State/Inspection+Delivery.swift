import CEL

/// A stored product as a person looks at it.
package struct ProductInspection: Sendable {
    package let facts: ProductFacts
    package let lines: [AudienceLine]

    package init(_ record: ProductRecord, rules: RuleSet) {
        let (product, _) = RecordReader(rules: rules).product(record, followers: [])
        facts = product.facts
        lines = product.lines
    }
}

extension Inspection {
    /// What each gate would say if an instance were due now, up to the first that does not allow it.
    ///
    /// - Parameters:
    ///   - instance: nil: one that starts now, about nothing in particular.
    ///   - sha256: as the engine's.
    package func gates(
        of rule: Int, _ instance: Instance?, sha256: @escaping @Sendable ([UInt8]) -> [UInt8]
    ) -> [GateStep] {
        withUnsafePointer(to: profile) { profile in
            var candidate = Candidate(
                instance ?? Instance(rule: rule, key: "", startedAt: now, due: now), rules.rules[rule], profile, rules, now: now,
                sha256: sha256, isTraced: true)
            _ = candidate.pass(Gates.inOrder)
            return candidate.steps
        }
    }

    /// Where an instance stands among those who want the same product.
    package struct Place: Sendable {
        /// From 1, of those in line; 0 if it was taken.
        package let place: Int
        package let waiting: Int
        /// Running or held, and published since the last start or turn of the pace.
        package let taken: Int
        package let published: Int
        /// Of the rule at this product now, with its parts; nil without a limit.
        package let limit: String?
        package let paceDue: Instant?
    }

    package func place(of instance: Instance, at product: ProductInspection) -> Place? {
        guard let line = product.lines.first(where: { $0.rule == instance.rule }) else { return nil }
        let place = line.waiting.firstIndex { $0.customer == profile.number }.map { $0 + 1 }
        var limit: String?
        if let condition = rules.rules[instance.rule].limit {
            var scope = Scope(condition: condition, rules: rules, profile: nil, now: now)
            scope.product = instance.product
            scope.facts = product.facts
            let parts = condition.program.trace(scope)
            if case .value(let value)? = parts.first?.result { limit = CanonicalJSON(value)?.text }
            if parts.count > 1 { limit = (limit ?? "an error") + " (\(parts.plainParts))" }
        }
        return Place(
            place: place ?? 0, waiting: line.waiting.count, taken: line.active.count, published: line.published, limit: limit,
            paceDue: line.paceDue)
    }

    /// The product a rule would be about: that of a running instance, else of the newest interest that its audience asks for.
    package func product(of rule: Int) -> ProductKey? {
        if let running = running(of: rule), rules.rules[rule].per == .product || rules.rules[rule].readsProduct,
            let product = profile.subject(of: running, rules).product
        {
            return product
        }
        guard rules.rules[rule].per == .product else { return nil }
        let kinds = rules.rules[rule].interestKinds
        let interests = profile.interests.filter { kinds.isEmpty || kinds.contains($0.kind) }
        if let newest = interests.max(by: { $0.last < $1.last })?.product { return newest }
        guard kinds.isEmpty || kinds.contains(.cart) else { return nil }
        return profile.carts.list.flatMap(\.lines).max { $0.changedAt < $1.changedAt }?.product
    }

    /// Whether and why the customer is in the audience of a rule at a product: the interests of the kinds it asks for.
    package func interests(of rule: Int, in product: ProductKey) -> [Interest] {
        rules.rules[rule].interestKinds.compactMap { profile.interest(in: product, kinds: [$0], at: now, rules.definitions) }
    }
}
