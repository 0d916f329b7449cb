import Testing

/// Two configurations over one history: every message is the same, moved, lost or gained, and each of them is found.
@Suite struct BacktestTests: ~Copyable {
    private let shop = Shop(runs: false)

    deinit { shop.program.remove() }

    /// ada signs up, is reminded of her cart; bob and cem besides. The other configuration waits longer to welcome, reminds on another channel's
    /// terms, and greets a rule of its own.
    private func compare(_ changes: (String, String)..., arguments: String = "", logs: String = "") -> Program.Result {
        var other = Shop.configuration
        for (old, new) in changes { other = other.replacing(old, with: new) }
        shop.program.write("other.yaml", other)
        return shop.run("backtest --against other.yaml \(arguments) --until 2026-03-02T00:00:00Z \(logs)")
    }

    private func counts(_ result: Program.Result, _ rule: String) -> [Int] {
        let line = result.lines.first { $0.hasPrefix(rule + " ") } ?? ""
        return line.split(separator: " ").dropFirst().compactMap { Int($0) }
    }

    @Test func theSameConfigurationChangesNothing() {
        let result = compare()
        #expect(result.code == 0, "\(result.errors)")
        #expect(counts(result, "welcome") == [2, 2, 2, 0, 0, 0])
        #expect(counts(result, "all") == [3, 3, 3, 0, 0, 0])
        #expect(!result.output.contains("Why"))
    }

    @Test func anotherWaitMoves() {
        let result = compare(("wait: 1h", "wait: 90m"))
        #expect(counts(result, "welcome") == [2, 2, 0, 2, 0, 0])
        #expect(counts(result, "reminder") == [1, 1, 1, 0, 0, 0])
        #expect(result.output.contains("welcome  moved  later") && result.output.contains("published 2026-03-01T11:30:00.000Z"))
    }

    @Test func anotherConditionLosesAndGains() {
        let lost = compare(("start: Signed Up", "start: Signed Up\n    if: profile.member(\"regular\")"))
        #expect(counts(lost, "welcome") == [2, 1, 1, 0, 1, 0])
        #expect(lost.output.contains("welcome  lost  condition_false"))
        let gained = compare((" && profile.count(\"Order Completed\", \"30d\") >= 2", ""))
        #expect(counts(gained, "vip") == [0, 1, 0, 0, 0, 1])
        #expect(gained.output.contains("condition_false 2026-03-01T10:30:00.000Z"))
    }

    @Test func contentVariantAndChannelMove() {
        let content = compare(("wait: 1h", "wait: 1h\n    data: { greeting: '\"hi\"' }"))
        #expect(content.output.contains("welcome  moved  content"))
        let variant = compare(("wait: 1h", "wait: 1h\n    variants: { A: 50, B: 50 }"))
        #expect(variant.output.contains("welcome  moved  variant"))
        #expect(variant.output.contains("By variant"))
        let channel = compare(("rules:", "delivery: { channels: [email], consent: { default: granted } }\nrules:"))
        #expect(channel.output.contains("welcome   moved  channel"))
    }

    /// What each side sent is counted by its own variants and segments, whatever the other one made of it.
    @Test func eachSideCountsByItsOwnVariantsAndSegments() {
        for number in 1...40 {
            let line = Shop.line("Signed Up", at: "2026-03-01T10:00:00Z", user: "u\(number)", id: "u\(number)")
            shop.program.write("logs/u\(number).ndjson", line)
        }
        func rows(_ result: Program.Result) -> [String: [Int]] {
            var rows: [String: [Int]] = [:]
            for line in result.lines where line.hasPrefix("welcome ") {
                let cells = line.split(separator: " ").map { String($0) }
                if cells.count == 8 { rows[cells[1]] = cells.dropFirst(2).compactMap { Int($0) } }
            }
            return rows
        }
        let old = Shop.configuration.replacing("wait: 1h", with: "wait: 1h\n    variants: { A: 50, B: 50 }")
        shop.program.write("nudged.yaml", old)
        let new = old.replacing("{ A: 50, B: 50 }", with: "{ B: 60, C: 40 }\n    holdout: 20%")
            .replacing("  regular:", with: "  everybody: profile.first_seen <= profile.last_seen\n  regular:")
        shop.program.write("other.yaml", new)
        let own = rows(shop.run("backtest --against nudged.yaml --until 2026-03-02T00:00:00Z"))
        let compared = rows(shop.run("backtest --against other.yaml --until 2026-03-02T00:00:00Z"))
        #expect(own["A"]?[0] == compared["A"]?[0] && own["B"]?[0] == compared["B"]?[0], "\(own) \(compared)")
        #expect(compared["A"]?[1] == 0 && compared["C"]?[0] == 0)
        #expect(compared["everybody"]?[0] == 0 && (compared["everybody"]?[1] ?? 0) > 0)
    }

    @Test func messagesAreCountedBySegmentOfTheirCustomer() {
        let result = compare(("wait: 1h", "wait: 90m"), arguments: "--json")
        #expect(
            result.output.contains(
                #""by_segment":[{"after":1,"before":1,"gained":0,"lost":0,"moved":0,"rule":"reminder","same":1,"segment":"regular"},"#
                    + #"{"after":1,"before":1,"gained":0,"lost":0,"moved":1,"rule":"welcome","same":0,"segment":"regular"}]"#))
    }

    @Test func everyChangeIsARowAndLogsReplaceTheSources() {
        let result = compare(("wait: 1h", "wait: 90m"), arguments: "--csv", logs: "logs/web.ndjson")
        let rows = result.output.split(separator: "\r\n")
        #expect(rows.count == 3)
        #expect(rows[0].hasPrefix("rule,kind,instead,customer,key,started_at,before_verdict,before_at,"))
        #expect(rows[1].hasPrefix("welcome,moved,later,ada,,2026-03-01T10:00:00.000Z,published,2026-03-01T11:00:00.000Z,"))
        #expect(compare(arguments: "--csv", logs: "missing.ndjson").code == 65)
        #expect(compare(arguments: "--csv --json").code == 64)
    }

    @Test func thePageStandsAloneAndIsEscaped() {
        let evil = "<script>alert(1)</script>"
        shop.program.write(
            "logs/evil.ndjson",
            Shop.line("Signed Up", at: "2026-03-01T10:00:00Z", user: evil.replacing("/", with: "\\/"), id: "x1"))
        let result = compare(("wait: 1h", "wait: 90m"), arguments: "--html page.html")
        #expect(result.code == 0, "\(result.errors)")
        let page = shop.program.read("page.html")
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("<svg") && page.contains("prefers-color-scheme: dark"))
        #expect(page.contains("&lt;script&gt;") && !page.contains("<script"))
        for reference in ["http://", "https://", "src=", "url(", "@import"] { #expect(!page.contains(reference), "\(reference)") }
        #expect(compare(arguments: "--html nowhere/page.html").code == 73)
    }
}
