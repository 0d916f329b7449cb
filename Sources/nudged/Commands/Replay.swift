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

    @OptionGroup var history: HistoryOption

    @Option(
        help: ArgumentHelp(
            "Publish into this outbox directory instead of standard output; must not be a live one.", valueName: "directory"))
    var outbox: String?

    @Option(help: ArgumentHelp("Keep the state in this directory, which must be empty.", valueName: "directory"))
    var state: String?

    @Option(help: ArgumentHelp("Messages to write: all, or none for the summary alone.", visibility: .hidden))
    var messages = "all"

    func run() throws {
        try reporting {
            let loaded = try Loaded.load(absolute(config.path))
            let settings = try history.settings(loaded)
            try checkDirectories(loaded.configuration.state, loaded.settings.outboxes.map(\.path))
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
                controlLog: history.controlLog)
            let seconds = try history.drive(&pipeline)
            complain(ReplaySummary(pipeline, seconds: seconds).text)
            try output.flush()
            // To take the state of many customers apart piece by piece takes longer than to read a small log; it goes as a whole.
            if pipeline.store?.directory == nil { Glibc.exit(ExitCode.success.rawValue) }
        }
    }
}

extension Replay {
    /// What the daemon uses, or will, is out of bounds, whether it is there or not.
    private func checkDirectories(_ live: String, _ outboxes: [String]) throws {
        func isWithin(_ path: String, _ other: String) -> Bool {
            let (path, other) = (resolved(path), resolved(other))
            return path.utf8.elementsEqual(other.utf8) || path.utf8.starts(with: (other + "/").utf8)
        }
        if let state {
            guard !isWithin(absolute(state), live) else {
                throw Failure(
                    .noOutput, "\(state): is the configured state; a replay never touches it, so name another directory")
            }
            if let stream = opendir(absolute(state)) {
                defer { closedir(stream) }
                var count = 0
                while readdir(stream) != nil { count += 1 }
                guard count <= 2 else {
                    throw Failure(
                        .noOutput, "\(state): holds files already; a replay starts from nothing, so name an empty directory")
                }
            }
        }
        if let outbox, let used = outboxes.first(where: { isWithin(absolute(outbox), $0) }) {
            throw Failure(
                .noOutput,
                "\(outbox): is the outbox \(used) of the configuration, which senders read; name another directory")
        }
    }

    /// With links followed, as far as there is something; what is not there yet stays as it is written.
    private func resolved(_ path: String) -> String {
        if let found = realpath(path, nil) {
            defer { free(found) }
            return String(cString: found)
        }
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return path }
        return resolved(String(path[..<slash])) + path[slash...]
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
            guard count > 0 else { throw StandardOutput.failure(errno) }
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
            counts.filter { $0.value != 0 }.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }.map {
                "\($0.key) \($0.value)"
            }
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
