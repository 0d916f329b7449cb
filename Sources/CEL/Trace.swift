/// What one part of an expression came to.
package struct TraceEntry: Sendable {
    package let span: Span
    /// The text of the part, in one line.
    package let text: String
    package let result: Evaluation
    /// Parts that this one lies within.
    package let depth: Int
}

extension Program {
    /// Evaluates the expression and each meaningful part of it: what the host was asked, each function and each operator, but
    /// neither constants nor what stands within a macro, which has one value for each element. The whole comes first.
    ///
    /// Parts that `&&`, `||` or `?:` would not need have values too, as evaluation has no effects. For people, not for the hot path.
    package func trace(_ host: some Host, budget: Int = Program.defaultBudget) -> [TraceEntry] {
        var result: [TraceEntry] = []
        trace(expression, host, budget, depth: 0, into: &result)
        return result
    }

    private func trace(
        _ node: Expression, _ host: some Host, _ budget: Int, depth: Int, into result: inout [TraceEntry]
    ) {
        if case .constant = node.kind, depth > 0 { return }
        let part = Program(source: source, expression: node, references: references, calls: calls, timeZone: timeZone)
        result.append(
            TraceEntry(
                span: node.span, text: source.line(of: node.span), result: part.evaluate(host, budget: budget), depth: depth))
        guard node.reference == nil else { return }
        switch node.kind {
        case .loop(_, let operand, _, _, _), .bind(_, let operand, _), .optionalMap(let operand, _, _, _):
            trace(operand, host, budget, depth: depth + 1, into: &result)
        case .hostCall(let call, let target, let arguments, _):
            if let target, call.variable == nil { trace(target, host, budget, depth: depth + 1, into: &result) }
            for argument in arguments { trace(argument, host, budget, depth: depth + 1, into: &result) }
        default: for child in node.children { trace(child, host, budget, depth: depth + 1, into: &result) }
        }
    }
}
