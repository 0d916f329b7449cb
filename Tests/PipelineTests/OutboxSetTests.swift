import Engine
import Glibc
import Outbox
import Testing

@testable import Pipeline
@testable import Storage

/// Several outboxes, of which one is away.
@Suite struct OutboxSetTests {
    private func row(_ sequence: Int, outbox: String) -> MessageRow {
        let id = OutboxSetTests.id(sequence)
        let message = Message(
            id: id, rule: "r", customer: 1, time: 1_772_366_400_000, expires: .max, sequence: Int64(sequence), outbox: outbox,
            channel: nil, variant: nil, retracts: nil, json: Array("{}".utf8))
        return MessageRow(message, outbox: outbox, file: MessageName.file(time: 1_772_366_400_000, id: id), state: .pending)
    }

    private static func id(_ number: Int) -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")
        var rest = number
        return String(
            (0..<32).map { _ in
                defer { rest /= 32 }
                return alphabet[rest % 32]
            })
    }

    private func box(_ name: String, _ scratch: Scratch, maxPending: Int) -> Settings.OutboxSettings {
        Settings.OutboxSettings(
            name: name, path: "\(scratch.path)/\(name)", claimTimeout: .max, maxPending: maxPending, keep: .max)
    }

    /// A daemon that is told to end does not go through all of them first.
    @Test func whatWaitsIsLeftWhenTheDaemonEnds() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        let boxes = [box("there", scratch, maxPending: 3000)]
        var set = try OutboxSet.open(boxes, store: store)
        try store.begin()
        try store.write((1...2500).map { row($0, outbox: "there") })
        try store.commit()
        try set.recount(store)
        var pieces = 0
        try set.retry(store, wallNow: nil) {
            pieces += 1
            return pieces > 1
        }
        #expect(set.pendingCount == 1500)
        #expect(Files.names(scratch.path + "/there/new").count == 1000)
        try set.retry(store, wallNow: nil)
        #expect(set.pendingCount == 0)
    }

    /// As with `run --once` by cron, and over a reload.
    @Test func aClaimTimesOutOverAnyNumberOfRuns() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        let box = Settings.OutboxSettings(
            name: "mail", path: scratch.path + "/mail", claimTimeout: 1000, maxPending: 3000, keep: .max)
        let name = MessageName.file(time: 1_772_366_400_000, id: Self.id(1))
        func run(at now: Instant) throws -> OutboxSet {
            var set = try OutboxSet.open([box], store: store)
            try set.maintain(store, wallNow: now)
            try set.keepClaims(store)
            return set
        }
        _ = try run(at: 0)
        Files.write("{}\n", to: scratch.path + "/mail/cur/" + name)
        #expect(try run(at: 100).nextTimeout == 1100)
        #expect(try OutboxSet.open([box], store: store).nextTimeout == 1100, "the next run wakes for it")
        _ = try run(at: 1099)
        #expect(Files.names(scratch.path + "/mail/cur") == [name])
        #expect(try run(at: 1100).nextTimeout == nil)
        #expect(Files.names(scratch.path + "/mail/new") == [name])
        #expect(try store.meta("claims.mail") == "")

        // Claimed anew, and renamed in between, it is another claim.
        #expect(rename(scratch.path + "/mail/new/" + name, scratch.path + "/mail/cur/" + name) == 0)
        #expect(try run(at: 2000).nextTimeout == 3000)
        try store.begin()
        try store.setMeta("claims.mail", "\(name) 1 1 1 2000\nnonsense\n\(name) x 1 1 1\n")
        try store.commit()
        #expect(try run(at: 2900).nextTimeout == 3900)
    }

    @Test func filesThatOnlyAPersonCanSettleAreTold() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        let box = Settings.OutboxSettings(
            name: "mail", path: scratch.path + "/mail", claimTimeout: 1000, maxPending: 3000, keep: .max)
        _ = try OutboxSet.open([box], store: store)
        func file(_ number: Int) -> String { MessageName.file(time: 1_772_366_400_000, id: Self.id(number)) }
        var published = row(1, outbox: "mail")
        published.state = .published
        try store.begin()
        try store.write([published])
        try store.commit()
        // As after a restored backup.
        Files.write("{}\n", to: scratch.path + "/mail/tmp/" + file(1))
        for folder in ["cur", "new"] { Files.write("{}\n", to: scratch.path + "/mail/\(folder)/" + file(2)) }
        var set = try OutboxSet.open([box], store: store)
        #expect(set.troubles.map { $0.prefix { $0 != ":" } } == ["\(scratch.path)/mail/tmp/\(file(1))"[...]])
        try set.maintain(store, wallNow: 0)
        try set.maintain(store, wallNow: 1000)
        #expect(
            set.troubles.contains { $0.hasPrefix("\(scratch.path)/mail/cur/\(file(2)): the claim has timed out") },
            "\(set.troubles)")
        unlink(scratch.path + "/mail/new/" + file(2))
        try set.maintain(store, wallNow: 2000)
        #expect(set.troubles.count == 1)
    }

    @Test func whatWaitsForAnOutboxThatIsConfiguredNoMoreIsTold() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        _ = try OutboxSet.open([box("gone", scratch, maxPending: 3000), box("there", scratch, maxPending: 3000)], store: store)
        try store.begin()
        try store.write([row(1, outbox: "gone"), row(2, outbox: "gone"), row(3, outbox: "there")])
        try store.commit()
        let boxes = [box("there", scratch, maxPending: 3000)]
        let set = try OutboxSet.open(boxes, store: store)
        let told = [
            "2 messages wait for the outbox gone, which the configuration has no more: name it again, with the path that it had"
        ]
        #expect(set.troubles == told)
        #expect(try OutboxSet.troubles(boxes, store) == told)
    }

    /// More rows wait for the absent one than are retried at a time, and they are older.
    @Test func whatWaitsForAnAbsentOutboxKeepsNoOtherBack() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        let boxes = [box("away", scratch, maxPending: 3000), box("there", scratch, maxPending: 3000)]
        _ = try OutboxSet.open(boxes, store: store)
        #expect(rename(scratch.path + "/away", scratch.path + "/elsewhere") == 0)
        #expect(rename(scratch.path + "/there", scratch.path + "/hidden") == 0)
        try store.begin()
        try store.write((1...2500).map { row($0, outbox: $0 <= 2200 ? "away" : "there") })
        try store.commit()
        var set = try OutboxSet.open(boxes, store: store)
        try set.retry(store, wallNow: nil)
        #expect(set.pendingCount == 2500)

        #expect(rename(scratch.path + "/hidden", scratch.path + "/there") == 0)
        try set.retry(store, wallNow: nil)
        #expect(Files.names(scratch.path + "/there/new").count == 300)
        #expect(set.pendingCount == 2200)
        #expect(set.troubles.count == 1 && set.isWaiting)

        #expect(rename(scratch.path + "/elsewhere", scratch.path + "/away") == 0)
        try set.retry(store, wallNow: nil)
        #expect(Files.names(scratch.path + "/away/new").count == 2200)
        #expect(set.pendingCount == 0 && set.troubles.isEmpty)
    }

    @Test("a path that was mistyped and corrected leads back to the outbox") func aFormerDirectoryIsKnownAgain() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        func open(_ folder: String) throws -> OutboxSet {
            try OutboxSet.open(
                [
                    Settings.OutboxSettings(
                        name: "mail", path: "\(scratch.path)/\(folder)", claimTimeout: .max, maxPending: 3000, keep: .max)
                ], store: store)
        }
        func marker(_ folder: String) -> String { Files.text("\(scratch.path)/\(folder)/.nudged-outbox") }
        _ = try open("outbox")
        let own = marker("outbox")
        _ = try open("outbx")
        for _ in 0..<2 {
            #expect(try open("outbox").troubles == [])
            #expect(marker("outbox") == own)
        }
        #expect(try open("outbx").troubles == [])
        // What has another marker by now is none of ours.
        Files.write("another\n", to: scratch.path + "/outbox/.nudged-outbox")
        #expect(try open("outbox").troubles.count == 1)
    }

    @Test func eachOutboxIsFullByItsOwnRows() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        try store.begin()
        try store.write((1...10).map { row($0, outbox: "wide") })
        try store.commit()
        #expect(
            try !OutboxSet.open([box("narrow", scratch, maxPending: 5), box("wide", scratch, maxPending: 11)], store: store)
                .isFull)
        #expect(
            try OutboxSet.open([box("narrow", scratch, maxPending: 5), box("wide", scratch, maxPending: 10)], store: store).isFull
        )
    }
}
