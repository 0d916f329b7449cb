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
                controlLog: history.controlLog)
            let seconds = try history.drive(&pipeline)
            complain(ReplaySummary(pipeline, seconds: seconds).text)
            try output.flush()
            // To take the state of many customers apart piece by piece takes longer than to read a small log; it goes as a whole.
            if pipeline.store?.directory == nil { Glibc.exit(ExitCode.success.rawValue) }
        }
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
