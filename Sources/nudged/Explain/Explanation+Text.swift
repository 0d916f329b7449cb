import Engine
import Storage

/// For people.
extension Explanation {
    private static let indent = String(repeating: " ", count: 28)

    func text(on terminal: Terminal) -> String {
        var lines = [terminal.styled(DisplayText.safe(customer) + (rule.map { ", rule \($0)" } ?? ""), .heading)]
        if let alias { lines.append(DisplayText.safe("\(alias) became \(customer): all of it is told here")) }
        if let erasedUntil { lines.append("was erased: what happened up to \(erasedUntil.rfc3339) is forgotten for ever") }
        for pause in pauses {
            lines.append(
                "paused: \(pause.rule.map { "rule \($0)" } ?? "all messages") since \(pause.since.rfc3339), \(pause.reason)")
        }
        for row in decisions { lines += timeline(row, terminal) }
        for entry in running { lines += timeline(entry, terminal) }
        if decisions.isEmpty, running.isEmpty {
            lines.append(
                "nothing of \(rule == nil ? "any rule" : "this rule") has started for this customer, as far as it is kept")
        }
        guard let ruleIndex else { return lines.joined(separator: "\n") }
        if decisions.isEmpty, running.isEmpty {
            lines += starts.map { DisplayText.safe("it starts \(Self.text($0))") }
            lines += audience.map { DisplayText.safe("its audience is segment \(Self.text($0))") }
        }
        lines += productLines(ruleIndex, terminal) + conditionLines(terminal) + gateLines(terminal)
        return lines.joined(separator: "\n")
    }

    private static func text(_ start: Inspection.Start) -> String {
        switch start {
        case .event(let name, let last): "on \(name)" + (last.map { ", which last happened at \($0.rfc3339)" } ?? "")
        case .enters(let standing): "on entering segment \(text(standing))"
        case .leaves(let standing): "on leaving segment \(text(standing))"
        case .calendar(let appointment): text(appointment)
        }
    }

    private static func text(_ standing: Inspection.Standing) -> String {
        standing.segment
            + (standing.since.map { ", in which the customer has been since \($0.rfc3339)" } ?? ", in which the customer is not")
    }

    private static func text(_ appointment: Inspection.Appointment) -> String {
        let before = appointment.before == 0 ? "on" : "\(DurationLiteral.text(appointment.before)) before"
        let place =
            (appointment.country.map { "country \($0)" } ?? "no country known") + ", "
            + (appointment.timezone.map { "time zone \($0)" } ?? "no time zone known")
        let moment =
            switch appointment.moment {
            case nil: "it has no day for this customer (\(place))"
            case let moment? where appointment.isToCome: "the next for this customer (\(place)) is at \(moment.rfc3339)"
            case let moment?:
                "the last for this customer (\(place)) was at \(moment.rfc3339), and was \(appointment.isTaken ? "" : "not ")taken"
            }
        return "at \(appointment.time), \(before) a day of calendar \(appointment.calendar); \(moment)"
    }

    private func timeline(_ row: DecisionRow, _ terminal: Terminal) -> [String] {
        let key = row.key.isEmpty ? "" : " [\(row.key)]"
        let because = Self.because(row)
        let events = because.isEmpty ? "" : ", because of event \(because.joined(separator: ", "))"
        var lines = [DisplayText.safe("\(row.startedAt.rfc3339)  \(row.rule)\(key) started\(events), due \(row.dueAt.rfc3339)")]
        let how = [row.channel.map { "by \($0)" }, row.variant.map { "variant \($0)" }].compactMap { $0 }.joined(separator: ", ")
        lines.append(
            "\(row.decidedAt.rfc3339)  "
                + terminal.styled(
                    DisplayText.safe(
                        "  \(row.verdict): \(Self.meaning(row.verdict))\(Self.cause(row))" + (how.isEmpty ? "" : ", \(how)")
                            + delay(row)),
                    Terminal.verdictStyle(.text(row.verdict))))
        if let whereabouts = whereabouts(row) { lines.append(Self.indent + DisplayText.safe(whereabouts)) }
        return lines
    }

    /// How long after it was due something was decided. Whether it was held meanwhile, stood in line or was started late is not said by that.
    private func delay(_ row: DecisionRow) -> String {
        guard row.verdict != Verdict.withdrawn.rawValue else {
            return places[row.id].map { "; the message had been decided at \($0.message.decidedAt.rfc3339)" } ?? ""
        }
        return row.decidedAt > row.dueAt ? ", \(DurationLiteral.text(row.decidedAt - row.dueAt)) after it was due" : ""
    }

    private func timeline(_ entry: Running, _ terminal: Terminal) -> [String] {
        let instance = entry.instance
        let key = instance.key.isEmpty ? "" : " [\(instance.key)]"
        let because = instance.because.isEmpty ? "" : ", because of event \(instance.because.joined(separator: ", "))"
        var lines = [DisplayText.safe("\(instance.startedAt.rfc3339)  \(entry.rule)\(key) started\(because)")]
        switch instance.phase {
        case .waiting: lines.append(Self.indent + "still waits: it is judged at \(instance.due.rfc3339)")
        case .held:
            lines.append(
                Self.indent
                    + "held: it was due at \(instance.dueAt.rfc3339), and is judged again at \(instance.due.rfc3339)"
            )
            if let step = entry.gates.last, step.answer != .allow {
                lines.append(Self.indent + DisplayText.safe("by \(step.gate): \(step.saw)"))
            }
        case .queued:
            guard let place = entry.place else {
                lines.append(Self.indent + "stands in line for its product")
                break
            }
            lines.append(
                Self.indent
                    + "stands in line for its product: place \(place.place) of \(place.waiting), behind \(place.taken) taken and "
                    + "\(place.published) published" + (place.limit.map { "; the limit is \($0)" } ?? ""))
            lines.append(
                Self.indent
                    + (place.paceDue.map { "the pace takes the next at \($0.rfc3339)" }
                        ?? "the next is taken when a share is free, or at the next start"))
        }
        return lines
    }

    private func productLines(_ rule: Int, _ terminal: Terminal) -> [String] {
        guard let product else { return [] }
        var lines = ["", terminal.styled(DisplayText.safe("Product \(product.key.text)"), .heading)]
        guard let facts = product.inspection?.facts else { return lines + ["nothing is known of its stock and price"] }
        if let name = facts.name { lines.append(DisplayText.safe("name       \(name)")) }
        lines.append(
            "available  "
                + (facts.available.map { "\($0.text), before that \(facts.wasAvailable?.text ?? "0")" } ?? "not known")
                + (facts.availableAt.map { ", since \($0.rfc3339)" } ?? ""))
        if let price = facts.price {
            lines.append(
                "price      \(price.text) \(facts.currency ?? "")" + (facts.wasPrice.map { ", before that \($0.text)" } ?? "")
                    + (facts.priceAt.map { ", since \($0.rfc3339)" } ?? ""))
        }
        let interests = inspection.interests(of: rule, in: product.key)
        for interest in interests {
            lines.append(
                "interest   \(interest.kind.rawValue) since \(interest.since.rfc3339), last \(interest.last.rfc3339)"
                    + (interest.price.map { ", at a price of \($0.text)" } ?? ""))
        }
        if interests.isEmpty, !inspection.rules.rules[rule].interestKinds.isEmpty {
            lines.append(
                "interest   none of \(inspection.rules.rules[rule].interestKinds.map(\.rawValue).joined(separator: ", ")): not in the audience"
            )
        }
        return lines
    }

    private func conditionLines(_ terminal: Terminal) -> [String] {
        guard !conditions.isEmpty else { return [] }
        var lines = ["", terminal.styled("Conditions, against the profile as it is now (\(inspection.now.rfc3339))", .heading)]
        if let ruleIndex, inspection.rules.rules[ruleIndex].per == .product, product == nil {
            lines.append("There is no product that this customer waits for or looks at now, so what is read of one is missing")
        }
        for condition in conditions {
            lines.append(
                DisplayText.safe("\(condition.place): ")
                    + terminal.styled(Self.text(condition.holds), condition.holds == true ? .good : .notable))
            for part in condition.parts {
                lines.append(String(repeating: "  ", count: part.depth + 1) + DisplayText.safe("\(part.text)  =  \(part.value)"))
            }
        }
        return lines
    }

    private static func text(_ holds: Bool?) -> String {
        switch holds {
        case true?: "holds"
        case false?: "does not hold"
        case nil: "depends on the event"
        }
    }

    private func gateLines(_ terminal: Terminal) -> [String] {
        let telling = gates.filter { !$0.saw.isEmpty || $0.answer != .allow }
        guard !telling.isEmpty else { return [] }
        var lines = ["", terminal.styled("Gates, if it were due now", .heading)]
        for step in telling {
            let (word, style): (String, Terminal.Style) =
                switch step.answer {
                case .allow: ("lets it pass", .good)
                case .hold(let until): ("holds it until \(until.rfc3339)", .notable)
                case .drop(let verdict, _): ("drops it: \(verdict.rawValue)", .notable)
                }
            lines.append(
                "\(step.gate): " + terminal.styled(word, style) + DisplayText.safe(step.saw.isEmpty ? "" : ", \(step.saw)"))
        }
        return lines
    }
}
