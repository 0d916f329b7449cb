/// After a message of a rule: no other of it for this customer until exactly the cooldown's length has passed.
struct CooldownGate: Gate {
    let name = "cooldown"

    func judge(_ candidate: inout Candidate) -> GateAnswer {
        let cooldown = candidate.rule.cooldown
        guard cooldown > 0 else { return .allow }
        guard let sent = candidate.profile.sent.first(where: { $0.rule == candidate.instance.rule }) else {
            candidate.saw("no message of this rule yet")
            return .allow
        }
        candidate.saw("the last message was at \(sent.at.rfc3339), and the cooldown is \(DurationLiteral.text(cooldown))")
        return candidate.now < sent.at + cooldown ? .drop(.cooldown, cause: "the last message was at \(sent.at.rfc3339)") : .allow
    }
}
