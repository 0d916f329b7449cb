/// Writes JSON in the canonical form straight to bytes, for the records that a commit writes by the thousand. The caller gives an object's keys
/// in their order; nothing is sorted here.
struct RecordJSON {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    static func object(_ write: (inout RecordJSON) -> Void) -> [UInt8] {
        var json = RecordJSON()
        json.object(write)
        return json.bytes
    }

    /// A JSON array of these elements; nil if there are none.
    static func array<Element>(_ elements: [Element], _ write: (Element, inout RecordJSON) -> Void) -> [UInt8]? {
        if elements.isEmpty { return nil }
        var json = RecordJSON()
        json.bytes.reserveCapacity(elements.count * 160)
        json.array { json in for element in elements { json.object { write(element, &$0) } } }
        return json.bytes
    }

    mutating func array(_ body: (inout RecordJSON) -> Void) { nested(UInt8(ascii: "["), UInt8(ascii: "]"), body) }
    mutating func object(_ body: (inout RecordJSON) -> Void) { nested(UInt8(ascii: "{"), UInt8(ascii: "}"), body) }

    private mutating func nested(_ open: UInt8, _ close: UInt8, _ body: (inout RecordJSON) -> Void) {
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

    mutating func value(_ text: String) {
        separate()
        CanonicalJSON.write(string: text, to: &bytes)
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
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    mutating func value(_ view: JSONView) {
        separate()
        CanonicalJSON(view).write(to: &bytes)
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

    // What is absent is left out.
    mutating func member(_ key: StaticString, _ text: String?) { if let text { member(key, text) } }
    mutating func member(_ key: StaticString, _ number: Instant?) { if let number { member(key, number) } }
    mutating func member(_ key: StaticString, _ value: Decimal?) { if let value { member(key, value.text) } }
}
