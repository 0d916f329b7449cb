import Engine
import Foundation
import Testing

@testable import Ingest

/// Lines of every format with values replaced, left out, or of another kind, and with bytes changed: each becomes events or a dead letter, what
/// is kept of it is valid, and it is the same when it is read again.
///
/// `NUDGED_SEED` repeats a run, `NUDGED_FUZZ_ROUNDS` makes it longer; `scripts/fuzz` does the same guided by coverage.
@Suite struct PresetFuzzTests {
    struct Subject: Sendable, CustomTestStringConvertible {
        var name: String
        var format: Format
        var identity: IdentityKey?
        var lines: [String]
        var testDescription: String { name }
    }

    private static func lines(_ files: String...) -> [String] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Cases")
        return files.flatMap { file in
            let text = (try? String(contentsOf: root.appending(path: file), encoding: .utf8)) ?? ""
            return text.split(separator: "\n").map { String($0) }
        }
    }

    static let subjects: [Subject] = {
        let shopify = lines("format-shopify-cart-to-refund/events.ndjson", "format-shopify-stock-and-price/events.ndjson")
        let segment = lines(
            "identity-visitor-logs-in/events.ndjson", "carts-line-details/events.ndjson", "delivery-consent/events.ndjson")
        return [
            Subject(name: "segment", format: .segment, lines: segment),
            Subject(
                name: "stripe", format: .stripe,
                lines: lines("format-stripe-retries/events.ndjson", "format-stripe-subscriptions/events.ndjson")),
            Subject(
                name: "revenuecat", format: .revenuecat,
                lines: lines(
                    "format-revenuecat-episode-shuffled/events.ndjson", "format-revenuecat-one-person/events.ndjson",
                    "format-revenuecat-renewals/events.ndjson")),
            Subject(name: "shopify", format: .shopify, lines: shopify),
            Subject(
                name: "shopify by address", format: .shopify,
                identity: IdentityKey(name: "shopify", path: "email", secret: Array("secret".utf8)), lines: shopify),
            Subject(
                name: "cloudevents", format: .cloudevents,
                lines: [
                    #"{"specversion":"1.0","id":"e1","source":"/shop","type":"Product Added","subject":"u1","time":"2026-03-01T12:00:00+01:00","data":{"product_id":"p1","price":12.5,"cart_id":"c1"}}"#,
                    #"{"specversion":"1.0","id":"e2","source":"/shop","type":"Product Stock Changed","time":"2026-03-01T12:00:00Z","data":{"product_id":"p1","available":3}}"#,
                ]),
            Subject(
                name: "mapping",
                format: .mapping(
                    MappingFormat(
                        id: "messageId", customer: "userId", event: "event", time: .init(path: "timestamp"),
                        names: ["Product Added": "Product Viewed"],
                        properties: .members([
                            (name: "product_id", path: "properties.product_id"), (name: "all", path: "properties"),
                        ]))),
                lines: segment),
        ]
    }()

    private static let rounds = ProcessInfo.processInfo.environment["NUDGED_FUZZ_ROUNDS"].flatMap { Int($0) } ?? 500

    @Test(arguments: subjects) func anyLineIsEventsOrADeadLetter(_ subject: Subject) {
        #expect(subject.lines.count > 1)
        var generator = SeededGenerator(seed: fuzzSeed)
        let preset = PresetLine(subject.format, identity: subject.identity)
        var events = 0
        var reasons: Set<String> = []
        for round in 0..<Self.rounds {
            var line = Array(subject.lines[round % subject.lines.count].utf8)
            for _ in 0..<Int.random(in: 1...3, using: &generator) { line = Self.mutated(line, &generator) }
            // Half the rounds change bytes too.
            if round % 2 == 0, !line.isEmpty {
                let place = Int.random(in: 0..<line.count, using: &generator)
                line[place] = UInt8.random(in: 0...255, using: &generator)
            }
            let text = String(decoding: line, as: UTF8.self)
            if text.utf8.allSatisfy({ [0x20, 0x09, 0x0A, 0x0D].contains($0) }) { continue }
            let note = Comment(rawValue: "seed \(fuzzSeed), round \(round): \(text)")
            let first = preset.read(text)
            let isWhole = Array(text.utf8).withUnsafeBytes { JSONFault.find(in: $0) == nil }
            #expect((first.letter?.reason == .badJSON) == !isWhole, note)
            #expect(first.letter != nil || !first.events.isEmpty, note)
            let again = preset.read(text)
            #expect(again.events.map(\.time) == first.events.map(\.time) && again.batch.arena == first.batch.arena, note)
            #expect(Set(first.events.map(\.time)).count <= 1, note)
            if let letter = first.letter {
                reasons.insert(letter.reason.rawValue)
                #expect(!letter.message.isEmpty && letter.column.map { $0 >= 1 && $0 <= text.utf8.count + 1 } ?? true, note)
            }
            for event in first.events {
                events += 1
                for path in [\Event.user, \.anonymous, \.id, \.locale, \.timezone] {
                    #expect(String(validating: first.batch.bytes(event[keyPath: path]), as: UTF8.self) != nil, note)
                }
                for view in [first.batch.properties(of: event), first.batch.traits(of: event)] {
                    guard let view else { continue }
                    let json = CanonicalJSON(view).text
                    let packed = JSONText.pack(Array(json.utf8))
                    #expect(packed.map { CanonicalJSON(JSONView(bytes: $0, offset: 0)).text } == json, note)
                }
            }
        }
        #expect(events > Self.rounds / 20 && reasons.count > 2)
    }

    /// Values of every kind, also such as are at the edge of what there may be.
    private static let values = [
        "null", "true", "0", "-1", "1e308", "-0.0", "18446744073709551615", "9007199254740993", "1772366400", "1772366400000",
        "-9e18",
        "\"\"", "\"x\"", "\"USD\"", "\"jpy\"", "\"2026-03-01T12:00:00Z\"", "\"9999-12-31T23:59:60Z\"", "\"12.50\"",
        "\"\\ud83d\\ude00\"",
        "\"\\u0000\"", "[]", "{}", "[null]", "[[]]", "[{}]", "{\"id\":\"x\"}", "[{\"id\":1,\"product_id\":2,\"quantity\":-3}]",
    ]

    private static func mutated(_ line: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        let found = places(in: line)
        guard let place = found.randomElement(using: &generator) else { return line }
        var bytes = line
        switch Int.random(in: 0..<5, using: &generator) {
        case 0...2: bytes.replaceSubrange(place, with: Array((values.randomElement(using: &generator) ?? "null").utf8))
        case 3:
            guard let other = found.randomElement(using: &generator) else { break }
            bytes.replaceSubrange(place, with: Array(line[other]))
        default:
            // Renames the member whose value it is, if it is one: that is to leave it out.
            if place.lowerBound > 3,
                bytes[place.lowerBound - 1] == UInt8(ascii: ":") || bytes[place.lowerBound - 2] == UInt8(ascii: ":"),
                let quote = bytes[..<(place.lowerBound - 1)].lastIndex(of: UInt8(ascii: "\""))
            {
                bytes.insert(UInt8(ascii: "_"), at: quote)
            }
        }
        return bytes
    }

    /// Where values stand in a text that is JSON, or was before it was changed.
    private static func places(in bytes: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var open: [Int] = []
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): open.append(index)
            case UInt8(ascii: "}"), UInt8(ascii: "]"): if let start = open.popLast() { found.append(start..<(index + 1)) }
            case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20: break
            default:
                let start = index
                let isText = bytes[index] == UInt8(ascii: "\"")
                index += 1
                while index < bytes.count {
                    if isText ? bytes[index] == UInt8(ascii: "\"") : [0x2C, 0x5D, 0x7D, 0x20].contains(bytes[index]) { break }
                    index += isText && bytes[index] == UInt8(ascii: "\\") ? 2 : 1
                }
                if isText { index += 1 }
                index = min(index, bytes.count)
                let isKey = index < bytes.count && bytes[index] == UInt8(ascii: ":")
                if !isKey { found.append(start..<index) }
                continue
            }
            index += 1
        }
        return found
    }
}
