import Configuration
import Engine
import Ingest
import Pipeline
import Testing

@testable import nudged

/// A configuration file as the program reads it.
struct LoadedConfiguration {
    let rules: RuleSet
    /// With its sources; the rest as if it were left out.
    let settings: Settings

    init(path: String) throws {
        let (loaded, issues) = Configuration.load(path: path, environment: [:])
        let configuration = try #require(loaded, "\(issues)")
        let zones = ZoneDatabase()
        let compiled = RuleSet.compile(configuration.definitions) { zones.zone($0) }
        rules = try #require(compiled.rules, "\(compiled.issues)")
        settings = Settings(
            sources: configuration.sources.map {
                LogSource(name: $0.name.value, patterns: [$0.path], format: Format($0.format), lateness: $0.lateness)
            })
    }
}
