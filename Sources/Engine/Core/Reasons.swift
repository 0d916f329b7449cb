import CEL

/// What is recorded with a verdict, so that people can be told why.
extension Engine {
    /// A condition that does not hold: the values of its parts as they were, such as `size(cart.items) = 0`.
    mutating func reason(_ condition: Condition, _ slot: Int, _ instance: Instance) -> String {
        guard explainsDecisions else { return "" }
        return inScope(condition, slot, instance) { condition.program.trace($0).plainParts }
    }

    /// An instance that was held for too long: which gate held it to the end, at which it may have opened, and whatever others say by now.
    func holder(_ slot: Int, _ place: Int, _ rule: Rule) -> String {
        guard let last = holds(slot, place, rule, at: clock.now - 1).first else { return "" }
        let step = holds(slot, place, rule, at: clock.now).first { $0.gate == last.gate } ?? last
        return step.gate + ": " + step.saw
    }

    /// The gates that hold an instance at a moment.
    private func holds(_ slot: Int, _ place: Int, _ rule: Rule, at moment: Instant) -> [GateStep] {
        asCandidate(slot, place, rule, at: moment, isTraced: true) { candidate in
            Gates.inOrder.compactMap { gate in
                guard case .hold = candidate.pass([gate]) else { return nil }
                return candidate.steps.last
            }
        }
    }
}

extension [TraceEntry] {
    private static let longest = 240

    /// The plain values (no lists, no maps) that the result was made of: those of which no part is a plain value itself.
    package var plainParts: String {
        var parts: [String] = []
        for index in indices {
            guard self[index].plain != nil else { continue }
            let inner = self[(index + 1)...].prefix { $0.depth > self[index].depth }
            if inner.contains(where: { $0.plain != nil }) { continue }
            let part = "\(self[index].text) = \(self[index].plain ?? "")"
            if !parts.contains(part) { parts.append(part) }
        }
        let text = parts.joined(separator: ", ")
        guard text.utf8.count > Self.longest else { return text }
        return String(text.prefix(Self.longest)) + "…"
    }
}

extension TraceEntry {
    /// Nil for what is no plain value.
    fileprivate var plain: String? {
        guard case .value(var value) = result else { return result.shown }
        while case .optional(let inner?) = value { value = inner }
        switch value {
        case .list, .map, .type: return nil
        default: return result.shown
        }
    }
}

extension Evaluation {
    /// For people, who are told an optional without a value from a null.
    var shown: String {
        switch self {
        case .error(let error): "error: \(error.message)"
        case .value(.optional(let value)): value.map { Evaluation.value($0).shown } ?? "missing"
        case .value(let value): CanonicalJSON(value)?.text ?? "null"
        }
    }
}
