import Engine
import Testing

@Suite struct PackedJSONTests {
    private func write(_ value: CanonicalJSON, _ writer: inout PackedJSON.Writer) {
        switch value {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .number(let value):
            if let whole = Int64(exactly: value), value != 0 { writer.int(whole) } else { writer.number(value) }
        case .string(let value): writer.string(value)
        case .array(let elements):
            let mark = writer.open(.array)
            for element in elements { write(element, &writer) }
            writer.close(mark, count: elements.count)
        case .object(let members):
            let mark = writer.open(.object)
            for member in members {
                writer.key(member.key.utf8)
                write(member.value, &writer)
            }
            writer.close(mark, count: members.count)
        }
    }

    private func value(depth: Int, _ generator: inout SplitMix) -> CanonicalJSON {
        switch Int.random(in: 0..<(depth == 0 ? 4 : 6), using: &generator) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &generator))
        case 2:
            return .number(
                Bool.random(using: &generator)
                    ? Double(Int32.random(in: .min ... .max, using: &generator)) : Double.random(in: -1...1, using: &generator))
        case 3: return .string(["", "a", "é", "e\u{301}", "😀\u{0}\n\""].randomElement(using: &generator) ?? "")
        case 4: return .array((0..<Int.random(in: 0...4, using: &generator)).map { _ in value(depth: depth - 1, &generator) })
        default:
            return .object((0..<Int.random(in: 0...4, using: &generator)).map { ("k\($0)", value(depth: depth - 1, &generator)) })
        }
    }

    @Test func everyValueReadsBackAsItself() {
        var generator = SplitMix(seed: engineSeed)
        for _ in 0..<1000 {
            let value = value(depth: 4, &generator)
            var writer = PackedJSON.Writer([1, 2, 3])
            write(value, &writer)
            let end = writer.bytes.count
            writer.null()
            let view = JSONView(bytes: writer.bytes, offset: 3)
            #expect(CanonicalJSON(view) == value, "seed \(engineSeed)")
            #expect(view.end == end)
            #expect(CanonicalJSON(JSONView(bytes: view.packed, offset: 0)) == value)
        }
    }

    private func object(_ members: [(String, Int64)]) -> JSONView {
        var writer = PackedJSON.Writer()
        let mark = writer.open(.object)
        for member in members {
            writer.key(member.0.utf8)
            writer.int(member.1)
        }
        writer.close(mark, count: members.count)
        return JSONView(bytes: writer.bytes, offset: 0)
    }

    /// What records keep of events, which are asked again after a restart.
    @Test(arguments: [
        "0", "-1", "1234567890123456789", "-9223372036854775808", "12345678901234567890", "18446744073709551615", "-0.0", "0.1",
        "1e+300", "5e-324", "-1.5", #""\u0001é😀""#, "null", "true", "[]", "{}", #"{"a":[1,{"b":-0.0}],"c":"d"}"#,
        String(repeating: "[", count: 514) + String(repeating: "]", count: 514),
    ])
    func textKeepsEveryDigit(text: String) throws {
        let packed = try #require(JSONText.pack(Array(text.utf8)))
        let written = JSONText.text(of: JSONView(bytes: packed, offset: 0))
        #expect(String(decoding: written, as: UTF8.self) == text)
        #expect(JSONText.pack(written) == packed)
    }

    @Test(arguments: [
        (#"{"a":"zo\u00eb"}"#, #"{"a":"zoë"}"#), (#"a\/b\u003c\ud83d\ude00"#, "a/b<😀"), (#"cut \u00"#, #"cut \u00"#),
        (#"\ud83d alone"#, #"\ud83d alone"#), (#"end\"#, #"end\"#), ("plain", "plain"), (#"\\\""#, #"\""#),
    ])
    func escapesAreFoundInAnyText(text: String, plain: String) {
        #expect(String(decoding: JSONText.unescaped(Array(text.utf8)), as: UTF8.self) == plain)
    }

    @Test func ofARepeatedKeyTheLastWins() {
        let view = object([("a", 1), ("b", 2), ("a", 3)])
        #expect(view["a" as String]?.int64 == 3)
        #expect(view["a" as StaticString]?.int64 == 3)
        #expect(view.entries.map(\.key) == ["a", "b"])
        #expect(view.entries.map(\.value.int64) == [3, 2])
    }

    @Test func keysAreEqualOnlyAsTheSameCodePoints() {
        // é in one code point and in two: the same text to Swift, two keys to JSON.
        let view = object([("\u{e9}", 1), ("e\u{301}", 2), ("\u{e9}", 3), ("e\u{301}", 4)])
        #expect(view["\u{e9}" as String]?.int64 == 3)
        #expect(view["e\u{301}" as String]?.int64 == 4)
        #expect(view.entries.map(\.value.int64) == [3, 4])
    }

    @Test func anIdIsATextOrANumbersText() {
        var writer = PackedJSON.Writer()
        writer.uint(.max)
        #expect(JSONView(bytes: writer.bytes, offset: 0).identifier == "18446744073709551615")
        writer = PackedJSON.Writer()
        writer.int(.min)
        #expect(JSONView(bytes: writer.bytes, offset: 0).identifier == "-9223372036854775808")
    }

    @Test func aPathLeadsThroughObjects() {
        var writer = PackedJSON.Writer()
        let outer = writer.open(.object)
        writer.key("a".utf8)
        writer.value(object([("b", 7)]))
        writer.close(outer, count: 1)
        let view = JSONView(bytes: writer.bytes, offset: 0)
        #expect(view.value(at: ["a", "b"])?.int64 == 7)
        #expect(view.value(at: ["a", "c"]) == nil)
        #expect(view.value(at: ["a", "b", "c"]) == nil)
        #expect(view.value(at: [])?.tag == .object)
    }
}
