/// The functions of `math`.
enum MathFunction {
    static func apply(_ function: Builtin, _ arguments: Arguments, _ work: inout Work) throws(Fault) -> Value {
        switch function {
        case .greatest, .least: return try extreme(function, arguments, &work)
        case .bitAnd, .bitOr, .bitXor, .bitShiftLeft, .bitShiftRight: return try bits(function, arguments)
        default: break
        }
        switch (function, arguments[0]) {
        case (.ceil, .double(let x)): return .double(x.rounded(.up))
        case (.floor, .double(let x)): return .double(x.rounded(.down))
        case (.round, .double(let x)): return .double(x.rounded(.toNearestOrAwayFromZero))
        case (.trunc, .double(let x)): return .double(x.rounded(.towardZero))
        case (.isNaN, .double(let x)): return .bool(x.isNaN)
        case (.isInf, .double(let x)): return .bool(x.isInfinite)
        case (.isFinite, .double(let x)): return .bool(x.isFinite)
        case (.sqrt, .double(let x)): return .double(x.squareRoot())
        case (.sqrt, .int(let x)): return .double(Double(x).squareRoot())
        case (.sqrt, .uint(let x)): return .double(Double(x).squareRoot())
        case (.abs, .int(let x)):
            if x == Int.min { throw .overflow }
            return .int(Swift.abs(x))
        case (.abs, .uint): return arguments[0]
        case (.abs, .double(let x)): return .double(x.magnitude)
        case (.sign, .int(let x)): return .int(x.signum())
        case (.sign, .uint(let x)): return .uint(x > 0 ? 1 : 0)
        case (.sign, .double(let x)): return .double(x.isNaN ? x : (x > 0 ? 1 : (x < 0 ? -1 : 0)))
        case (.bitNot, .int(let x)): return .int(~x)
        case (.bitNot, .uint(let x)): return .uint(~x)
        default: throw function.mismatch(arguments)
        }
    }

    /// Of equal ones the first.
    private static func extreme(_ function: Builtin, _ arguments: Arguments, _ work: inout Work) throws(Fault) -> Value {
        var values = arguments.all
        if values.count == 1, case .list(let elements) = values[0] { values = elements }
        try work.charge(values.count)
        guard var best = values.first else { throw .invalidArgument("\(function.rawValue)() of an empty list") }
        for value in values {
            switch value {
            case .int, .uint, .double: break
            default: throw function.mismatch(arguments)
            }
            let order = try Operation.compare(value, best) ?? 0
            if function == .greatest ? order > 0 : order < 0 { best = value }
        }
        return best
    }

    private static func bits(_ function: Builtin, _ arguments: Arguments) throws(Fault) -> Value {
        guard arguments.count == 2 else { throw function.mismatch(arguments) }
        switch (function, arguments[0], arguments[1]) {
        case (.bitAnd, .int(let a), .int(let b)): return .int(a & b)
        case (.bitOr, .int(let a), .int(let b)): return .int(a | b)
        case (.bitXor, .int(let a), .int(let b)): return .int(a ^ b)
        case (.bitAnd, .uint(let a), .uint(let b)): return .uint(a & b)
        case (.bitOr, .uint(let a), .uint(let b)): return .uint(a | b)
        case (.bitXor, .uint(let a), .uint(let b)): return .uint(a ^ b)
        case (.bitShiftLeft, .int(let a), .int(let count)):
            return .int(Int(bitPattern: try shift(UInt(bitPattern: a), count, left: true)))
        // The sign is not carried: the bits are moved as if the number were unsigned.
        case (.bitShiftRight, .int(let a), .int(let count)):
            return .int(Int(bitPattern: try shift(UInt(bitPattern: a), count, left: false)))
        case (.bitShiftLeft, .uint(let a), .int(let count)): return .uint(try shift(a, count, left: true))
        case (.bitShiftRight, .uint(let a), .int(let count)): return .uint(try shift(a, count, left: false))
        default: throw function.mismatch(arguments)
        }
    }

    private static func shift(_ value: UInt, _ count: Int, left: Bool) throws(Fault) -> UInt {
        if count < 0 { throw .invalidArgument("negative shift \(count)") }
        return left ? value << UInt(count) : value >> UInt(count)
    }
}
