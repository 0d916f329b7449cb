import CEL

/// What a reference of a condition reads, resolved once when the rule set is compiled.
package enum Referent: Hashable, Sendable {
    case eventName, eventID, eventTime, eventProperties
    case profileID, profileAnonymous, firstSeen, lastSeen, locale, timezone, traits, segments
    /// Series (into `RuleSet.series`) and window; nil is the lifetime.
    case count(Int, Milliseconds?)
    case sum(Int, Milliseconds?)
    case minimum(Int, Milliseconds?)
    case maximum(Int, Milliseconds?)
    case average(Int, Milliseconds?)
    case distinct(Int, Milliseconds?)
    case top(Int, Milliseconds?)
    case ordered(Int, Milliseconds?)
    /// Into `RuleSet.marks`.
    case ever(Int)
    case first(Int)
    case last(Int)
    case since(Int)
    case member(Int)
    case cart(String)
    case product(String)
    case subscription(String)
    case interest(String)
    case now
    case distance, days, money
    /// A variable as a whole, or anything else that has no value of its own.
    case nothing(String)
}

/// `profile.count(EVENT, WINDOW) <sign> NUMBER`, as most conditions of segments are: judged after nearly every event, and so without making
/// values of it.
struct CountThreshold: Sendable {
    let series: Int
    let window: Milliseconds?
    private let sign: BinaryOperator
    private let bound: Int64

    init?(_ comparison: Program.Comparison, of referent: Referent) {
        guard case .count(let series, let window) = referent, case .int(let bound) = comparison.constant else { return nil }
        switch comparison.sign {
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: break
        default: return nil
        }
        self.series = series
        self.window = window
        sign = comparison.sign
        self.bound = Int64(bound)
    }

    func holds(_ count: Int64) -> Bool {
        switch sign {
        case .equal: count == bound
        case .notEqual: count != bound
        case .less: count < bound
        case .lessOrEqual: count <= bound
        case .greater: count > bound
        default: count >= bound
        }
    }
}

/// A compiled CEL expression with its references resolved against the rule set.
package final class Condition: Sendable {
    package let program: Program
    /// For each of `program.references`: what it reads, the keys below that, and the constant arguments of a call.
    let references: [(referent: Referent, keys: [Key], arguments: [Value])]
    /// For each of `program.calls`.
    let calls: [Referent]
    /// The expression as written, and where.
    package let text: Located<String>
    /// Of a trigger's condition: its number among those of the rule set that differ. Triggers with the same text share one condition, which is
    /// judged once for each event.
    let number: Int?
    /// What it is, if it is a count compared with a whole number.
    let threshold: CountThreshold?

    init(
        program: Program, references: [(referent: Referent, keys: [Key], arguments: [Value])], calls: [Referent],
        text: Located<String>,
        number: Int? = nil
    ) {
        self.number = number
        threshold = program.comparison.flatMap { CountThreshold($0, of: references[$0.reference].referent) }
        self.program = program
        self.references = references
        self.calls = calls
        self.text = text
    }

    /// What it refers to, without duplicates, in order of appearance.
    package var referents: [Referent] {
        var result: [Referent] = []
        for referent in references.map(\.referent) + calls where !result.contains(referent) { result.append(referent) }
        return result
    }

    package var readsProduct: Bool { referents.contains { if case .product = $0 { true } else { false } } }
    package var readsInterest: Bool { referents.contains { if case .interest = $0 { true } else { false } } }
    /// Whether its answer may differ between the customers of one product's line.
    package var readsCustomer: Bool {
        readsProfile
            || referents.contains {
                switch $0 {
                case .eventName, .eventID, .eventTime, .eventProperties: true
                default: false
                }
            }
    }
    /// Reads what only a customer has.
    package var readsProfile: Bool {
        referents.contains {
            switch $0 {
            case .eventName, .eventID, .eventTime, .eventProperties, .product, .now, .distance, .days, .money: false
            default: true
            }
        }
    }
}
