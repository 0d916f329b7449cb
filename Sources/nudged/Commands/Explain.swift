import ArgumentParser
import Engine
import Storage

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Why did this customer get a message, and why not: what started, ended and runs, and the nearest miss.",
        discussion: """
            Without a rule: the timeline of all of them. With one: also its conditions with the value of each part, what each gate would say, and \
            the product it would be about, judged against the stored profile of now. What a condition saw when it did not hold stands in the \
            timeline.
            """)

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A user id, or anonymous:ID.", valueName: "id"))
    var id: CustomerID

    @Argument(help: ArgumentHelp("A rule.", valueName: "rule"))
    var rule: String?

    @Option(help: "How many decisions to show.")
    var limit = 50

    @Flag(help: "As JSON, for programs.")
    var json = false

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            try live.checkRule(rule)
            let explanation = try live.store.reading {
                guard let number = try live.store.number(of: id.key), let record = try live.store.customer(number)
                else {
                    throw Failure(.data, try Stranger(id, live).text)
                }
                return try Explanation(live, record, asked: id.text, rule: rule, limit: limit)
            }
            try StandardOutput.write(json ? explanation.json.text : explanation.text(on: .standardOutput()))
        }
    }
}
