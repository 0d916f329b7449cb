/// What a program asks of its host, resolved when it is compiled. Equal references of different programs are equal values.
package enum Reference: Hashable, Sendable {
    /// A variable and the chain of constant fields and keys that is selected from it; `a.b` and `a["b"]` are the same.
    case path(variable: String, [Key])
    /// A host function, its target if that is a plain variable, and its arguments, all constant.
    case call(function: String, overload: Int, variable: String?, [Value])
}

/// A host function that is called with arguments known only at run time.
package struct HostCall: Hashable, Sendable {
    package let function: String
    /// Index into ``HostFunction/overloads``.
    package let overload: Int
    /// The target where it is a plain variable; it is then not loaded.
    package let variable: String?

    package init(function: String, overload: Int, variable: String?) {
        self.function = function
        self.overload = overload
        self.variable = variable
    }
}

/// What a host has for a reference.
package enum Loaded: Sendable {
    case value(Value)
    /// There is no such field: an error to the expression, and false to `has()`.
    case absent
    /// The host's own words.
    case error(String)
}

/// Where an evaluation gets its data from. Evaluation is generic over it, so a host may be a small struct.
///
/// Measured: marking the machine `@inlinable`, so that the engine's module specialises it, gained nothing over the call through
/// the protocol (about 0.1 µs for two comparisons joined by `&&`, both ways), so it is not.
package protocol Host {
    /// The value of `program.references[reference]`.
    func load(_ reference: Int, of program: Program) -> Loaded
    /// Whether the path `program.references[reference]` leads to something. A host that can't know says why.
    func has(_ reference: Int, of program: Program) throws(Fault) -> Bool
    /// Calls the host function of `program.calls[call]`; `target` is nil for a global function or a plain variable as target.
    /// An argument whose static type is dyn may be of any type here: ``Value/fits(_:)`` tells.
    func call(_ call: Int, of program: Program, target: Value?, arguments: [Value]) -> Loaded
    /// What `size()` of `program.references[reference]` is, where that is known without making the value; nil: it is to be made.
    func size(of reference: Int, of program: Program) -> Int?
}

extension Host {
    package func size(of reference: Int, of program: Program) -> Int? { nil }
}

/// A host without data.
struct EmptyHost: Host {
    func load(_ reference: Int, of program: Program) -> Loaded { .absent }
    func has(_ reference: Int, of program: Program) -> Bool { false }
    func call(_ call: Int, of program: Program, target: Value?, arguments: [Value]) -> Loaded { .absent }
}
