import ArgumentParser
import Engine
import Storage

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract:
            "Writes a self-contained page with plots: input, lag, messages by rule and verdict, conversions, segment sizes.",
        discussion: """
            Times are the engine's. Reads the state without disturbing a running daemon. Decisions reach back as far as `retention.decisions` \
            keeps them; conversions are counted since the state began.
            """)

    @OptionGroup var config: ConfigurationOption

    @Option(name: [.customShort("o"), .long], help: ArgumentHelp("Where to write it; - for standard output.", valueName: "file"))
    var output = "-"

    @Option(
        help: ArgumentHelp(
            "Only from this time on: RFC 3339, a date, or a span back from the engine's time such as 30d.", valueName: "time"))
    var since = "90d"

    @Flag(help: "The figures behind it as JSON, for programs.")
    var json = false

    func run() throws {
        try reporting {
            let state = try LiveState(config)
            let file = output == "-" ? nil : try PageFile(absolute(output))
            let from = try state.time(since, option: "--since")
            let report = try state.store.reading { try StateReport(state.store, rules: state.loaded.rules, since: from) }
            let text = json ? report.json.text + "\n" : report.page.html
            if let file { try file.write(text) } else { try StandardOutput.write(String(text.dropLast())) }
        }
    }
}
