/// JSON text in the canonical form of RFC 8785: members sorted by the UTF-16 code units of their keys, no insignificant space,
/// ECMAScript's number format, shortest escapes.
package indirect enum CanonicalJSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([CanonicalJSON])
    case object([(key: String, value: CanonicalJSON)])

    package static func == (left: CanonicalJSON, right: CanonicalJSON) -> Bool { left.text == right.text }

    package init(_ view: JSONView) {
        switch view.tag {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .double, .int, .uint: self = .number(view.number ?? 0)
        case .string: self = .string(view.string ?? "")
        case .array: self = .array(view.elements.map(CanonicalJSON.init))
        case .object: self = .object(view.entries.map { ($0.key, CanonicalJSON($0.value)) })
        }
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package var bytes: [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(512)
        write(to: &output)
        // Messages are kept by the thousand until they are committed; what has grown by doubling is half empty.
        return Array(output[...])
    }

    package func write(to output: inout [UInt8]) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .number(let value): output.append(contentsOf: Self.number(value).utf8)
        case .string(let value): Self.write(string: value, to: &output)
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                element.write(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            // Most objects are written down in their order already.
            var isSorted = true
            for index in members.indices.dropFirst() where Self.precedes(members[index].key, members[index - 1].key) {
                isSorted = false
                break
            }
            Self.write(members: isSorted ? members : members.sorted { Self.precedes($0.key, $1.key) }, to: &output)
            output.append(UInt8(ascii: "}"))
        }
    }

    private static func write(members: [(key: String, value: CanonicalJSON)], to output: inout [UInt8]) {
        for (index, member) in members.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            write(string: member.key, to: &output)
            output.append(UInt8(ascii: ":"))
            member.value.write(to: &output)
        }
    }

    /// Order by UTF-16 code units. It is that of the UTF-8 bytes but where one text has a character of U+E000 to U+FFFF and the other one beyond.
    static func precedes(_ left: String, _ right: String) -> Bool {
        let quick = left.utf8.withContiguousStorageIfAvailable { left in
            right.utf8.withContiguousStorageIfAvailable { right -> Bool? in
                let index = commonPrefix(left, right)
                guard index < left.count, index < right.count else { return left.count < right.count }
                return max(left[index], right[index]) >= 0xEE ? nil : left[index] < right[index]
            }
        }
        if case .some(.some(.some(let result))) = quick { return result }
        return left.utf16.lexicographicallyPrecedes(right.utf16)
    }

    package static func write(string: String, to output: inout [UInt8]) {
        let text = string.utf8
        text.span.withUnsafeBytes { bytes in
            guard isPlain(bytes) else { return write(string: bytes, to: &output) }
            output.append(UInt8(ascii: "\""))
            output.append(contentsOf: bytes)
            output.append(UInt8(ascii: "\""))
        }
    }

    /// Whether a text stands in JSON as it is; eight bytes at a time (Mycroft's test for a byte below another, and for one that is zero).
    private static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        var place = 0
        while place &+ 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5C)
            let found =
                (word &- ones &* 0x20) & ~word | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash
            if found & tops != 0 { return false }
            place &+= 8
        }
        while place < bytes.count {
            if bytes[place] < 0x20 || bytes[place] == 0x22 || bytes[place] == 0x5C { return false }
            place &+= 1
        }
        return true
    }

    package static func write(string: some Sequence<UInt8>, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in string {
            switch byte {
            case 0x22: output.append(contentsOf: [0x5C, 0x22])
            case 0x5C: output.append(contentsOf: [0x5C, 0x5C])
            case 0x08: output.append(contentsOf: "\\b".utf8)
            case 0x09: output.append(contentsOf: "\\t".utf8)
            case 0x0A: output.append(contentsOf: "\\n".utf8)
            case 0x0C: output.append(contentsOf: "\\f".utf8)
            case 0x0D: output.append(contentsOf: "\\r".utf8)
            case 0..<0x20:
                let hex = Array("0123456789abcdef".utf8)
                output.append(contentsOf: "\\u00".utf8)
                output.append(hex[Int(byte >> 4)])
                output.append(hex[Int(byte & 15)])
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    /// ECMAScript's Number::toString, which RFC 8785 asks for. NaN and infinities have no JSON text and become `null`.
    package static func number(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        if value == 0 { return "0" }
        if value.magnitude < 9_007_199_254_740_992, value.rounded() == value { return String(Int64(value)) }
        // Swift prints the same shortest digits; only the layout differs.
        let printed = value.magnitude.description
        var digits: [UInt8] = []
        var pointAt: Int?
        var exponent = 0
        let parts = printed.split(separator: "e")
        for byte in parts[0].utf8 {
            if byte == UInt8(ascii: ".") { pointAt = digits.count } else { digits.append(byte) }
        }
        if parts.count > 1 { exponent = Int(parts[1]) ?? 0 }
        var point = (pointAt ?? digits.count) + exponent
        while digits.count > 1, digits.last == 48 { digits.removeLast() }
        while digits.count > 1, digits.first == 48 {
            digits.removeFirst()
            point -= 1
        }
        let count = digits.count
        func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
        let body: String
        if point > 0, point <= 21 {
            if count <= point {
                body = text(digits) + String(repeating: "0", count: point - count)
            } else {
                body = text(digits[..<point]) + "." + text(digits[point...])
            }
        } else if point > -6, point <= 0 {
            body = "0." + String(repeating: "0", count: -point) + text(digits)
        } else {
            let power = point - 1
            let mantissa = count == 1 ? text(digits) : text(digits[..<1]) + "." + text(digits[1...])
            body = mantissa + "e" + (power < 0 ? "-" : "+") + String(power.magnitude)
        }
        return (value < 0 ? "-" : "") + body
    }
}
