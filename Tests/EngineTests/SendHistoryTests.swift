import CEL
import Testing

@testable import Engine

/// What is remembered of messages is bounded by time, not by how many a customer ever got: caps cost the same after ten thousand as after a hundred.
@Suite struct SendHistoryTests {
    private static let hour: Milliseconds = 3_600_000

    /// A message an hour for 10,000 hours; the largest number of them that was ever remembered.
    private func most(_ change: (inout Definitions) -> Void) throws -> (remembered: Int, sent: Int) {
        var definitions = Definitions(instance: "shop")
        var rule = RuleDefinition(name: .here("r"))
        rule.start = [.event(name: .here("E"), condition: nil)]
        definitions.rules = [rule]
        definitions.lateFor = 0
        change(&definitions)
        let rules = try RuleSet.compiled(definitions)
        let driver = Driver(rules: rules)
        var engine = Engine(rules: rules, hasStore: false, sha256: SHA256.hash)
        var remembered = 0
        var sent = 0
        for number in 1...10_000 {
            let time = Int64(number) * Self.hour
            let line = OrderedLine(line: LogLine(time, "E", user: "ann", id: "e\(number)"), order: time)
            _ = engine.advance(driver.batch([line]), from: 0, below: time + 1)
            sent += engine.takeChanges(records: false).output.messages.count
            remembered = max(remembered, engine.profiles.map(\.sends.count).max() ?? 0)
        }
        return (remembered, sent)
    }

    @Test func nothingIsRememberedThatNobodyAsksFor() throws {
        let found = try most { _ in }
        #expect(found.remembered == 0 && found.sent == 10_000)
    }

    @Test func capsRememberTheirLongestWindow() throws {
        let found = try most {
            $0.delivery.caps = [
                CapDefinition(atMost: 5, per: 5 * Self.hour), CapDefinition(atMost: 1000, per: 100 * Self.hour, tag: "other"),
            ]
        }
        #expect(found.remembered <= 101 && found.sent == 10_000)
    }

    @Test func aCapThatHoldsRemembersWhatItAllows() throws {
        let found = try most { $0.delivery.caps = [CapDefinition(atMost: 2, per: 48 * Self.hour)] }
        #expect(found.remembered <= 3 && 400...420 ~= found.sent)
    }

    @Test func lateCancelsAndConversionsRememberTheirTime() throws {
        let cancelled = try most {
            $0.rules[0].cancel = [.event(name: .here("Stop"), condition: nil)]
            $0.lateFor = 30 * Self.hour
        }
        #expect(cancelled.remembered <= 31 && cancelled.sent == 10_000)
        let converted = try most { $0.rules[0].delivery.conversion = .init(event: "Bought", within: 20 * Self.hour) }
        #expect(converted.remembered <= 21 && converted.sent == 10_000)
    }
}
