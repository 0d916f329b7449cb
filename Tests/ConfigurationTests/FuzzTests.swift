import Configuration
import Engine
import Foundation
import Testing

/// Repeatable pseudo-random numbers (SplitMix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Configurations with random damage: reading never crashes or hangs, and whatever it says is said of a place that exists.
@Suite struct FuzzTests {
    /// Rounds for each seed; enough to meet most of the parser in a test run, and a longer run is one number away.
    private static let rounds = 100

    private static let fragments: [[UInt8]] =
        [
            "${", "${A}", "${A:-b}", "}", "{", "[", "]", "- ", ": ", "\n", "\n\n", "  ", "\t", "|", ">", "|2\n", "'", "\"", "\\",
            "&a ", "*a",
            "<<: *a", "!x ", "!!str ", "? ", "#", " #", "---\n", "...\n", "%TAG ! x\n", "~", "null", "true", "-1",
            "99999999999999999999", "1e9",
            "0x10", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{FEFF}", "\u{0}", "\u{7F}", "ä", "👩‍👩‍👧", "rules:",
            "include: [nudged.yaml]", "include: '*'",
            "include: '/'", "start:", "audience: viewed ", "segment ", "lateness: ", "[[[[[[[[[[", "{a: {a: {a: ", "2026-02-30",
            "1 KiB",
        ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0xE2, 0x80], [0xF0, 0x9F], [0xED, 0xA0, 0x80], [0x00]]

    private static func seeds() throws -> [[UInt8]] {
        let files = ["abandoned-cart", "back-in-stock", "churn-risk", "segments"].map { "share/rules/\($0).yaml" }
        let rules = try files.map { head + (try Folder.text($0)) }
        let starter = Starter.text(instance: "shop", share: Folder.share)
        let examples = try ["docs/configuration.md", "docs/delivery.md"].flatMap { page in
            try Folder.text(page).components(separatedBy: "\n```yaml\n").dropFirst().map {
                $0.components(separatedBy: "\n```")[0] + "\n"
            }
        }
        return (rules + [starter] + examples.map { head + $0 }).map { Array($0.utf8) }
    }

    private static func damage(_ bytes: [UInt8], with others: [[UInt8]], _ random: inout Seeded) -> [UInt8] {
        var result = bytes
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let place = Int.random(in: 0...result.count, using: &random)
            let end = min(result.count, place + Int.random(in: 0...20, using: &random))
            switch Int.random(in: 0..<8, using: &random) {
            case 0: result.removeSubrange(place..<end)
            case 1: result.insert(contentsOf: result[place..<end], at: Int.random(in: 0...result.count, using: &random))
            case 2 where place < result.count: result[place] = UInt8.random(in: 0...255, using: &random)
            case 3:
                // A piece of another configuration.
                if let other = others.randomElement(using: &random) {
                    let from = Int.random(in: 0...other.count, using: &random)
                    result.insert(contentsOf: other[from..<min(other.count, from + 60)], at: place)
                }
            case 4:
                // A line less, so that keys lose their value or their owner.
                let lines = result.split(separator: 0x0A, omittingEmptySubsequences: false)
                let gone = Int.random(in: 0..<lines.count, using: &random)
                result = Array(lines.enumerated().filter { $0.offset != gone }.map(\.element).joined(separator: [0x0A]))
            case 5: result = Array(result[..<place])
            default: result.insert(contentsOf: fragments.randomElement(using: &random) ?? [], at: place)
            }
        }
        return result
    }

    @Test(arguments: 1...8) func damagedConfigurationsNeverCrash(seed: Int) throws {
        var random = Seeded(state: UInt64(seed))
        let seeds = try Self.seeds()
        let folder = try Folder()
        for round in 0..<Self.rounds {
            let bytes = Self.damage(seeds.randomElement(using: &random) ?? [], with: seeds, &random)
            let path = try folder.write("nudged.yaml", bytes: bytes)
            let draft = Configuration.draft(path: path, environment: ["A": "a: ${A} {"])
            #expect(draft.configuration != nil || !draft.issues.isEmpty)
            for issue in draft.issues {
                let position = issue.position
                let text = draft.line(of: position)
                let isPlace =
                    position.line >= 1 && position.column >= 1 && !position.file.isEmpty && !issue.message.isEmpty
                    && (text.map { position.column <= $0.unicodeScalars.count + 1 } ?? (position.line == 1))
                #expect(
                    isPlace,
                    "seed \(seed), round \(round): \(issue) in \(String(decoding: bytes, as: UTF8.self).debugDescription)")
            }
            for rule in draft.configuration?.definitions.rules ?? [] {
                let condition = rule.condition
                #expect(condition.map { $0.position.line >= 1 && $0.position.column >= 1 && !$0.value.isEmpty } ?? true)
            }
        }
    }

    @Test func manyMistakesAreTold() throws {
        var text = head + "rules:\n"
        for index in 0..<8000 { text += "  r\(index): { start: { enters: segmnt\(index) }, wiat\(index): 1h }\n" }
        text += "segments:\n"
        for index in 0..<8000 { text += "  segment\(index): x\n" }
        let (_, issues) = try load(text)
        #expect(issues.count == 1001)
        #expect(issues.contains { $0.hasSuffix("there are more than 1000 errors; the rest is left out") })
    }
}
