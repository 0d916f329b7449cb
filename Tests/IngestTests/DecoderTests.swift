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
