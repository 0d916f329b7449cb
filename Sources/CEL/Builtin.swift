/// The functions of the language, beside its operators.
package enum Builtin: String, Sendable, Hashable, CaseIterable {
    case size, contains, startsWith, endsWith, matches
    case type, dyn, bool, int, uint, double, string, bytes, timestamp, duration
    case getFullYear, getMonth, getDate, getDayOfMonth, getDayOfWeek, getDayOfYear
    case getHours, getMinutes, getSeconds, getMilliseconds
    case charAt, indexOf, lastIndexOf, lowerAscii, upperAscii, replace, split, substring, trim, join, format, reverse
    case quote = "strings.quote"
    case optionalOf = "optional.of"
    case optionalNone = "optional.none"
    case ofNonZeroValue = "optional.ofNonZeroValue"
    case hasValue, value, or, orValue
    case encode = "base64.encode"
    case decode = "base64.decode"
    case greatest = "math.greatest"
    case least = "math.least"
    case ceil = "math.ceil"
    case floor = "math.floor"
    case round = "math.round"
    case trunc = "math.trunc"
    case abs = "math.abs"
    case sign = "math.sign"
    case sqrt = "math.sqrt"
    case isNaN = "math.isNaN"
    case isInf = "math.isInf"
    case isFinite = "math.isFinite"
    case bitAnd = "math.bitAnd"
    case bitOr = "math.bitOr"
    case bitXor = "math.bitXor"
    case bitNot = "math.bitNot"
    case bitShiftLeft = "math.bitShiftLeft"
    case bitShiftRight = "math.bitShiftRight"
}

/// The declarations of ``Builtin``s: which arguments they take and what they give.
enum StandardLibrary {
    struct Signature: Sendable {
        let isMember: Bool
        /// The target first.
        let parameters: [Type]
        let result: Type
    }

    static func signatures(of name: String) -> (builtin: Builtin, signatures: [Signature])? {
        guard let builtin = Builtin(rawValue: name) else { return nil }
        return (builtin, table[builtin] ?? [])
    }

    /// All names, for suggestions.
    static var names: [String] { table.keys.map(\.rawValue) }

    private static func global(_ parameters: [Type], _ result: Type) -> Signature {
        Signature(isMember: false, parameters: parameters, result: result)
    }

    private static func member(_ parameters: [Type], _ result: Type) -> Signature {
        Signature(isMember: true, parameters: parameters, result: result)
    }

    private static let anything = Type.parameter(0)
    private static let anyList = Type.list(.parameter(0))
    private static let anyMap = Type.map(.parameter(0), .parameter(1))

    private static let anyOptional = Type.optional(.parameter(0))

    private static func conversions(_ from: [Type], to: Type) -> [Signature] { from.map { global([$0], to) } }
    private static func numbers(_ types: [Type]) -> [Signature] { types.map { global([$0], $0) } }
    private static let bits = [global([.int, .int], .int), global([.uint, .uint], .uint)]
    private static let shift = [global([.int, .int], .int), global([.uint, .int], .uint)]
    private static let ofDate = [member([.timestamp], .int), member([.timestamp, .string], .int)]
    private static let ofTime = ofDate + [member([.duration], .int)]

    private static let table: [Builtin: [Signature]] = [
        .size: [Type.string, .bytes, anyList, anyMap].flatMap { [global([$0], .int), member([$0], .int)] },
        .contains: [member([.string, .string], .bool)],
        .startsWith: [member([.string, .string], .bool)],
        .endsWith: [member([.string, .string], .bool)],
        .matches: [global([.string, .string], .bool), member([.string, .string], .bool)],
        .type: [global([anything], .type)],
        .dyn: [global([anything], .dyn)],
        .bool: conversions([.bool, .string], to: .bool),
        .int: conversions([.int, .uint, .double, .string, .timestamp, .duration], to: .int),
        .uint: conversions([.uint, .int, .double, .string], to: .uint),
        .double: conversions([.double, .int, .uint, .string], to: .double),
        .string: conversions([.string, .bool, .int, .uint, .double, .bytes, .timestamp, .duration], to: .string),
        .bytes: conversions([.bytes, .string], to: .bytes),
        .timestamp: conversions([.timestamp, .string, .int], to: .timestamp),
        .duration: conversions([.duration, .string, .int], to: .duration),
        .getFullYear: ofDate, .getMonth: ofDate, .getDate: ofDate, .getDayOfMonth: ofDate, .getDayOfWeek: ofDate,
        .getDayOfYear: ofDate, .getHours: ofTime, .getMinutes: ofTime, .getSeconds: ofTime, .getMilliseconds: ofTime,
        .charAt: [member([.string, .int], .string)],
        .indexOf: [member([.string, .string], .int), member([.string, .string, .int], .int)],
        .lastIndexOf: [member([.string, .string], .int), member([.string, .string, .int], .int)],
        .lowerAscii: [member([.string], .string)],
        .upperAscii: [member([.string], .string)],
        .replace: [
            member([.string, .string, .string], .string), member([.string, .string, .string, .int], .string),
        ],
        .split: [member([.string, .string], .list(.string)), member([.string, .string, .int], .list(.string))],
        .substring: [member([.string, .int], .string), member([.string, .int, .int], .string)],
        .trim: [member([.string], .string)],
        .join: [member([.list(.string)], .string), member([.list(.string), .string], .string)],
        .format: [member([.string, .list(.dyn)], .string)],
        .reverse: [member([.string], .string)],
        .quote: [global([.string], .string)],
        .optionalOf: [global([anything], anyOptional)], .optionalNone: [global([], anyOptional)],
        .ofNonZeroValue: [global([anything], anyOptional)],
        .hasValue: [member([anyOptional], .bool)], .value: [member([anyOptional], anything)],
        .or: [member([anyOptional, anyOptional], anyOptional)], .orValue: [member([anyOptional, anything], anything)],
        .encode: [global([.bytes], .string)], .decode: [global([.string], .bytes)],
        // Any number of arguments: the checker knows these two by name.
        .greatest: [], .least: [],
        .ceil: numbers([.double]), .floor: numbers([.double]), .round: numbers([.double]), .trunc: numbers([.double]),
        .abs: numbers([.int, .uint, .double]), .sign: numbers([.int, .uint, .double]),
        .sqrt: conversions([.double, .int, .uint], to: .double),
        .isNaN: [global([.double], .bool)], .isInf: [global([.double], .bool)], .isFinite: [global([.double], .bool)],
        .bitAnd: bits, .bitOr: bits, .bitXor: bits, .bitNot: numbers([.int, .uint]), .bitShiftLeft: shift,
        .bitShiftRight: shift,
    ]
}
