/// `"…%s…".format([…])`.
struct Formatter {
    private let scalars: [Unicode.Scalar]
    private let values: [Value]
    private var position = 0
    private var nextValue = 0
    private var result = ""

    private static let maximumPrecision = 1000

    static func format(_ pattern: String, _ values: [Value], _ work: inout Work) throws(Fault) -> String {
        try work.charge(bytes: pattern.utf8.count)
        var formatter = Formatter(pattern, values)
        try formatter.run(&work)
        return formatter.result
    }

    private init(_ pattern: String, _ values: [Value]) {
        scalars = Array(pattern.unicodeScalars)
        self.values = values
    }

    private mutating func run(_ work: inout Work) throws(Fault) {
        while position < scalars.count {
            let scalar = scalars[position]
            position += 1
            guard scalar == "%" else {
                result.unicodeScalars.append(scalar)
                continue
            }
            guard position < scalars.count else { throw .invalidArgument("format: '%' at the end") }
            if scalars[position] == "%" {
                position += 1
                result += "%"
                continue
            }
            let precision = try precision()
            guard position < scalars.count else { throw .invalidArgument("format: the clause at the end has no letter") }
            let verb = scalars[position]
            position += 1
            guard nextValue < values.count else { throw .invalidArgument("format: index \(nextValue) out of range") }
            let text = try clause(verb, precision, values[nextValue], &work)
            nextValue += 1
            try work.charge(bytes: text.utf8.count)
            result += text
        }
    }

    private mutating func precision() throws(Fault) -> Int? {
        guard scalars[position] == "." else { return nil }
        position += 1
        var value: Int?
        while position < scalars.count, scalars[position].isDigit {
            value = (value ?? 0) * 10 + Int(scalars[position].value - 48)
            position += 1
            if let value, value > Self.maximumPrecision { throw .invalidArgument("format: the precision is too great") }
        }
        guard let value else { throw .invalidArgument("format: a '.' without digits") }
        return value
    }

    private func clause(
        _ verb: Unicode.Scalar, _ precision: Int?, _ value: Value, _ work: inout Work
    ) throws(Fault) -> String {
        switch verb {
        case "s": return try Self.text(value, &work)
        case "d": return try decimal(value)
        case "f": return Decimal.fixed(try number(value, "f"), decimals: precision ?? 6)
        case "e": return Decimal.scientific(try number(value, "e"), decimals: precision ?? 6)
        case "b": return try binary(value)
        case "o":
            switch value {
            case .int(let number): return String(number, radix: 8)
            case .uint(let number): return String(number, radix: 8)
            default: throw unfit("o", value)
            }
        case "x", "X": return try hexadecimal(value, isUpper: verb == "X", &work)
        default: throw .invalidArgument("format: unknown clause '%\(verb)'")
        }
    }

    private func unfit(_ verb: String, _ value: Value) -> Fault {
        .invalidArgument("format: '%\(verb)' cannot show \(value.type.runtimeName)")
    }

    private func decimal(_ value: Value) throws(Fault) -> String {
        switch value {
        case .int(let number): return String(number)
        case .uint(let number): return String(number)
        case .double(let number): return Decimal.shortest(number)
        default: throw unfit("d", value)
        }
    }

    private func number(_ value: Value, _ verb: String) throws(Fault) -> Double {
        switch value {
        case .int(let number): return Double(number)
        case .uint(let number): return Double(number)
        case .double(let number): return number
        default: throw unfit(verb, value)
        }
    }

    private func binary(_ value: Value) throws(Fault) -> String {
        switch value {
        case .int(let number): return String(number, radix: 2)
        case .uint(let number): return String(number, radix: 2)
        case .bool(let value): return value ? "1" : "0"
        default: throw unfit("b", value)
        }
    }

    private func hexadecimal(_ value: Value, isUpper: Bool, _ work: inout Work) throws(Fault) -> String {
        switch value {
        case .int(let number): return String(number, radix: 16, uppercase: isUpper)
        case .uint(let number): return String(number, radix: 16, uppercase: isUpper)
        case .string(let text): return try hexadecimal(bytes: Array(text.utf8), isUpper, &work)
        case .bytes(let bytes): return try hexadecimal(bytes: bytes, isUpper, &work)
        default: throw unfit(isUpper ? "X" : "x", value)
        }
    }

    private func hexadecimal(bytes: [UInt8], _ isUpper: Bool, _ work: inout Work) throws(Fault) -> String {
        try work.charge(bytes: 2 * bytes.count)
        var result = ""
        for byte in bytes { result += (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: isUpper) }
        return result
    }

    /// Any value as text: `%s`. Maps are in the order of their keys' text.
    private static func text(_ value: Value, _ work: inout Work) throws(Fault) -> String {
        try work.charge(1)
        switch value {
        case .null: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .int(let number): return String(number)
        case .uint(let number): return String(number)
        case .double(let number): return Decimal.shortest(number)
        case .string(let text): return text
        case .bytes(let bytes): return String(decoding: bytes, as: UTF8.self)
        case .timestamp(let timestamp): return timestamp.rfc3339
        case .duration(let duration): return DurationText.string(duration)
        case .type(let type): return type.runtimeName
        case .optional: throw .invalidArgument("an optional is no text: take .orValue(…) of it")
        case .list(let elements):
            var parts: [String] = []
            for element in elements { parts.append(try text(element, &work)) }
            return try joined("[", parts, "]", &work)
        case .map(let map):
            var entries: [(key: String, text: String)] = []
            for (key, value) in zip(map.keys, map.values) {
                let key = try text(key, &work)
                entries.append((key, "\(key): \(try text(value, &work))"))
            }
            entries.sort { Text.compare($0.key, $1.key) < 0 }
            return try joined("{", entries.map(\.text), "}", &work)
        }
    }

    private static func joined(_ open: String, _ parts: [String], _ close: String, _ work: inout Work) throws(Fault) -> String {
        try work.charge(bytes: parts.reduce(0) { $0 + $1.utf8.count + 2 })
        return open + parts.joined(separator: ", ") + close
    }
}
