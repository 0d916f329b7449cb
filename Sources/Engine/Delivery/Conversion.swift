/// What a rule's messages led to, to be added to its counters: those of the messages published or of those held out, by variant.
package struct Outcome: Sendable, Equatable {
    package var rule: String
    package var variant: String?
    package var isHoldout: Bool
    package var sent = 0
    package var converted = 0
    package var revenue = Decimal.zero
    /// Of the revenue, which is never added up over currencies.
    package var currency: String?
}

extension Engine {
    /// Counts an event as the success of the rule's latest message before it, published or held out, if that is no longer ago than
    /// `within`: the first such event converts it, and the revenue of each is counted.
    mutating func convert(_ slot: Int, _ event: Event, _ properties: JSONView?) {
        for rule in rules.delivery.conversions[Int(event.name.index)] {
            guard let within = rules.rules[rule].delivery.conversion?.within else { continue }
            var latest: Int?
            for place in profiles[slot].sends.indices {
                let send = profiles[slot].sends[place]
                guard send.rule.same(as: rules.rules[rule].name), send.at < event.time, event.time <= send.at + within else {
                    continue
                }
                if latest.map({ profiles[slot].sends[$0].at <= send.at }) ?? true { latest = place }
            }
            guard let latest else { continue }
            let send = profiles[slot].sends[latest]
            var outcome = Outcome(rule: send.rule, variant: send.variant, isHoldout: send.isHoldout)
            if !send.isConverted {
                touch(slot)
                profiles[slot].sends[latest].isConverted = true
                outcome.converted = 1
            }
            // A field without an amount, such as null, says nothing of the revenue.
            if let revenue = ["revenue", "total", "value"].lazy.compactMap({ properties?[$0]?.decimal }).first {
                outcome.revenue = revenue
                outcome.currency = properties?["currency"]?.string
            }
            output.outcomes.append(outcome)
        }
    }
}
