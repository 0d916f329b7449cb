/// Every metric there is: names and units by Prometheus' conventions. docs/metrics.md has the same list, which a test compares.
package enum Metric: String, CaseIterable, Sendable {
    case buildInfo = "nudged_build_info"
    case start = "nudged_start_timestamp_seconds"
    case written = "nudged_metrics_timestamp_seconds"
    case lines = "nudged_lines_total"
    case readBytes = "nudged_read_bytes_total"
    case events = "nudged_events_total"
    case duplicates = "nudged_duplicate_events_total"
    case late = "nudged_late_events_total"
    case overtaken = "nudged_overtaken_lines_total"
    case deadLetters = "nudged_dead_letters_total"
    case losses = "nudged_possible_losses_total"
    case conditionErrors = "nudged_condition_errors_total"
    case messages = "nudged_messages_total"
    case verdicts = "nudged_verdicts_total"
    case pending = "nudged_messages_pending"
    case staged = "nudged_messages_staged"
    case paused = "nudged_paused"
    case pauses = "nudged_pauses_total"
    case outboxTroubles = "nudged_outbox_troubles"
    case sourceLag = "nudged_source_lag_seconds"
    case sourceUnread = "nudged_source_unread_bytes"
    case sourceFiles = "nudged_source_files"
    case sourceNewest = "nudged_source_newest_event_timestamp_seconds"
    case watermark = "nudged_watermark_timestamp_seconds"
    case timersDue = "nudged_timers_due"
    case nextTimer = "nudged_next_timer_timestamp_seconds"
    case residentCustomers = "nudged_resident_customers"
    case residentProducts = "nudged_resident_products"
    case waitingEvents = "nudged_waiting_events"
    case commits = "nudged_commits_total"
    case commitDuration = "nudged_commit_duration_seconds"
    case batchLines = "nudged_batch_lines"
    case reloads = "nudged_reloads_total"
    case reloadSuccessful = "nudged_last_reload_successful"

    package enum Kind: String, Sendable { case counter, gauge, histogram }

    package var kind: Kind {
        if self == .commitDuration || self == .batchLines { return .histogram }
        return rawValue.hasSuffix("_total") ? .counter : .gauge
    }

    package var help: String {
        switch self {
        case .buildInfo: "Always 1; what runs is in the labels."
        case .start: "When the daemon started."
        case .written: "When this file was written."
        case .lines: "Lines read."
        case .readBytes: "Bytes of lines read, uncompressed."
        case .events: "Events applied."
        case .duplicates: "Events dropped because their id was seen before."
        case .late: "Events whose time was before the watermark of their file."
        case .overtaken: "Lines whose turn had passed when they were read; taken at once, and noted in the control log."
        case .deadLetters: "Lines that could not become events."
        case .losses: "Files cut, replaced or gone before all of them had been read."
        case .conditionErrors: "Conditions that failed to evaluate."
        case .messages: "Messages decided."
        case .verdicts: "Instances of rules that ended."
        case .pending: "Messages committed that have no file yet."
        case .staged: "Messages with a file that is still to be renamed, or to be marked as published."
        case .paused: "1 while nothing is read or nothing is committed for this reason."
        case .pauses: "Times that reading or committing was paused."
        case .outboxTroubles: "Outboxes that can't be used at present."
        case .sourceLag:
            "How old the event is that has been reached in the file furthest behind; 0 when every complete line is read."
        case .sourceUnread: "Bytes on disk that have not been read."
        case .sourceFiles: "Files known of the source."
        case .sourceNewest: "Time of the newest event read."
        case .watermark: "Everything before this time has been applied."
        case .timersDue: "Customers with something due that has not been worked off, counted up to 100000."
        case .nextTimer: "When the next timer is due."
        case .residentCustomers: "Profiles in memory."
        case .residentProducts: "Products in memory."
        case .waitingEvents: "Events read whose turn has not come."
        case .commits: "Transactions committed."
        case .commitDuration: "Time a commit took, with writing and publishing its messages."
        case .batchLines: "Lines a commit covered."
        case .reloads: "Times the configuration was read anew."
        case .reloadSuccessful: "Whether the last reload was taken; 1 before the first."
        }
    }
}

/// Counts by upper bounds, as Prometheus keeps them.
package struct Histogram: Sendable {
    package let bounds: [Double]
    /// By bound, not cumulated; what is above the last bound is only in `count`.
    package private(set) var counts: [Int]
    package private(set) var sum = 0.0
    package private(set) var count = 0

    package init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count)
    }

    package mutating func observe(_ value: Double) {
        count += 1
        sum += value
        if let place = bounds.firstIndex(where: { value <= $0 }) { counts[place] += 1 }
    }
}

/// Prometheus' text format 0.0.4. Every metric is announced once, with its samples after it.
package struct MetricsText: Sendable {
    private var samples: [Metric: String] = [:]

    package init() {}

    package mutating func add(_ metric: Metric, _ value: Double, _ labels: KeyValuePairs<String, String> = [:]) {
        line(metric, metric.rawValue, Array(labels), Self.number(value))
    }

    package mutating func add(_ metric: Metric, _ value: Int, _ labels: KeyValuePairs<String, String> = [:]) {
        line(metric, metric.rawValue, Array(labels), String(value))
    }

    package mutating func add(_ metric: Metric, _ histogram: Histogram) {
        var cumulated = 0
        for (bound, count) in zip(histogram.bounds, histogram.counts) {
            cumulated += count
            line(metric, metric.rawValue + "_bucket", [("le", Self.number(bound))], String(cumulated))
        }
        line(metric, metric.rawValue + "_bucket", [("le", "+Inf")], String(histogram.count))
        line(metric, metric.rawValue + "_sum", [], Self.number(histogram.sum))
        line(metric, metric.rawValue + "_count", [], String(histogram.count))
    }

    private mutating func line(_ metric: Metric, _ name: String, _ labels: [(key: String, value: String)], _ value: String) {
        var text = name
        if !labels.isEmpty { text += "{" + labels.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",") + "}" }
        samples[metric, default: ""] += text + " " + value + "\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    package var text: String {
        Metric.allCases.compactMap { metric in
            samples[metric].map {
                "# HELP \(metric.rawValue) \(metric.help)\n# TYPE \(metric.rawValue) \(metric.kind.rawValue)\n\($0)"
            }
        }.joined()
    }
}
