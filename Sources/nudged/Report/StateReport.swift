import Engine
import Storage

/// What the state keeps of its own history, for a page and for programs.
struct StateReport {
    private let instance: String
    private let now: Instant
    private let since: Instant
    private let overview: Overview
    private let hours: [HourRow]
    private let days: [(rule: String, verdict: String, day: Instant, count: Int)]
    private let conversions: [Conversion]
    private let segments: [(name: String, members: Int)]

    private static let dayLength: Milliseconds = 86_400_000
    /// So many lines a plot has room for; the rest share one.
    private static let mostLines = 7

    init(_ store: Store, rules: RuleSet, since: Instant) throws {
        instance = rules.definitions.instance
        self.since = since
        overview = try store.overviewWithin()
        now = overview.engineNow ?? 0
        hours = try store.hours(since: HourRow.hour(of: since))
        days = try store.verdictDays(since: since)
        conversions = Conversion.list(try store.outcomes())
        let sizes = try store.segmentSizes()
        segments = rules.segments.map { segment in (segment.name, sizes.first { $0.segment == segment.name }?.members ?? 0) }
    }

    // MARK: Figures

    private func points(_ series: HourRow.Series, name: String = "", scale: Double = 1) -> [(at: Instant, value: Double)] {
        hours.filter { $0.series == series && $0.name == name }.map { ($0.at, Double($0.value) / scale) }
    }

    private var publishedByRule: [(name: String, count: Int)] {
        var counts: [String: Int] = [:]
        for day in days where day.verdict == Verdict.published.rawValue { counts[day.rule, default: 0] += day.count }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    /// Published messages a day: one line for each of the rules that send most.
    private var messageLines: [(name: String, points: [(at: Instant, value: Double)])] {
        let names = publishedByRule.map(\.name)
        let shown = names.count > Self.mostLines + 1 ? Array(names.prefix(Self.mostLines)) : names
        var lines = shown.map { name in
            (
                name,
                days.filter { $0.rule == name && $0.verdict == Verdict.published.rawValue }.map {
                    (at: $0.day, value: Double($0.count))
                }
            )
        }
        if shown.count < names.count {
            var others: [Instant: Int] = [:]
            for day in days where day.verdict == Verdict.published.rawValue && !shown.contains(day.rule) {
                others[day.day, default: 0] += day.count
            }
            lines.append(("other rules", others.sorted { $0.key < $1.key }.map { (at: $0.key, value: Double($0.value)) }))
        }
        return lines
    }

    private var verdicts: [String] {
        Verdict.allCases.map(\.rawValue).filter { verdict in days.contains { $0.verdict == verdict } }
    }

    private var verdictCounts: [(rule: String, counts: [Int])] {
        var counts: [String: [String: Int]] = [:]
        for day in days { counts[day.rule, default: [:]][day.verdict, default: 0] += day.count }
        return counts.sorted { $0.key < $1.key }.map { rule, own in (rule, verdicts.map { own[$0] ?? 0 }) }
    }

    private var verdictTable: Table {
        var table = Table([Column("rule")] + verdicts.map { Column($0, isNumber: true) })
        for (rule, counts) in verdictCounts { table.add([.text(rule)] + counts.map { .number(Int64($0)) }) }
        return table
    }

    private var segmentTable: Table {
        var table = Table([Column("segment"), Column("members", isNumber: true)])
        for segment in segments { table.add([.text(segment.name), .number(Int64(segment.members))]) }
        return table
    }

    private var conversionTable: Table {
        var table = Table([
            Column("rule"), Column("variant"), Column("side"), Column("messages", isNumber: true),
            Column("converted", isNumber: true),
            Column("percent", isNumber: true), Column("interval"), Column("revenue"), Column("lift"), Column("judgement"),
        ])
        for conversion in conversions {
            let lift = conversion.lift.map {
                "\(Self.points($0.value)) points (\(Self.points($0.low)) to \(Self.points($0.high)))"
            }
            for (side, name) in [(conversion.published, "published"), (conversion.holdout, "holdout")] {
                table.add([
                    .text(conversion.rule), .text(conversion.variant), .text(name), .number(Int64(side.sent)),
                    .number(Int64(side.converted)), Cell(side.share.map { Self.percent($0) }),
                    Cell(side.interval.map { "\(Self.percent($0.low)) to \(Self.percent($0.high))" }),
                    .text(side.revenue.map { "\($0.amount.text) \($0.currency)" }.joined(separator: ", ")),
                    name == "published" ? Cell(lift) : .none, name == "published" ? .text(conversion.judgement) : .none,
                ])
            }
        }
        return table
    }

    /// A share as percent, with two decimals.
    private static func percent(_ share: Double) -> String { ReplaySummary.decimal(share * 100) }
    private static func points(_ share: Double) -> String {
        (share < 0 ? "-" : "+") + ReplaySummary.decimal(abs(share) * 100)
    }

    private func total(_ list: [(name: String, count: Int)]) -> Int { list.reduce(0) { $0 + $1.count } }

    // MARK: The page

    var page: Page {
        var page = Page(
            title: "nudged: \(instance)", subtitle: "from \(since.rfc3339) to \(now.rfc3339), in the engine's time (UTC)")
        page.add(figures: [
            ("customers", String(overview.customers)), ("running instances", String(overview.timers)),
            ("messages sent", String(total(publishedByRule.map { ($0.name, $0.count) }))),
            ("dead letters kept", String(overview.deadLetters.reduce(0) { $0 + $1.count })),
        ])
        page.add(heading: "Input")
        page.add(plot: LinePlot(unit: "events an hour", series: [("events", points(.events))], step: HourRow.length))
        let letters = points(.deadLetters)
        if !letters.isEmpty {
            page.add(plot: LinePlot(unit: "dead letters an hour", series: [("dead letters", letters)], step: HourRow.length))
        }
        page.add(heading: "Lag")
        if points(.lag).isEmpty {
            page.add(text: "With `clock: log` time comes from the logs, so that there is nothing to lag behind.")
        } else {
            page.add(
                plot: LinePlot(
                    unit: "seconds behind the wall clock, the longest of each hour",
                    series: [("lag", points(.lag, scale: 1000))], step: HourRow.length, merging: .highest))
        }
        page.add(heading: "Messages by rule")
        page.add(plot: LinePlot(unit: "published a day", series: messageLines, step: Self.dayLength))
        page.add(heading: "Verdicts by rule")
        page.add(
            plot: BarPlot(
                unit: "instances that ended", kinds: verdicts, bars: verdictCounts.map { ($0.rule, $0.counts.map(Double.init)) }))
        page.add(table: verdictTable)
        addConversions(to: &page)
        page.add(heading: "Segment sizes")
        page.add(
            plot: LinePlot(
                unit: "members", series: segments.prefix(PlotText.colours).map { ($0.name, points(.members, name: $0.name)) },
                step: HourRow.length, merging: .last))
        page.add(table: segmentTable)
        return page
    }

    private func addConversions(to page: inout Page) {
        page.add(heading: "Conversions against holdout")
        guard !conversions.isEmpty else {
            page.add(text: "No rule has a `conversion`, or nothing was sent yet.")
            return
        }
        let rows = conversions.flatMap { conversion in
            [(conversion.published, 0), (conversion.holdout, 1)].compactMap { side, kind in
                side.share.flatMap { share in
                    side.interval.map { (conversion.name, kind, share, $0.low, $0.high) }
                }
            }
        }
        page.add(plot: IntervalPlot(unit: "share converted", rows: rows, kinds: ["published", "holdout"]))
        page.add(table: conversionTable)
        page.add(
            text: """
                Intervals hold the true value in 95 of 100 cases. The lift is the difference of the two shares in points of percent; a rule works if \
                its whole interval is above zero. Look at it once, when enough has been sent, not every day until it pleases.
                """)
    }

    // MARK: For programs

    var json: CanonicalJSON {
        .object([
            ("instance", .string(instance)), ("since", .string(since.rfc3339)), ("until", .string(now.rfc3339)),
            ("customers", .number(Double(overview.customers))), ("running", .number(Double(overview.timers))),
            (
                "hours",
                .array(
                    hours.map {
                        .object([
                            ("at", .string($0.at.rfc3339)), ("series", .string($0.series.rawValue)), ("name", .string($0.name)),
                            ("value", .number(Double($0.value))),
                        ])
                    })
            ),
            (
                "verdicts",
                .array(
                    days.map {
                        .object([
                            ("day", .string(String($0.day.rfc3339.prefix(10)))), ("rule", .string($0.rule)),
                            ("verdict", .string($0.verdict)), ("count", .number(Double($0.count))),
                        ])
                    })
            ),
            ("conversions", conversionTable.json), ("segments", segmentTable.json),
        ])
    }
}
