/// What a gate says of a message that is about to be sent.
package enum GateAnswer: Sendable, Equatable {
    case allow
    /// Judged again at this time, unless the rule's `expires` comes first.
    case hold(until: Instant)
    case drop(Verdict, cause: String)
}

/// One check between an instance whose condition holds and its message (`delivery.md`). Pure: it sees and answers.
package protocol Gate: Sendable {
    func judge(_ instance: Instance, _ rule: Rule, _ profile: Profile, now: Instant) -> GateAnswer
}

package enum Gates {
    /// In the order of `delivery.md`.
    static let inOrder: [any Gate] = [CooldownGate()]
}

/// After a message of a rule: no other of it for this customer until exactly the cooldown's length has passed.
struct CooldownGate: Gate {
    func judge(_ instance: Instance, _ rule: Rule, _ profile: Profile, now: Instant) -> GateAnswer {
        guard rule.cooldown > 0, let sent = profile.sent.first(where: { $0.rule == instance.rule }) else { return .allow }
        return now < sent.at + rule.cooldown ? .drop(.cooldown, cause: "the last message was at \(sent.at.rfc3339)") : .allow
    }
}
