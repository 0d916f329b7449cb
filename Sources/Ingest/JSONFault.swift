/// Where and how a text is no JSON: a plain scan after RFC 8259, for lines that the parser has refused. It is slow and judges
/// nothing by itself; it only says in words what the parser leaves at yes or no.
struct JSONFault: Equatable {
    /// The offending byte, from 0; the length of the text if it ends too early.
    var offset: Int
    var message: String

    private enum Expectation { case value, valueOrClose, key, keyOrClose, colon, commaOrClose, end }

    /// The first fault, nil if the text is valid JSON whose numbers are within a double's range.
    static func find(in text: UnsafeRawBufferPointer, depthLimit: Int = 512) -> JSONFault? {
        if let offset = invalidUTF8(in: text) { return JSONFault(offset: offset, message: "these bytes are no UTF-8") }
        var stack: [UInt8] = []
        var expectation = Expectation.value
        var at = 0
        while at < text.count {
            let byte = text[at]
            if byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
                at += 1
                continue
            }
            if stack.count > depthLimit, expectation == .valueOrClose || expectation == .keyOrClose, byte != closing(stack.last) {
                return JSONFault(offset: at, message: "this value is nested deeper than \(depthLimit)")
            }
            func afterValue() -> Expectation { stack.isEmpty ? .end : .commaOrClose }
            switch (expectation, byte) {
            case (.end, _): return JSONFault(offset: at, message: "there is more after the end of the value")
            case (.valueOrClose, UInt8(ascii: "]")), (.keyOrClose, UInt8(ascii: "}")), (.commaOrClose, closing(stack.last)):
                stack.removeLast()
                expectation = afterValue()
                at += 1
            case (.commaOrClose, UInt8(ascii: ",")):
                expectation = stack.last == UInt8(ascii: "{") ? .key : .value
                at += 1
            case (.commaOrClose, _):
                return JSONFault(offset: at, message: "a comma or the end of the array or object is missing here")
            case (.colon, UInt8(ascii: ":")):
                expectation = .value
                at += 1
            case (.colon, _): return JSONFault(offset: at, message: "a colon is missing here")
            case (.key, UInt8(ascii: "\"")), (.keyOrClose, UInt8(ascii: "\"")):
                if let fault = string(in: text, &at) { return fault }
                expectation = .colon
            case (.key, _), (.keyOrClose, _): return JSONFault(offset: at, message: "a key in quotes is missing here")
            case (_, UInt8(ascii: "\"")):
                if let fault = string(in: text, &at) { return fault }
                expectation = afterValue()
            case (_, UInt8(ascii: "{")), (_, UInt8(ascii: "[")):
                stack.append(byte)
                expectation = byte == UInt8(ascii: "{") ? .keyOrClose : .valueOrClose
                at += 1
            case (_, UInt8(ascii: "-")), (_, UInt8(ascii: "0")...UInt8(ascii: "9")):
                if let fault = number(in: text, &at) { return fault }
                expectation = afterValue()
            default:
                let words: [StaticString] = ["true", "false", "null"]
                guard let word = words.first(where: { Self.has($0, at: at, in: text) }) else {
                    return JSONFault(offset: at, message: "a value is missing here")
                }
                at += word.utf8CodeUnitCount
                expectation = afterValue()
            }
        }
        return expectation == .end ? nil : JSONFault(offset: text.count, message: "the line ends before the value does")
    }

    /// The bracket that closes this one; 0, which is no bracket, if there is none.
    private static func closing(_ open: UInt8?) -> UInt8 {
        switch open {
        case UInt8(ascii: "["): UInt8(ascii: "]")
        case UInt8(ascii: "{"): UInt8(ascii: "}")
        default: 0
        }
    }

    private static func has(_ word: StaticString, at offset: Int, in text: UnsafeRawBufferPointer) -> Bool {
        word.withUTF8Buffer { text[offset...].starts(with: $0) }
    }

    /// Passes a string, from its opening quote.
    private static func string(in text: UnsafeRawBufferPointer, _ at: inout Int) -> JSONFault? {
        at += 1
        while at < text.count {
            switch text[at] {
            case UInt8(ascii: "\""):
                at += 1
                return nil
            case UInt8(ascii: "\\"):
                guard at + 1 < text.count else { break }
                switch text[at + 1] {
                case UInt8(ascii: "u"):
                    guard let unit = codeUnit(in: text, at: at) else {
                        return JSONFault(offset: at, message: "\\u takes four hexadecimal digits")
                    }
                    at += 6
                    guard unit & 0xF800 == 0xD800 else { continue }
                    guard unit < 0xDC00, let low = codeUnit(in: text, at: at), low & 0xFC00 == 0xDC00 else {
                        return JSONFault(offset: at - 6, message: "this \\u escape is half of a surrogate pair")
                    }
                    at += 6
                    continue
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
                    UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                    at += 2
                    continue
                default: return JSONFault(offset: at, message: "JSON has no such escape")
                }
            case 0..<0x20: return JSONFault(offset: at, message: "a control character in a string has to be escaped")
            default:
                at += 1
                continue
            }
            break
        }
        return JSONFault(offset: text.count, message: "the line ends inside a string")
    }

    /// The code unit of the `\uXXXX` at an offset.
    private static func codeUnit(in text: UnsafeRawBufferPointer, at offset: Int) -> UInt32? {
        guard offset + 6 <= text.count, text[offset] == UInt8(ascii: "\\"), text[offset + 1] == UInt8(ascii: "u") else {
            return nil
        }
        var value: UInt32 = 0
        for byte in text[(offset + 2)..<(offset + 6)] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value * 16 + UInt32(byte - 0x30)
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value * 16 + UInt32(byte - 0x57)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value * 16 + UInt32(byte - 0x37)
            default: return nil
            }
        }
        return value
    }

    /// Passes a number.
    private static func number(in text: UnsafeRawBufferPointer, _ at: inout Int) -> JSONFault? {
        let start = at
        func digits() -> Int {
            let first = at
            while at < text.count, text[at] >= 0x30, text[at] <= 0x39 { at += 1 }
            return at - first
        }
        if text[at] == UInt8(ascii: "-") { at += 1 }
        let whole = at
        let count = digits()
        guard count > 0 else { return JSONFault(offset: at, message: "a digit is missing here") }
        guard count == 1 || text[whole] != UInt8(ascii: "0") else {
            return JSONFault(offset: whole, message: "a number has no leading zeros")
        }
        if at < text.count, text[at] == UInt8(ascii: ".") {
            at += 1
            guard digits() > 0 else { return JSONFault(offset: at, message: "a digit is missing here") }
        }
        if at < text.count, text[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < text.count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") { at += 1 }
            guard digits() > 0 else { return JSONFault(offset: at, message: "a digit is missing here") }
        }
        let value = Double(String(decoding: text[start..<at], as: UTF8.self)) ?? .infinity
        return value.isFinite ? nil : JSONFault(offset: start, message: "this number is beyond a double's range")
    }

    /// The first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7).
    static func invalidUTF8(in text: UnsafeRawBufferPointer) -> Int? {
        var at = 0
        while at < text.count {
            let lead = text[at]
            let range: ClosedRange<UInt8>
            let length: Int
            switch lead {
            case 0x00...0x7F:
                at += 1
                continue
            case 0xC2...0xDF: (length, range) = (2, 0x80...0xBF)
            case 0xE0: (length, range) = (3, 0xA0...0xBF)
            case 0xED: (length, range) = (3, 0x80...0x9F)
            case 0xE1...0xEF: (length, range) = (3, 0x80...0xBF)
            case 0xF0: (length, range) = (4, 0x90...0xBF)
            case 0xF1...0xF3: (length, range) = (4, 0x80...0xBF)
            case 0xF4: (length, range) = (4, 0x80...0x8F)
            default: return at
            }
            guard at + length <= text.count, range.contains(text[at + 1]),
                text[(at + 2)..<(at + length)].allSatisfy({ $0 & 0xC0 == 0x80 })
            else { return at }
            at += length
        }
        return nil
    }
}
