import CSQLite
import Engine
import Testing

@testable import Pipeline
@testable import Storage

/// A state, its log, and runs under one configuration after another.
final class ChangingShop {
    private let scratch = Scratch()
    private let memory: Int
    private var log = ""
    private(set) var messages: [String] = []
    private var lines = 0

    init(memory: Int) { self.memory = memory }

    /// - Parameters:
    ///   - customer: nil: the event is about none.
    ///   - visitor: who turns out to be the customer.
    func append(
        _ time: String, _ event: String, _ customer: String?, _ properties: String = "{}", isAnonymous: Bool = false,
        visitor: String? = nil, id: String? = nil
    ) {
        lines += 1
        let whole = time.count == 5 ? time + ":00" : time
        let key = isAnonymous ? "anonymousId" : "userId"
        let who =
            (customer.map { #""\#(key)":"\#($0)","# } ?? "") + (visitor.map { #""anonymousId":"\#($0)","# } ?? "")
        log +=
            #"{"type":"track","timestamp":"2026-03-01T\#(whole)Z","event":"\#(event)",\#(who)"messageId":"\#(id ?? "m\(lines)")","#
        log += #""properties":\#(properties)}"# + "\n"
    }

    /// Changes the state by hand, between two runs.
    func change(_ sql: String) throws {
        let database = try Database(path: scratch.path + "/state/nudged.db", flags: SQLITE_OPEN_READWRITE)
        try database.execute(sql)
        database.close()
    }

    func store() throws -> Store { try Store.reader(directory: scratch.path + "/state") }

    /// One run over what the log has; gives what was decided.
    func run(_ rules: String) throws -> [String] {
        Files.write(log, to: scratch.path + "/log.ndjson")
        Files.write(
            "instance: shop\nclock: log\nsources: [{ name: shop, path: log.ndjson }]\n" + rules + "\n",
            to: scratch.path + "/nudged.yaml")
        let loaded = try LoadedConfiguration(path: scratch.path + "/nudged.yaml")
        var settings = loaded.settings
        settings.memory = memory
        var decisions: [String] = []
        let store = try Store.reopen(directory: scratch.path + "/state")
        var pipeline = try Pipeline(
            settings: settings, rules: loaded.rules, store: store,
            destination: .output { [unowned self] output in
                messages += output.messages.map { String(decoding: $0.json, as: UTF8.self) }
                decisions += output.decisions.map { "\($0.customerText) \($0.rule) \($0.verdict.rawValue)" }
            })
        pipeline.scan()
        while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil) }
        try pipeline.settle()
        return decisions.sorted()
    }

    func running() throws -> [String] {
        try store().timers(rule: nil, limit: 100).map { "\($0.customer) \($0.rule)" }.sorted()
    }
}
