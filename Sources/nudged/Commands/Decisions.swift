import ArgumentParser
import Engine
import Storage

struct DecisionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decisions", abstract: "Lists how instances of rules ended, the newest first.")

    @OptionGroup var config: ConfigurationOption

    @Option(help: ArgumentHelp("Only of this customer: a user id, or anonymous:ID.", valueName: "id"))
    var customer: CustomerID?

    @Option(help: ArgumentHelp("Only of this rule.", valueName: "name"))
    var rule: String?

    @Option(help: ArgumentHelp("Only with this verdict.", valueName: "verdict"))
    var verdict: String?

    @Option(
        help: ArgumentHelp(
            "Only from this time on: RFC 3339, a date, or a span back from the engine's time such as 2d.", valueName: "time"))
    var since: String?

    @Option(help: "How many to list.")
    var limit = 100

    @OptionGroup var output: OutputOption

    func validate() throws {
        if let verdict, Verdict(rawValue: verdict) == nil {
            throw ValidationError(
                "--verdict: there is no \"\(verdict)\"; there are \(Verdict.allCases.map(\.rawValue).joined(separator: ", "))")
        }
    }

    func run() throws {
        try reporting {
            let state = try LiveState(config)
            var query = DecisionQuery()
            query.rule = rule
            query.verdict = verdict
            query.limit = limit
            query.since = try since.map { try state.time($0, option: "--since") }
            let rows = try state.store.reading {
                query.customers = try customer.map { try state.numbers($0) }
                return try state.store.decisions(query)
            }
            // One that is not configured any more has its decisions still.
            if rows.isEmpty { try state.checkRule(rule) }
            try DecisionTable.make(rows).write(output, ifEmpty: "No decision matches.")
        }
    }
}

enum DecisionTable {
    static func make(_ rows: [DecisionRow]) -> Table {
        var table = Table([
            Column("decided_at"), Column("verdict", style: Terminal.verdictStyle), Column("rule"),
            Column("customer", isElastic: true),
            Column("key", isElastic: true, leaves: 6), Column("started_at", leaves: 2), Column("due_at", leaves: 1),
            Column("cause", isElastic: true), Column("channel", leaves: 5), Column("variant", leaves: 4), Column("id", leaves: 3),
        ])
        for decision in rows {
            table.add([
                .time(decision.decidedAt), .text(decision.verdict), .text(decision.rule), .text(decision.customer),
                .text(decision.key), .time(decision.startedAt), .time(decision.dueAt), .text(decision.cause),
                Cell(decision.channel), Cell(decision.variant), .text(decision.id),
            ])
        }
        return table
    }
}
