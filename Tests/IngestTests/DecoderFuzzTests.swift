import Engine
import Foundation
import Testing

@testable import Ingest

/// `NUDGED_SEED` repeats a run.
let fuzzSeed: UInt64 = {
    let seed = ProcessInfo.processInfo.environment["NUDGED_SEED"].flatMap { UInt64($0) } ?? 20_260_301
    print("NUDGED_SEED=\(seed)")
    return seed
}()

/// `NUDGED_FUZZ_ROUNDS` makes a run longer.
private let fuzzRounds = ProcessInfo.processInfo.environment["NUDGED_FUZZ_ROUNDS"].flatMap { Int($0) } ?? 6000

@Suite struct DecoderFuzzTests {
    private static let lines = [
        #"{"type":"track","event":"Product Added","userId":"u1","anonymousId":"a1","messageId":"0f8fad5b-d9cb-469f-a165-70867728950e","timestamp":"2026-03-01T12:00:00.123Z","properties":{"product_id":"p1","price":12.5,"tags":["a",1,true,null]},"context":{"locale":"tr-TR","timezone":"Europe/Istanbul","traits":{"plan":"pro"}}}"#,
        #"{"type":"page","name":"Caf\u00e9 \ud83d\ude00","userId":12345678901234567890123,"sentAt":"2026-03-01T12:00:00+02:30"}"#,
        #" { "type" : "identify" , "traits" : { "é" : [ [ ] , { } , -0.0e-7 , 18446744073709551615 ] } , "anonymousId" : 7 , "receivedAt" : "2026-03-01T12:00:00Z" } "#,
    ]

    /// Bytes that mean something to JSON come more often than others.
    private static let alphabet =
        Array(#"{}[]",:\u0123456789eE+-.tfnrulasd \#t"#.utf8) + [
            0x00, 0x1F, 0x7F, 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xFF, 0x0A, 0x0C,
        ]

    private func mutated(_ line: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = line
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where place < bytes.count: bytes.remove(at: place)
            case 1 where place < bytes.count: bytes[place] = Self.alphabet.randomElement(using: &generator) ?? 0
            case 2: bytes.insert(Self.alphabet.randomElement(using: &generator) ?? 0, at: place)
            case 3: bytes.removeSubrange(place...)
            case 4:
                let length = Int.random(in: 0...min(20, bytes.count - place), using: &generator)
                let piece = Array(bytes[place..<(place + length)])
                bytes.insert(contentsOf: piece, at: Int.random(in: 0...bytes.count, using: &generator))
            default: if place < bytes.count { bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator) }
            }
        }
        return bytes
    }

    @Test func mutatedLinesAreJudgedAsByAPlainScan() {
        var generator = SeededGenerator(seed: fuzzSeed)
        var vocabulary = Vocabulary()
        for name in ["Page Viewed", "Identify"] { vocabulary.add(name, needsProperties: true) }
        var segment = Decoder(vocabulary: vocabulary, format: .segment)
        var mapping = Decoder(
            vocabulary: vocabulary,
            format: .mapping(
                MappingFormat(customer: "userId", event: "type", time: .init(path: "timestamp"), names: ["track": "Identify"])))
        for round in 0..<fuzzRounds {
            let bytes = mutated(Array(Self.lines[round % Self.lines.count].utf8), &generator)
            let fault = bytes.withUnsafeBytes { JSONFault.find(in: $0) }
            let decoded = segment.decode(bytes)
            let isBlank = bytes.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
            let refused = decoded.letter?.reason == .badJSON || decoded.letter?.reason == .badUTF8
            let isUTF8 = String(validating: bytes, as: UTF8.self) != nil
            if isBlank { continue }
            #expect(refused == (fault != nil), "seed \(fuzzSeed), round \(round): \(String(decoding: bytes, as: UTF8.self))")
            #expect((decoded.letter?.reason == .badUTF8) == !isUTF8, "seed \(fuzzSeed), round \(round)")
            if refused { #expect(decoded.letter?.column != nil) }
            // What is kept can be read whole.
            for decoded in [decoded, mapping.decode(bytes)] {
                if let text = decoded.properties { #expect(parses(Array(text.utf8))) }
                if let text = decoded.traits { #expect(parses(Array(text.utf8))) }
                for path in [\Event.user, \.anonymous, \.id, \.locale, \.timezone] {
                    if let event = decoded.event {
                        #expect(String(validating: decoded.batch.bytes(event[keyPath: path]), as: UTF8.self) != nil)
                    }
                }
            }
        }
    }

    /// Foundation's reader differs knowingly: it takes other encodings than UTF-8 and a byte-order mark, so those are left out,
    /// and it has its own limits of depth and numbers, so numbers here are short.
    @Test func jsonLikeTextsAreJudgedAsByFoundation() {
        var generator = SeededGenerator(seed: fuzzSeed &+ 1)
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\n\"", "\"\\u00e9\"", "\"\\x\"", "1", "-2.5", "01", "1e2", "1.", ".5",
            "true", "false",
            "null", "nul", " ", "\t", "\"é\"", "\"", "\"b\":", "{\"c\":1}", "[]",
        ]
        var accepted = 0
        for round in 0..<fuzzRounds {
            var text = ""
            if round.isMultiple(of: 2) {
                for _ in 0..<Int.random(in: 1...8, using: &generator) { text += pieces.randomElement(using: &generator) ?? "" }
            } else {
                text = value(depth: 3, &generator)
                if Bool.random(using: &generator) {
                    text = String(decoding: mutated(Array(text.utf8), &generator), as: UTF8.self)
                }
            }
            let bytes = Array(text.utf8)
            if bytes.contains(0) || text.hasPrefix("\u{FEFF}") || text.contains("E") || text.contains("e") { continue }
            let theirs = (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            let ours = parses(bytes)
            if ours { accepted += 1 }
            #expect(ours == theirs, "seed \(fuzzSeed), round \(round): \(text)")
        }
        #expect(accepted > fuzzRounds / 20)
    }

    private func value(depth: Int, _ generator: inout SeededGenerator) -> String {
        switch Int.random(in: 0..<(depth == 0 ? 4 : 6), using: &generator) {
        case 0: return ["true", "false", "null"].randomElement(using: &generator) ?? "null"
        case 1: return String(Int32.random(in: .min ... .max, using: &generator))
        case 2: return "\(Int.random(in: -999...999, using: &generator)).\(Int.random(in: 0...99, using: &generator))"
        case 3:
            return ["\"\"", "\"x y\"", "\"\\\\\\\"\"", "\"\\ud83d\\ude00\"", "\"ü\""].randomElement(using: &generator) ?? "\"\""
        case 4:
            let count = Int.random(in: 0...3, using: &generator)
            return "[" + (0..<count).map { _ in value(depth: depth - 1, &generator) }.joined(separator: ",") + "]"
        default:
            let count = Int.random(in: 0...3, using: &generator)
            return "{" + (0..<count).map { "\"k\($0)\":" + value(depth: depth - 1, &generator) }.joined(separator: ", ") + "}"
        }
    }

    @Test(arguments: [1, 500, 511, 512, 513, 514, 1024, 100_000]) func nestingIsBounded(_ depth: Int) {
        for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
            // The innermost array is empty, so that nothing is within it.
            let limit = open == "[" ? 513 : 512
            let inner = open == "[" ? "" : "1"
            let text = String(repeating: open, count: depth) + inner + String(repeating: close, count: depth)
            let bytes = Array(text.utf8)
            #expect(parses(bytes) == (depth <= limit))
            #expect((bytes.withUnsafeBytes { JSONFault.find(in: $0) } == nil) == (depth <= limit))
            #expect(!parses(Array(String(repeating: open, count: depth).utf8)))
        }
    }

    @Test func deepPropertiesArePackedAndRead() throws {
        let depth = 500
        let value = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        var decoder = Decoder(vocabulary: Vocabulary(), format: .segment)
        let decoded = decoder.decode(
            #"{"type":"track","event":"Product Added","userId":"u","timestamp":"2026-03-01T12:00:00Z","properties":{"a":\#(value)}}"#
        )
        #expect(decoded.properties == #"{"a":\#(value)}"#)
    }

    @Test func hugeKeysAndManyMembersAreRead() throws {
        var decoder = Decoder(vocabulary: Vocabulary(), format: .segment)
        let key = String(repeating: "k", count: 900_000)
        let head = #"{"type":"track","event":"Product Added","userId":"u","timestamp":"2026-03-01T12:00:00Z""#
        let one = decoder.decode(head + #","\#(key)":1,"properties":{"\#(key)":"\#(key)"}}"#)
        #expect(one.properties?.utf8.count == 2 * 900_000 + 7)
        let members = (0..<100_000).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
        let many = decoder.decode(head + #","properties":{\#(members)},\#(members)}"#)
        let event = try #require(many.event)
        let view = try #require(many.batch.properties(of: event))
        #expect(view["k99999"]?.number == 99_999)
        #expect(view.entries.count == 100_000)
        // The smallest texts with the largest packed form.
        let tight =
            "[" + [String](repeating: "{}", count: 50_000).joined(separator: ",") + ",1" + String(repeating: ",1", count: 50_000)
            + "]"
        #expect(decoder.decode(head + #","properties":{"":\#(tight)}}"#).properties == #"{"":\#(tight)}"#)
        // A short line after long ones.
        #expect(decoder.decode(head + #","properties":{}}"#).properties == "{}")
    }

    @Test(arguments: [17, 18, 19, 20, 21, 25, 300, 308, 309, 310, 5000]) func wholeNumbersOfAnyLengthAreDoublesInRange(
        _ digits: Int
    ) {
        for first in ["1", "9", "-1", "-9"] {
            let text = first + String(repeating: "7", count: digits - 1)
            let isInRange = Double(text)?.isFinite == true
            #expect(parses(Array(text.utf8)) == isInRange)
            #expect(parses(Array(#"{"a":[1,\#(text) ,"\" 99999999999999999999999",2],"b":\#(text)}"#.utf8)) == isInRange)
            #expect(!parses(Array(#"[0\#(text)]"#.utf8)))
            #expect(!parses(Array(#"[\#(text)x]"#.utf8)))
            #expect(!parses(Array(#"[1e999,\#(text)]"#.utf8)))
            #expect(!parses(Array(#"[\#(text)"#.utf8)))
        }
    }

    @Test func aBigNumberLeavesItsNeighboursExact() {
        var decoder = Decoder(vocabulary: Vocabulary(), format: .segment)
        let decoded = decoder.decode(
            #"{"type":"track","event":"Product Added","userId":9223372036854775807,"timestamp":"2026-03-01T12:00:00Z","properties":{"a":123456789012345678901234567890,"b":1.5,"c":"x\ud83d\ude00"}}"#
        )
        #expect(decoded.text(\.user) == "9223372036854775807")
        #expect(decoded.properties == #"{"a":1.2345678901234568e+29,"b":1.5,"c":"x😀"}"#)
    }
}
