import Engine
import Storage

/// For programs.
extension Explanation {
    var json: CanonicalJSON {
        .object([
            ("customer", .string(customer)), ("asked", alias.map { .string($0) } ?? .null),
            ("erased_until", erasedUntil.map { .string($0.rfc3339) } ?? .null), ("rule", rule.map { .string($0) } ?? .null),
            ("pauses", .array(pauses.map(\.json))),
            ("decisions", decisionList), ("running", .array(running.map(Self.json))),
            ("judged_at", .string(inspection.now.rfc3339)), ("product", productObject),
            ("conditions", .array(conditions.map(Self.json))),
            ("gates", .array(gates.map(Self.json))),
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

    private static func json(_ condition: Inspection.Judged) -> CanonicalJSON {
        .object([
            ("place", .string(condition.place)), ("holds", .bool(condition.holds)),
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
