import ArgumentParser
import Engine
import Storage

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Why did this customer get a message, and why not: what started, ended and runs, and the nearest miss.",
        discussion: """
            Without a rule: the timeline of all of them. With one: also its conditions with the value of each part, judged against the stored \
            profile of now, which may differ from what it was when the rule was judged.
            """)

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A user id, or anonymous:ID.", valueName: "id"))
    var id: String

    @Argument(help: ArgumentHelp("A rule.", valueName: "rule"))
    var rule: String?

    @Option(help: "How many decisions to show.")
    var limit = 50

    @Flag(help: "As JSON, for programs.")
    var json = false

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            try live.checkRule(rule)
            let explanation = try live.store.reading { try Explanation(live, live.record(id), rule: rule, limit: limit) }
            try StandardOutput.write(json ? explanation.json.text : explanation.text(on: .standardOutput()))
        }
    }
}

/// The timeline of a customer, and one rule's conditions.
struct Explanation {
    private let customer: String
    private let rule: String?
    private let decisions: [DecisionRow]
    private let running: [Instance]
    private let inspection: Inspection
    private let ruleIndex: Int?

    init(_ live: LiveState, _ record: CustomerRecord, rule: String?, limit: Int) throws {
        customer = record.text
        self.rule = rule
        inspection = try live.inspection(record)
        ruleIndex = rule.flatMap { live.loaded.rules.rule(named: $0) }
        var query = DecisionQuery()
        query.customer = record.number
        query.rule = rule
        query.limit = limit
        decisions = try live.store.decisions(query).reversed()
        let index = ruleIndex
        running = inspection.profile.instances.filter { index == nil || $0.rule == index }
    }

    private func name(_ instance: Instance) -> String { inspection.rules.rules[instance.rule].name }

    /// What a verdict means, for somebody who has to tell a customer.
    private static func sentence(_ row: DecisionRow) -> String {
        let meaning =
            switch row.verdict {
            case "published": "the message was sent to the outbox"
            case "cancelled": "cancelled before it was due"
            case "condition_false": "its condition did not hold when it was due"
            case "condition_error": "its condition met an error"
            case "merged": "given up for the same of the user this visitor became"
            case "cooldown": "too soon after the last message of this rule"
            case "no_consent": "no channel has consent"
            case "suppressed": "the customer is suppressed"
            case "holdout": "deliberately not sent: the customer is in the holdout"
            case "capped": "too many messages already"
            case "expired": "it could not be sent in time"
            case "withdrawn": "taken back before a sender had it"
            case "rule_removed": "the rule is not configured any more"
            default: row.verdict
            }
        return row.verdict + ": " + meaning
            + (row.cause.isEmpty ? "" : " (\(row.verdict == "cancelled" ? "by " : "")\(row.cause))")
    }

    func text(on terminal: Terminal) -> String {
        var lines = [terminal.styled(DisplayText.safe(customer) + (rule.map { ", rule \($0)" } ?? ""), .heading)]
        for row in decisions {
            let key = row.key.isEmpty ? "" : " [\(row.key)]"
            lines.append(DisplayText.safe("\(row.startedAt.rfc3339)  \(row.rule)\(key) started, due \(row.dueAt.rfc3339)"))
            lines.append(
                "\(row.decidedAt.rfc3339)  "
                    + terminal.styled(DisplayText.safe("  \(Self.sentence(row))"), Terminal.verdictStyle(.text(row.verdict))))
        }
        for instance in running {
            let key = instance.key.isEmpty ? "" : " [\(instance.key)]"
            let because = instance.because.isEmpty ? "" : ", because of event \(instance.because.joined(separator: ", "))"
            lines.append(DisplayText.safe("\(instance.startedAt.rfc3339)  \(name(instance))\(key) started\(because)"))
            switch instance.phase {
            case .waiting: lines.append("                            runs: it is judged at \(instance.due.rfc3339)")
            case .held:
                lines.append(
                    "                            held since \(instance.heldSince?.rfc3339 ?? "now"): judged again at \(instance.due.rfc3339)"
                )
            case .queued: lines.append("                            stands in line for its product")
            }
        }
        if decisions.isEmpty, running.isEmpty {
            lines.append(
                "nothing of \(rule == nil ? "any rule" : "this rule") has started for this customer, as far as it is kept")
        }
        guard let ruleIndex else { return lines.joined(separator: "\n") }
        if decisions.isEmpty, running.isEmpty {
            for start in inspection.starts(of: ruleIndex) {
                lines.append("it starts on \(start.event)" + (start.last.map { ", which last happened at \($0.rfc3339)" } ?? ""))
            }
        }
        let conditions = inspection.conditions(of: ruleIndex)
        if !conditions.isEmpty {
            lines += ["", terminal.styled("Conditions, against the profile as it is now (\(inspection.now.rfc3339))", .heading)]
        }
        for condition in conditions {
            lines.append(
                "\(condition.place): "
                    + terminal.styled(condition.holds ? "holds" : "does not hold", condition.holds ? .good : .notable))
            for part in condition.parts {
                lines.append(String(repeating: "  ", count: part.depth + 1) + DisplayText.safe("\(part.text)  =  \(part.value)"))
            }
        }
        return lines.joined(separator: "\n")
    }

    var json: CanonicalJSON {
        .object([
            ("customer", .string(customer)), ("rule", rule.map { .string($0) } ?? .null),
            ("decisions", DecisionTable.make(decisions).json),
            (
                "running",
                .array(
                    running.map {
                        .object([
                            ("rule", .string(name($0))), ("key", .string($0.key)), ("started_at", .string($0.startedAt.rfc3339)),
                            ("due", .string($0.due.rfc3339)), ("because", .array($0.because.map { .string($0) })),
                        ])
                    })
            ),
            ("judged_at", .string(inspection.now.rfc3339)),
            (
                "conditions",
                .array(
                    (ruleIndex.map { inspection.conditions(of: $0) } ?? []).map { condition in
                        .object([
                            ("place", .string(condition.place)), ("holds", .bool(condition.holds)),
                            (
                                "parts",
                                .array(
                                    condition.parts.map {
                                        .object([
                                            ("text", .string($0.text)), ("value", .string($0.value)),
                                            ("depth", .number(Double($0.depth))),
                                        ])
                                    })
                            ),
                        ])
                    })
            ),
        ])
    }
}
