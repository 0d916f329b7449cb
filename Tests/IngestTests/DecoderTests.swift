import Engine
import Testing

@testable import Ingest

/// A line's verdict in the tests' words.
struct Decoded {
    var event: Event?
    var letter: DeadLetter?
    var batch: EventBatch
    var ignored: Bool { event == nil && letter == nil }

    func text(_ path: KeyPath<Event, ArenaText>) -> String? { event.map { batch.string($0[keyPath: path]) } }
    var properties: String? { event.flatMap { batch.properties(of: $0) }.map { CanonicalJSON($0).text } }
    var traits: String? { event.flatMap { batch.traits(of: $0) }.map { CanonicalJSON($0).text } }
}

extension Decoder {
    /// Decodes bytes with hostile padding after them: what stands there must not matter.
    mutating func decode(_ bytes: [UInt8], offset: UInt64 = 100, before limit: Instant? = nil) -> Decoded {
        var batch = EventBatch()
        let padding =
            Array(#"],"}\"e9]}truefalsenull123456789[{":,\\\"""""#.utf8).prefix(40) + [UInt8](repeating: 0x22, count: 24)
        let padded = bytes + padding
        let result = padded.withUnsafeBytes {
            decode(
                line: UnsafeRawBufferPointer(rebasing: $0[..<bytes.count]), source: 3, file: 4, offset: offset,
                length: UInt32(bytes.count), receivedBefore: limit, into: &batch)
        }
        switch result {
        case .event: return Decoded(event: batch.events.last, letter: nil, batch: batch)
        case .deadLetter(let letter): return Decoded(event: nil, letter: letter, batch: batch)
        case .ignored: return Decoded(event: nil, letter: nil, batch: batch)
        }
    }

    mutating func decode(_ line: String, before limit: Instant? = nil) -> Decoded { decode(Array(line.utf8), before: limit) }
}

@Suite struct DecoderTests {
    @Test func aSegmentTrackBecomesAnEvent() throws {
        var decoder = Decoder(vocabulary: Vocabulary(), format: .segment)
        let decoded = decoder.decode(
            #"{"type":"track","event":"Product Added","userId":"u1","anonymousId":"a1","messageId":"0f8fad5b-d9cb-469f-a165-70867728950e","timestamp":"2026-03-01T12:00:00.123Z","properties":{"product_id":"p1","price":12.5,"tags":["a",1,true,null]},"context":{"locale":"tr-TR","timezone":"Europe/Istanbul","traits":{"plan":"pro"}}}"#
        )
        let event = try #require(decoded.event)
        #expect(event.time.rfc3339 == "2026-03-01T12:00:00.123Z")
        #expect(event.name == StateEvent.productAdded.eventName)
        #expect(decoded.text(\.user) == "u1")
        #expect(decoded.text(\.anonymous) == "a1")
        #expect(event.digest == IDDigest(high: 0x0f8f_ad5b_d9cb_469f, low: 0xa165_7086_7728_950e))
        #expect(decoded.text(\.locale) == "tr-TR")
        #expect(decoded.text(\.timezone) == "Europe/Istanbul")
        #expect(decoded.properties == #"{"price":12.5,"product_id":"p1","tags":["a",1,true,null]}"#)
        #expect(decoded.traits == #"{"plan":"pro"}"#)
    }

    private static let at = #""timestamp":"2026-03-01T12:00:00Z""#
    private static let noon: Instant = 1_772_366_400_000

    private func segment(_ line: String, before limit: Instant? = nil, vocabulary: Vocabulary = Vocabulary()) -> Decoded {
        var decoder = Decoder(vocabulary: vocabulary, format: .segment)
        return decoder.decode(line, before: limit)
    }

    @Test(arguments: [
        (#""type":"track","event":"Order Completed""#, "Order Completed", Event.Kind.track),
        (#""type":"track","event":"Added Product""#, "Product Added", .track),
        (#""type":"track","event":"Removed Product""#, "Product Removed", .track),
        (#""type":"track","event":"Viewed Product""#, "Product Viewed", .track),
        (#""type":"track","event":"Completed Order""#, "Order Completed", .track),
        (#""type":"track","event":"\u0041dded Product""#, "Product Added", .track),
        (#""type":"identify","event":"Order Completed""#, "Identify", .identify),
        (#""type":"page","name":"Home""#, "Page Viewed", .track),
        (#""type":"screen","name":"Home""#, "Screen Viewed", .track),
        (#""type":"group","groupId":"g""#, "Group", .track),
        (#""type":"alias","previousId":"a""#, "Alias", .alias),
        (#""type":"track","event":"Nobody Mentions This""#, "", .track),
        (#""type":"track","event":"product added""#, "", .track),
        (#""type":"track","event":7"#, "7", .track),
        (#""type":"page","type":"track","event":"Order Completed""#, "Order Completed", .track),
    ])
    func aCallHasItsName(_ fields: String, _ name: String, _ kind: Event.Kind) throws {
        var vocabulary = Vocabulary()
        for name in ["Identify", "Page Viewed", "Screen Viewed", "Group", "Alias", "7"] { vocabulary.add(name) }
        let decoded = segment(#"{"userId":"u",\#(Self.at),\#(fields)}"#, vocabulary: vocabulary)
        let event = try #require(decoded.event)
        #expect(vocabulary[event.name].name == name)
        #expect(event.kind == kind)
    }

    @Test(arguments: [
        (#"{"type":"track","event":"X","userId":"u"}"#, DeadLetter.Reason.badTimestamp, nil as Int?),
        (#"{"type":"track","event":"X","userId":"u","timestamp":"yesterday"}"#, .badTimestamp, 54),
        (#"{"type":"track","event":"X","userId":"u","timestamp":1772366400}"#, .badTimestamp, 54),
        (
            #"{"type":"track","event":"X","userId":"u","timestamp":"2026-02-30T12:00:00Z","sentAt":"2026-03-01T12:00:00Z"}"#,
            .badTimestamp, 54
        ),
        (#"{"type":"track","userId":"u","timestamp":"2026-03-01T12:00:00Z"}"#, .missingEvent, nil),
        (#"{"type":"track","event":"","userId":"u","timestamp":"2026-03-01T12:00:00Z"}"#, .missingEvent, 25),
        (#"{"type":"track","event":null,"userId":"u","timestamp":"2026-03-01T12:00:00Z"}"#, .missingEvent, 25),
        (#"{"type":"track","event":["X"],"userId":"u","timestamp":"2026-03-01T12:00:00Z"}"#, .missingEvent, 25),
        (#"{"type":"track","event":"X","timestamp":"2026-03-01T12:00:00Z"}"#, .missingCustomer, nil),
        (
            #"{"type":"track","event":"X","userId":"","anonymousId":null,"timestamp":"2026-03-01T12:00:00Z"}"#, .missingCustomer,
            nil
        ),
        (#"{"type":"track","event":"X","userId":"u","userId":null,"timestamp":"2026-03-01T12:00:00Z"}"#, .missingCustomer, nil),
        (#"{"type":"track","event":"X","userId":{"id":1},"timestamp":"2026-03-01T12:00:00Z"}"#, .missingCustomer, nil),
        (#"{"type":"identify","timestamp":"2026-03-01T12:00:00Z"}"#, .missingCustomer, nil),
        (#"{"type":"delete","userId":"u","timestamp":"2026-03-01T12:00:00Z"}"#, .unknownType, 9),
        (#"{"type":null,"userId":"u","timestamp":"2026-03-01T12:00:00Z"}"#, .unknownType, 9),
        (#"{"event":"X","userId":"u","timestamp":"2026-03-01T12:00:00Z"}"#, .unknownType, nil),
        ("{}", .unknownType, nil),
        ("[]", .notAnObject, 1),
        ("  7", .notAnObject, 3),
        (#""text""#, .notAnObject, 1),
        ("null", .notAnObject, 1),
        ("{\"type\":tru}", .badJSON, 9),
        (#"{"type":"track"} {}"#, .badJSON, 18),
        (#"{"type":"track""#, .badJSON, 16),
        (#"{"a":1e400}"#, .badJSON, 6),
        (#"{"a":-1e400}"#, .badJSON, 6),
        (#"{"a":"\ud800"}"#, .badJSON, 7),
        (#"{"a":"\\\udc00"}"#, .badJSON, 9),
        (#"{"a":"\ud83d\ud83d\ude00"}"#, .badJSON, 7),
        ("{\"a\":\"\u{1}\"}", .badJSON, 7),
        ("{\"a\":1}\u{0}", .badJSON, 8),
        ("\u{FEFF}{}", .badJSON, 1),
    ])
    func aLineThatCantBecomeAnEventIsADeadLetter(_ line: String, _ reason: DeadLetter.Reason, _ column: Int?) throws {
        let letter = try #require(segment(line).letter)
        #expect(letter.reason == reason)
        #expect(letter.column == column)
        #expect(letter.head == Array(line.utf8))
        #expect(letter.source == 3 && letter.file == 4 && letter.offset == 100 && letter.length == UInt32(line.utf8.count))
        #expect(!letter.message.isEmpty)
    }

    @Test func invalidUTF8IsToldApartAndItsPlaceNamed() throws {
        var decoder = Decoder(vocabulary: Vocabulary(), format: .segment)
        for (bytes, column) in [
            ([0x80], 3), ([0xC0, 0xAF], 3), ([0xED, 0xA0, 0x80], 3), ([0x41, 0xF5], 4), ([0xE2, 0x82], 3),
        ] {
            let letter = try #require(decoder.decode([0x7B, 0x22] + bytes.map { UInt8($0) } + [0x22, 0x7D]).letter)
            #expect(letter.reason == .badUTF8)
            #expect(letter.column == column)
        }
    }

    @Test func theContractsReasonsAreSpelledAsThere() {
        let spelled = DeadLetter.Reason.allCases.map(\.rawValue)
        #expect(
            spelled == [
                "bad_json", "not_an_object", "bad_utf8", "too_long", "too_late", "missing_customer", "missing_event",
                "bad_timestamp", "future", "unknown_type",
            ])
    }

    @Test func aDeadLetterKeepsTheFirst4KiB() throws {
        let line = #"{"a":""# + String(repeating: "x", count: 10_000)
        let letter = try #require(segment(line).letter)
        #expect(letter.head == Array(line.utf8.prefix(4096)))
        #expect(letter.length == 10_006)
    }

    @Test(arguments: ["", "   ", "\r", "\t\r\n"]) func aBlankLineIsSkipped(_ line: String) {
        #expect(segment(line).ignored)
    }

    @Test func aByteOrderMarkIsDroppedAtTheStartOfAFileOnly() {
        var decoder = Decoder(vocabulary: Vocabulary(), format: .segment)
        let bytes = [0xEF, 0xBB, 0xBF] + Array(#"{"type":"track","event":"X","userId":"u",\#(Self.at)}"#.utf8) + [0x0D, 0x0A]
        #expect(decoder.decode(bytes, offset: 0).event != nil)
        #expect(decoder.decode(bytes, offset: 1).letter?.reason == .badJSON)
        #expect(decoder.decode([0xEF, 0xBB, 0xBF], offset: 0).ignored)
        #expect(decoder.decode([0xEF, 0xBB, 0xBF, 0x78], offset: 0).letter?.column == 4)
    }

    @Test func anEventOfAProductNeedsNoCustomer() throws {
        var vocabulary = Vocabulary()
        vocabulary.add("Shelf Filled", isProductEvent: true)
        for name in ["Product Stock Changed", "Product Price Changed", "Shelf Filled"] {
            let decoded = segment(#"{"type":"track","event":"\#(name)",\#(Self.at)}"#, vocabulary: vocabulary)
            #expect(try #require(decoded.event).user.isEmpty)
        }
    }

    @Test(arguments: [
        (#""u1""#, "u1"), ("42", "42"), ("-7", "-7"), ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709551616"), ("12345678901234567890123", "12345678901234567890123"),
        ("-12345678901234567890123", "-12345678901234567890123"), ("9007199254740993", "9007199254740993"), ("1.0", "1"),
        ("1e3", "1000"), ("1.5", "1.5"), (#""  ""#, "  "), (#""\u00e9\n\ud83d\ude00""#, "é\n😀"), (#""a\u0000b""#, "a\u{0}b"),
    ])
    func aCustomerIsATextOrANumber(_ json: String, _ text: String) throws {
        for field in ["userId", "anonymousId", "messageId"] {
            let decoded = segment(
                #"{"x":"[1,\"2{","y":[{},1e0,null],"userId":"u","\#(field)":\#(json),"type":"track","event":"X",\#(Self.at)}"#)
            let path: KeyPath<Event, ArenaText> = field == "userId" ? \.user : field == "messageId" ? \.id : \.anonymous
            #expect(decoded.text(path) == text, "\(String(describing: decoded.letter))")
        }
    }

    @Test(arguments: [
        (#"{"type":"alias","userId":"u","previousId":"p",\#(at)}"#, "u", "p"),
        (#"{"type":"alias","userId":"u","previousId":"p","anonymousId":"a",\#(at)}"#, "u", "p"),
        (#"{"type":"alias","userId":"u","previousId":"p","anonymousId":"",\#(at)}"#, "u", "p"),
        (#"{"type":"track","event":"X","userId":"u","previousId":"p",\#(at)}"#, "u", ""),
        (#"{"type":"identify","userId":"u","anonymousId":"a",\#(at)}"#, "u", "a"),
        (#"{"type":"page","anonymousId":"a",\#(at)}"#, "", "a"),
    ])
    func anEventSaysWhoItIs(_ line: String, _ user: String, _ anonymous: String) {
        let decoded = segment(line)
        #expect(decoded.text(\.user) == user)
        #expect(decoded.text(\.anonymous) == anonymous)
    }

    @Test(arguments: [
        (#""timestamp":"2026-03-01T12:00:00Z","originalTimestamp":"2026-03-01T13:00:00Z""#, noon),
        (#""originalTimestamp":"2026-03-01T12:00:00Z","sentAt":"2026-03-01T13:00:00Z""#, noon),
        (#""timestamp":null,"originalTimestamp":"","sentAt":"2026-03-01T12:00:00Z","receivedAt":"2026-03-01T13:00:00Z""#, noon),
        (#""receivedAt":"2026-03-01T12:00:00Z""#, noon),
        (#""timestamp":"2026-03-01T14:30:00.999999999+02:30""#, noon + 999),
        (#""timestamp":"2026-03-01T12:00:00.5-00:00""#, noon + 500),
        (#""timestamp":"2026-03-01t12:00:00z""#, noon),
        // Phones' clocks are wrong: never later than when the line was received.
        (#""timestamp":"2026-03-01T15:00:00Z","receivedAt":"2026-03-01T12:00:00Z""#, noon),
        (#""timestamp":"2026-03-01T12:00:00Z","receivedAt":"2026-03-01T15:00:00Z""#, noon),
        (#""timestamp":"2026-03-01T12:00:00Z","receivedAt":"long ago""#, noon),
    ])
    func theTimeIsTheFirstThereIs(_ fields: String, _ time: Instant) throws {
        let event = try #require(segment(#"{"type":"track","event":"X","userId":"u",\#(fields)}"#).event)
        #expect(event.time == time)
        #expect(event.order == time)
    }

    @Test func aLineAheadOfTheClockIsADeadLetterUnlessReplayed() {
        let line = #"{"type":"track","event":"X","userId":"u",\#(Self.at)}"#
        #expect(segment(line, before: Self.noon).event != nil)
        #expect(segment(line, before: Self.noon - 1).letter?.reason == .future)
        #expect(segment(line, before: nil).event != nil)
        let received =
            #"{"type":"track","event":"X","userId":"u","timestamp":"2027-03-01T12:00:00Z","receivedAt":"2026-03-01T12:00:00Z"}"#
        #expect(segment(received, before: Self.noon).event?.time == Self.noon)
    }

    @Test func propertiesAreKeptOnlyWhereTheyAreNeeded() {
        var vocabulary = Vocabulary()
        vocabulary.add("Kept", needsProperties: true)
        vocabulary.add("Dropped")
        func properties(_ event: String, _ value: String) -> String? {
            segment(
                #"{"type":"track","event":"\#(event)","userId":"u","properties":\#(value),\#(Self.at)}"#, vocabulary: vocabulary
            ).properties
        }
        #expect(
            properties("Kept", #"{"a":{"b":[1,{"c":[]}]},"d":-0.5,"e":18446744073709551615,"f":false}"#)
                == #"{"a":{"b":[1,{"c":[]}]},"d":-0.5,"e":18446744073709552000,"f":false}"#)
        #expect(properties("Kept", "{}") == "{}")
        #expect(properties("Kept", #"{"a":1,"a":2}"#) == #"{"a":2}"#)
        for none in ["null", "7", "[]", #""text""#] { #expect(properties("Kept", none) == nil) }
        #expect(properties("Dropped", #"{"a":1}"#) == nil)
        #expect(properties("Unheard Of", #"{"a":1}"#) == nil)
    }

    @Test(arguments: [
        (#""name":"Home","properties":{"name":"other","url":"/"}"#, #"{"name":"Home","url":"/"}"#),
        (#""name":"Home""#, #"{"name":"Home"}"#),
        (#""name":"Home","properties":null"#, #"{"name":"Home"}"#),
        (#""name":null,"properties":{"url":"/"}"#, #"{"url":"/"}"#),
        (#""properties":{"name":"Own"}"#, #"{"name":"Own"}"#),
    ])
    func aPagesNameIsAProperty(_ fields: String, _ properties: String) {
        var vocabulary = Vocabulary()
        for name in ["Page Viewed", "Screen Viewed"] { vocabulary.add(name, needsProperties: true) }
        for type in ["page", "screen"] {
            let decoded = segment(#"{"type":"\#(type)","userId":"u",\#(fields),\#(Self.at)}"#, vocabulary: vocabulary)
            #expect(decoded.properties == properties)
        }
    }

    @Test(arguments: [
        (#""type":"identify","traits":{"a":1}"#, #"{"a":1}"#),
        (#""type":"identify","context":{"traits":{"a":1}}"#, #"{"a":1}"#),
        (#""type":"identify","traits":{"a":2},"context":{"traits":{"a":1,"b":3}}"#, #"{"a":2,"b":3}"#),
        (#""type":"identify","traits":{"locale":"de","timezone":"UTC"}"#, #"{"locale":"de","timezone":"UTC"}"#),
        (#""type":"track","event":"X","traits":{"a":1}"#, nil),
        (#""type":"group","traits":{"a":1}"#, nil),
        (#""type":"track","event":"X","context":{"traits":{"a":1}}"#, #"{"a":1}"#),
        (#""type":"track","event":"X","context":{"traits":{}}"#, nil),
        (#""type":"track","event":"X","context":null"#, nil),
        (#""type":"track","event":"X","context":{"traits":{"a":1}},"context":{"locale":"de"}"#, nil),
    ])
    func traitsComeFromTheCallOrItsContext(_ fields: String, _ traits: String?) {
        let decoded = segment(#"{"userId":"u",\#(fields),\#(Self.at)}"#)
        #expect(decoded.traits == traits)
        if fields.contains("timezone") { #expect(decoded.text(\.timezone)?.isEmpty == true) }
    }

    @Test func aUUIDIsItsOwnDigestAndOtherIdsAreHashed() {
        func digest(_ text: String) -> IDDigest { Array(text.utf8).withUnsafeBytes { IDDigest(id: $0) } }
        #expect(
            digest("00112233-4455-6677-8899-aabbccddeeff") == IDDigest(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff))
        // FIPS 180-2, appendix B.1.
        #expect(digest("abc") == IDDigest(high: 0xba78_16bf_8f01_cfea, low: 0x4141_40de_5dae_2223))
        #expect(digest("00112233-4455-6677-8899-AABBCCDDEEFF") != digest("00112233-4455-6677-8899-aabbccddeeff"))
        let nearly = [
            "00112233-4455-6677-8899-aabbccddeefg", "00112233-4455-6677-8899_aabbccddeeff",
            "0011223:-4455-6677-8899-aabbccddeeff", "0011223`-4455-6677-8899-aabbccddeeff",
        ]
        #expect(Set(nearly.map(digest) + [digest("00112233-4455-6677-8899-aabbccddeeff")]).count == 5)
    }

    @Test func aMappingReadsTheLogAsItIs() throws {
        let mapping = MappingFormat(
            id: "id", customer: "user", event: "type", time: .init(path: "ts", unit: .s),
            names: ["cart": "Product Added"], properties: .members([("product_id", "item"), ("category", "category")]))
        var decoder = Decoder(vocabulary: Vocabulary(), format: .mapping(mapping))
        let decoded = decoder.decode(#"{"id":"1","ts":1511539200,"user":1000,"type":"cart","item":4170517,"category":149192}"#)
        let event = try #require(decoded.event)
        #expect(event.time.rfc3339 == "2017-11-24T16:00:00.000Z")
        #expect(event.name == StateEvent.productAdded.eventName)
        #expect(decoded.text(\.user) == "1000")
        #expect(decoded.properties == #"{"category":149192,"product_id":4170517}"#)
    }
}
