import Configuration
import Engine
import Ingest
import Pipeline
import Storage

/// The timeline of a customer, and one rule's conditions, gates and product.
struct Explanation {
    struct Running {
        let instance: Instance
        let rule: String
        /// What keeps it, or would, in the order of judgement; empty for what stands in line.
        let gates: [GateStep]
        let place: Inspection.Place?
    }

    let customer: String
    /// The id that was asked for, if the customer became known by another.
    let alias: String?
    let erasedUntil: Instant?
    let rule: String?
    let ruleIndex: Int?
    let decisions: [DecisionRow]
    /// Of those that came to be, by the decision's id.
    let places: [String: MessagePlace]
    let running: [Running]
    let pauses: [Pause]
    let inspection: Inspection
    let product: (key: ProductKey, inspection: ProductInspection?)?
    let gates: [GateStep]
    let conditions: [Inspection.Judged]
    let starts: [Inspection.Start]
    let audience: [Inspection.Standing]

    init(_ live: LiveState, _ record: CustomerRecord, asked: String, rule: String?, limit: Int) throws {
        let store = live.store
        let rules = live.loaded.rules
        customer = record.text
        alias = asked == record.text ? nil : asked
        erasedUntil = try Stranger.erasedUntil(CustomerKey(isAnonymous: record.isAnonymous, id: record.id), live)
        self.rule = rule
        let inspection = try live.inspection(record)
        self.inspection = inspection
        let index = rule.flatMap { rules.rule(named: $0) }
        ruleIndex = index
        var query = DecisionQuery()
        query.customers = [record.number]
        query.rule = rule
        query.limit = limit
        // As it went: what started first stands first, however long it took.
        decisions = try store.decisions(query).sorted { ($0.startedAt, $0.number) < ($1.startedAt, $1.number) }
        places = Dictionary(
            try store.messages(customers: [record.number], rule: rule, limit: limit).filter { $0.retracts == nil }.map {
                ($0.id, MessagePlace($0, in: live.outboxPath($0.outbox)))
            },
            uniquingKeysWith: { first, _ in first })
        pauses = try store.pauses().filter { $0.rule == nil || rule == nil || $0.rule == rule }
        func inspected(_ key: ProductKey) throws -> ProductInspection? {
            try store.product(key).map { ProductInspection($0, rules: rules) }
        }
        running = try inspection.profile.instances.filter { index == nil || $0.rule == index }.map { instance in
            let product = try instance.product.flatMap { try inspected($0) }
            return Running(
                instance: instance, rule: rules.rules[instance.rule].name,
                gates: instance.phase == .held ? inspection.gates(of: instance.rule, instance, sha256: Digest.sha256) : [],
                place: product.flatMap { inspection.place(of: instance, at: $0) })
        }
        guard let index else {
            (product, gates, conditions, starts, audience) = (nil, [], [], [], [])
            return
        }
        let key = inspection.product(of: index)
        product = try key.map { ($0, try inspected($0)) }
        gates = inspection.gates(of: index, running.first?.instance, sha256: Digest.sha256)
        starts = inspection.starts(of: index)
        audience = inspection.audience(of: index)
        conditions = inspection.conditions(of: index, product: product?.inspection)
    }

    /// Ids of the events that started what a decision ended.
    static func because(_ row: DecisionRow) -> [String] { CanonicalJSON(stored: row.because).elements.compactMap(\.string) }

    /// What a verdict means, for somebody who has to tell a customer.
    static func meaning(_ verdict: String) -> String {
        switch verdict {
        case "published": "it was decided to send the message"
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
        case "withdrawn": "taken back by a late event"
        case "rule_removed": "the rule is not configured any more"
        default: verdict
        }
    }

    /// The words that go with the cause of a verdict.
    static func cause(_ row: DecisionRow) -> String {
        guard !row.cause.isEmpty else { return "" }
        switch row.verdict {
        case "cancelled", "withdrawn": return " (by event \(row.cause))"
        case "condition_false": return " (it saw \(row.cause))"
        case "expired" where !row.cause.hasPrefix("decided"): return " (held by \(row.cause))"
        default: return " (\(row.cause))"
        }
    }

    /// Where the message of a decision is now; nil without one.
    func whereabouts(_ row: DecisionRow) -> String? { places[row.id]?.text(pauses) }
}
