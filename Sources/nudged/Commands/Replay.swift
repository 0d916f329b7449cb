import ArgumentParser
import Configuration
import Engine
import Glibc
import Ingest
import Pipeline
import Storage

struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs history through the rules from empty state: what would have been sent?",
        discussion: """
            Messages go to standard output, one line each, in order of decision, and a summary to standard error. Reads .gz and .zst too. \
            Never touches the live state.
            """)

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("Log files that replace the configured sources.", valueName: "log"))
    var logs: [String] = []

    @Option(help: ArgumentHelp("The format of the logs: a preset's name.", valueName: "format"))
    var format: String?

    @Option(help: ArgumentHelp("The configured source whose name, format and lateness the logs have.", valueName: "name"))
    var source: String?

    @Option(
        help: ArgumentHelp(
            "Publish into this outbox directory instead of standard output; must not be a live one.", valueName: "directory"))
    var outbox: String?

    @Option(help: ArgumentHelp("Keep the state in this directory, which must be empty.", valueName: "directory"))
    var state: String?

    @Option(
        help: ArgumentHelp("End at this time (RFC 3339): later events are left out, timers due up to it fire.", valueName: "time")
    )
    var until: String?

    @Option(
        help: ArgumentHelp("A daemon's control log, so that its decisions by the wall clock are repeated.", valueName: "file"))
    var control: String?

    @Option(help: "Show progress: auto (a bar on a terminal), plain (a line now and then), none.")
    var progress = ProgressStyle.auto

    @Option(help: ArgumentHelp("Messages to write: all, or none for the summary alone.", visibility: .hidden))
    var messages = "all"

    func validate() throws {
        if let until, Instant.parse(rfc3339: Array(until.utf8)) == nil {
            throw ValidationError("--until takes a time such as 2026-03-01T12:00:00Z, not \"\(until)\"")
        }
        if let format, Format(preset: format) == nil { throw ValidationError("--format: there is no format \"\(format)\"") }
    }

    func run() throws {
        try reporting {
            var loaded = try Loaded.load(absolute(config.path))
            var settings = try settings(&loaded)
            settings.secret = try loaded.erasureKey()
            // Who was erased stays erased, whatever the old logs say.
            if access(loaded.configuration.state + "/" + Store.fileName, R_OK) == 0 {
                settings.tombstones = try Store.reader(directory: loaded.configuration.state).tombstones()
            }
            let end = until.flatMap { Instant.parse(rfc3339: Array($0.utf8)) }
            if let state, access(absolute(state) + "/" + Store.fileName, F_OK) == 0 {
                throw Failure(
                    .noOutput, "\(state): holds a state already; a replay starts from an empty one, so name another directory")
            }
            var store = try state.map { try Store.open(directory: absolute($0)) }
            let output = LineOutput()
            var destination = MessageDestination.lines { try output.write($0) }
            if let outbox {
                if store == nil { store = try Store.temporary() }
                let box = Settings.OutboxSettings(
                    name: "default", path: absolute(outbox), claimTimeout: .max, maxPending: .max, keep: .max)
                guard let store else { return }
                let set = try OutboxSet.open([box], store: store)
                if let trouble = set.troubles.first { throw Failure(.noOutput, trouble) }
                destination = .outboxes(set)
            } else if messages == "none" {
                destination = .none
            }
            var pipeline = try Pipeline(
                settings: settings, rules: loaded.rules, store: store, destination: destination,
                controlLog: control.map { ControlLog(path: absolute($0)) })
            try drive(&pipeline, until: end)
            try output.flush()
        }
    }

    private func drive(_ pipeline: inout Pipeline, until: Instant?) throws {
        var bar = ProgressBar(progress)
        let started = wallClock()
        pipeline.scan()
        repeat {
            while !pipeline.isCaughtUp {
                try pipeline.step(wallNow: nil, until: until)
                bar.show(pipeline.reader.progress, lines: pipeline.tally.lines)
            }
            pipeline.scan()
        } while !pipeline.isCaughtUp || pipeline.needsAnotherScan
        try pipeline.finish(until: until, wallNow: nil)
        bar.end()
        for warning in pipeline.takeWarnings() { complain("nudged: \(warning)") }
        if pipeline.tally.lines == 0, !logs.isEmpty {
            for log in logs where access(log, R_OK) != 0 {
                throw Failure(.data, "\(log): can't be read (\(String(cString: strerror(errno))))")
            }
        }
        complain(ReplaySummary(pipeline, seconds: Double(max(1, wallClock() - started)) / 1000).text)
    }

    /// The configured sources, or the given logs in their place.
    private func settings(_ loaded: inout Loaded) throws -> Settings {
        var settings = loaded.settings
        settings.clock = .log
        settings.outboxes = []
        guard !logs.isEmpty else { return settings }
        let pattern: LogSource
        if let source {
            guard let found = settings.sources.first(where: { $0.name == source }) else {
                throw Failure(
                    .usage,
                    "there is no source \"\(source)\"; the configuration has \(settings.sources.map(\.name).joined(separator: ", "))"
                )
            }
            pattern = found
        } else if settings.sources.count == 1 {
            pattern = settings.sources[0]
        } else {
            throw Failure(
                .usage,
                "the configuration has several sources (\(settings.sources.map(\.name).joined(separator: ", "))); say with --source NAME which "
                    + "one the logs are of")
        }
        for log in logs where access(log, F_OK) != 0 { throw Failure(.data, "\(log): there is no such file") }
        settings.sources = [
            LogSource(
                name: pattern.name, patterns: logs.map { Self.literal(absolute($0)) },
                format: format.flatMap { Format(preset: $0) } ?? pattern.format,
                lateness: pattern.lateness, identity: pattern.identity)
        ]
        return settings
    }

    /// A path as a glob that matches it alone.
    static func literal(_ path: String) -> String {
        path.map { "*?[\\".contains($0) ? "[\($0)]" : String($0) }.joined()
    }
}

/// Standard output, in blocks.
final class LineOutput {
    private var buffer: [UInt8] = []

    func write(_ line: ArraySlice<UInt8>) throws {
        buffer.append(contentsOf: line)
        if buffer.count > 1 << 16 { try flush() }
    }

    func flush() throws {
        var start = 0
        while start < buffer.count {
            let count = buffer.withUnsafeBytes { Glibc.write(1, $0.baseAddress.map { $0 + start }, buffer.count - start) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw Failure(.noOutput, "standard output can't be written (\(String(cString: strerror(errno))))")
            }
            start += count
        }
        buffer.removeAll(keepingCapacity: true)
    }
}

/// What a replay did, for people.
struct ReplaySummary {
    let text: String

    init(_ pipeline: borrowing Pipeline, seconds: Double) {
        let tally = pipeline.tally
        let counters = pipeline.engine.counters
        func counted(_ counts: [String: Int]) -> String {
            counts.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }.map { "\($0.key) \($0.value)" }
                .joined(separator: ", ")
        }
        var lines = [
            "\(tally.lines) lines in \(Self.decimal(seconds)) s (\(Int(Double(tally.lines) / seconds))/s): \(counters.events) events"
                + (counters.duplicates > 0 ? ", \(counters.duplicates) duplicates" : "")
                + (counters.late > 0 ? ", \(counters.late) late" : "")
        ]
        if !tally.deadLetters.isEmpty { lines.append("dead letters: " + counted(tally.deadLetters)) }
        lines.append(
            "messages: \(tally.messages)" + (tally.messagesByRule.isEmpty ? "" : " (" + counted(tally.messagesByRule) + ")"))
        if !tally.verdicts.isEmpty { lines.append("verdicts: " + counted(tally.verdicts)) }
        if counters.conditionErrors > 0 { lines.append("conditions that met an error: \(counters.conditionErrors)") }
        lines.append("still pending: \(pipeline.engine.pendingInstances)")
        text = lines.joined(separator: "\n")
    }

    static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        return "\(hundredths / 100)." + (hundredths % 100 < 10 ? "0" : "") + "\(hundredths % 100)"
    }
}
