import Testing

@testable import Engine

/// What profiles take in memory is measured in a long batch by some of them, and by all when it may be too much.
@Suite struct MeasuringTests {
    private func grown() throws -> (engine: Engine, before: Int, all: Int) {
        let rules = try RuleSet.compiled(Definitions(instance: "shop"))
        var engine = Engine(rules: rules, hasStore: false, sha256: { _ in [] })
        for number in 1...64 {
            engine.insert(
                CustomerRecord(
                    number: Int64(number), isAnonymous: false, id: Array("c\(number)".utf8), firstSeen: 0, lastSeen: 0,
                    locale: nil,
                    timezone: nil, wake: nil, judgedBy: 0), links: [])
        }
        let before = engine.residentBytes
        engine.touchEverything()
        for slot in engine.profiles.indices { engine.profiles[slot].links.append([UInt8](repeating: 1, count: 5000)) }
        return (engine, before, engine.profiles.reduce(0) { $0 + $1.footprint })
    }

    @Test func someTellOfAll() throws {
        var (engine, before, all) = try grown()
        #expect(all - before > 64 * 5000)
        engine.measureChanged(limit: 2 * all)
        #expect(engine.residentBytes > before)
        #expect(engine.residentBytes - before < (all - before) / 7)
    }

    @Test func allAreMeasuredWhenItMayBeTooMuch() throws {
        var (engine, _, all) = try grown()
        engine.measureChanged(limit: all / 2)
        #expect(engine.residentBytes == all)
    }
}
