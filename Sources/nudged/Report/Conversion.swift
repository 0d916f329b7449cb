import Engine
import Glibc
import Storage

/// What a rule's messages led to, beside what happened to those who were deliberately not sent one.
struct Conversion {
    /// Messages or holdouts, and how many of them were followed by the rule's conversion in time.
    struct Side {
        var sent = 0
        var converted = 0
        /// By currency, exact.
        var revenue: [(currency: String, amount: Decimal)] = []

        var share: Double? { sent > 0 ? Double(converted) / Double(sent) : nil }

        /// The share's 95 % confidence interval: Wilson's score interval, which also holds for few messages and shares near 0 and 1.
        var interval: (low: Double, high: Double)? {
            guard let share else { return nil }
            let (n, z) = (Double(sent), 1.959964)
            let centre = share + z * z / (2 * n)
            let spread = z * ((share * (1 - share) + z * z / (4 * n)) / n).squareRoot()
            let scale = 1 + z * z / n
            return (max(0, (centre - spread) / scale), min(1, (centre + spread) / scale))
        }
    }

    let rule: String
    /// Empty without variants.
    let variant: String
    var published = Side()
    var holdout = Side()

    var name: String { variant.isEmpty ? rule : "\(rule) \(variant)" }

    /// How much larger the published share is, with its 95 % confidence interval: Newcombe's hybrid score interval for the difference of two
    /// shares (method 10 of his 1998 paper). Nil without both sides.
    var lift: (value: Double, low: Double, high: Double)? {
        guard let with = published.share, let without = holdout.share, let a = published.interval, let b = holdout.interval else {
            return nil
        }
        func square(_ value: Double) -> Double { value * value }
        let low = (square(with - a.low) + square(b.high - without)).squareRoot()
        let high = (square(a.high - with) + square(without - b.low)).squareRoot()
        return (with - without, with - without - low, with - without + high)
    }

    /// In words; a difference counts when its interval leaves zero out.
    var judgement: String {
        guard let lift else { return holdout.sent == 0 ? "no holdout to compare with" : "nothing sent yet" }
        if lift.low > 0 { return "it works" }
        if lift.high < 0 { return "it harms" }
        return "not known yet"
    }

    static func list(_ rows: [OutcomeRow]) -> [Conversion] {
        var result: [Conversion] = []
        for row in rows {
            if result.last?.rule != row.rule || result.last?.variant != row.variant {
                result.append(Conversion(rule: row.rule, variant: row.variant))
            }
            let side = row.side == Verdict.holdout.rawValue ? \Conversion.holdout : \Conversion.published
            let place = result.count - 1
            result[place][keyPath: side].sent += row.sent
            result[place][keyPath: side].converted += row.converted
            if row.revenue != .zero { result[place][keyPath: side].revenue.append((row.currency, row.revenue)) }
        }
        return result
    }
}
