import Engine
import Storage

/// For programs.
extension Explanation {
    var json: CanonicalJSON {
        let conditions = conditions.map { Self.json($0) }
        let starts = starts.map { Self.json($0) }
        let audience = audience.map { CanonicalJSON.object(Self.members($0)) }
        return .object([
            ("customer", .string(customer)), ("asked", Self.optional(alias)),
            ("erased_until", Self.optional(erasedUntil?.rfc3339)),
            ("rule", Self.optional(rule)), ("pauses", .array(pauses.map(\.json))), ("decisions", decisionList),
            ("running", .array(running.map { Self.json($0) })), ("starts", .array(starts)), ("audience", .array(audience)),
            ("judged_at", .string(inspection.now.rfc3339)), ("product", productObject), ("conditions", .array(conditions)),
            ("gates", .array(gates.map { Self.json($0) })),
        ])
    }

    private var decisionList: CanonicalJSON {
        .array(
            zip(decisions, DecisionTable.make(decisions).json.elements).map { row, element in
                guard case .object(let members) = element else { return element }
                return .object(
                    members + [
                        ("because", .array(Self.because(row).map { .string($0) })),
                        ("message", places[row.id].map { .string($0.message.state.rawValue) } ?? .null),
                        ("folder", places[row.id]?.folder.map { .string($0) } ?? .null),
                    ])
            })
    }

    private var productObject: CanonicalJSON {
        guard let product else { return .null }
        let facts = product.inspection?.facts
        return .object([
            ("product_id", .string(product.key.id)), ("variant", .string(product.key.variant)),
            ("available", facts?.available.map { .string($0.text) } ?? .null),
            ("was_available", facts?.wasAvailable.map { .string($0.text) } ?? .null),
            ("price", facts?.price.map { .string($0.text) } ?? .null), ("currency", facts?.currency.map { .string($0) } ?? .null),
        ])
    }

    private static func json(_ entry: Running) -> CanonicalJSON {
        let instance = entry.instance
        var members: [(key: String, value: CanonicalJSON)] = [
            ("rule", .string(entry.rule)), ("key", .string(instance.key)), ("started_at", .string(instance.startedAt.rfc3339)),
            ("due", instance.phase == .queued ? .null : .string(instance.due.rfc3339)),
            ("phase", .string(phase(instance))), ("because", .array(instance.because.map { .string($0) })),
            ("held_by", entry.gates.last.map { .string($0.gate) } ?? .null),
        ]
        if let place = entry.place {
            members += [
                ("place", .number(Double(place.place))), ("in_line", .number(Double(place.waiting))),
                ("limit", place.limit.map { .string($0) } ?? .null),
            ]
        }
        return .object(members)
    }

    private static func phase(_ instance: Instance) -> String {
        switch instance.phase {
        case .waiting: "waiting"
        case .held: "held"
        case .queued: "queued"
        }
    }

    private static func json(_ start: Inspection.Start) -> CanonicalJSON {
        let kind: String
        let members: [(key: String, value: CanonicalJSON)]
        switch start {
        case .event(let name, let last):
            (kind, members) = ("event", [("event", .string(name)), ("last", optional(last?.rfc3339))])
        case .enters(let standing): (kind, members) = ("enters", Self.members(standing))
        case .leaves(let standing): (kind, members) = ("leaves", Self.members(standing))
        case .calendar(let appointment): (kind, members) = ("calendar", Self.members(appointment))
        }
        return .object([("on", .string(kind))] + members)
    }

    private static func members(_ standing: Inspection.Standing) -> [(key: String, value: CanonicalJSON)] {
        [("segment", .string(standing.segment)), ("since", optional(standing.since?.rfc3339))]
    }

    private static func members(_ appointment: Inspection.Appointment) -> [(key: String, value: CanonicalJSON)] {
        [
            ("calendar", .string(appointment.calendar)), ("before", .string(DurationLiteral.text(appointment.before))),
            ("at", .string(appointment.time)), ("country", optional(appointment.country)),
            ("timezone", optional(appointment.timezone)), ("moment", optional(appointment.moment?.rfc3339)),
            ("taken", .bool(appointment.isTaken)),
        ]
    }

    private static func optional(_ text: String?) -> CanonicalJSON {
        guard let text else { return .null }
        return .string(text)
    }

    private static func json(_ condition: Inspection.Judged) -> CanonicalJSON {
        .object([
            ("place", .string(condition.place)), ("holds", condition.holds.map { .bool($0) } ?? .null),
            (
                "parts",
                .array(
                    condition.parts.map {
                        .object([("text", .string($0.text)), ("value", .string($0.value)), ("depth", .number(Double($0.depth)))])
                    })
            ),
        ])
    }

    private static func json(_ step: GateStep) -> CanonicalJSON {
        let (answer, until): (String, CanonicalJSON) =
            switch step.answer {
            case .allow: ("allow", .null)
            case .hold(let until): ("hold", .string(until.rfc3339))
            case .drop(let verdict, _): (verdict.rawValue, .null)
            }
        return .object([
            ("gate", .string(step.gate)), ("saw", .string(step.saw)), ("answer", .string(answer)), ("until", until),
        ])
    }
}
