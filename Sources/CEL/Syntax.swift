/// The tree that the parser makes: names are not looked up yet, macros are already known as such.
struct Syntax {
    indirect enum Kind {
        case literal(Value)
        /// `rooted` stands for a leading dot: no container applies, and no local variable.
        case name(String, rooted: Bool)
        case select(Syntax, field: String)
        case has(Syntax, field: String)
        case index(Syntax, Syntax)
        /// `a.?b` and `a[?b]`.
        case optionalSelect(Syntax, field: String)
        case optionalIndex(Syntax, Syntax)
        case unary(UnaryOperator, Syntax)
        case binary(BinaryOperator, Syntax, Syntax)
        /// Flat, so that a long chain is no deep tree.
        case and([Syntax])
        case or([Syntax])
        case conditional(Syntax, Syntax, Syntax)
        case list([Syntax])
        case map([(key: Syntax, value: Syntax)])
        /// In a list, or the value in a map: `[?a]`, `{?k: a}`, which are there only if the optional has a value.
        case optionalElement(Syntax)
        case call(function: String, nameSpan: Span, target: Syntax?, rooted: Bool, arguments: [Syntax])
        case loop(Loop.Kind, range: Syntax, variables: [String], filter: Syntax?, body: Syntax)
        /// `cel.bind(x, value, body)`.
        case bind(variable: String, value: Syntax, body: Syntax)
        /// `value.optMap(x, body)` and, if flat, `value.optFlatMap(x, body)`.
        case optionalMap(Syntax, variable: String, body: Syntax, isFlat: Bool)
        /// Stands where an error was reported.
        case broken
    }

    let kind: Kind
    let span: Span
    /// Levels of the tree below and including this node; the limit on it keeps recursion bounded.
    let depth: Int
    /// Stands in brackets of its own: `(a.b).c` never means a variable named `a.b.c`.
    var isGrouped = false
}

package enum UnaryOperator: String, Sendable, Hashable {
    case not = "!"
    case negate = "-"
}

package enum BinaryOperator: String, Sendable, Hashable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case remainder = "%"
    case isIn = "in"

    /// Higher binds tighter.
    var precedence: Int {
        switch self {
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .isIn: 1
        case .add, .subtract: 2
        case .multiply, .divide, .remainder: 3
        }
    }
}

/// The macros that go through a list or a map.
package enum Loop {
    package enum Kind: String, Sendable, Hashable {
        case all
        case exists
        case existsOne = "exists_one"
        case map
        case filter
        case transformList
        case transformMap
    }
}

/// How much text a program may have; what is above is refused before it costs anything.
package struct Limits: Sendable {
    /// Code points.
    package var sourceLength = 100_000
    /// Levels of nesting. Above it the parser would have to trust the machine's stack.
    package var depth = 200
    /// Work that folding of constants may take for one node, in steps.
    package var foldingSteps = 10_000

    package init() {}
}
