import ArgumentParser
import Configuration
import Engine
import Ingest
import Pipeline

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the whole configuration: every error at once, with its place and what to do.",
        discussion: "Exits with 78 if there is an error. Warnings, such as rules that can never fire, do not fail it.")

    @OptionGroup var config: ConfigurationOption

    @Option(
        help: ArgumentHelp(
            "Look at the first lines of this log instead: say what would be understood of them, or propose a mapping.",
            valueName: "log"))
    var sample: String?

    @Option(help: ArgumentHelp("With --sample: the configured source whose format the log has.", valueName: "name"))
    var source: String?

    func validate() throws {
        if source != nil, sample == nil { throw ValidationError("--source goes with --sample") }
    }

    func run() throws {
        try reporting {
            if let sample {
                let loaded = try source.map { _ in try Loaded.load(absolute(config.path)) }
                let settings = loaded?.settings
                let future = wallClock() + (settings?.maxFuture ?? Settings(sources: []).maxFuture)
                print(
                    try Sample(path: absolute(sample)).report(
                        try source.flatMap { name in try loaded.map { try $0.source(name) } },
                        receivedBefore: settings?.clock == .log ? nil : future))
                return
            }
            let (loaded, report) = Loaded.examine(absolute(config.path), readsSecret: true)
            if !report.text.isEmpty { complain(report.text) }
            guard let loaded else {
                throw Failure(.configuration, "\(config.path): \(report.errors) error\(report.errors == 1 ? "" : "s")")
            }
            let rules = loaded.rules.rules.count
            let segments = loaded.rules.segments.count
            print(
                "\(config.path): good. \(loaded.configuration.sources.count) source\(loaded.configuration.sources.count == 1 ? "" : "s"), "
                    + "\(rules) rule\(rules == 1 ? "" : "s"), \(segments) segment\(segments == 1 ? "" : "s")"
                    + (report.warnings > 0 ? ", \(report.warnings) warning\(report.warnings == 1 ? "" : "s")" : ""))
        }
    }
}
