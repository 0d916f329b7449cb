import ArgumentParser
import Configuration
import Engine
import Glibc
import Ingest
import Pipeline
import Storage

/// Writes lines into the control log, which the daemon obeys.
struct Orders {
    let live: LiveState

    init(_ option: ConfigurationOption) throws { live = try LiveState(option) }

    func give(_ orders: [ControlLine.Order]) throws {
        let at = max(try live.now, 0)
        try ControlLog(path: live.directory + "/" + ControlLog.fileName).append(
            lines: orders.map { ControlLine($0, at: at).json })
        // A person wants to know who will do it.
        if !StatusFile.isRunning(in: live.directory, StatusFile.read(from: live.directory)) {
            complain("nudged: no daemon runs; it will be done when one does")
        }
    }
}

extension Pause {
    /// For programs.
    var json: CanonicalJSON {
        .object([
            ("rule", rule.map { .string($0) } ?? .null), ("since", .string(since.rfc3339)), ("reason", .string(reason)),
        ])
    }
}

struct PauseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Stops publishing messages, of all rules or of one; state goes on being built, and messages wait.",
        discussion:
            "Messages stay `pending` until `nudged resume`; with `clock: wall` those that expire meanwhile become `stale`.")

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("The rule; left out: everything.", valueName: "rule"))
    var rule: String?

    func run() throws {
        try reporting {
            let orders = try Orders(config)
            try orders.live.checkRule(rule)
            try orders.give([.pause(rule: rule)])
            print("Pausing \(rule.map { "rule \($0)" } ?? "all messages"); `nudged resume\(rule.map { " " + $0 } ?? "")` ends it")
        }
    }
}

struct ResumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Publishes again what `pause`, the safety valve or a restored backup stopped.",
        discussion: "Without a rule every pause ends, also those of single rules.")

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("The rule; left out: everything.", valueName: "rule"))
    var rule: String?

    func run() throws {
        try reporting {
            let orders = try Orders(config)
            try orders.live.checkPausedRule(rule)
            try orders.give([.resume(rule: rule)])
            print("Resuming \(rule.map { "rule \($0)" } ?? "all messages")")
        }
    }
}

struct DeadLetterRetry: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Has the daemon decode dead letters again, after a fix of the format or the configuration.",
        discussion: """
            A line takes effect at the engine's time of now, as one that came late. Only lines that are kept whole (up to 4 KiB) can be retried; \
            a longer one is written to its log again. The daemon has to have the corrected configuration (`systemctl reload nudged`) first.
            """)

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("Their numbers, from the list.", valueName: "number"))
    var numbers: [Int64] = []

    @Option(help: ArgumentHelp("All with this reason, such as bad_timestamp.", valueName: "reason"))
    var reason: String?

    @Flag(help: "All there are.")
    var all = false

    func validate() throws {
        guard !numbers.isEmpty || reason != nil || all else {
            throw ValidationError("name dead letters by number, by --reason, or --all")
        }
        try DeadLetter.checkReason(reason)
    }

    func run() throws {
        try reporting {
            let orders = try Orders(config)
            let store = orders.live.store
            var rows: [DeadLetterRow] = []
            for number in numbers {
                guard let row = try store.deadLetter(number) else {
                    throw Failure(.data, "there is no dead letter \(number); `nudged deadletters` lists them")
                }
                guard row.isWhole else {
                    throw Failure(
                        .data,
                        "dead letter \(number) can't be retried: only the first \(row.head.count) of its \(row.length) bytes are kept; write the line to its log again"
                    )
                }
                rows.append(row)
            }
            if reason != nil || all { rows += try store.deadLetters(reason: reason, limit: .max).reversed() }
            let whole = rows.filter(\.isWhole)
            try orders.give(whole.map { .retry($0.number) })
            print(
                "Retrying \(whole.count) dead letter\(whole.count == 1 ? "" : "s")"
                    + (whole.count < rows.count ? "; \(rows.count - whole.count) are not kept whole and stay" : ""))
        }
    }
}

struct ConsentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consent",
        abstract: "Records by hand that a customer gives or withdraws consent, as the event Consent Changed would.")

    enum Answer: String, ExpressibleByArgument, CaseIterable { case yes, no }

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A user id, or anonymous:ID.", valueName: "id"))
    var id: CustomerID

    @Option(help: "Whether consent is given: yes or no.")
    var granted: Answer

    @Option(help: ArgumentHelp("The channel; left out: all.", valueName: "name"))
    var channel: String?

    @Option(help: ArgumentHelp("The topic; left out: all.", valueName: "name"))
    var topic: String?

    func run() throws {
        try reporting {
            let orders = try Orders(config)
            let channels = orders.live.loaded.rules.definitions.delivery.channels.map(\.name.value)
            if let channel, !channels.isEmpty, !channels.contains(channel) {
                throw Failure(
                    .usage, "there is no channel \"\(channel)\"; the configuration has \(channels.joined(separator: ", "))")
            }
            let key = id.key
            var properties: [(key: String, value: CanonicalJSON)] = [("granted", .bool(granted == .yes))]
            if let channel { properties.append(("channel", .string(channel))) }
            if let topic { properties.append(("topic", .string(topic))) }
            let call = CanonicalJSON.object([
                ("type", .string("track")), ("event", .string("Consent Changed")),
                (key.isAnonymous ? "anonymousId" : "userId", .string(String(decoding: key.id, as: UTF8.self))),
                ("timestamp", .string(max(try orders.live.now, 0).rfc3339)), ("properties", .object(properties)),
            ])
            try orders.give([.event(call.bytes)])
            print("Recording that \(DisplayText.safe(id.text)) \(granted == .yes ? "gives" : "withdraws") consent")
        }
    }
}
