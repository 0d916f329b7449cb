import ArgumentParser
import Configuration
import Engine

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the whole configuration: every error at once, with its place and what to do.",
        discussion: "Exits with 78 if there is an error. Warnings, such as rules that can never fire, do not fail it.")

    @OptionGroup var config: ConfigurationOption

    func run() throws {
        try reporting {
            let (loaded, report) = Loaded.examine(absolute(config.path))
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
