import CEL

/// A host over a map of values, for tests: follows paths through maps and lists, and answers calls from a closure.
struct Bindings: Host {
    var variables: [String: Value] = [:]
    var functions: @Sendable (String, [Value]) -> Loaded = { name, _ in .error("no function \(name)") }

    func load(_ reference: Int, of program: Program) -> Loaded {
        switch program.references[reference] {
        case .path(let variable, let keys):
            guard var value = variables[variable] else { return .absent }
            for key in keys {
                switch (value, key) {
                case (.map(let map), _):
                    guard let next = map[key] else { return .absent }
                    value = next
                case (.list(let elements), .int(let place)) where elements.indices.contains(place): value = elements[place]
                case (.list, _): return .absent
                default: return .error("type \(value.type.name) does not support field selection")
                }
            }
            return .value(value)
        case .call(let function, _, _, let arguments): return functions(function, arguments)
        }
    }

    func has(_ reference: Int, of program: Program) -> Bool {
        if case .value = load(reference, of: program) { true } else { false }
    }

    func call(_ call: Int, of program: Program, target: Value?, arguments: [Value]) -> Loaded {
        functions(program.calls[call].function, (target.map { [$0] } ?? []) + arguments)
    }
}

/// What an expression without data comes to.
func evaluate(_ text: String, _ environment: Environment = Environment(), budget: Int = 100_000) throws -> Evaluation {
    try environment.compile(text).evaluate(Bindings(), budget: budget)
}
