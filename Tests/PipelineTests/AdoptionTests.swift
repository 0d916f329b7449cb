import Configuration
import Engine
import Glibc
import Testing

@testable import Pipeline
@testable import Storage

/// A changed set of segments or calendars is judged on everybody once, quietly, in pieces, before anything else happens.
@Suite struct AdoptionTests {
    /// Over the same counts and times, so that nothing starts empty and a replay says who has to be in them.
    private static func rules(busy: Int, lapsed: String, isFresh: Bool = false) -> String {
        let kept = ShopLog.rules.firstRange(of: "rules:").map { String(ShopLog.rules[$0.lowerBound...]) } ?? ""
        return """
            segments:
              busy: profile.count("Page Viewed", "1d") >= \(busy)
              lapsed: profile.ever("Order Completed") && profile.since("Order Completed") > duration("\(lapsed)")

            """ + (isFresh ? "  fresh: profile.ever(\"Order Completed\") && !profile.member(\"lapsed\")\n" : "") + kept
                + (isFresh ? "\n  fresh-now: { start: [{enters: fresh}], wait: 2m }\n" : "")
    }

    private static let before = rules(busy: 2, lapsed: "3h")
    private static let after = rules(busy: 1, lapsed: "1h", isFresh: true)

    private static func compile(_ text: String) throws -> RuleSet {
        let scratch = Scratch()
        Files.write(ShopLog.configuration(in: scratch.path, rules: text), to: scratch.path + "/nudged.yaml")
        return try LoadedConfiguration(path: scratch.path + "/nudged.yaml").rules
    }

    /// A shop of its own, half of whose log was read under some rules.
    private final class Shop {
        let scratch = Scratch()
        let lines: [LoggedLine]
        var settings: Settings
        var messages: [String] = []
        var decisions: [String] = []
        private var feeder: LogFeeder

        init(seed: UInt64, customersAtOnce: Int) {
            lines = ShopLog.lines(240, streams: ShopLog.streams.count, seed: seed)
            settings = ShopLog.settings(in: scratch.path)
            settings.outboxes = []
            // A piece takes a quarter of those that may be resident.
            settings.memory = customersAtOnce * 4 * Settings.profileBytes
            feeder = LogFeeder(directory: scratch.path + "/logs", streams: ShopLog.streams)
        }

        func open(_ rules: RuleSet) throws -> Pipeline {
            let store = try Store.reopen(directory: scratch.path + "/state")
            return try Pipeline(
                settings: settings, rules: rules, store: store,
                destination: .output { [unowned self] output in
                    messages += output.messages.map { String(decoding: $0.json, as: UTF8.self) }
                    decisions += output.decisions.map { "\($0.customerText) \($0.rule) \($0.verdict) \($0.decidedAt)" }
                }, follows: true)
        }

        func read(_ range: Range<Int>, _ pipeline: inout Pipeline) throws {
            feeder.write(lines[range])
            pipeline.scan()
            while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil) }
        }

        /// What is kept of everybody and everything.
        func dump() throws -> [String] {
            let store = try Store.reader(directory: scratch.path + "/state")
            var lines: [String] = []
            for table in ["customer", "membership", "message", "decision", "total", "meta", "follower", "product", "outcome"] {
                let columns = try rows(
                    store, "SELECT group_concat('quote(' || name || ')', ' || '' '' || ') FROM pragma_table_info('\(table)')")
                for row in try rows(store, "SELECT \(columns[0]) FROM \(table) ORDER BY 1") { lines.append("\(table) \(row)") }
            }
            return lines
        }

        func rows(_ store: Store, _ sql: String) throws -> [String] {
            let statement = try store.database.statement(sql)
            defer { statement.reset() }
            var rows: [String] = []
            while try statement.step() { rows.append(statement.text(0) ?? "") }
            return rows
        }

        func members() throws -> [String] {
            let store = try Store.reader(directory: scratch.path + "/state")
            return try rows(
                store, "SELECT c.id || ' ' || segment FROM membership m JOIN customer c ON c.number = m.customer ORDER BY 1")
        }
    }

    private static let seeds: Range<UInt64> = 1..<7

    /// - Parameter isKilled: each life of the daemon judges one piece and is gone.
    private func run(seed: UInt64, customersAtOnce: Int, isKilled: Bool) throws -> (shop: Shop, pieces: Int) {
        let shop = Shop(seed: seed, customersAtOnce: customersAtOnce)
        let (before, after) = (try Self.compile(Self.before), try Self.compile(Self.after))
        do {
            var pipeline = try shop.open(before)
            try shop.read(0..<120, &pipeline)
        }
        let told = (shop.messages.count, shop.decisions.count)
        var pieces = 0
        var isDone = false
        while !isDone {
            var pipeline = try shop.open(after)
            repeat {
                guard pipeline.adoptedPercent != nil else {
                    isDone = true
                    break
                }
                try pipeline.step(wallNow: nil)
                pieces += 1
            } while !isKilled
        }
        // Nobody has entered or left anything.
        #expect(shop.messages.count == told.0 && shop.decisions.count == told.1, "seed \(seed)")
        try expectMembersOfAReplay(shop, after, seed)
        var pipeline = try shop.open(after)
        try shop.read(120..<240, &pipeline)
        try pipeline.finish(until: nil, wallNow: nil)
        return (shop, pieces)
    }

    /// Who is in which segment is what a replay under the new set says.
    private func expectMembersOfAReplay(_ shop: Shop, _ rules: RuleSet, _ seed: UInt64) throws {
        let other = Shop(seed: seed, customersAtOnce: 1000)
        var pipeline = try other.open(rules)
        try other.read(0..<120, &pipeline)
        #expect(try shop.members() == other.members(), "seed \(seed)")
    }

    @Test(arguments: seeds) func piecesAndCrashesBetweenThemChangeNothing(seed: UInt64) throws {
        let whole = try run(seed: seed, customersAtOnce: 1000, isKilled: false)
        #expect(whole.pieces <= 2)
        #expect(whole.shop.messages.contains { $0.contains("-now") }, "seed \(seed): nobody enters a segment afterwards")
        let expected = try whole.shop.dump()
        for isKilled in [false, true] {
            let pieces = try run(seed: seed, customersAtOnce: 2, isKilled: isKilled)
            #expect(pieces.pieces > 2, "seed \(seed)")
            #expect(pieces.shop.messages == whole.shop.messages, "seed \(seed)")
            #expect(pieces.shop.decisions == whole.shop.decisions, "seed \(seed)")
            #expect(try pieces.shop.dump() == expected, "seed \(seed)")
        }
    }

    /// Changed once more before all have been judged: everybody is judged by the last.
    @Test(arguments: seeds) func aSecondChangeMeanwhileCounts(seed: UInt64) throws {
        let shop = Shop(seed: seed, customersAtOnce: 1)
        let (before, after) = (try Self.compile(Self.before), try Self.compile(Self.after))
        do {
            var pipeline = try shop.open(before)
            try shop.read(0..<120, &pipeline)
        }
        do {
            var pipeline = try shop.open(try Self.compile(Self.rules(busy: 3, lapsed: "2h")))
            try pipeline.step(wallNow: nil)
            #expect(pipeline.adoptedPercent != nil)
        }
        var pipeline = try shop.open(after)
        while pipeline.adoptedPercent != nil { try pipeline.step(wallNow: nil) }
        try expectMembersOfAReplay(shop, after, seed)
    }

    /// A start takes no longer for them: nothing is judged before the first step.
    @Test func aStartOnlyNotesThatTheyAreToBeJudged() throws {
        let shop = Shop(seed: 1, customersAtOnce: 1)
        do {
            var pipeline = try shop.open(try Self.compile(Self.before))
            try shop.read(0..<120, &pipeline)
        }
        func customers() throws -> [String] { try shop.dump().filter { $0.hasPrefix("customer") } }
        let stored = try customers()
        let pipeline = try shop.open(try Self.compile(Self.after))
        #expect(pipeline.adoptedPercent == 0 && !pipeline.isCaughtUp)
        #expect(try customers() == stored)
    }
}
