import Configuration
import Engine
import Glibc
import Ingest
import Testing

@testable import Pipeline
@testable import Storage

/// Ids that only late copies can repeat are kept in a table of their own: it follows the customers, is read for late events, and does not grow for ever.
@Suite struct MovedIDTests {
    private struct Place {
        let scratch = Scratch()
        let rules: RuleSet
        var settings: Settings

        init() throws {
            let path = scratch.path + "/nudged.yaml"
            Files.write(
                Array(
                    """
                    instance: shop
                    clock: log
                    dedupe: 1h
                    sources: [{ name: shop, path: log.ndjson, lateness: 1m }]
                    rules:
                      at-once: { start: Ping }

                    """.utf8), to: path, flags: O_TRUNC)
            let loaded = try LoadedConfiguration(path: path)
            (rules, settings) = (loaded.rules, loaded.settings)
        }

        func append(_ lines: [String]) {
            Files.write(Array(lines.map { $0 + "\n" }.joined().utf8), to: scratch.path + "/log.ndjson", flags: O_APPEND)
        }

        /// Reads what there is, as a process that begins and ends; gives how many messages there were.
        func run(isStored: Bool = true, state: String = "state", drains: Bool = true, overlaps: Bool = false) throws -> (
            messages: Int, duplicates: Int, spilled: Bool
        ) {
            var messages = 0
            let store = isStored ? try Store.reopen(directory: scratch.path + "/" + state) : nil
            let committer = overlaps ? try store.flatMap { try Committer(beside: $0) } : nil
            var pipeline = try Pipeline(
                settings: settings, rules: rules, store: store,
                destination: .lines { _ in
                    messages += 1
                    // The commit is long in coming, so that what follows has to do without it.
                    committer?.perform { _ in for number in 0..<2000 { _ = SeededNumbers(seed: UInt64(number)) } }
                }, follows: isStored, committer: committer)
            if drains {
                try pipeline.drain()
            } else {
                pipeline.scan()
                while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil) }
            }
            while try pipeline.expire(wallNow: nil) {}
            return (messages, pipeline.engine.counters.duplicates, !isStored && pipeline.store != nil)
        }

        func integer(_ sql: String) throws -> Int64 {
            try Store.reader(directory: scratch.path + "/state").integer(sql) ?? 0
        }
    }

    private static let start: Instant = 1_772_323_200_000  // 2026-03-01

    private static func ping(
        _ id: String, at hours: Double, user: String? = nil, anonymous: String? = nil, event: String = "Ping"
    ) -> String {
        let who = (user.map { "\"userId\":\"\($0)\"," } ?? "") + (anonymous.map { "\"anonymousId\":\"\($0)\"," } ?? "")
        let time = start + Instant(hours * 3_600_000)
        return "{\"type\":\"track\",\"event\":\"\(event)\",\(who)\"messageId\":\"\(id)\",\"timestamp\":\"\(time.rfc3339)\"}"
    }

    @Test func theyGoWithAVisitorWhoBecomesAUser() throws {
        let place = try Place()
        place.append((0..<40).map { Self.ping("v\($0)", at: Double($0), anonymous: "a") })
        place.append((0..<40).map { Self.ping("u\($0)", at: 40 + Double($0), user: "ayşe") })
        #expect(try place.run(drains: false).messages == 80 - 1)
        #expect(try place.integer("SELECT count(DISTINCT customer) FROM seen_earlier") == 2)
        // In one batch: a late copy, the login, and then late copies of what either of them did. Late lines have their turn a minute before the newest.
        place.append([
            Self.ping("v3", at: 3, anonymous: "a"), Self.ping("login", at: 80, user: "ayşe", anonymous: "a", event: "Signed In"),
            Self.ping("tick", at: 81, user: "bora"), Self.ping("v4", at: 4, user: "ayşe"),
            Self.ping("u2", at: 42, anonymous: "a"),
            Self.ping("new", at: 5.5, user: "ayşe"), Self.ping("tock", at: 82, user: "bora"),
        ])
        // The last ping of before, tick, and the new one.
        #expect(try place.run(drains: false).messages == 3)
        #expect(try place.integer("SELECT count(DISTINCT customer) FROM seen_earlier") == 1)
        #expect(
            try place.integer(
                "SELECT count(*) FROM seen_earlier WHERE customer = (SELECT number FROM customer WHERE id = 'ayşe')")
                == place.integer("SELECT count(*) FROM seen_earlier"))
        place.append([
            Self.ping("v5", at: 5, user: "ayşe"), Self.ping("u6", at: 46, anonymous: "a"),
            Self.ping("other", at: 6.5, user: "ayşe"),
        ])
        #expect(try place.run().messages == 2)
    }

    @Test func noneIsLeftOfWhoeverWasErased() throws {
        let place = try Place()
        place.append((0..<40).map { Self.ping("m\($0)", at: Double($0), user: "ayşe") })
        _ = try place.run()
        #expect(try place.integer("SELECT count(*) FROM seen_earlier") > 0)
        // In one batch with pings that make more of them.
        place.append((40..<80).map { Self.ping("m\($0)", at: Double($0), user: "ayşe") })
        place.append([Self.ping("gone", at: 80, user: "ayşe", event: "Customer Erasure Requested")])
        _ = try place.run()
        #expect(try place.integer("SELECT count(*) FROM customer") == 0)
        #expect(try place.integer("SELECT count(*) FROM seen_earlier") == 0)
    }

    @Test func noneIsLeftOfWhoeverWasForgottenForBeingIdle() throws {
        var place = try Place()
        place.settings.retention.profiles = 10 * 86_400_000
        place.append((0..<40).map { Self.ping("m\($0)", at: Double($0), user: "ayşe") })
        _ = try place.run()
        #expect(try place.integer("SELECT count(*) FROM seen_earlier") > 0)
        place.append([Self.ping("much later", at: 24 * 20, user: "bora")])
        _ = try place.run()
        #expect(try place.integer("SELECT count(*) FROM customer") == 1)
        #expect(try place.integer("SELECT count(*) FROM seen_earlier") == 0)
    }

    @Test func whatNothingCanRepeatGoes() throws {
        let place = try Place()
        var most: Int64 = 0
        for piece in 0..<50 {
            place.append((0..<40).map { Self.ping("m\(piece)-\($0)", at: Double(piece * 40 + $0) * 3, user: "ayşe") })
            _ = try place.run()
            most = max(most, try place.integer("SELECT count(*) FROM seen_earlier"))
        }
        // 250 days have passed, of which 30 and an hour count: 241 pings in pieces of at least 16.
        #expect(most < 40, "\(most)")
        let newest = Self.start + Instant(1999 * 3) * 3_600_000
        #expect(
            try place.integer("SELECT count(*) FROM seen_earlier WHERE newest <= \(newest - 30 * 86_400_000 - 3_600_000)") == 0)
    }

    /// Live with restarts, in memory, and in memory that does not suffice: the same.
    @Test(arguments: UInt64(700_000)..<700_010) func liveAndReplayAndSpillAgree(seed: UInt64) throws {
        var random = SeededNumbers(seed: seed)
        var place = try Place()
        var lines: [String] = []
        var hours = 0.0
        var live = 0
        place.settings.batchEvents = 1 + random.below(60)
        place.settings.readBytes = 2048
        for piece in 0..<4 {
            let first = lines.count
            for index in 0..<100 {
                hours += Double(random.below(20)) / 10
                if index % 4 == 3 {
                    lines.append(lines[random.below(lines.count)])
                } else {
                    let who = random.below(5)
                    lines.append(
                        Self.ping(
                            "m\(piece)-\(index)", at: max(0, hours - (random.chance(10) ? Double(random.below(200)) : 0)),
                            user: who < 3 || random.chance(5) ? "u\(who % 3)" : nil, anonymous: who >= 3 ? "a\(who)" : nil))
                }
            }
            place.append(Array(lines[first...]))
            live += try place.run(drains: piece == 3).messages
        }
        #expect(try place.integer("SELECT count(*) FROM seen_earlier") > 3, "seed \(seed)")
        let replayed = try place.run(isStored: false)
        #expect(replayed.messages == live && !replayed.spilled, "seed \(seed)")
        place.settings.memory = 1 + random.below(3000)
        let spilled = try place.run(isStored: false)
        #expect(spilled.messages == live && spilled.spilled, "seed \(seed)")
        let overlapping = try place.run(state: "beside", overlaps: true)
        #expect(overlapping.messages == live, "seed \(seed): \(overlapping.messages) instead of \(live)")
    }

    /// Late copies of what is just being written by a commit that goes on beside them.
    @Test func idsThatAreOnTheirWayIntoTheStoreAreKnown() throws {
        var place = try Place()
        place.append([Self.ping("first", at: 0, user: "bora")])
        #expect(try place.run().messages == 1)
        place.settings.batchEvents = 40
        place.settings.readBytes = 4096
        // Wherever a batch begins, copies come of what the batch before it brought.
        place.append(
            (0..<2000).flatMap { hour in
                [hour, max(0, hour - 30)].map { Self.ping("m\($0)", at: Double($0), user: "ayşe") }
            })
        #expect(try place.run(overlaps: true).duplicates == 2000)
        #expect(try place.integer("SELECT count(*) FROM seen_earlier") > 3)
    }
}
