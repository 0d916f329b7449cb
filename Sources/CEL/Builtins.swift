/// The arguments of a builtin, still on the stack.
struct Arguments {
    private let values: UnsafeBufferPointer<Value>

    init(_ values: UnsafeBufferPointer<Value>) { self.values = values }

    var count: Int { values.count }
    subscript(place: Int) -> Value { values[place] }
    var all: [Value] { Array(values) }

    /// The types, for messages.
    var types: String { values.map(\.type.name).joined(separator: ", ") }
}

extension Builtin {
    static let all = Array(Builtin.allCases)

    var code: Int { Self.all.firstIndex(of: self) ?? 0 }

    /// Calls the function.
    func apply(
        _ arguments: Arguments, timeZone: @Sendable (String) -> TimeZone?, _ work: inout Work
    ) throws(Fault) -> Value {
        guard arguments.count > 0 else {
            if self == .optionalNone { return .optional(nil) }
            throw mismatch(arguments)
        }
        switch self {
        case .size: return .int(try size(arguments, &work))
        case .contains, .startsWith, .endsWith, .matches: return .bool(try test(arguments, &work))
        case .type: return .type(arguments[0].type)
        case .dyn: return arguments[0]
        case .bool, .int, .uint, .double, .string, .bytes, .timestamp, .duration:
            return try Conversion.apply(self, arguments[0], &work)
        case .getFullYear, .getMonth, .getDate, .getDayOfMonth, .getDayOfWeek, .getDayOfYear, .getHours, .getMinutes,
            .getSeconds, .getMilliseconds:
            return .int(try timePart(arguments, timeZone))
        case .charAt, .indexOf, .lastIndexOf, .lowerAscii, .upperAscii, .replace, .split, .substring, .trim, .join, .reverse,
            .quote:
            return try StringFunction.apply(self, arguments, &work)
        case .format:
            guard arguments.count == 2, case .string(let pattern) = arguments[0], case .list(let values) = arguments[1] else {
                throw mismatch(arguments)
            }
            return .string(try Formatter.format(pattern, values, &work))
        case .optionalOf: return .optional(arguments[0])
        case .ofNonZeroValue: return .optional(arguments[0].isZero ? nil : arguments[0])
        case .hasValue, .value:
            guard case .optional(let value) = arguments[0] else { throw mismatch(arguments) }
            if self == .hasValue { return .bool(value != nil) }
            guard let value else { throw .noValue }
            return value
        case .encode:
            guard case .bytes(let bytes) = arguments[0] else { throw mismatch(arguments) }
            try work.charge(bytes: bytes.count)
            return .string(Base64.text(bytes))
        case .decode:
            guard case .string(let text) = arguments[0] else { throw mismatch(arguments) }
            try work.charge(bytes: text.utf8.count)
            guard let bytes = Base64.bytes(text) else { throw .invalidArgument("not base64") }
            return .bytes(bytes)
        default: return try MathFunction.apply(self, arguments, &work)
        }
    }

    func mismatch(_ arguments: Arguments) -> Fault { .noSuchOverload("\(rawValue)(\(arguments.types))") }

    private func size(_ arguments: Arguments, _ work: inout Work) throws(Fault) -> Int {
        switch arguments[0] {
        case .string(let text):
            try work.charge(bytes: text.utf8.count)
            return text.unicodeScalars.count
        case .bytes(let bytes): return bytes.count
        case .list(let elements): return elements.count
        case .map(let map): return map.count
        default: throw mismatch(arguments)
        }
    }

    private func test(_ arguments: Arguments, _ work: inout Work) throws(Fault) -> Bool {
        guard arguments.count == 2, case .string(let text) = arguments[0], case .string(let other) = arguments[1] else {
            throw mismatch(arguments)
        }
        try work.charge(bytes: text.utf8.count + other.utf8.count)
        switch self {
        case .contains: return Text.contains(text, other)
        case .startsWith: return text.utf8.starts(with: other.utf8)
        case .endsWith: return text.utf8.count >= other.utf8.count && text.utf8.suffix(other.utf8.count).elementsEqual(other.utf8)
        default:
            let regex: Regex
            do { regex = try Regex(other) } catch { throw .invalidArgument("regular expression: \(error.message)") }
            try work.charge(regex.size)
            return try regex.matches(text, &work)
        }
    }

    private func timePart(_ arguments: Arguments, _ find: @Sendable (String) -> TimeZone?) throws(Fault) -> Int {
        switch arguments[0] {
        case .timestamp(let timestamp):
            guard arguments.count > 1 else { return try TimeAccess.part(self, of: timestamp, in: nil, find) }
            guard case .string(let zone) = arguments[1] else { throw mismatch(arguments) }
            return try TimeAccess.part(self, of: timestamp, in: zone, find)
        case .duration(let duration) where arguments.count == 1:
            guard let part = TimeAccess.part(self, of: duration) else { throw mismatch(arguments) }
            return part
        default: throw mismatch(arguments)
        }
    }
}
