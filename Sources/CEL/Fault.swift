/// Why an evaluation has no value. Cheap to make: words are put together only when somebody reads them.
package enum Fault: Error, Hashable, Sendable {
    /// A path that the host does not have; the field or key that is missing.
    case noSuchField(String)
    case noSuchKey(Key?)
    case noSuchOverload(String)
    case notBool(Type)
    case divisionByZero
    case modulusByZero
    case overflow
    case outOfRange(String)
    case indexOutOfRange(Int)
    case invalidArgument(String)
    /// The value of an optional that has none.
    case noValue
    case unsupportedKey(Type)
    case repeatedKey(Key)
    /// Only where checking was switched off: a name or function that nothing declares.
    case unresolved(String)
    /// The host's own words.
    case host(String)
    /// The work allowed for this evaluation is used up. `||` and `&&` do not absorb this one.
    case budgetExceeded

    package var message: String {
        switch self {
        case .noSuchField(let name): "no such field '\(name)'"
        case .noSuchKey(let key): key.map { "no such key \($0.description)" } ?? "no such key"
        case .noSuchOverload(let what): "no such overload: \(what)"
        case .notBool(let type): "no such overload: expected bool, got \(type.name)"
        case .divisionByZero: "division by zero"
        case .modulusByZero: "modulus by zero"
        case .overflow: "integer overflow"
        case .outOfRange(let what): "out of range: \(what)"
        case .indexOutOfRange(let index): "index out of range: \(index)"
        case .invalidArgument(let what): "invalid argument: \(what)"
        case .noValue: "the optional has no value"
        case .unsupportedKey(let type): "unsupported key type \(type.name)"
        case .repeatedKey(let key): "repeated key \(key.description)"
        case .unresolved(let what): what
        case .host(let words): words
        case .budgetExceeded: "the expression takes too much work"
        }
    }
}

/// A ``Fault`` and the part of the expression it happened in.
package struct EvaluationError: Error, Hashable, Sendable {
    package let fault: Fault
    package let span: Span

    package init(fault: Fault, span: Span) {
        self.fault = fault
        self.span = span
    }

    package var message: String { fault.message }
}

/// The result of an evaluation.
package enum Evaluation: Sendable {
    case value(Value)
    case error(EvaluationError)

    package var value: Value? { if case .value(let value) = self { value } else { nil } }
    package var error: EvaluationError? { if case .error(let error) = self { error } else { nil } }
}
