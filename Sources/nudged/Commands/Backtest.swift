import ArgumentParser
import Engine
import Ingest
import Pipeline
import Storage

struct BacktestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "Compares two configurations over the same history: which messages would be gained, lost, moved.",
        discussion: """
            The history is read as --config says (sources, formats, lateness) for both; rules, segments, delivery and templates are each one's \
            own. An instance is the same on both sides if rule, customer, key and time of the last start are. Its message is gained if only \
            --against sends it, lost if only --config does, moved if both do but at another time, on another channel, in another variant or with \
            other content.
            """)

    @OptionGroup var config: ConfigurationOption

    @Option(help: ArgumentHelp("The other configuration file: what --config is compared with.", valueName: "file"))
    var against: String

    @OptionGroup var history: HistoryOption

    @Flag(help: "The summary as JSON, for programs.")
    var json = false

    @Flag(help: "Every message that is gained, lost or moved, as CSV.")
    var csv = false

    @Option(help: ArgumentHelp("Write a self-contained page with plots to this file.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("How many messages of each rule and kind to show.", valueName: "number"))
    var examples = 3

    func validate() throws {
        if json, csv { throw ValidationError("--json and --csv exclude each other") }
        if examples < 0 { throw ValidationError("--examples takes a number from 0 on") }
    }

    func run() throws {
        try reporting {
            let before = try Loaded.load(absolute(config.path))
            let after = try Loaded.load(absolute(against))
            let settings = try history.settings(before)
            let page = try html.map { try PageFile(absolute($0)) }
            let comparison = try Comparison()
            for (side, loaded) in [(Comparison.Side.before, before), (.after, after)] {
                try run(loaded, settings, on: side, into: comparison)
            }
            var summary = BacktestSummary(before: config.path, after: against, examples: examples)
            if csv { try StandardOutput.write(BacktestSummary.csvHeader + "\r") }
            let output = LineOutput()
            try comparison.visit { instance in
                let change = summary.add(instance)
                guard csv, change != .same else { return }
                try output.write(Array((BacktestSummary.csv(instance, change) + "\r\n").utf8)[...])
            }
            try output.flush()
            if json { try StandardOutput.write(summary.json.text) }
            if !json, !csv { try StandardOutput.write(summary.text(on: .standardOutput())) }
            if let page { try page.write(summary.page.html) }
        }
    }

    /// One rule set over all of the history.
    private func run(_ loaded: Loaded, _ settings: Settings, on side: Comparison.Side, into comparison: Comparison) throws {
        var settings = settings
        settings.render = loaded.settings.render
        let rules = loaded.rules
        var pipeline = try Pipeline(
            settings: settings, rules: rules, store: nil,
            destination: .output { output in
                var messages: [String: Message] = [:]
                for message in output.messages where message.retracts == nil { messages[message.id] = message }
                for decision in output.decisions {
                    var judged = Judged(
                        verdict: decision.verdict, at: decision.decidedAt, channel: decision.channel, variant: decision.variant)
                    if decision.verdict == .published, let message = messages[decision.id] {
                        judged.segments = message.segments.map { rules.segments[$0].name }
                        judged.content = Self.content(of: message)
                    }
                    try comparison.add(decision, judged, on: side)
                }
            }, controlLog: history.controlLog)
        let seconds = try history.drive(&pipeline)
        complain("\(side == .before ? config.path : against): " + ReplaySummary(pipeline, seconds: seconds).text)
    }

    /// A digest of a message's data without what is told apart (time, channel, variant) and what its recipient does not see.
    private static func content(of message: Message) -> [UInt8] {
        guard case .object(let members)? = CanonicalJSON(stored: message.json)["data"] else { return [] }
        let aside = ["due_at", "started_at", "because", "channel", "variant"]
        return Digest.sha256(CanonicalJSON.object(members.filter { !aside.contains($0.key) }).bytes)
    }
}
