/// A node of the checked tree: names are resolved, types known, constants folded.
package struct Expression: Sendable {
    package indirect enum Kind: Sendable {
        case constant(Value)
        /// A variable of the host, by its full name.
        case variable(String)
        /// A variable of a macro; `slot` tells apart those of the same name.
        case local(String, slot: Int)
        case select(Expression, field: String)
        case has(Expression, field: String)
        case index(Expression, Expression)
        /// `a.?b` and `a[?b]`.
        case optionalSelect(Expression, field: String)
        case optionalIndex(Expression, Expression)
        case unary(UnaryOperator, Expression)
        case binary(BinaryOperator, Expression, Expression)
        case and([Expression])
        case or([Expression])
        case conditional(Expression, Expression, Expression)
        case list([Expression])
        case map([(key: Expression, value: Expression)])
        /// An element of a list, or the value of a map's entry, that is there only if it has a value.
        case optionalElement(Expression)
        /// A function of CEL itself, by its name; the target is the first argument.
        case call(Builtin, [Expression])
        /// A function of the host. `index` is into ``Program/calls``, nil where the node is a reference.
        case hostCall(HostCall, target: Expression?, [Expression], index: Int?)
        case loop(Loop.Kind, range: Expression, slots: LoopSlots, filter: Expression?, body: Expression)
        /// `cel.bind(x, value, body)`; `slots` has one variable.
        case bind(LoopSlots, value: Expression, body: Expression)
        /// `value.optMap(x, body)` and, if flat, `value.optFlatMap(x, body)`; `slots` has one variable.
        case optionalMap(Expression, slots: LoopSlots, body: Expression, isFlat: Bool)
        /// Only where checking is off: an error at run time.
        case failure(String)
    }

    package let kind: Kind
    package let span: Span
    package let type: Type
    /// Index into ``Program/references`` where the whole node is one.
    package let reference: Int?

    /// The constant that the node is.
    package var constant: Value? { if case .constant(let value) = kind { value } else { nil } }

    /// The nodes right below, in the order of the text.
    package var children: [Expression] {
        switch kind {
        case .constant, .variable, .local, .failure: []
        case .select(let operand, _), .optionalSelect(let operand, _), .optionalElement(let operand), .has(let operand, _),
            .unary(_, let operand):
            [operand]
        case .index(let left, let right), .optionalIndex(let left, let right), .binary(_, let left, let right): [left, right]
        case .and(let parts), .or(let parts), .list(let parts), .call(_, let parts): parts
        case .conditional(let condition, let yes, let no): [condition, yes, no]
        case .map(let entries): entries.flatMap { [$0.key, $0.value] }
        case .hostCall(_, let target, let arguments, _): (target.map { [$0] } ?? []) + arguments
        case .loop(_, let range, _, let filter, let body): [range] + (filter.map { [$0] } ?? []) + [body]
        case .bind(_, let value, let body), .optionalMap(let value, _, let body, _): [value, body]
        }
    }
}

/// The variables of a macro (also of those that go through nothing): one, or index and value (key and value).
package struct LoopSlots: Sendable, Hashable {
    package let names: [String]
    /// Of the first variable; the second has the next one.
    package let first: Int
}
