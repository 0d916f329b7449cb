import ArgumentParser
import Engine
import Ingest
import Storage

struct DeadLettersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deadletters",
        abstract: "Lists the lines that could not become events, shows why, and retries them after a fix.",
        subcommands: [DeadLetterList.self, DeadLetterShow.self, DeadLetterCounts.self, DeadLetterRetry.self],
        defaultSubcommand: DeadLetterList.self)
}

struct DeadLetterList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists dead letters, the newest first.")

    @OptionGroup var config: ConfigurationOption

    @Option(help: ArgumentHelp("Only with this reason, such as bad_json.", valueName: "reason"))
    var reason: String?

    @Option(help: ArgumentHelp("Only of this source.", valueName: "name"))
    var source: String?

    @Option(help: "How many to list.")
    var limit = 100

    @OptionGroup var output: OutputOption

    func validate() throws { try DeadLetter.checkReason(reason) }

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            var table = Table([
                Column("number", isNumber: true), Column("at", leaves: 3), Column("source"),
                Column("offset", isNumber: true, leaves: 2), Column("length", isNumber: true, leaves: 1),
                Column("reason", style: { _ in .notable }), Column("message", isElastic: true),
            ])
            let rows = try live.store.deadLetters(reason: reason, source: source, limit: limit)
            // One that is not configured any more has its dead letters still.
            if rows.isEmpty { try live.checkSource(source) }
            for row in rows {
                table.add([
                    .number(row.number), Cell(row.knownAt, isTime: true), .text(row.source), .number(row.offset),
                    .number(row.length),
                    .text(row.reason),
                    .text(row.message),
                ])
            }
            try table.write(output, ifEmpty: "There are no dead letters" + (reason.map { " with reason \($0)" } ?? "") + ".")
        }
    }
}

extension DeadLetter {
    /// What `--reason` takes.
    static func checkReason(_ name: String?) throws {
        guard let name, Reason(rawValue: name) == nil else { return }
        throw ValidationError(
            "--reason: there is no \"\(name)\"; there are \(Reason.allCases.map(\.rawValue).joined(separator: ", "))")
    }
}

struct DeadLetterCounts: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "counts", abstract: "Counts dead letters by source and reason.")

    @OptionGroup var config: ConfigurationOption
    @OptionGroup var output: OutputOption

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            var table = Table([Column("source"), Column("reason", style: { _ in .notable }), Column("count", isNumber: true)])
            for row in try live.store.deadLetterCounts() {
                table.add([.text(row.source), .text(row.reason), .number(Int64(row.count))])
            }
            try table.write(output, ifEmpty: "There are no dead letters.")
        }
    }
}

struct DeadLetterShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows one dead letter: where it stood, what is wrong, and the line with the place marked."
    )

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("Its number, from the list.", valueName: "number"))
    var number: Int64

    @Flag(help: "As JSON, for programs.")
    var json = false

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            guard let row = try live.store.deadLetter(number) else {
                throw Failure(.data, "there is no dead letter \(number); `nudged deadletters` lists them")
            }
            let path = try live.store.sourceFiles().first { String($0.number) == row.file }?.path
            if json {
                try StandardOutput.write(
                    CanonicalJSON.object([
                        ("number", .number(Double(row.number))), ("source", .string(row.source)),
                        ("path", path.map { .string($0) } ?? .null),
                        ("offset", .number(Double(row.offset))), ("length", .number(Double(row.length))),
                        ("reason", .string(row.reason)),
                        ("message", .string(row.message)), ("place", row.place.map { .number(Double($0)) } ?? .null),
                        ("at", row.knownAt.map { .string($0.rfc3339) } ?? .null),
                        ("head", .string(String(decoding: row.head, as: UTF8.self))),
                        ("whole", .bool(row.isWhole)),
                    ]).text)
                return
            }
            var lines = [
                "dead letter \(row.number): \(row.reason), \(row.message)",
                "source \(row.source), \(path ?? "file \(row.file), which is gone"), byte \(row.offset), \(row.length) bytes long",
            ]
            lines += MarkedLine(row, width: Terminal.standardOutput().width ?? 100).lines
            if !row.isWhole { lines.append("only the first \(row.head.count) bytes are kept, so it can't be retried") }
            try StandardOutput.write(lines.joined(separator: "\n"))
        }
    }
}

/// A piece of a kept line with the offending place under it.
struct MarkedLine {
    let lines: [String]

    init(_ row: DeadLetterRow, width: Int) {
        let room = max(20, width - 4)
        var head = row.head
        while head.last == 0x0A || head.last == 0x0D { head.removeLast() }
        let place = row.place.map { min(max(0, Int($0) - 1), head.count) }
        // The place in the middle of what fits, never cutting a character.
        var start = max(0, min((place ?? 0) - room / 2, head.count - room))
        while start > 0, head[start] & 0xC0 == 0x80 { start -= 1 }
        var end = min(head.count, start + room)
        while end < head.count, head[end] & 0xC0 == 0x80 { end += 1 }
        let shown = DisplayText.safe(String(decoding: head[start..<end], as: UTF8.self))
        var lines = ["    " + shown]
        if let place, place >= start {
            let before = DisplayText.safe(String(decoding: head[start..<min(place, end)], as: UTF8.self))
            lines.append("    " + String(repeating: " ", count: DisplayText.width(before)) + "^ byte \(place + 1)")
        }
        self.lines = lines
    }
}
