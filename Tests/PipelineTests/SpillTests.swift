import Engine
import Glibc
import Ingest
import Testing

@testable import Pipeline

/// A replay whose state outgrows its memory goes on with a temporary store, whenever that happens, and gives the same messages.
@Suite struct SpillTests {
    private func replay(_ directory: String, _ rules: RuleSet, _ change: (inout Settings) -> Void) throws -> (
        lines: [[UInt8]], spilled: Bool
    ) {
        var settings = ShopLog.settings(in: directory)
        settings.outboxes = []
        change(&settings)
        var lines: [[UInt8]] = []
        var pipeline = try Pipeline(
            settings: settings, rules: rules, store: nil, destination: .lines { lines.append(Array($0)) })
        try pipeline.drain()
        return (lines, pipeline.store != nil)
    }

    @Test func aReplayThatOutgrowsItsMemoryGivesTheSameMessages() throws {
        let rules = try #require(ShopLog.compiled)
        var spills = 0
        var messages = 0
        for seed in UInt64(600_000)..<600_030 {
            var random = SeededNumbers(seed: seed)
            let scratch = Scratch()
            var feeder = LogFeeder(directory: scratch.path + "/logs", streams: ShopLog.streams)
            feeder.write(ShopLog.lines(600, streams: ShopLog.streams.count, seed: seed)[...])
            feeder.complete()
            let expected = try replay(scratch.path, rules) { _ in }
            #expect(!expected.spilled)
            messages += expected.lines.count
            // Some spill with the first lines, some after several batches have been passed on, some hardly.
            let found = try replay(scratch.path, rules) { settings in
                settings.memory = 1 + random.below(160_000)
                settings.batchEvents = 1 + random.below(40)
                settings.readBytes = 2048
            }
            spills += found.spilled ? 1 : 0
            #expect(found.lines == expected.lines, "seed \(seed)")
        }
        #expect(messages > 600)
        #expect(spills >= 10, "\(spills) of 30 spilled")
    }
}
