import Engine
import Storage

/// For people.
extension CustomerReport {
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

    private var consent: Table {
        var table = Table([
            Column("consent"), Column("channel"), Column("topic"), Column("since"), Column("again", isElastic: true),
        ])
        let consent = inspection.profile.consent
        for statement in consent.statements {
            table.add([
                .text(statement.isGranted ? "granted" : "withdrawn"), .text(statement.scope.channel ?? "all"),
                .text(statement.scope.topic ?? "all"), .time(statement.at),
                .text(statement.exceptions.map { "granted" + $0.description }.joined(separator: ", ")),
            ])
        }
        for (what, at) in [("bounced", consent.bouncedAt), ("marked as spam", consent.spamAt)] {
            if let at { table.add([.text(what), .none, .none, .time(at), .none]) }
        }
        if let (reason, at) = consent.suppression {
            table.add([.text("nothing is sent: " + reason.rawValue), .none, .none, .time(at), .none])
        }
        return table
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
        var sent = Table([
            Column("sent_at"), Column("rule"), Column("key", isElastic: true), Column("channel"), Column("variant"),
            Column("note"),
        ])
        for send in inspection.profile.sends {
            let notes = [
                (send.isHoldout, "held out"), (send.isWithdrawn, "withdrawn"), (send.isConverted, "converted"),
                (send.isUncounted, "no cap"),
            ]
            sent.add([
                .time(send.at), .text(send.rule), .text(send.key), Cell(send.channel), Cell(send.variant),
                .text(notes.filter(\.0).map(\.1).joined(separator: ", ")),
            ])
        }
        var cooldowns = Table([Column("rule"), Column("since")])
        for sent in inspection.profile.sent { cooldowns.add([.text(inspection.rules.rules[sent.rule].name), .time(sent.at)]) }
        var activeHours = Table([Column("hour", isNumber: true), Column("events", isNumber: true)])
        let cells = Dictionary(grouping: inspection.profile.activity.cells, by: \.hour)
        for (hour, cells) in cells.sorted(by: { $0.key < $1.key }) {
            activeHours.add([.number(Int64(hour)), .number(cells.reduce(0) { $0 + Int64($1.count) })])
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
            ("Consent", consent), ("Traits", traits), ("Carts", carts), ("Interests", interests),
            ("Subscriptions", subscriptions),
            ("Segments", segments),
            ("Windows", windows), ("Events", marks), ("Running", running), ("Sent", sent), ("Cooldowns", cooldowns),
            ("Active hours", activeHours), ("Last decisions", DecisionTable.make(decisions)),
            ("Last messages", MessageTable.make(messages)),
        ]
    }

    private static func product(_ json: CanonicalJSON) -> String {
        (json["product_id"]?.string ?? "") + (json["variant"]?.string.map { " (\($0))" } ?? "")
    }
}
