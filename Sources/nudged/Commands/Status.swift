import ArgumentParser
import Configuration
import Engine
import Glibc
import Pipeline
import Storage

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows where every source stands, what waits, and why anything is paused.",
        discussion: "Reads the state without disturbing a running daemon.")

    @OptionGroup var config: ConfigurationOption

    @Flag(help: "As JSON, for programs.")
    var json = false

    @Flag(help: "Show it again every second, until interrupted; with --json one line each time.")
    var watch = false

    func run() throws {
        try reporting {
            let path = absolute(config.path)
            let (loaded, issues) = Loaded.examine(path)
            // Somebody who looks what is wrong has often just written a configuration that the daemon refused.
            guard let directory = loaded?.configuration.state ?? Loaded.state(of: path) else {
                complain(issues.text)
                throw Failure(
                    .configuration, "\(path): the configuration can't be read; `nudged check --config \(config.path)` says why")
            }
            let store = try Store.reader(directory: directory)
            repeat {
                let report = try report(loaded, directory, store, errors: issues.errors)
                if watch, !json, isatty(1) == 1 { print("\u{1B}[H\u{1B}[J", terminator: "") }
                try StandardOutput.write(json ? report.json : report.text)
                if watch { sleep(1) }
            } while watch
        }
    }

    private func report(_ loaded: Loaded?, _ directory: String, _ store: Store, errors: Int) throws -> StatusReport {
        let overview = try store.overview()
        let file = StatusFile.read(from: directory)
        let isRunning = StatusFile.isRunning(in: directory, file)
        // A daemon that has nothing to publish does not look.
        var troubles = isRunning ? file?.troubles ?? [] : []
        if troubles.isEmpty, let loaded { troubles = try OutboxSet.troubles(loaded.settings.outboxes, store) }
        return StatusReport(
            overview: overview, file: file, isRunning: isRunning, troubles: troubles,
            configuration: config.path, configurationErrors: errors,
            sources: loaded?.configuration.sources.map(\.name.value) ?? [],
            building: try loaded.map { try Building.list(store, $0.rules) } ?? [], pauses: try store.pauses())
    }
}

/// What `status` shows.
struct StatusReport {
    let overview: Overview
    let file: StatusFile?
    let isRunning: Bool
    /// Why what is to be published can't be.
    let troubles: [String]
    /// Its file, as it was asked for.
    let configuration: String
    let configurationErrors: Int
    /// Those that are configured; empty while the configuration is wrong.
    let sources: [String]
    let building: [Building]
    let pauses: [Pause]

    private func size(of path: String) -> Int64? {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : nil
    }

    var json: String {
        CanonicalJSON.object([
            ("running", .bool(isRunning)), ("engine_time", overview.engineNow.map { .string($0.rfc3339) } ?? .null),
            ("caught_up", file.map { .bool($0.caughtUp) } ?? .null), ("blocked", file.map { .bool($0.blocked) } ?? .null),
            ("lines_per_second", isRunning ? file.map { .number($0.linesPerSecond) } ?? .null : .null),
            ("messages_per_second", isRunning ? file.map { .number($0.messagesPerSecond) } ?? .null : .null),
            ("troubles", .array(troubles.map { .string($0) })),
            ("pauses", .array(pauses.map(\.json))),
            ("configuration_errors", .number(Double(configurationErrors))),
            ("judged_percent", overview.judgedPercent.map { .number(Double($0)) } ?? .null),
            ("customers", .number(Double(overview.customers))), ("pending_timers", .number(Double(overview.timers))),
            (
                "next_due", overview.nextDue.map { .string($0.rfc3339) } ?? .null
            ),
            ("messages", .object(overview.messages.map { ($0.state, .number(Double($0.count))) })),
            ("verdicts", .object(overview.verdicts.map { ($0.verdict, .number(Double($0.count))) })),
            ("dead_letters", .object(overview.deadLetters.map { ($0.reason, .number(Double($0.count))) })),
            (
                "building",
                .array(
                    building.map {
                        .object([
                            ("what", .string($0.what)), ("since", .string($0.since.rfc3339)),
                            ("complete_at", $0.completeAt.map { .string($0.rfc3339) } ?? .null),
                        ])
                    })
            ),
            (
                "sources",
                .array(
                    overview.files.map { row in
                        .object([
                            ("source", .string(row.source)), ("file", .string(row.path)), ("offset", .number(Double(row.offset))),
                            ("unread_bytes", .number(Double(max(0, (size(of: row.path) ?? row.offset) - row.offset)))),
                            ("newest_event", row.watermark.map { .string($0.rfc3339) } ?? .null), ("ended", .bool(row.isEnded)),
                        ])
                    })
            ),
        ]).text
    }

    var text: String {
        var lines: [String] = []
        if let file, isRunning {
            lines.append(
                "running (pid \(file.pid)) since \(file.startedAt.rfc3339), \(file.caughtUp ? "caught up" : "reading a backlog")")
            lines.append(
                "rates          \(Pace.rate(file.linesPerSecond)) lines, \(Pace.rate(file.messagesPerSecond)) messages")
            if file.blocked { lines.append("PAUSED" + (file.troubles.isEmpty ? ": too many messages wait for the outbox" : "")) }
        } else {
            lines.append("not running")
        }
        for trouble in troubles { lines.append("trouble: \(trouble)") }
        if configurationErrors > 0 {
            lines.append(
                "CONFIGURATION: \(configurationErrors) error\(configurationErrors == 1 ? "" : "s"); a daemon that runs keeps the one it has, and can't be "
                    + "started again with this one: `nudged check --config \(configuration)`")
        }
        for pause in pauses {
            lines.append(
                "PAUSED: \(pause.rule.map { "rule \($0)" } ?? "all messages") since \(pause.since.rfc3339): \(pause.reason)")
        }
        if let percent = overview.judgedPercent {
            lines.append(
                "JUDGING: segments or calendars have changed; \(percent) % of the customers have been judged by them, then reading goes on"
            )
        }
        lines.append("engine time    \(overview.engineNow?.rfc3339 ?? "none yet")")
        lines.append("customers      \(overview.customers)")
        lines.append("pending timers \(overview.timers)" + (overview.nextDue.map { ", next at or after \($0.rfc3339)" } ?? ""))
        func counts(_ list: [(name: String, count: Int)]) -> String {
            list.isEmpty ? "none" : list.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
        }
        lines.append("messages       " + counts(overview.messages.map { ($0.state, $0.count) }))
        lines.append("verdicts       " + counts(overview.verdicts.map { ($0.verdict, $0.count) }))
        lines.append("dead letters   " + counts(overview.deadLetters.map { ($0.reason, $0.count) }))
        for part in building {
            lines.append(
                "building       \(part.what): kept since \(part.since.rfc3339), "
                    + (part.completeAt.map { "complete at \($0.rfc3339)" } ?? "never complete by itself")
                    + "; a replay of the old logs rebuilds it")
        }
        var shown = sources
        for row in overview.files where sources.isEmpty && !shown.contains(row.source) { shown.append(row.source) }
        for source in shown {
            let files = overview.files.filter { $0.source == source }
            lines.append(
                files.isEmpty
                    ? "source \(source): no file has been read; does its `path` match one, and may the daemon read it?"
                    : "source \(source): \(files.count) file\(files.count == 1 ? "" : "s")")
            for row in files {
                let behind = size(of: row.path).map { max(0, $0 - row.offset) }
                lines.append(
                    "  \(row.path)  at byte \(row.offset)"
                        + (row.isEnded
                            ? ", ended" : behind.map { $0 > 0 ? ", \($0) bytes behind" : ", caught up" } ?? ", not found")
                        + (row.watermark.map { ", newest event \($0.rfc3339)" } ?? ", no event yet"))
            }
        }
        return lines.joined(separator: "\n")
    }
}

/// Something a new condition keeps that does not reach back as far as it should yet.
struct Building {
    let what: String
    let since: Instant
    /// Nil: it looks back over everything, so that only a replay can complete it.
    let completeAt: Instant?

    static func list(_ store: Store, _ rules: RuleSet) throws -> [Building] {
        let kept = try store.keptSince()
        let now = try store.engineClock()?.now ?? .min
        var result: [Building] = []
        for (series, longest) in zip(rules.series, rules.longest) {
            guard let since = kept[series.name] ?? nil else { continue }
            // What was missed of the bucket in which it began counts as long as that does.
            let complete = series.width == .lifetime ? nil : series.width.leaves(series.width.bucket(since), window: longest)
            if complete.map({ $0 > now }) ?? true {
                let window = series.width == .lifetime ? "lifetime" : DurationLiteral.text(longest)
                let property = series.property.isEmpty ? "" : ".\(series.property)"
                result.append(
                    Building(
                        what: "\(series.statistic.rawValue) of \"\(series.event)\"\(property) (\(window))", since: since,
                        completeAt: complete))
            }
        }
        for mark in rules.marks {
            if let since = kept["mark|\(mark)"] ?? nil {
                result.append(Building(what: "times of \"\(mark)\"", since: since, completeAt: nil))
            }
        }
        return result
    }
}
