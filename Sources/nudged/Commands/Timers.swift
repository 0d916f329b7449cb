import ArgumentParser
import Engine
import Storage

struct TimersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timers",
        abstract: "Lists what runs: the instances that wait, are held or stand in line, the earliest due first.")

    @OptionGroup var config: ConfigurationOption

    @Option(help: ArgumentHelp("Only those of this rule.", valueName: "name"))
    var rule: String?

    @Option(help: "How many to list.")
    var limit = 100

    @OptionGroup var output: OutputOption

    func run() throws {
        try reporting {
            let state = try LiveState(config)
            var table = Table([
                Column("due"), Column("rule"), Column("customer", isElastic: true), Column("key", isElastic: true),
                Column("phase", style: Terminal.verdictStyle), Column("started_at", leaves: 1),
            ])
            let timers = try state.store.timers(rule: rule, limit: limit)
            // What runs of one that is not configured any more is there until the daemon goes by the configuration.
            if timers.isEmpty { try state.checkRule(rule) }
            for timer in timers {
                table.add([
                    timer.phase == "queued" ? .none : .time(timer.due), .text(timer.rule), .text(timer.customer),
                    .text(timer.key),
                    .text(timer.phase), .time(timer.startedAt),
                ])
            }
            try table.write(output, ifEmpty: "Nothing runs" + (rule.map { " of rule \($0)" } ?? "") + " at present.")
        }
    }
}
