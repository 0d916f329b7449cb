extension Engine {
    /// Takes an instance whose condition holds through the gates, and publishes, holds or drops it.
    mutating func deliver(_ slot: Int, _ place: Int, _ rule: Rule) {
        var candidate = candidate(slot, place, rule)
        let answer = candidate.pass(Gates.inOrder)
        if isTracing {
            output.passages.append(
                Passage(
                    rule: rule.name, customer: text(of: slot), key: candidate.instance.key, at: clock.now, steps: candidate.steps)
            )
        }
        switch answer {
        case .allow: publish(slot, place, candidate)
        case .hold(let until):
            let heldSince = candidate.instance.heldSince ?? candidate.instance.due
            profiles[slot].instances[place].phase = .held
            profiles[slot].instances[place].heldSince = heldSince
            profiles[slot].instances[place].due = min(until, heldSince + rule.expires)
        case .drop(let verdict, let cause): end(slot, place, verdict, cause: cause, of: candidate)
        }
    }

    func candidate(_ slot: Int, _ place: Int, _ rule: Rule) -> Candidate {
        Candidate(
            profiles[slot].instances[place], rule, profiles[slot], rules.delivery, now: clock.now, sha256: sha256,
            isTraced: isTracing)
    }

    private mutating func publish(_ slot: Int, _ place: Int, _ candidate: Candidate) {
        clock.sequence += 1
        output.messages.append(message(slot, candidate))
        startCooldown(slot, candidate)
        end(slot, place, .published, of: candidate)
    }

    private mutating func startCooldown(_ slot: Int, _ candidate: Candidate) {
        guard candidate.rule.cooldown > 0 else { return }
        let rule = candidate.instance.rule
        if let own = profiles[slot].sent.firstIndex(where: { $0.rule == rule }) {
            profiles[slot].sent[own].at = clock.now
        } else {
            profiles[slot].sent.append(Sent(rule: rule, at: clock.now))
        }
    }
}
