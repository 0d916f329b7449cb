/// A compiled expression.
///
/// Make one with ``Environment/compile(_:expecting:)``; evaluate it as often as wanted, from any task:
///
///     var environment = Environment(timeZone: zones.find)
///     environment.declare(Structure("Event", fields: [("name", .string), ("properties", .map(.string, .dyn))]))
///     environment.declare("event", .structure("Event"))
///     environment.declare("profile", .structure("Profile"))
///     environment.declare(HostFunction("count", [
///         Overload(target: .structure("Profile"), [Parameter(.string, literal: true), Parameter(.string, literal: true)], .int)]))
///     let program = try environment.compile(#"profile.count("Page Viewed", "7d") >= 5"#, expecting: .bool)
///
///     struct Customer: Host {
///         func load(_ reference: Int, of program: Program) -> Loaded {
///             switch program.references[reference] {        // or a table of slots made once for each program
///             case .path("event", [.string("name")]): .value(.string(name))
///             case .call("count", _, "profile", let arguments): .value(.int(count(arguments)))
///             default: .absent
///             }
///         }
///         func has(_ reference: Int, of program: Program) -> Bool { … }
///         func call(_ call: Int, of program: Program, target: Value?, arguments: [Value]) -> Loaded { .absent }
///     }
///     program.evaluateBool(Customer(…), budget: 10_000)     // .success(true)
///
/// What the host is asked for is resolved at compile time: ``references`` holds each *path* (a variable and the longest chain of
/// constant fields and keys: `event.properties.cart.total`, `profile.traits["country"]`) and each *call* of a host function whose
/// arguments are all constants (`profile.count("Page Viewed", "7d")`), once, in the order of first appearance. A path inside
/// `has()` is asked for with `has`. Host functions with other arguments go to `call`; ``calls`` says which they are. A path ends at
/// an index into a *typed* list: `cart.items[0].price` loads `cart.items`. An index into dyn stays part of it, as `.int(0)`.
/// A struct as a whole, such as an element of a list of structs, is a ``Value/map(_:)`` with the fields as keys.
///
/// ``expression`` is the checked tree: constants are folded, each node knows its span, type and reference.
package final class Program: Sendable {
    package let source: Source
    package let expression: Expression
    package let references: [Reference]
    package let calls: [HostCall]
    let timeZone: @Sendable (String) -> TimeZone?

    let code: [Instruction]
    let spans: [Span]
    let handlerOf: [Int]
    let handlers: [Handler]
    let constants: [Value]
    let regexes: [Regex]
    let localCount: Int
    let frameSize: Int
    /// What the whole program is, if it is one comparison of a reference with a constant.
    package let comparison: Comparison?

    /// `reference <sign> constant`.
    package struct Comparison: Sendable {
        /// Into ``references``.
        package let reference: Int
        package let sign: BinaryOperator
        package let constant: Value
        fileprivate let code: Int
    }

    /// The budget of an evaluation that nobody has given one: some milliseconds of work.
    package static let defaultBudget = 100_000

    init(
        source: Source, expression: Expression, references: [Reference], calls: [HostCall],
        timeZone: @escaping @Sendable (String) -> TimeZone?
    ) {
        self.source = source
        self.expression = expression
        self.references = references
        self.calls = calls
        self.timeZone = timeZone
        let compiler = Compiler(expression)
        code = compiler.code
        spans = compiler.spans
        handlerOf = compiler.handlerOf
        handlers = compiler.handlers
        constants = compiler.constants
        regexes = compiler.regexes
        localCount = compiler.localCount
        frameSize = compiler.localCount + compiler.maximumHeight + 1
        comparison =
            if code.count == 2, code[0].opcode == .compareLoad, let sign = BinaryOperator(code: code[0].c) {
                Comparison(reference: Int(code[0].a), sign: sign, constant: constants[Int(code[0].b)], code: Int(code[0].c))
            } else {
                nil
            }
    }

    /// The static type of the result.
    package var type: Type { expression.type }

    /// Evaluates the expression.
    /// - Parameter budget: steps of work: one for each instruction, element, and some bytes of text or of regular expression.
    package func evaluate(_ host: some Host, budget: Int = Program.defaultBudget) -> Evaluation {
        // Most conditions of segments are one comparison with a constant; what fails in it goes the long way, which knows the words for it.
        if let comparison, case .value(let value) = host.load(comparison.reference, of: self) {
            // Two steps for two instructions, as the machine counts.
            var work = Work(budget - 2)
            if let result = try? Operation.apply(comparison.code, value, comparison.constant, &work) {
                return .value(result)
            }
        }
        return withUnsafeTemporaryAllocation(of: Value.self, capacity: frameSize) { frame in
            frame.initialize(repeating: .null)
            defer { frame.deinitialize() }
            var machine = Machine(program: self, frame: frame, budget: budget)
            return machine.run(host)
        }
    }

    /// Evaluates a condition. A result that is not a bool is an error.
    package func evaluateBool(_ host: some Host, budget: Int = Program.defaultBudget) -> Result<Bool, EvaluationError> {
        switch evaluate(host, budget: budget) {
        case .value(.bool(let result)): .success(result)
        case .value(let other): .failure(EvaluationError(fault: .notBool(other.type), span: expression.span))
        case .error(let error): .failure(error)
        }
    }
}
