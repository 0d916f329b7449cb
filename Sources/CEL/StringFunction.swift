/// The functions of strings that count in code points.
enum StringFunction {
    static func apply(_ function: Builtin, _ arguments: Arguments, _ work: inout Work) throws(Fault) -> Value {
        if function == .join { return try join(arguments, &work) }
        guard case .string(let text) = arguments[0] else { throw function.mismatch(arguments) }
        try work.charge(bytes: text.utf8.count)
        switch function {
        case .lowerAscii: return .string(mapAscii(text) { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 })
        case .upperAscii: return .string(mapAscii(text) { $0 >= 97 && $0 <= 122 ? $0 - 32 : $0 })
        case .trim: return .string(trim(text))
        case .reverse: return .string(Text.string(text.unicodeScalars.reversed()))
        case .quote: return .string(Text.quoted(text))
        case .charAt:
            guard case .int(let place) = arguments[1] else { throw function.mismatch(arguments) }
            let scalars = Array(text.unicodeScalars)
            guard place >= 0, place <= scalars.count else { throw .indexOutOfRange(place) }
            return .string(place == scalars.count ? "" : Text.string([scalars[place]]))
        case .substring: return try substring(Array(text.unicodeScalars), arguments)
        case .indexOf, .lastIndexOf: return try find(function, text, arguments, &work)
        case .replace: return try replace(text, arguments, &work)
        case .split: return try split(text, arguments, &work)
        default: throw function.mismatch(arguments)
        }
    }

    private static func mapAscii(_ text: String, _ change: (UInt8) -> UInt8) -> String {
        String(decoding: text.utf8.map(change), as: UTF8.self)
    }

    private static func trim(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return Text.string(scalars[first...last])
    }

    private static func substring(_ scalars: [Unicode.Scalar], _ arguments: Arguments) throws(Fault) -> Value {
        guard case .int(let start) = arguments[1] else { throw Builtin.substring.mismatch(arguments) }
        var end = scalars.count
        if arguments.count > 2 {
            guard case .int(let given) = arguments[2] else { throw Builtin.substring.mismatch(arguments) }
            end = given
        }
        guard start >= 0, start <= scalars.count else { throw .indexOutOfRange(start) }
        guard end >= 0, end <= scalars.count else { throw .indexOutOfRange(end) }
        guard start <= end else { throw .invalidArgument("invalid substring range. start: \(start), end: \(end)") }
        return .string(Text.string(scalars[start..<end]))
    }

    private static func find(
        _ function: Builtin, _ text: String, _ arguments: Arguments, _ work: inout Work
    ) throws(Fault) -> Value {
        guard case .string(let needleText) = arguments[1] else { throw function.mismatch(arguments) }
        try work.charge(bytes: needleText.utf8.count)
        let scalars = Array(text.unicodeScalars)
        let needle = Array(needleText.unicodeScalars)
        var offset: Int?
        if arguments.count > 2 {
            guard case .int(let given) = arguments[2] else { throw function.mismatch(arguments) }
            guard given >= 0, given <= scalars.count else { throw .indexOutOfRange(given) }
            offset = given
        }
        if function == .indexOf { return .int(Text.find(needle, in: scalars, from: offset ?? 0) ?? -1) }
        // The last match that begins at or before the offset is the first one of the reversed texts.
        let latest = min(offset ?? scalars.count, scalars.count - needle.count)
        guard latest >= 0 else { return .int(-1) }
        let head = Array(scalars[..<(latest + needle.count)].reversed())
        guard let found = Text.find(Array(needle.reversed()), in: head, from: 0) else { return .int(-1) }
        return .int(head.count - found - needle.count)
    }

    private static func replace(_ text: String, _ arguments: Arguments, _ work: inout Work) throws(Fault) -> Value {
        guard case .string(let old) = arguments[1], case .string(let new) = arguments[2] else {
            throw Builtin.replace.mismatch(arguments)
        }
        var limit = -1
        if arguments.count > 3 {
            guard case .int(let given) = arguments[3] else { throw Builtin.replace.mismatch(arguments) }
            limit = given
        }
        let source = Array(text.unicodeScalars)
        let needle = Array(old.unicodeScalars)
        let replacement = Array(new.unicodeScalars)
        let found = try places(of: needle, in: source, limit: limit < 0 ? Int.max : limit, &work)
        try work.charge(bytes: 4 * (source.count + found.count * replacement.count))
        var result: [Unicode.Scalar] = []
        var next = 0
        for place in found {
            result.append(contentsOf: source[next..<place])
            result.append(contentsOf: replacement)
            next = place + needle.count
        }
        result.append(contentsOf: source[next...])
        return .string(Text.string(result))
    }

    /// Matches that do not overlap, from the left. Nothing stands before each code point and at the end.
    private static func places(
        of needle: [Unicode.Scalar], in text: [Unicode.Scalar], limit: Int, _ work: inout Work
    ) throws(Fault) -> [Int] {
        if needle.isEmpty { return Array((0...text.count).prefix(limit)) }
        var result: [Int] = []
        var start = 0
        while result.count < limit {
            // Each search computes the borders of the needle anew.
            try work.charge(1 + needle.count / 16)
            guard let place = Text.find(needle, in: text, from: start) else { break }
            result.append(place)
            start = place + needle.count
        }
        return result
    }

    private static func split(_ text: String, _ arguments: Arguments, _ work: inout Work) throws(Fault) -> Value {
        guard case .string(let separator) = arguments[1] else { throw Builtin.split.mismatch(arguments) }
        var limit = Int.max
        if arguments.count > 2 {
            guard case .int(let given) = arguments[2] else { throw Builtin.split.mismatch(arguments) }
            if given >= 0 { limit = given }
        }
        guard limit > 0 else { return .list([]) }
        let source = Array(text.unicodeScalars)
        let needle = Array(separator.unicodeScalars)
        var parts: [Value] = []
        var next = 0
        if needle.isEmpty {
            // Into code points; nothing between nothing.
            try work.charge(source.count)
            while next < source.count, parts.count < limit - 1 {
                parts.append(.string(Text.string([source[next]])))
                next += 1
            }
            if next < source.count { parts.append(.string(Text.string(source[next...]))) }
            return .list(parts)
        }
        for place in try places(of: needle, in: source, limit: limit - 1, &work) {
            parts.append(.string(Text.string(source[next..<place])))
            next = place + needle.count
        }
        parts.append(.string(Text.string(source[next...])))
        try work.charge(parts.count)
        return .list(parts)
    }

    private static func join(_ arguments: Arguments, _ work: inout Work) throws(Fault) -> Value {
        guard case .list(let elements) = arguments[0] else { throw Builtin.join.mismatch(arguments) }
        var separator = ""
        if arguments.count > 1 {
            guard case .string(let given) = arguments[1] else { throw Builtin.join.mismatch(arguments) }
            separator = given
        }
        var result = ""
        for (place, element) in elements.enumerated() {
            guard case .string(let text) = element else { throw Builtin.join.mismatch(arguments) }
            try work.charge(bytes: text.utf8.count + separator.utf8.count)
            if place > 0 { result += separator }
            result += text
        }
        return .string(result)
    }
}
