import CEL
import Testing

@testable import Engine

/// Records of former versions are read, as far as they go.
@Suite struct FormerRecordTests {
    private func read(_ column: RecordColumns.Column, _ bytes: [UInt8]) throws -> Profile {
        var definitions = Definitions(instance: "shop")
        var rule = RuleDefinition(name: .here("nudge"))
        rule.start = [.event(name: .here("Ping"), condition: nil)]
        definitions.rules = [rule]
        var record = CustomerRecord(
            number: 1, isAnonymous: false, id: Array("ann".utf8), firstSeen: 0, lastSeen: 0, locale: nil, timezone: nil,
            wake: nil,
            judgedBy: 0)
        for other in RecordColumns.Column.allCases {
            record.columns.add { if other == column { $0 += bytes } }
        }
        return RecordReader(rules: try RuleSet.compiled(definitions)).profile(record, links: []).profile
    }

    @Test func cartsWithoutTurns() throws {
        let text = #"[{"id":"a","links":["k"],"touched_at":5},{"id":"b","touched_at":5}]"#
        var carts = try read(.carts, Array(text.utf8)).carts
        #expect(carts.list.map(\.id) == ["a", "b"])
        #expect(carts.list[0].isLinked(to: "k"))
        _ = carts.touch(id: "a", at: 5, turn: 1)
        #expect(carts.list.map(\.id) == ["b", "a"])
    }

    /// It was held for its hour, until it is due, unless it has begun anew since.
    @Test func timersThatNameTheStartTheyWaitedForTheHourOf() throws {
        let text =
            #"[{"due":900,"held_since":100,"key":"","phase":"held","rule":"nudge","started_at":100,"waited_for_hour_of":START}]"#
        func awaited(_ start: String) throws -> Instant? {
            try read(.timers, Array(text.replacing("START", with: start).utf8)).instances[0].awaitedHour
        }
        #expect(try awaited("100") == 900)
        #expect(try awaited("50") == nil)
    }

    @Test func consentOfWhichNothingIsSettled() throws {
        // One section of two entries: e-mail withdrawn at 3, and news by e-mail granted at 4.
        let email: [UInt8] = [1, 5] + Array("email".utf8)
        let news: [UInt8] = [1, 4] + Array("news".utf8)
        let consent = try read(.rolling, [8, 2] + email + [0, 0, 6] + email + news + [1, 8]).consent
        #expect(consent.statements.map(\.description).count == 2)
        #expect(consent.denial(channel: "email", topic: nil)?.at == 3)
        #expect(consent.denial(channel: "email", topic: "news") == nil)
        #expect(consent.joinedAt == nil)
    }
}
