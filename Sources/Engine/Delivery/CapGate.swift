/// Allows no more messages than the caps: each counts those published (or held out) within exactly its length up to now.
struct CapGate: Gate {
    let name = "caps"

    func judge(_ candidate: inout Candidate) -> GateAnswer {
        let rule = candidate.rule.delivery
        if candidate.policy.caps.isEmpty { return .allow }
        if rule.exempt {
            candidate.saw("the rule is exempt")
            return .allow
        }
        var until: Instant?
        var reasons: [String] = []
        for cap in candidate.policy.caps where cap.applies(tags: rule.tags, channel: candidate.channel) {
            let times = candidate.profile.sends.filter { cap.counts($0) && $0.at > candidate.now - cap.per }.map(\.at).sorted()
            let text = "\(times.count) of \(cap.atMost) within \(DurationLiteral.text(cap.per))" + cap.scope
            guard times.count >= cap.atMost else {
                reasons.append(text)
                continue
            }
            // Free as soon as so many have left the window that one more fits; a cap of none never frees.
            let free = cap.atMost == 0 ? Instant.max : times[times.count - cap.atMost] + cap.per
            reasons.append(text + (free == .max ? ", for good" : ", until \(free.rfc3339)"))
            until = max(until ?? free, free)
        }
        candidate.saw(reasons.joined(separator: "; "))
        guard let until else { return .allow }
        return rule.dropsWhenCapped ? .drop(.capped, cause: reasons.joined(separator: "; ")) : .hold(until: until)
    }
}

extension CapDefinition {
    func applies(tags: [String], channel: String?) -> Bool {
        (tag.map { tag in tags.contains { $0.same(as: tag) } } ?? true)
            && (self.channel.map { channel?.same(as: $0) ?? false } ?? true)
    }

    func counts(_ send: Send) -> Bool { !send.isUncounted && applies(tags: send.tags, channel: send.channel) }

    fileprivate var scope: String { (tag.map { " of tag \($0)" } ?? "") + (channel.map { " by \($0)" } ?? "") }
}
