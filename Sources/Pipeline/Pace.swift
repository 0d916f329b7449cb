import Engine
import Ingest

/// How fast it goes, for the line that `systemctl status` shows.
package struct Pace {
    private struct Mark {
        var seconds: Double
        var lines: Int
        var messages: Int
    }

    private var marks: [Mark] = []
    /// Rates are of about this many seconds.
    private static let span = 10.0

    /// Notes what has been done by now.
    mutating func note(seconds: Double, lines: Int, messages: Int) {
        // A reload counts anew.
        if let last = marks.last, last.lines > lines || last.messages > messages { marks.removeAll() }
        marks.append(Mark(seconds: seconds, lines: lines, messages: messages))
        while marks.count > 2, seconds - marks[1].seconds >= Self.span { marks.removeFirst() }
    }

    /// Lines and messages a second.
    var rates: (lines: Double, messages: Double) {
        guard let first = marks.first, let last = marks.last, last.seconds > first.seconds else { return (0, 0) }
        let span = last.seconds - first.seconds
        return (Double(last.lines - first.lines) / span, Double(last.messages - first.messages) / span)
    }

    var text: String {
        guard let last = marks.last else { return "" }
        let rates = rates
        return "\(last.lines) lines (\(Self.rate(rates.lines))), \(last.messages) messages (\(Self.rate(rates.messages)))"
    }

    package static func rate(_ perSecond: Double) -> String {
        perSecond >= 10 || perSecond == 0
            ? "\(Int(perSecond.rounded()))/s"
            : perSecond >= 0.1 ? "\((perSecond * 10).rounded() / 10)/s" : "\(Int((perSecond * 60).rounded(.up)))/min"
    }
}

/// How far behind the reading is, over all sources.
struct Lag {
    private let bytes: Int
    /// Age of the event reached in the file furthest behind, and its source; nil when every complete line is read.
    private let furthest: (age: Milliseconds, source: String)?
    private let newest: Instant?

    init(_ sources: [SourceLag], wallNow: Instant) {
        bytes = sources.reduce(0) { $0 + $1.unreadBytes }
        furthest = sources.compactMap { source in source.reached.map { (max(0, wallNow - $0), source.name) } }.max { $0.0 < $1.0 }
        newest = sources.compactMap(\.newest).max()
    }

    var text: String {
        guard let furthest else {
            return (bytes > 0 ? "caught up but for \(Self.size(bytes))" : "caught up")
                + (newest.map { ", newest event \($0.rfc3339)" } ?? ", no event yet")
        }
        return "\(Self.size(bytes)) and \(Self.span(furthest.age)) behind in \(furthest.source)"
    }

    private static func size(_ bytes: Int) -> String {
        for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] where bytes >= unit {
            return "\((Double(bytes) / Double(unit) * 10).rounded() / 10) \(name)"
        }
        return "\(bytes) bytes"
    }

    private static func span(_ time: Milliseconds) -> String {
        for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")] where time >= Milliseconds(2 * unit) {
            return "\(time / Milliseconds(unit)) \(name)"
        }
        return "\(time / 1000) s"
    }
}
