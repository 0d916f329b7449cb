/// What CEL asks of strings, by code points; Swift's own `==` would hold different sequences equal if they look the same.
enum Text {
    static func areEqual(_ left: String, _ right: String) -> Bool {
        let count = left.utf8.count
        guard count == right.utf8.count else { return false }
        let fast = left.utf8.withContiguousStorageIfAvailable { a in
            right.utf8.withContiguousStorageIfAvailable { b in
                for index in 0..<count where a[index] != b[index] { return false }
                return true
            }
        }
        if let fast, let result = fast { return result }
        return left.utf8.elementsEqual(right.utf8)
    }

    /// The order of code points, which is that of UTF-8's bytes.
    static func compare(_ left: String, _ right: String) -> Int {
        compare(left.utf8, right.utf8)
    }

    static func compare(_ left: some Sequence<UInt8>, _ right: some Sequence<UInt8>) -> Int {
        var a = left.makeIterator()
        var b = right.makeIterator()
        while true {
            switch (a.next(), b.next()) {
            case (nil, nil): return 0
            case (nil, _): return -1
            case (_, nil): return 1
            case (let x?, let y?): if x != y { return x < y ? -1 : 1 }
            }
        }
    }

    static func hash(_ text: String, into hasher: inout Hasher) {
        let done: Void? = text.utf8.withContiguousStorageIfAvailable { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        if done == nil { for byte in text.utf8 { hasher.combine(byte) } }
        hasher.combine(0xff as UInt8)
    }

    /// Whether `needle` stands in `text`; both as UTF-8, where a match of bytes is a match of code points.
    static func contains(_ text: String, _ needle: String) -> Bool {
        let a = Array(text.utf8)
        let b = Array(needle.utf8)
        return find(b, in: a, from: 0) != nil
    }

    /// First place of `needle` at or after `start`. Knuth-Morris-Pratt, so that no text makes it slow.
    static func find<Unit: Equatable>(_ needle: [Unit], in text: [Unit], from start: Int) -> Int? {
        guard !needle.isEmpty else { return start <= text.count ? start : nil }
        guard text.count - start >= needle.count else { return nil }
        let fallback = borders(of: needle)
        var matched = 0
        for index in start..<text.count {
            while matched > 0, text[index] != needle[matched] { matched = fallback[matched - 1] }
            if text[index] == needle[matched] { matched += 1 }
            if matched == needle.count { return index + 1 - matched }
        }
        return nil
    }

    private static func borders<Unit: Equatable>(of needle: [Unit]) -> [Int] {
        var result = [Int](repeating: 0, count: needle.count)
        var length = 0
        for index in needle.indices.dropFirst() {
            while length > 0, needle[index] != needle[length] { length = result[length - 1] }
            if needle[index] == needle[length] { length += 1 }
            result[index] = length
        }
        return result
    }

    static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    /// A string literal that stands for the text.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\u{07}": result += "\\a"
            case "\u{08}": result += "\\b"
            case "\u{0C}": result += "\\f"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0B}": result += "\\v"
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Nil if the bytes are not UTF-8.
    static func decode(_ bytes: [UInt8]) -> String? { String(validating: bytes, as: UTF8.self) }
}
