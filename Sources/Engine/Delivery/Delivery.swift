extension Engine {
    /// Takes an instance whose condition holds through the gates, and publishes, holds or drops it.
    mutating func deliver(_ slot: Int, _ place: Int, _ rule: Rule) {
        let (answer, choice) = pass(slot, place, rule)
        switch answer {
        case .allow: publish(slot, place, choice)
        case .hold(let until):
            let heldSince = choice.instance.firstDue(rule, now: clock.now)
            profiles[slot].instances[place].phase = .held
            profiles[slot].instances[place].heldSince = heldSince
            profiles[slot].instances[place].delays = choice.instance.delays
            profiles[slot].instances[place].due = min(until, heldSince + rule.expires)
            profiles[slot].instances[place].awaitedHour = choice.instance.awaitedHour
        case .drop(.holdout, _): holdOut(slot, place, choice)
        case .drop(let verdict, let cause): end(slot, place, verdict, cause: cause, of: choice)
        }
    }

    /// Asks the gates.
    private mutating func pass(_ slot: Int, _ place: Int, _ rule: Rule) -> (GateAnswer, Choice) {
        let (answer, choice, steps) = asCandidate(slot, place, rule, at: clock.now, isTraced: isTracing) { candidate in
            (candidate.pass(Gates.inOrder), candidate.choice, candidate.steps)
        }
        if isTracing {
            output.passages.append(
                Passage(rule: rule.name, customer: text(of: slot), key: choice.instance.key, at: clock.now, steps: steps))
        }
        return (answer, choice)
    }

    /// Gives an instance as gates see it at a moment.
    func asCandidate<Result>(
        _ slot: Int, _ place: Int, _ rule: Rule, at now: Instant, isTraced: Bool, _ body: (inout Candidate) -> Result
    ) -> Result {
        withUnsafePointer(to: profiles[slot]) { profile in
            var candidate = Candidate(
                profile.pointee.instances[place], rule, profile, rules, now: now, sha256: sha256, isTraced: isTraced)
            return body(&candidate)
        }
    }

    private mutating func publish(_ slot: Int, _ place: Int, _ choice: Choice) {
        clock.sequence += 1
        let message = message(slot, choice, sequence: clock.sequence)
        output.messages.append(message)
        remember(slot, choice, message)
        end(slot, place, .published, cause: choice.instance.delays.text, of: choice, id: message.id)
    }

    /// Both sides of a holdout are alike but for the message itself, which is recorded with the verdict instead of being sent.
    private mutating func holdOut(_ slot: Int, _ place: Int, _ choice: Choice) {
        let message = message(slot, choice, sequence: 0)
        remember(slot, choice, message)
        end(slot, place, .holdout, cause: choice.instance.delays.text, of: choice, id: message.id, message: message.json)
    }

    /// Starts the cooldown, and counts for caps, late cancels and conversions.
    private mutating func remember(_ slot: Int, _ choice: Choice, _ message: Message) {
        let rule = choice.instance.rule
        if choice.rule.cooldown > 0 {
            if let own = profiles[slot].sent.firstIndex(where: { $0.rule == rule }) {
                profiles[slot].sent[own].at = clock.now
            } else {
                profiles[slot].sent.append(Sent(rule: rule, at: clock.now))
            }
        }
        guard choice.rule.delivery.keepsSend > 0 else { return }
        var send = Send(
            rule: choice.rule.name, key: choice.instance.key, channel: choice.channel, variant: choice.variant,
            tags: choice.rule.delivery.tags, id: message.id, sequence: message.sequence, customer: profiles[slot].number,
            startedAt: choice.instance.startedAt, at: clock.now, isUncounted: choice.rule.delivery.uncounted)
        send.variantLength = choice.instance.variantLength
        profiles[slot].add(send, now: clock.now, keeps: rules.delivery.keepsSends)
        if choice.rule.delivery.conversion != nil {
            output.outcomes.append(Outcome(rule: send.rule, variant: send.variant, isHoldout: send.isHoldout, sent: 1))
        }
    }

    // MARK: Changes while held

    /// The customer's zone has changed: what is held is released by the new one.
    mutating func moveHolds(_ slot: Int) {
        guard profiles[slot].instances.contains(where: { $0.phase == .held }) else { return }
        for place in profiles[slot].instances.indices where profiles[slot].instances[place].phase == .held {
            let rule = rules.rules[profiles[slot].instances[place].rule]
            let (until, instance) = asCandidate(slot, place, rule, at: clock.now, isTraced: false) { candidate in
                // Only who still waits for the hour waits for it by the new zone.
                let isWaiting = candidate.instance.awaitedHour.map { $0 > candidate.now } ?? false
                if isWaiting { candidate.instance.awaitedHour = nil }
                let until = candidate.release(Gates.inOrder)
                if isWaiting { candidate.instance.awaitedHour = candidate.instance.awaitedHour ?? candidate.now }
                return (until, candidate.instance)
            }
            if let until {
                profiles[slot].instances[place].due = max(clock.now, min(until, instance.dueAt + rule.expires))
                profiles[slot].instances[place].awaitedHour = instance.awaitedHour
                profiles[slot].instances[place].delays = instance.delays
            } else {
                // Judged in full, in its turn among the timers of this millisecond.
                profiles[slot].instances[place].due = clock.now
            }
        }
        settle(slot)
    }

    /// Counts an event for the hours in which the customer is active.
    mutating func countActivity(_ slot: Int, at time: Instant) {
        guard rules.delivery.keepsActivity else { return }
        let zone = rules.delivery.zone(of: profiles[slot])
        profiles[slot].activity.count(hour: LocalTime(time, in: zone).hour, at: time, now: clock.now)
    }
}
