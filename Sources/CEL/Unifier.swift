/// Finds out whether one type may stand where another is asked for, and what type variables have to be for that.
struct Unifier {
    private var bindings: [Int: Type] = [:]
    private var next = 1000

    mutating func fresh() -> Type {
        next += 1
        return .parameter(next)
    }

    /// Gives the variables of a signature names of their own.
    mutating func instantiate(_ type: Type, _ names: inout [Int: Type]) -> Type {
        switch type {
        case .parameter(let number):
            if let known = names[number] { return known }
            let name = fresh()
            names[number] = name
            return name
        case .list(let element): return .list(instantiate(element, &names))
        case .optional(let value): return .optional(instantiate(value, &names))
        case .map(let key, let value): return .map(instantiate(key, &names), instantiate(value, &names))
        default: return type
        }
    }

    /// The type with its variables filled in; unknown ones become dyn when `final`.
    func substitute(_ type: Type, final: Bool = false) -> Type {
        switch type {
        case .parameter(let number):
            if let bound = bindings[number] { return substitute(bound, final: final) }
            return final ? .dyn : type
        case .list(let element): return .list(substitute(element, final: final))
        case .optional(let value): return .optional(substitute(value, final: final))
        case .map(let key, let value): return .map(substitute(key, final: final), substitute(value, final: final))
        default: return type
        }
    }

    /// Whether `from` may stand where `to` is asked for. Leaves the bindings as they were if not.
    mutating func assign(_ from: Type, to: Type) -> Bool {
        let saved = bindings
        if fits(from, to) { return true }
        bindings = saved
        return false
    }

    private mutating func fits(_ from: Type, _ to: Type) -> Bool {
        if from == to { return true }
        if case .parameter(let number) = to { return bind(number, from) }
        if case .parameter(let number) = from { return bind(number, to) }
        switch (from, to) {
        case (.dyn, _), (_, .dyn): return true
        // As in cel-spec: these may be absent, which null stands for.
        case (.null, .structure), (.null, .timestamp), (.null, .duration): return true
        case (.structure, .null), (.timestamp, .null), (.duration, .null): return true
        case (.list(let a), .list(let b)), (.optional(let a), .optional(let b)): return fits(a, b)
        case (.map(let a, let b), .map(let c, let d)): return fits(a, c) && fits(b, d)
        default: return false
        }
    }

    private mutating func bind(_ number: Int, _ type: Type) -> Bool {
        if let bound = bindings[number] {
            guard fits(type, bound) else { return false }
            let wider = isWider(type, than: bound) ? type : bound
            if !occurs(number, in: wider) { bindings[number] = wider }
            return true
        }
        guard !occurs(number, in: type) else { return substitute(type) == .parameter(number) }
        bindings[number] = type
        return true
    }

    private func occurs(_ number: Int, in type: Type) -> Bool {
        switch type {
        case .parameter(let other): other == number || (bindings[other].map { occurs(number, in: $0) } ?? false)
        case .list(let inner), .optional(let inner): occurs(number, in: inner)
        case .map(let key, let value): occurs(number, in: key) || occurs(number, in: value)
        default: false
        }
    }

    private func isWider(_ left: Type, than right: Type) -> Bool {
        switch (left, right) {
        case (.dyn, _), (.parameter, _): true
        case (_, .dyn), (_, .parameter): false
        case (.list(let a), .list(let b)), (.optional(let a), .optional(let b)): isWider(a, than: b)
        case (.map(let a, let b), .map(let c, let d)): isWider(a, than: c) && isWider(b, than: d)
        case (.null, _): false
        case (_, .null): true
        default: left == right
        }
    }

    /// The type of elements that stand side by side in a literal: their common type, or dyn.
    mutating func join(_ previous: Type?, _ current: Type) -> Type {
        guard let previous else { return current }
        if assign(previous, to: current) { return isWider(previous, than: current) ? previous : current }
        return .dyn
    }
}
