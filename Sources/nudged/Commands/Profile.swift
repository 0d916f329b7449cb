import ArgumentParser
import Engine
import Storage

struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract:
            "Shows what is known of a customer: consent, traits, carts, interests, segments, windows, what runs, was sent and was decided."
    )

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A user id, or anonymous:ID.", valueName: "id"))
    var id: CustomerID

    @Flag(help: "As JSON, for programs.")
    var json = false

    @Option(help: "How many of the last decisions and messages to show.")
    var limit = 10

    func run() throws {
        try reporting {
            let state = try LiveState(config)
            let report = try state.store.reading { try CustomerReport(state, state.record(id), limit: limit) }
            try StandardOutput.write(json ? report.json.text : report.text(on: .standardOutput()))
        }
    }
}
