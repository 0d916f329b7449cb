import Engine
import Glibc
import Testing

@testable import Pipeline
@testable import Storage

/// What is beyond its time or its number goes, in bounded pieces.
@Suite struct RetentionTests {
    private func letter(_ number: Int, at: Instant) -> DeadLetterRow {
        DeadLetterRow(
            source: "app", file: "1", offset: Int64(number), length: 3, reason: "bad_json", message: "", place: nil, at: at,
            head: [])
    }

    private func kept(_ store: Store) throws -> [Int64] { try store.deadLetters(limit: .max).map(\.offset).reversed() }

    @Test func deadLettersAreBoundedByNumberAlsoWhereSomeAreGone() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        try store.write((1...20).map { letter($0, at: 0) })
        try store.keepDeadLetters(20, removing: 100)
        #expect(try kept(store).count == 20)
        // Those that were retried leave room: ten are within a bound of ten.
        try store.removeDeadLetters(Array(6...15))
        try store.keepDeadLetters(10, removing: 100)
        #expect(try kept(store) == [1, 2, 3, 4, 5, 16, 17, 18, 19, 20])
        try store.keepDeadLetters(4, removing: 2)
        #expect(try kept(store) == [3, 4, 5, 16, 17, 18, 19, 20])
        try store.keepDeadLetters(4, removing: 100)
        #expect(try kept(store) == [17, 18, 19, 20])
    }

    @Test func deadLettersGoByTheEnginesTimeInPieces() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        try store.write((1...10).map { letter($0, at: Instant($0) * 1000) })
        var retention = Retention()
        retention.deadLetters = 3000
        // The eighth is as old as may be.
        #expect(try store.expire(retention, now: 11_000, limit: 4))
        #expect(try kept(store) == [5, 6, 7, 8, 9, 10])
        #expect(try !store.expire(retention, now: 11_000, limit: 4))
        #expect(try kept(store) == [8, 9, 10])
    }

    /// However many of them wait for an outbox or for the end of a pause.
    @Test func messagesOnTheirWayKeepNoOthersFromGoing() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path + "/state")
        func row(_ number: Int, _ state: MessageState) -> MessageRow {
            let message = Message(
                id: "m\(number)", rule: "r", customer: 1, time: 0, expires: .max, sequence: Int64(number), outbox: nil,
                json: Array("{}".utf8))
            return MessageRow(message, outbox: "mail", file: "f\(number)", state: state)
        }
        try store.begin()
        try store.write((1...5).map { row($0, .pending) } + [row(6, .published), row(7, .stale), row(8, .staged)])
        try store.commit()
        var retention = Retention()
        retention.messages = 1000
        #expect(try !store.expire(retention, now: 5000, limit: 3))
        #expect(try store.integer("SELECT group_concat(sequence, '') FROM (SELECT sequence FROM message ORDER BY 1)") == 123_458)
    }

    /// A log that is broken as a whole never fills the disk: what a commit adds beyond the bound it takes away.
    @Test func aBrokenLogKeepsTheNewest() throws {
        let scratch = Scratch()
        var settings = ShopLog.settings(in: scratch.path)
        settings.retention.maxDeadLetters = 7
        settings.batchEvents = 50
        settings.readBytes = 1000
        mkdir(scratch.path + "/logs", 0o755)
        let store = try Store.open(directory: scratch.path + "/state")
        var pipeline = try Pipeline(
            settings: settings, rules: try #require(ShopLog.compiled), store: store, destination: .none, follows: true)
        var lines = 0
        for _ in 0..<5 {
            let text = (0..<400).map { _ in
                lines += 1
                return "broken \(lines)\n"
            }
            Files.write(Array(text.joined().utf8), to: scratch.path + "/logs/shop.log", flags: O_APPEND)
            pipeline.scan()
            while !pipeline.isCaughtUp {
                try pipeline.step(wallNow: nil)
                #expect(try kept(store).count <= 7)
            }
        }
        let heads = try store.deadLetters(limit: .max).map { String(decoding: $0.head, as: UTF8.self) }
        #expect(heads == (0..<7).map { "broken \(2000 - $0)" })
        #expect(pipeline.tally.deadLetters["bad_json"] == 2000)
    }
}
