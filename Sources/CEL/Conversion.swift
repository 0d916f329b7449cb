/// The functions named like types.
enum Conversion {
    static func apply(_ target: Builtin, _ value: Value, _ work: inout Work) throws(Fault) -> Value {
        switch (target, value) {
        case (.bool, .bool), (.int, .int), (.uint, .uint), (.double, .double), (.string, .string), (.bytes, .bytes),
            (.timestamp, .timestamp), (.duration, .duration):
            return value
        case (.bool, .string(let text)): return .bool(try bool(text))
        case (.int, _): return .int(try int(value))
        case (.uint, _): return .uint(try uint(value))
        case (.double, _): return .double(try double(value))
        case (.string, _): return .string(try string(value, &work))
        case (.bytes, .string(let text)):
            try work.charge(bytes: text.utf8.count)
            return .bytes(Array(text.utf8))
        case (.timestamp, .string(let text)):
            guard let timestamp = Timestamp(rfc3339: text) else {
                throw .outOfRange("'\(text)' is no timestamp of the years 1 to 9999, such as 2026-01-31T00:00:00Z")
            }
            return .timestamp(timestamp)
        case (.timestamp, .int(let seconds)):
            guard let timestamp = Timestamp(seconds: seconds) else { throw .outOfRange("timestamp") }
            return .timestamp(timestamp)
        case (.duration, .string(let text)):
            guard let duration = DurationText.parse(text) else {
                throw .outOfRange("'\(text)' is no duration; its units are h, m, s, ms, us and ns")
            }
            return .duration(duration)
        case (.duration, .int(let seconds)):
            let (result, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
            if overflow { throw .outOfRange("duration") }
            return .duration(result)
        default: throw .noSuchOverload("\(target.rawValue)(\(value.type.name))")
        }
    }

    private static func bool(_ text: String) throws(Fault) -> Bool {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": return true
        case "0", "f", "F", "false", "FALSE", "False": return false
        default: throw .invalidArgument("'\(text)' is no bool")
        }
    }

    private static func int(_ value: Value) throws(Fault) -> Int {
        switch value {
        case .uint(let number):
            guard let result = Int(exactly: number) else { throw .outOfRange("int") }
            return result
        case .double(let number):
            // Both limits are excluded, as in other implementations: doubles near them stand for more than one int.
            guard number > -0x1p63, number < 0x1p63 else { throw .outOfRange("int") }
            return Int(number)
        case .string(let text):
            guard isPlain(text), let result = Int(text) else { throw .invalidArgument("'\(text)' is no int") }
            return result
        case .timestamp(let timestamp): return timestamp.seconds
        case .duration(let duration): return duration / 1_000_000_000
        default: throw .noSuchOverload("int(\(value.type.name))")
        }
    }

    private static func uint(_ value: Value) throws(Fault) -> UInt {
        switch value {
        case .int(let number):
            guard let result = UInt(exactly: number) else { throw .outOfRange("uint") }
            return result
        case .double(let number):
            guard number >= 0, number < 0x1p64 else { throw .outOfRange("uint") }
            return UInt(number)
        case .string(let text):
            guard isPlain(text), let result = UInt(text) else { throw .invalidArgument("'\(text)' is no uint") }
            return result
        default: throw .noSuchOverload("uint(\(value.type.name))")
        }
    }

    private static func isPlain(_ text: String) -> Bool { !text.utf8.contains(43) }

    private static func double(_ value: Value) throws(Fault) -> Double {
        switch value {
        case .int(let number): return Double(number)
        case .uint(let number): return Double(number)
        case .string(let text):
            guard let result = Double(text), !text.utf8.contains(120), !text.utf8.contains(88) else {
                throw .invalidArgument("'\(text)' is no double")
            }
            return result
        default: throw .noSuchOverload("double(\(value.type.name))")
        }
    }

    private static func string(_ value: Value, _ work: inout Work) throws(Fault) -> String {
        switch value {
        case .bool(let value): return value ? "true" : "false"
        case .int(let number): return String(number)
        case .uint(let number): return String(number)
        case .double(let number): return Decimal.shortest(number)
        case .bytes(let bytes):
            try work.charge(bytes: bytes.count)
            guard let text = Text.decode(bytes) else { throw .invalidArgument("the bytes are no UTF-8") }
            return text
        case .timestamp(let timestamp): return timestamp.rfc3339
        case .duration(let duration): return DurationText.string(duration)
        default: throw .noSuchOverload("string(\(value.type.name))")
        }
    }
}
