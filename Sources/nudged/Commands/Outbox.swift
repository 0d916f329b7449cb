import ArgumentParser
import Configuration
import Engine
import Glibc
import Outbox
import Storage

struct OutboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outbox", abstract: "Lists and shows messages, requeues what a sender gave up, prunes what is done.",
        subcommands: [OutboxList.self, OutboxShow.self, OutboxRequeue.self, OutboxPrune.self], defaultSubcommand: OutboxList.self)
}

enum MessageTable {
    static func make(_ rows: [MessageRow]) -> Table {
        var table = Table([
            Column("decided_at", leaves: 3), Column("state", style: Terminal.verdictStyle), Column("rule"),
            Column("outbox", leaves: 2), Column("id"), Column("expires_at", leaves: 1),
        ])
        for row in rows {
            table.add([
                .time(row.decidedAt), .text(row.state.rawValue), .text(row.rule), .text(row.outbox), .text(row.id),
                .time(row.expiresAt),
            ])
        }
        return table
    }
}

struct OutboxList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists messages, the newest first.")

    @OptionGroup var config: ConfigurationOption

    @Option(help: ArgumentHelp("Only of this rule.", valueName: "name"))
    var rule: String?

    @Option(
        help: ArgumentHelp("Only in this state: pending, staged, published, stale, withdrawing, withdrawn.", valueName: "state"))
    var state: String?

    @Option(help: ArgumentHelp("Only of this customer: a user id, or anonymous:ID.", valueName: "id"))
    var customer: CustomerID?

    @Option(help: "How many to list.")
    var limit = 100

    @OptionGroup var output: OutputOption

    func validate() throws {
        if let state, MessageState(rawValue: state) == nil {
            throw ValidationError("--state: there is no \"\(state)\"; `--help` lists them")
        }
    }

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            let rows = try live.store.reading {
                let numbers = try customer.map { try live.numbers($0) }
                return try live.store.messages(
                    customers: numbers, state: state.flatMap(MessageState.init(rawValue:)), rule: rule, limit: limit)
            }
            // One that is not configured any more has its messages still.
            if rows.isEmpty { try live.checkRule(rule) }
            try MessageTable.make(rows).write(output, ifEmpty: "No message matches.")
        }
    }
}

struct OutboxShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows one message: its state, where its file is, and its content.")

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("The message's id, or the name of its file.", valueName: "id"))
    var id: String

    @Flag(help: "As JSON, for programs.")
    var json = false

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            guard let row = try live.message(id) else {
                throw Failure(
                    .data, "there is no message \(DisplayText.safe(id)) in the state; `nudged outbox list` shows what there is")
            }
            let place = MessagePlace(row, in: live.outboxPath(row.outbox))
            let content = CanonicalJSON(stored: row.json)
            if json {
                let report = CanonicalJSON.object([
                    ("id", .string(row.id)), ("state", .string(row.state.rawValue)), ("rule", .string(row.rule)),
                    ("outbox", .string(row.outbox)), ("file", .string(row.file)),
                    ("folder", place.folder.map { .string($0) } ?? .null),
                    ("decided_at", .string(row.decidedAt.rfc3339)), ("expires_at", .string(row.expiresAt.rfc3339)),
                    ("message", content),
                ])
                try StandardOutput.write(report.text)
                return
            }
            try StandardOutput.write(
                """
                \(row.id)  \(row.state.rawValue)
                rule \(DisplayText.safe(row.rule)), decided at \(row.decidedAt.rfc3339), expires at \(row.expiresAt.rfc3339)
                \(place.folder.map { $0 + "/" } ?? "")\(row.file): \(DisplayText.safe(place.text(try live.store.pauses())))
                \(DisplayText.safe(content.text))
                """)
        }
    }
}

extension LiveState {
    /// The message of an id, or of a file's name, which senders log.
    fileprivate func message(_ id: String) throws -> MessageRow? {
        MessageName.isMessage(id) ? try store.message(file: id) : try store.message(id: id)
    }

    /// Nil if no outbox of that name is configured any more.
    func outboxPath(_ name: String) -> String? { loaded.configuration.outboxes.first { $0.name == name }?.path }
}

struct OutboxRequeue: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "requeue", abstract: "Moves a message that a sender gave up from failed/ back to new/, to be sent again.")

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("The messages' ids, or the names of their files.", valueName: "id"))
    var ids: [String]

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            var failure: Failure?
            for id in ids {
                do {
                    try requeue(id, live)
                    print("\(id) is in new/ again")
                } catch let error as Failure {
                    failure = error
                    complain("nudged: \(error)")
                }
            }
            if let failure { throw ExitCode(failure.code.rawValue) }
        }
    }

    private func requeue(_ id: String, _ live: LiveState) throws {
        guard let row = try live.message(id), let path = live.outboxPath(row.outbox) else {
            throw Failure(.data, "there is no message \(DisplayText.safe(id)) in the state")
        }
        guard row.state != .withdrawing, row.state != .withdrawn else {
            throw Failure(
                .data,
                "\(id) was taken back by a late event, so it is not sent again; `nudged explain` of its customer says by which")
        }
        let from = path + "/failed/" + row.file
        guard link(from, path + "/new/" + row.file) == 0 else {
            throw Failure(
                errno == ENOENT || errno == EEXIST ? .data : .noOutput,
                errno == ENOENT
                    ? "\(id) is not in failed/"
                        + (MessagePlace(row, in: path).folder.map { " but in \($0)/" } ?? "; a sender may have deleted it")
                    : "\(from): can't be moved to new/ (\(String(cString: strerror(errno))))")
        }
        unlink(from)
        unlink(from + ".reason")
    }
}

struct OutboxPrune: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Deletes what has been in done/ and failed/ for longer than a span; the daemon does so by itself after `keep`.")

    @OptionGroup var config: ConfigurationOption

    @Option(help: ArgumentHelp("The span; left out: the outbox's own `keep`.", valueName: "span"))
    var olderThan: String?

    func validate() throws {
        if let olderThan, DurationLiteral.parse(olderThan) == nil {
            throw ValidationError("--older-than takes a span such as 7d, not \"\(olderThan)\"")
        }
    }

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            for box in live.loaded.configuration.outboxes {
                let known = try live.store.meta("outbox.\(box.name)")?.split(separator: " ") ?? []
                guard known.count >= 3, known[0] == "open" else {
                    throw Failure(.data, "\(box.path): the daemon has not opened this outbox yet; start it first")
                }
                let directory = try OutboxDirectory.open(path: box.path, expecting: String(known[1]))
                let deleted = try directory.prune(
                    now: wallClock(), keep: olderThan.flatMap { DurationLiteral.parse($0) } ?? box.keep)
                print("\(box.path): \(deleted) file\(deleted == 1 ? "" : "s") deleted")
            }
        }
    }
}
