import Glibc
import Pipeline
import Storage
import Testing

@testable import nudged

/// What is published but unclaimed is taken back; what a sender has claimed is followed by a retraction.
@Suite struct WithdrawalTests {
    static let ping = #"{"timestamp":"2026-03-01T10:00:00Z","type":"track","event":"Ping","userId":"ann","messageId":"ping"}"#
    static let later =
        #"{"timestamp":"2026-03-01T11:30:00Z","type":"track","event":"Page Viewed","userId":"ann","messageId":"later"}"#
    static let stop = #"{"timestamp":"2026-03-01T10:30:00Z","type":"track","event":"Stop","userId":"ann","messageId":"stop"}"#

    /// Moves time past the turn of the late line.
    static let tick =
        #"{"timestamp":"2026-03-01T11:40:00Z","type":"track","event":"Page Viewed","userId":"ann","messageId":"tick"}"#

    @Test func unclaimedFileIsTakenBackAndItsRetractionLeftOut() throws {
        let shop = try Shop()
        try shop.append([Self.ping, Self.later])
        try shop.run()
        #expect(shop.files("new").count == 1)
        try shop.append([Self.stop, Self.tick])
        try shop.run()
        #expect(shop.files("new") == [] && shop.files("tmp") == [])
        #expect(try shop.states() == ["withdrawn", "withdrawn"])
        #expect(try shop.verdicts() == ["withdrawn"])
    }

    @Test func claimedFileStaysAndIsRetracted() throws {
        let shop = try Shop()
        try shop.append([Self.ping, Self.later])
        try shop.run()
        let name = try #require(shop.files("new").first)
        rename(shop.outbox + "/new/" + name, shop.outbox + "/cur/" + name)
        try shop.append([Self.stop, Self.tick])
        try shop.run()
        #expect(shop.files("cur") == [name] && shop.files("tmp") == [])
        let retraction = try #require(shop.files("new").first)
        let text = try #require(Case.text(shop.outbox + "/new/" + retraction))
        #expect(text.contains(#""type":"nudged.retract""#) && text.contains(#""sequence":"0000000000000002""#))
        // The id by which a sender knows the original.
        let id = name.dropFirst(20).dropLast(5)
        #expect(text.contains(#""retracts":"\#(id)""#))
        #expect(try shop.states() == ["withdrawn", "published"])
    }

    @Test func oneBatchGivesTheSame() throws {
        let shop = try Shop()
        try shop.append([Self.ping, Self.later, Self.stop, Self.tick])
        try shop.run()
        #expect(shop.files("new") == [] && shop.files("tmp") == [])
        #expect(try shop.states() == ["withdrawn", "withdrawn"])
        #expect(try shop.verdicts() == ["withdrawn"])
    }

    /// The intent is committed while the outbox is away; the outcome follows when it is back.
    @Test func absentOutboxIsWaitedFor() throws {
        let shop = try Shop()
        try shop.append([Self.ping, Self.later])
        try shop.run()
        rename(shop.outbox, shop.outbox + ".away")
        try shop.append([Self.stop, Self.tick])
        try shop.run()
        #expect(try shop.states() == ["withdrawing", "pending"])
        rename(shop.outbox + ".away", shop.outbox)
        try shop.run()
        #expect(try shop.states() == ["withdrawn", "withdrawn"])
        #expect(shop.files("new") == [] && shop.files("tmp") == [])
    }
}

/// A daemon's directories, and runs of it.
private struct Shop {
    private let directory: TemporaryDirectory
    var outbox: String { directory.path + "/outbox" }

    init() throws { directory = try TemporaryDirectory() }

    func append(_ lines: [String]) throws {
        let stream = try #require(fopen(directory.path + "/log.ndjson", "a"))
        defer { fclose(stream) }
        for line in lines { fputs(line + "\n", stream) }
    }

    /// One run of the process over what the log has.
    func run() throws {
        let path = directory.path + "/nudged.yaml"
        let stream = try #require(fopen(path, "w"))
        fputs(
            """
            instance: shop
            clock: log
            sources: [{ name: shop, path: log.ndjson }]
            rules:
              nudge: { start: Ping, wait: 1h, cancel: Stop, retract: true }

            """, stream)
        fclose(stream)
        let loaded = try LoadedConfiguration(path: path)
        var settings = loaded.settings
        settings.outboxes = [
            Settings.OutboxSettings(name: "default", path: outbox, claimTimeout: 1_000_000, maxPending: 1000, keep: 1_000_000)
        ]
        let store = try Store.reopen(directory: directory.path + "/state")
        var pipeline = try Pipeline(
            settings: settings, rules: loaded.rules, store: store,
            destination: .outboxes(try OutboxSet.open(settings.outboxes, store: store)))
        pipeline.scan()
        while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil) }
        try pipeline.settle()
    }

    func files(_ part: String) -> [String] {
        guard let stream = opendir(outbox + "/" + part) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    func states() throws -> [String] {
        let store = try Store.reader(directory: directory.path + "/state")
        return try (1...2).compactMap { try store.state(ofSequence: $0)?.rawValue }
    }

    func verdicts() throws -> [String] { try Store.reader(directory: directory.path + "/state").verdicts() }
}
