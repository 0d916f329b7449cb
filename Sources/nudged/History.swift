import ArgumentParser
import Configuration
import Engine
import Glibc
import Ingest
import Pipeline
import Storage

/// Which history a replay or a backtest runs through the rules.
struct HistoryOption: ParsableArguments {
    @Argument(help: ArgumentHelp("Log files that replace the configured sources.", valueName: "log"))
    var logs: [String] = []

    @Option(help: ArgumentHelp("The format of the logs: a preset's name.", valueName: "format"))
    var format: String?

    @Option(help: ArgumentHelp("The configured source whose name, format and lateness the logs have.", valueName: "name"))
    var source: String?

    @Option(
        help: ArgumentHelp(
            "End at this time (RFC 3339, or a date): later events are left out, timers due up to it fire.", valueName: "time")
    )
    var until: String?

    @Option(
        help: ArgumentHelp("A daemon's control log, so that its decisions by the wall clock are repeated.", valueName: "file"))
    var control: String?

    @Option(help: "Show progress: auto (a bar on a terminal), plain (a line now and then), none.")
    var progress = ProgressStyle.auto

    func validate() throws {
        if let until, Instant.parse(until) == nil {
            throw ValidationError("--until takes a time such as 2026-03-01T12:00:00Z or a date, not \"\(until)\"")
        }
        if let format, Format(preset: format) == nil { throw ValidationError("--format: there is no format \"\(format)\"") }
    }

    var end: Instant? { until.flatMap { Instant.parse($0) } }
    var controlLog: ControlLog? { control.map { ControlLog(path: absolute($0)) } }

    /// The configured sources, or the given logs in their place; nothing is published, and who was erased stays erased.
    func settings(_ loaded: Loaded) throws -> Settings {
        var settings = loaded.settings
        settings.clock = .log
        settings.outboxes = []
        settings.secret = try loaded.erasureKey()
        // Whatever the old logs say.
        if access(loaded.configuration.state + "/" + Store.fileName, R_OK) == 0 {
            settings.tombstones = try Store.reader(directory: loaded.configuration.state).tombstones()
        }
        let named = try source.map { try loaded.source($0) }
        if settings.secret.isEmpty, try !settings.tombstones.isEmpty || controlLog?.tombstones().isEmpty == false {
            throw SecretLost(path: loaded.configuration.state + "/" + Secret.fileName)
        }
        guard !logs.isEmpty else { return settings }
        let pattern: LogSource
        if let named {
            pattern = named
        } else if settings.sources.count == 1 {
            pattern = settings.sources[0]
        } else {
            throw Failure(
                .usage,
                "the configuration has several sources (\(settings.sources.map(\.name).joined(separator: ", "))); say with --source NAME which "
                    + "one the logs are of")
        }
        for log in logs {
            var status = stat()
            guard stat(log, &status) == 0 else { throw Failure(.data, "\(log): there is no such file") }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw Failure(.data, "\(log): is not a regular file; write what it gives to a file first")
            }
        }
        settings.sources = [
            LogSource(
                name: pattern.name, patterns: logs.map { Self.literal(absolute($0)) },
                format: format.flatMap { Format(preset: $0) } ?? pattern.format,
                lateness: pattern.lateness, identity: pattern.identity)
        ]
        return settings
    }

    /// A path as a glob that matches it alone.
    private static func literal(_ path: String) -> String {
        path.map { "*?[\\".contains($0) ? "[\($0)]" : String($0) }.joined()
    }

    /// Runs all of the history through a pipeline.
    ///
    /// - Returns: how long it took, in seconds.
    func drive(_ pipeline: inout Pipeline) throws -> Double {
        var bar = ProgressBar(progress)
        let started = wallClock()
        pipeline.scan()
        repeat {
            while !pipeline.isCaughtUp {
                try pipeline.step(wallNow: nil, until: end)
                bar.show(pipeline.reader.progress, lines: pipeline.tally.lines)
            }
            pipeline.scan()
        } while !pipeline.isCaughtUp || pipeline.needsAnotherScan
        try pipeline.finish(until: end, wallNow: nil)
        bar.end()
        for reload in try controlLog?.reloads() ?? [] {
            complain("nudged: the configuration was reloaded at \(reload.rfc3339); this replay decides by one all the time")
        }
        for warning in pipeline.takeWarnings() { complain("nudged: \(warning)") }
        if pipeline.tally.lines == 0, !logs.isEmpty {
            for log in logs where access(log, R_OK) != 0 {
                throw Failure(.data, "\(log): can't be read (\(String(cString: strerror(errno))))")
            }
        }
        return Double(max(1, wallClock() - started)) / 1000
    }
}
