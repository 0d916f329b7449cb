import Engine
import Glibc
import Ingest
import Outbox
import Testing

@testable import Pipeline
@testable import Storage

/// The same logs give the same messages, byte for byte, whatever the batching, restarts, rotations and compression in between.
@Suite struct LiveReplayTests {
    /// How a run may differ without its messages differing.
    struct Manner {
        var lines = 80
        var restarts = 8
        var rotations = 12
        var compressions = 30
        var memory = 256 << 20
        /// Beyond the lateness: lines are overtaken, and the control log says how that was decided.
        var disorder = ShopLog.lateness
        var control = false
        /// Commits go on while the next batch is read and applied.
        var overlaps = false
        /// In so many of a hundred attempts there is no room to make files durable.
        var fullDisks = 0
        /// At most about so many events a batch, and lines written at once; nil: as configured.
        var batch: Int?
    }

    /// - Parameter outbox: of a replay; nil: a daemon's, which notes what it decides by itself.
    private func pipeline(
        _ directory: String, _ settings: Settings, _ rules: RuleSet, outbox: String? = nil, state: String, overlaps: Bool = false,
        observer: OutboxDirectory.Observer? = nil
    ) throws -> Pipeline {
        let store = try Store.reopen(directory: state)
        var boxes = settings.outboxes
        if let outbox { boxes[0].path = outbox }
        return try Pipeline(
            settings: settings, rules: rules, store: store,
            destination: .outboxes(try OutboxSet.open(boxes, store: store, observer: observer)),
            controlLog: ControlLog(path: directory + "/control.ndjson"), follows: outbox == nil,
            committer: overlaps ? try Committer(beside: store) : nil)
    }

    /// Gives how often there was no room.
    private func live(_ scratch: Scratch, _ settings: Settings, _ rules: RuleSet, seed: UInt64, _ manner: Manner) throws -> Int {
        var random = SeededNumbers(seed: seed ^ 0xF00D)
        let lines = ShopLog.lines(manner.lines, streams: ShopLog.streams.count, seed: seed, disorder: manner.disorder)
        let disk = FullDisk(seed: seed, chance: manner.fullDisks)
        var feeder = LogFeeder(directory: scratch.path + "/logs", streams: ShopLog.streams)
        var written = 0
        var isOver = false
        while !isOver {
            var daemon = try pipeline(
                scratch.path, settings, rules, state: scratch.path + "/state", overlaps: manner.overlaps, observer: disk.observer)
            daemon.scan()
            while true {
                if written == lines.count {
                    isOver = true
                    break
                }
                let count = min(1 + random.below(manner.batch.map { $0 * 40 } ?? 12), lines.count - written)
                feeder.write(lines[written..<(written + count)], keeping: random.chance(30) ? 1 + random.below(60) : 0)
                written += count
                if random.chance(manner.rotations) { feeder.rotate(random.below(ShopLog.streams.count)) }
                if random.chance(manner.compressions), !feeder.rotated.isEmpty {
                    try feeder.compress(random.below(feeder.rotated.count)) {
                        if random.chance(50) { try daemon.step(wallNow: nil) }
                    }
                }
                if random.chance(60) { daemon.scan() }
                for _ in 0..<random.below(3) { try daemon.step(wallNow: nil) }
                if random.chance(manner.restarts) {
                    if random.chance(50) { try daemon.settle() }
                    break
                }
            }
            if isOver {
                feeder.complete()
                disk.clear()
                try daemon.drain()
                try daemon.tendOutboxes(wallNow: 0, clockIsWall: false)
                try daemon.settle()
            }
        }
        return disk.refusals
    }

    private func decisions(_ state: String) throws -> String {
        try Store.reader(directory: state).database.text(
            """
            SELECT group_concat(id || ' ' || rule || ' ' || customer_id || ' ' || key || ' ' || started_at || ' ' || due_at || ' ' || decided_at
                || ' ' || verdict || ' ' || cause, char(10)) FROM (SELECT * FROM decision ORDER BY number)
            """) ?? ""
    }

    /// What is known of everybody, but for the numbers that rows have.
    private func profiles(_ state: String) throws -> String {
        try Store.reader(directory: state).database.text(
            """
            SELECT group_concat(id || ' ' || anonymous || ' ' || first_seen || ' ' || last_seen || ' ' || ifnull(traits, '') || ifnull(carts, '')
                || ifnull(interests, '') || ifnull(subscriptions, '') || ifnull(segments, '') || ifnull(timers, '') || ' ' || ifnull(wake_at, ''), char(10))
            FROM (SELECT * FROM customer ORDER BY id, anonymous)
            """) ?? ""
    }

    private func expectSame(_ live: String, _ replay: String, _ what: String) {
        if live == replay { return }
        let pairs = zip(live.split(separator: "\n"), replay.split(separator: "\n"))
        let first = pairs.first { $0 != $1 }
        Issue.record("\(what) differ\nlive   \(first?.0 ?? "is longer or shorter")\nreplay \(first?.1 ?? "")")
    }

    private func check(_ seed: UInt64, _ manner: Manner, replayWith change: (inout Settings) -> Void = { _ in }) throws -> (
        messages: Int, refusals: Int
    ) {
        let rules = try #require(ShopLog.compiled)
        let scratch = Scratch()
        var settings = ShopLog.settings(in: scratch.path)
        settings.memory = manner.memory
        if let batch = manner.batch {
            settings.batchEvents = batch
            settings.readBytes = 2048
        }
        let refusals = try live(scratch, settings, rules, seed: seed, manner)
        var fresh = ShopLog.settings(in: scratch.path)
        change(&fresh)
        if !manner.control { #expect(Files.text(scratch.path + "/control.ndjson").isEmpty, "seed \(seed): a line was overtaken") }
        var replay = try pipeline(
            scratch.path, fresh, rules, outbox: scratch.path + "/replayed", state: scratch.path + "/replay-state")
        try replay.drain()
        let expected = published(scratch.path + "/replayed")
        let found = published(scratch.path + "/outbox")
        compare(found, expected, "seed \(seed)")
        expectSame(
            try decisions(scratch.path + "/state"), try decisions(scratch.path + "/replay-state"), "seed \(seed): decisions")
        expectSame(try profiles(scratch.path + "/state"), try profiles(scratch.path + "/replay-state"), "seed \(seed): profiles")
        #expect(Files.names(scratch.path + "/outbox/tmp").isEmpty, "seed \(seed)")
        let store = try Store.reader(directory: scratch.path + "/state")
        #expect(try store.database.text("PRAGMA integrity_check") == "ok", "seed \(seed)")
        #expect(try store.wakesThatDiffer() == 0, "seed \(seed)")
        #expect(
            try store.integer("SELECT count(*) FROM message WHERE state NOT IN ('published', 'withdrawn')") == 0, "seed \(seed)")
        #expect(
            try store.integer("SELECT count(*) FROM message WHERE state = 'published'") == Int64(expected.count), "seed \(seed)")
        return (expected.count, refusals)
    }

    private func many(_ seeds: Int, from first: UInt64, _ manner: Manner, replayWith change: (inout Settings) -> Void = { _ in })
        throws
    {
        var messages = 0
        var refusals = 0
        for seed in first..<(first + UInt64(seeds)) {
            let counts = try check(seed, manner, replayWith: change)
            messages += counts.messages
            refusals += counts.refusals
        }
        print("seeds \(first)..<\(first + UInt64(seeds)): \(messages) messages, live as in the replay")
        #expect(messages > seeds * 5)
        #expect((2 * refusals > seeds) == (manner.fullDisks > 0))
    }

    static var factor: Int { getenv("NUDGED_TORTURE") == nil ? 1 : 20 }

    @Test func piecesRestartsRotationsAndCompressionChangeNothing() throws {
        try many(110 * Self.factor, from: 1, Manner())
    }

    @Test func oneLineAtATimeWithARestartAtEveryOther() throws {
        try many(15 * Self.factor, from: 100_000, Manner(lines: 60, restarts: 60, rotations: 25, compressions: 60))
    }

    /// Everybody is in memory: messages are published while the next batch is begun.
    @Test func publishingWhileTheNextBatchIsBegun() throws {
        try many(20 * Self.factor, from: 250_000, Manner(lines: 400, overlaps: true, batch: 5))
    }

    /// Nearly nobody stays in memory: whole commits go on beside the next batch, which brings in others meanwhile.
    @Test func committingWhileTheNextBatchIsBegun() throws {
        try many(30 * Self.factor, from: 260_000, Manner(lines: 400, memory: 1, overlaps: true, batch: 3))
        try many(15 * Self.factor, from: 270_000, Manner(lines: 400, memory: 30_000, overlaps: true, batch: 20))
        try many(
            10 * Self.factor, from: 280_000,
            Manner(lines: 300, memory: 1, disorder: 4 * 3_600_000, control: true, overlaps: true, batch: 3))
    }

    /// The files of a transaction are made durable while it is written; those that can't be wait, and are published later.
    @Test func filesThatCanNotBeMadeDurableWait() throws {
        try many(20 * Self.factor, from: 500_000, Manner(lines: 400, overlaps: true, fullDisks: 30, batch: 5))
        try many(20 * Self.factor, from: 510_000, Manner(lines: 400, memory: 1, overlaps: true, fullDisks: 30, batch: 3))
        try many(20 * Self.factor, from: 520_000, Manner(fullDisks: 30))
    }

    /// Nearly nobody stays in memory, and a batch holds few events.
    @Test func stateThatIsForeverEvictedAndReloaded() throws {
        try many(30 * Self.factor, from: 200_000, Manner(memory: 1)) { settings in
            settings.memory = 1
            settings.batchEvents = 3
            settings.readBytes = 4096
        }
    }

    @Test func readsAndBatchesOfAnySize() throws {
        try many(25 * Self.factor, from: 300_000, Manner(restarts: 2)) { settings in
            settings.batchEvents = 17
            settings.readBytes = 5000
        }
    }

    /// Lines beyond the lateness are overtaken live; a replay that reads the control log decides the same.
    @Test func whatTheDaemonDecidedByItselfIsReplayedFromTheControlLog() throws {
        try many(45 * Self.factor, from: 400_000, Manner(disorder: 4 * 3_600_000, control: true))
    }
}
