/// A struct type: named fields, and no others. Selecting a field it lacks is a compile error.
package struct Structure: Sendable {
    package let name: String
    /// In the order of declaration.
    package let fields: [(name: String, type: Type)]

    package init(_ name: String, fields: [(name: String, type: Type)]) {
        self.name = name
        self.fields = fields
    }

    func type(of field: String) -> Type? { fields.first { Text.areEqual($0.name, field) }?.type }
}

/// One parameter of a host function.
package struct Parameter: Sendable {
    package let type: Type
    /// The argument must be known when the expression is compiled.
    package let literal: Bool
    /// Looks at a literal argument; what it returns is the compile error, placed at the argument.
    package let check: (@Sendable (Value) -> String?)?

    package init(_ type: Type, literal: Bool = false, check: (@Sendable (Value) -> String?)? = nil) {
        self.type = type
        self.literal = literal
        self.check = check
    }
}

/// One way to call a function.
package struct Overload: Sendable {
    /// The type of `x` in `x.f()`; nil for `f()`.
    package let target: Type?
    package let parameters: [Parameter]
    package let result: Type

    package init(target: Type? = nil, _ parameters: [Parameter], _ result: Type) {
        self.target = target
        self.parameters = parameters
        self.result = result
    }
}

/// A function that the host provides. It must have no side effect and give the same for the same during one evaluation.
package struct HostFunction: Sendable {
    package let name: String
    package let overloads: [Overload]

    package init(_ name: String, _ overloads: [Overload]) {
        self.name = name
        self.overloads = overloads
    }
}

/// What an expression may mention: the host's variables, struct types and functions, beside CEL's own.
package struct Environment: Sendable {
    /// The type of each variable; a name may hold dots.
    package var variables: [String: Type] = [:]
    package var structures: [String: Structure] = [:]
    package var functions: [String: HostFunction] = [:]
    /// A namespace: with `a.b`, the name `x` is looked for as `a.b.x`, `a.x` and `x`.
    package var container = ""
    package var limits = Limits()
    /// Switches type checking off: what does not resolve becomes an error at run time. For conformance cases only.
    package var isUnchecked = false
    /// Makes a constant part that can only fail, such as `duration("7d")` or `1 / 0`, a compile error. Off, it fails when run.
    package var refusesFailingConstants = true
    /// Finds a time zone by its name in the tz database. Fixed offsets do not come here.
    package var timeZone: @Sendable (String) -> TimeZone?

    package init(timeZone: @escaping @Sendable (String) -> TimeZone? = { _ in nil }) {
        self.timeZone = timeZone
    }

    package mutating func declare(_ variable: String, _ type: Type) { variables[variable] = type }
    package mutating func declare(_ structure: Structure) { structures[structure.name] = structure }
    package mutating func declare(_ function: HostFunction) { functions[function.name] = function }

    /// Reads, checks and compiles an expression.
    /// - Parameter expecting: the type that the result must be able to have; dyn is let through.
    /// - Throws: every error that was found.
    package func compile(_ text: String, expecting: Type? = nil) throws(CompilationFailure) -> Program {
        let source = Source(text)
        let syntax = try Parser.parse(source, limits: limits)
        let checked = try Checker.check(syntax, source: source, environment: self, expecting: expecting)
        var linker = Linker(source: source, environment: self)
        let expression = linker.link(checked)
        guard linker.diagnostics.isEmpty else { throw linker.diagnostics.failure }
        return Program(
            source: source, expression: expression, references: linker.references, calls: linker.calls, timeZone: timeZone)
    }

    /// The names under which something called `name` may be declared, innermost first.
    func candidates(_ name: String, rooted: Bool) -> [String] {
        guard !rooted, !container.isEmpty else { return [name] }
        let parts = container.split(separator: ".")
        return (0...parts.count).reversed().map { (parts.prefix($0) + [Substring(name)]).joined(separator: ".") }
    }
}
