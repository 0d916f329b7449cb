/// Packs JSON text that the program itself has written (the JSON columns of its own database, its control log), with values of events within. Input
/// from outside goes through the decoder instead, which is strict and fast; this one is total and small.
package enum JSONText {
    /// A line may be nested 512 deep, and what is kept of it lies a few levels deep itself.
    private static let mostLevels = 600

    /// Appends a packed value as JSON text from which `pack` makes the same value: in the canonical form, but that whole numbers keep all their digits, and
    /// zero its sign. For what is read back, not for messages.
    static func append(_ view: JSONView, to text: inout [UInt8]) {
        switch view.tag {
        case .null: text.append(contentsOf: "null".utf8)
        case .true: text.append(contentsOf: "true".utf8)
        case .false: text.append(contentsOf: "false".utf8)
        case .int: text.append(contentsOf: String(view.int64).utf8)
        case .uint: text.append(contentsOf: String(UInt64(bitPattern: view.int64)).utf8)
        case .double:
            let number = Double(bitPattern: UInt64(bitPattern: view.int64))
            text.append(contentsOf: (number == 0 && number.sign == .minus ? "-0.0" : CanonicalJSON.number(number)).utf8)
        case .string: CanonicalJSON.write(string: view.string ?? "", to: &text)
        case .array:
            text.append(UInt8(ascii: "["))
            for (index, element) in view.elements.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                append(element, to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .object:
            text.append(UInt8(ascii: "{"))
            for (index, entry) in view.entries.sorted(by: { CanonicalJSON.precedes($0.key, $1.key) }).enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                CanonicalJSON.write(string: entry.key, to: &text)
                text.append(UInt8(ascii: ":"))
                append(entry.value, to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    /// A packed value as such text.
    package static func text(of view: JSONView) -> [UInt8] {
        var text: [UInt8] = []
        append(view, to: &text)
        return text
    }

    /// The packed value, or nil if the text is not JSON.
    package static func pack(_ text: [UInt8]) -> [UInt8]? {
        var parser = Parser(text: text)
        guard parser.value(depth: 0), parser.isAtEnd else { return nil }
        return parser.writer.bytes
    }

    /// Any text, JSON or not, with what JSON's escapes in it stand for.
    package static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var parser = Parser(text: text)
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        while parser.position < text.count {
            let byte = text[parser.position]
            parser.position += 1
            let after = parser.position
            if byte == UInt8(ascii: "\\"), parser.escape(&result) { continue }
            parser.position = after
            result.append(byte)
        }
        return result
    }

    private struct Parser {
        let text: [UInt8]
        var position = 0
        var writer = PackedJSON.Writer()

        init(text: [UInt8]) { self.text = text }

        var isAtEnd: Bool {
            mutating get {
                space()
                return position == text.count
            }
        }

        private mutating func space() {
            while position < text.count {
                switch text[position] {
                case 0x20, 0x09, 0x0A, 0x0D: position += 1
                default: return
                }
            }
        }

        private mutating func take(_ byte: UInt8) -> Bool {
            space()
            guard position < text.count, text[position] == byte else { return false }
            position += 1
            return true
        }

        private mutating func word(_ word: StaticString) -> Bool {
            let matches = word.withUTF8Buffer { text[position...].starts(with: $0) }
            if matches { position += word.utf8CodeUnitCount }
            return matches
        }

        mutating func value(depth: Int) -> Bool {
            space()
            guard position < text.count, depth < JSONText.mostLevels else { return false }
            switch text[position] {
            case UInt8(ascii: "{"):
                position += 1
                let mark = writer.open(.object)
                var count = 0
                if !take(UInt8(ascii: "}")) {
                    repeat {
                        space()
                        guard let key = string() else { return false }
                        writer.key(key)
                        guard take(UInt8(ascii: ":")) else { return false }
                        guard value(depth: depth + 1) else { return false }
                        count += 1
                    } while take(UInt8(ascii: ","))
                    guard take(UInt8(ascii: "}")) else { return false }
                }
                writer.close(mark, count: count)
                return true
            case UInt8(ascii: "["):
                position += 1
                let mark = writer.open(.array)
                var count = 0
                if !take(UInt8(ascii: "]")) {
                    repeat {
                        guard value(depth: depth + 1) else { return false }
                        count += 1
                    } while take(UInt8(ascii: ","))
                    guard take(UInt8(ascii: "]")) else { return false }
                }
                writer.close(mark, count: count)
                return true
            case UInt8(ascii: "\""):
                guard let bytes = string() else { return false }
                writer.string(bytes)
                return true
            case UInt8(ascii: "t"):
                writer.bool(true)
                return word("true")
            case UInt8(ascii: "f"):
                writer.bool(false)
                return word("false")
            case UInt8(ascii: "n"):
                writer.null()
                return word("null")
            default: return number()
            }
        }

        private mutating func number() -> Bool {
            let start = position
            // Nearly all are counts and times: up to 18 digits, which fit.
            var whole: Int64 = 0
            let isNegative = position < text.count && text[position] == UInt8(ascii: "-")
            if isNegative { position += 1 }
            let first = position
            while position < text.count, position - first < 18, text[position] &- UInt8(ascii: "0") <= 9 {
                whole = whole * 10 + Int64(text[position] &- UInt8(ascii: "0"))
                position += 1
            }
            if position > first, position == text.count || !Self.isOfNumber(text[position]) {
                writer.int(isNegative ? -whole : whole)
                return true
            }
            while position < text.count, Self.isOfNumber(text[position]) { position += 1 }
            let digits = String(decoding: text[start..<position], as: UTF8.self)
            if let int = Int64(digits) {
                writer.int(int)
            } else if let uint = UInt64(digits) {
                writer.uint(uint)
            } else if let double = Double(digits) {
                writer.number(double)
            } else {
                return false
            }
            return true
        }

        private static func isOfNumber(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                true
            default: false
            }
        }

        private mutating func string() -> ArraySlice<UInt8>? {
            guard position < text.count, text[position] == UInt8(ascii: "\"") else { return nil }
            position += 1
            let start = position
            while position < text.count, text[position] != UInt8(ascii: "\""), text[position] != UInt8(ascii: "\\") {
                position += 1
            }
            guard position < text.count else { return nil }
            // Without an escape it stands there as it is.
            if text[position] == UInt8(ascii: "\"") {
                position += 1
                return text[start..<(position - 1)]
            }
            var result = Array(text[start..<position])
            while position < text.count {
                let byte = text[position]
                position += 1
                switch byte {
                case UInt8(ascii: "\""): return result[...]
                case UInt8(ascii: "\\"): guard escape(&result) else { return nil }
                default: result.append(byte)
                }
            }
            return nil
        }

        /// Appends what the escape after a backslash stands for; false if it is none.
        mutating func escape(_ result: inout [UInt8]) -> Bool {
            guard position < text.count else { return false }
            let escape = text[position]
            position += 1
            switch escape {
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "u"):
                guard var code = hex() else { return false }
                if code >= 0xD800, code < 0xDC00, position + 1 < text.count, text[position] == 0x5C {
                    position += 2
                    guard let low = hex(), low >= 0xDC00, low < 0xE000 else { return false }
                    code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                }
                guard let scalar = Unicode.Scalar(code) else { return false }
                result.append(contentsOf: Array(String(Character(scalar)).utf8))
            default: result.append(escape)
            }
            return true
        }

        private mutating func hex() -> UInt32? {
            guard position + 4 <= text.count else { return nil }
            defer { position += 4 }
            return UInt32(String(decoding: text[position..<(position + 4)], as: UTF8.self), radix: 16)
        }
    }
}
