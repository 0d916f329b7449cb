import Engine
import Storage

/// For people on a terminal, and for programs.
extension BacktestSummary {
    private static let countColumns = [
        Column("before", isNumber: true), Column("after", isNumber: true), Column("same", isNumber: true),
        Column("moved", isNumber: true), Column("lost", isNumber: true), Column("gained", isNumber: true),
    ]

    private static func cells(_ counts: Counts) -> [Cell] {
        [counts.before, counts.after, counts.same, counts.moved, counts.lost, counts.gained].map { .number(Int64($0)) }
    }

    var ruleTable: Table {
        var table = Table([Column("rule")] + Self.countColumns)
        for (rule, counts) in rules.sorted(by: { $0.key < $1.key }) { table.add([.text(rule)] + Self.cells(counts)) }
        if rules.count > 1 { table.add([.text("all")] + Self.cells(total)) }
        return table
    }

    func partTable(_ title: String, _ parts: [Part: Counts]) -> Table {
        var table = Table([Column("rule"), Column(title)] + Self.countColumns)
        for (part, counts) in parts.sorted(by: { $0.key < $1.key }) {
            table.add([.text(part.rule), .text(part.name)] + Self.cells(counts))
        }
        return table
    }

    var reasonTable: Table {
        var table = Table([
            Column("rule"), Column("kind"), Column("instead", isElastic: true), Column("messages", isNumber: true),
        ])
        for (part, reason) in reasons.sorted(by: {
            ($0.key.rule, -$0.value.count, $0.key.name) < ($1.key.rule, -$1.value.count, $1.key.name)
        }) {
            table.add([
                .text(part.rule), .text(reason.change.rawValue),
                .text(String(part.name.dropFirst(reason.change.rawValue.count + 1))), .number(Int64(reason.count)),
            ])
        }
        return table
    }

    var exampleTable: Table {
        var table = Table([
            Column("rule"), Column("kind"), Column("customer", isElastic: true), Column("key", isElastic: true),
            Column("started_at", leaves: 1),
            Column("before", isElastic: true), Column("after", isElastic: true),
        ])
        for example in examples {
            table.add([
                .text(example.instance.rule), .text(example.change.rawValue), .text(example.instance.customer),
                .text(example.instance.key), .time(example.instance.startedAt), .text(Self.text(example.instance.before)),
                .text(Self.text(example.instance.after)),
            ])
        }
        return table
    }

    private static func text(_ judged: Judged?) -> String {
        guard let judged else { return "-" }
        return ([judged.verdict.rawValue, judged.at.rfc3339] + [judged.channel, judged.variant].compactMap { $0 }).joined(
            separator: " ")
    }

    func text(on terminal: Terminal) -> String {
        guard !rules.isEmpty else { return "Neither configuration sends a message over this history." }
        var lines = [ruleTable.text(on: terminal)]
        for (title, table) in tables where !table.rows.isEmpty {
            lines += ["", terminal.styled(title, .heading), table.text(on: terminal)]
        }
        return lines.joined(separator: "\n")
    }

    var tables: [(String, Table)] {
        [
            ("By variant", partTable("variant", variants)), ("By segment of the customer", partTable("segment", segments)),
            ("Why", reasonTable), ("For example", exampleTable),
        ]
    }

    var json: CanonicalJSON {
        .object([
            ("before", .string(before)), ("after", .string(after)), ("total", Self.json(total)), ("by_rule", ruleTable.json),
            ("by_variant", partTable("variant", variants).json), ("by_segment", partTable("segment", segments).json),
            ("reasons", reasonTable.json), ("examples", exampleTable.json),
        ])
    }

    private static func json(_ counts: Counts) -> CanonicalJSON {
        .object(zip(countColumns.map(\.name), cells(counts)).map { ($0, $1.value) })
    }

    // MARK: One row a message

    private static let rowColumns =
        ["rule", "kind", "instead", "customer", "key", "started_at"].map { Column($0) }
        + ["before", "after"].flatMap { side in
            ["verdict", "at", "channel", "variant", "segments"].map { Column("\(side)_\($0)") }
        }

    static var csvHeader: String { Table(rowColumns).csv }

    static func csv(_ instance: ComparedInstance, _ change: BacktestChange) -> String {
        func cells(_ judged: Judged?) -> [Cell] {
            guard let judged else { return [.none, .none, .none, .none, .none] }
            return [
                .text(judged.verdict.rawValue), .time(judged.at), Cell(judged.channel), Cell(judged.variant),
                .text(judged.segments.joined(separator: " ")),
            ]
        }
        var table = Table(rowColumns)
        table.add(
            [
                .text(instance.rule), .text(change.rawValue), .text(reason(instance, change)), .text(instance.customer),
                .text(instance.key), .time(instance.startedAt),
            ] + cells(instance.before) + cells(instance.after))
        return table.csvRows
    }

    // MARK: A page

    var page: Page {
        var page = Page(title: "Backtest", subtitle: "\(before) (before) against \(after) (after)")
        page.add(figures: [
            ("before", String(total.before)), ("after", String(total.after)), ("moved", String(total.moved)),
            ("lost", String(total.lost)), ("gained", String(total.gained)),
        ])
        guard !rules.isEmpty else {
            page.add(text: "Neither configuration sends a message over this history.")
            return page
        }
        page.add(heading: "Messages a day")
        let points = days.sorted { $0.key < $1.key }
        page.add(
            plot: LinePlot(
                unit: "messages a day",
                series: [
                    ("before", points.map { ($0.key * 86_400_000, Double($0.value.before)) }),
                    ("after", points.map { ($0.key * 86_400_000, Double($0.value.after)) }),
                ], step: 86_400_000))
        page.add(heading: "By rule")
        page.add(
            plot: BarPlot(
                unit: "messages", kinds: ["same", "moved", "gained", "lost"],
                bars: rules.sorted { $0.key < $1.key }.map { rule, counts in
                    (rule, [counts.same, counts.moved, counts.gained, counts.lost].map(Double.init))
                }))
        page.add(table: ruleTable)
        for (title, table) in tables where !table.rows.isEmpty {
            page.add(heading: title)
            page.add(table: table)
        }
        page.add(
            text: """
                An instance is the same on both sides if rule, customer, key and time of the last start are. Its message is gained if only the \
                second configuration sends it, lost if only the first does, moved if both do but at another time, on another channel, in another \
                variant or with other content. A customer in several segments counts in each.
                """)
        return page
    }
}
