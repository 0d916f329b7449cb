import ArgumentParser
import Engine
import Storage

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes all that is kept of a customer as JSON (subject access).",
        discussion: """
            The profile with consent, what was sent, windows and ids against duplicates, decisions and messages with their content, dead letters and \
            waiting lines whose kept bytes hold one of the ids, and what was recorded by hand.
            """)

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A user id, or anonymous:ID.", valueName: "id"))
    var id: CustomerID

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            guard let export = try live.store.reading({ try CustomerExport(live, id) }) else {
                throw Failure(
                    .data, "nothing is kept of \(DisplayText.safe(id.text)); an anonymous customer is written anonymous:ID")
            }
            try StandardOutput.write(export.json.text)
        }
    }
}
