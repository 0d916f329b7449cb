/// Writes JSON in the canonical form straight to bytes: for messages, and for the records that a commit writes by the thousand. The caller gives
/// an object's keys in their order; nothing is sorted here.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    static func object(_ write: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter()
        json.object(write)
        return json.bytes
    }

    /// A JSON array of these elements; nil if there are none.
    static func array<Element>(_ elements: [Element], _ write: (Element, inout JSONWriter) -> Void) -> [UInt8]? {
        var bytes: [UInt8] = []
        append(elements, to: &bytes, write)
        return bytes.isEmpty ? nil : bytes
    }

    /// Appends a JSON array of these elements to bytes; nothing if there are none.
    static func append<Element>(
        _ elements: [Element], to bytes: inout [UInt8], _ write: (Element, inout JSONWriter) -> Void
    ) {
        if elements.isEmpty { return }
        var json = JSONWriter()
        swap(&json.bytes, &bytes)
        json.array { json in for element in elements { json.object { write(element, &$0) } } }
        swap(&json.bytes, &bytes)
    }

    mutating func array(_ body: (inout JSONWriter) -> Void) { nested(UInt8(ascii: "["), UInt8(ascii: "]"), body) }
    mutating func object(_ body: (inout JSONWriter) -> Void) { nested(UInt8(ascii: "{"), UInt8(ascii: "}"), body) }

    @inline(__always)
    private mutating func nested(_ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void) {
        separate()
        bytes.append(open)
        needsComma = false
        body(&self)
        bytes.append(close)
        needsComma = true
    }

    private mutating func separate() { if needsComma { bytes.append(UInt8(ascii: ",")) } }

    /// The key of the member that comes next: plain ASCII without anything to escape.
    mutating func key(_ key: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        key.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// The same of any text.
    mutating func key(text key: String) {
        value(key)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    mutating func value(_ text: String) {
        separate()
        CanonicalJSON.write(string: text, to: &bytes)
        needsComma = true
    }

    /// A text of plain ASCII without anything to escape.
    private mutating func plain(_ text: UnsafeRawBufferPointer) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: text)
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    mutating func value(_ flag: Bool) {
        separate()
        bytes.append(contentsOf: (flag ? "true" : "false").utf8)
        needsComma = true
    }

    /// A count, or a time in milliseconds; exact up to 2^53, which is the year 287396.
    mutating func value(_ number: Int64) {
        separate()
        needsComma = true
        guard number.magnitude < 9_007_199_254_740_992 else {
            bytes.append(contentsOf: CanonicalJSON.number(Double(number)).utf8)
            return
        }
        DecimalText.with(negative: number < 0, UInt128(number.magnitude), scale: 0) { bytes.append(contentsOf: $0) }
    }

    /// A number as JSON has it.
    mutating func value(number: Double) {
        if number.magnitude < 9_007_199_254_740_992, number.rounded() == number {
            value(Int64(number))
        } else {
            value(.number(number))
        }
    }

    /// A point in time, as messages write it.
    mutating func value(time: Instant) { time.withRFC3339 { plain($0) } }

    mutating func value(_ value: CanonicalJSON) {
        separate()
        value.write(to: &bytes)
        needsComma = true
    }

    /// A packed value as records keep it: exactly (`JSONText`).
    mutating func value(kept view: JSONView) {
        separate()
        JSONText.append(view, to: &bytes)
        needsComma = true
    }

    mutating func member(_ key: StaticString, _ text: String) {
        self.key(key)
        value(text)
    }

    mutating func member(_ key: StaticString, _ number: Int64) {
        self.key(key)
        value(number)
    }

    mutating func member(_ key: StaticString, time: Instant) {
        self.key(key)
        value(time: time)
    }

    mutating func member(_ key: StaticString, text value: Decimal) {
        self.key(key)
        value.withText { plain($0) }
    }

    // What is absent is left out.
    mutating func member(_ key: StaticString, _ text: String?) { if let text { member(key, text) } }
    mutating func member(_ key: StaticString, _ number: Instant?) { if let number { member(key, number) } }
    mutating func member(_ key: StaticString, time: Instant?) { if let time { member(key, time: time) } }
    mutating func member(_ key: StaticString, _ value: Decimal?) { if let value { member(key, text: value) } }
}

/// The text of a decimal number, made where no memory has to be allocated for it.
enum DecimalText {
    /// Gives the text of `magnitude` × 10^-`scale`, without an exponent.
    ///
    /// - Parameter scale: 0 to 18.
    @inline(__always)
    static func with<Result>(
        negative: Bool, _ magnitude: UInt128, scale: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        // 39 digits, a point, a sign, and up to 18 zeros before the first digit.
        var text = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        return withUnsafeMutableBytes(of: &text) { text in
            var place = text.count
            func put(_ byte: UInt8) {
                place &-= 1
                text[place] = byte
            }
            var large = magnitude
            var written = 0
            func digit(_ value: UInt8) {
                if written == scale, scale > 0 { put(UInt8(ascii: ".")) }
                put(UInt8(ascii: "0") &+ value)
                written &+= 1
            }
            while large > UInt128(UInt64.max) {
                let (quotient, rest) = large.quotientAndRemainder(dividingBy: 10)
                digit(UInt8(truncatingIfNeeded: rest))
                large = quotient
            }
            var small = UInt64(truncatingIfNeeded: large)
            while small > 0 || written <= scale {
                digit(UInt8(truncatingIfNeeded: small % 10))
                small /= 10
            }
            if negative { put(UInt8(ascii: "-")) }
            return body(UnsafeRawBufferPointer(rebasing: text[place...]))
        }
    }
}
