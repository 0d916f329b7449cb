import ArgumentParser
import Engine
import Storage

struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract:
            "Shows all that is known of a customer: traits, carts, interests, segments, windows, what runs, what was decided.")

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A user id, or anonymous:ID.", valueName: "id"))
    var id: CustomerID

    @Flag(help: "As JSON, for programs.")
    var json = false

    @Option(help: "How many of the last decisions and messages to show.")
    var limit = 10

    func run() throws {
        try reporting {
            let state = try LiveState(config)
            let report = try state.store.reading { try CustomerReport(state, state.record(id), limit: limit) }
            try StandardOutput.write(json ? report.json.text : report.text(on: .standardOutput()))
        }
    }
}

/// One customer for people, and as JSON.
struct CustomerReport {
    private let record: CustomerRecord
    private let inspection: Inspection
    private let carts: [CanonicalJSON]
    private let interests: [CanonicalJSON]
    private let decisions: [DecisionRow]
    private let messages: [MessageRow]

    /// - Parameter isComplete: with carts and interests that are to be forgotten by now, but are still in the record.
    init(_ state: LiveState, _ record: CustomerRecord, limit: Int, isComplete: Bool = false) throws {
        self.record = record
        let inspection = try state.inspection(record)
        self.inspection = inspection
        carts = CanonicalJSON(stored: record.carts).elements.filter {
            isComplete || inspection.profile.carts.index(id: $0["id"]?.string ?? "") != nil
        }
        interests = CanonicalJSON(stored: record.interests).elements.filter { stored in
            let product = ProductKey(id: stored["product_id"]?.string ?? "", variant: stored["variant"]?.string ?? "")
            return isComplete
                || inspection.profile.interests.contains { $0.kind.rawValue == stored["kind"]?.string && $0.product == product }
        }
        var query = DecisionQuery()
        query.customer = record.number
        query.limit = limit
        decisions = try state.store.decisions(query)
        messages = try state.store.messages(customer: record.number, limit: limit)
    }

    var json: CanonicalJSON {
        .object([
            ("id", .string(record.text)), ("first_seen", .string(record.firstSeen.rfc3339)),
            ("last_seen", .string(record.lastSeen.rfc3339)),
            ("locale", record.locale.map { .string($0) } ?? .null), ("timezone", record.timezone.map { .string($0) } ?? .null),
            ("anonymous_ids", .array(inspection.profile.links.map { .string(String(decoding: $0, as: UTF8.self)) })),
            ("traits", CanonicalJSON(stored: record.traits)), ("carts", .array(carts)), ("interests", .array(interests)),
            ("subscriptions", CanonicalJSON(stored: record.subscriptions)),
            ("segments", CanonicalJSON(stored: record.segments)), ("running", CanonicalJSON(stored: record.timers)),
            (
                "windows",
                .array(
                    inspection.windows.map {
                        .object([
                            ("what", .string(Self.title($0))), ("value", .string($0.value)), ("window", .string(Self.length($0))),
                        ])
                    })
            ),
            (
                "events",
                .array(
                    inspection.profile.marks.map {
                        .object([
                            ("event", .string(inspection.rules.marks[$0.definition])), ("first", .string($0.first.rfc3339)),
                            ("last", .string($0.last.rfc3339)),
                        ])
                    })
            ),
            ("decisions", DecisionTable.make(decisions).json), ("messages", MessageTable.make(messages).json),
        ])
    }

    private static func title(_ window: Inspection.WindowValue) -> String {
        "\(window.series.statistic.rawValue) of \(window.series.event)"
            + (window.series.property.isEmpty ? "" : ".\(window.series.property)")
    }

    private static func length(_ window: Inspection.WindowValue) -> String {
        window.series.width == .lifetime ? "lifetime" : DurationLiteral.text(window.window)
    }

    func text(on terminal: Terminal) -> String {
        var lines = [terminal.styled(DisplayText.safe(record.text), .heading)]
        lines.append("first seen \(record.firstSeen.rfc3339), last seen \(record.lastSeen.rfc3339)")
        let context = [record.locale.map { "locale \($0)" }, record.timezone.map { "time zone \($0)" }].compactMap { $0 }
        if !context.isEmpty { lines.append(DisplayText.safe(context.joined(separator: ", "))) }
        if !inspection.profile.links.isEmpty {
            let ids = inspection.profile.links.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
            lines.append("was anonymous as " + DisplayText.safe(ids))
        }
        for (title, table) in tables where !table.rows.isEmpty {
            lines += ["", terminal.styled(title, .heading), table.text(on: terminal)]
        }
        return lines.joined(separator: "\n")
    }

    private var tables: [(String, Table)] {
        var traits = Table([Column("trait"), Column("value", isElastic: true), Column("set_at")])
        for trait in CanonicalJSON(stored: record.traits).elements {
            traits.add([
                Cell(trait["name"]?.string), trait["value"].map { .json($0) } ?? .none, Cell(trait["at"]?.instant, isTime: true),
            ])
        }
        var carts = Table([
            Column("cart"), Column("product"), Column("quantity", isNumber: true), Column("price", isNumber: true),
            Column("changed_at"),
        ])
        for cart in self.carts {
            for line in cart["items"]?.elements ?? [] {
                carts.add([
                    Cell(cart["id"]?.string), Cell(Self.product(line)), Cell(line["quantity"]?.string),
                    Cell(line["price"]?.string.map { $0 + (line["currency"]?.string.map { " " + $0 } ?? "") }),
                    Cell(line["changed_at"]?.instant, isTime: true),
                ])
            }
        }
        var interests = Table([
            Column("interest"), Column("product"), Column("since"), Column("last"), Column("count", isNumber: true),
        ])
        for interest in self.interests {
            interests.add([
                Cell(interest["kind"]?.string), Cell(Self.product(interest)), Cell(interest["since"]?.instant, isTime: true),
                Cell(interest["last"]?.instant, isTime: true), Cell(interest["count"]?.instant, isTime: false),
            ])
        }
        var subscriptions = Table([Column("subscription"), Column("status"), Column("status_at"), Column("issue_since")])
        for subscription in CanonicalJSON(stored: record.subscriptions).elements {
            subscriptions.add([
                Cell(subscription["id"]?.string), Cell(subscription["status"]?.string),
                Cell(subscription["status_at"]?.instant, isTime: true),
                Cell(subscription["issue_since"]?.instant, isTime: true),
            ])
        }
        var segments = Table([Column("segment"), Column("entered_at")])
        for segment in CanonicalJSON(stored: record.segments).elements {
            segments.add([Cell(segment["name"]?.string), Cell(segment["entered_at"]?.instant, isTime: true)])
        }
        var windows = Table([Column("window"), Column("over"), Column("value", isElastic: true)])
        for window in inspection.windows {
            windows.add([.text(Self.title(window)), .text(Self.length(window)), .text(window.value)])
        }
        var marks = Table([Column("event"), Column("first"), Column("last")])
        for mark in inspection.profile.marks {
            marks.add([.text(inspection.rules.marks[mark.definition]), .time(mark.first), .time(mark.last)])
        }
        var running = Table([
            Column("rule"), Column("key", isElastic: true), Column("phase"), Column("started_at", leaves: 1), Column("due"),
        ])
        for timer in CanonicalJSON(stored: record.timers).elements {
            running.add([
                Cell(timer["rule"]?.string), Cell(timer["key"]?.string), Cell(timer["phase"]?.string),
                Cell(timer["started_at"]?.instant, isTime: true),
                timer["phase"]?.string == "queued" ? .text("in line") : Cell(timer["due"]?.instant, isTime: true),
            ])
        }
        return [
            ("Traits", traits), ("Carts", carts), ("Interests", interests), ("Subscriptions", subscriptions),
            ("Segments", segments),
            ("Windows", windows), ("Events", marks), ("Running", running), ("Last decisions", DecisionTable.make(decisions)),
            ("Last messages", MessageTable.make(messages)),
        ]
    }

    private static func product(_ json: CanonicalJSON) -> String {
        (json["product_id"]?.string ?? "") + (json["variant"]?.string.map { " (\($0))" } ?? "")
    }
}
