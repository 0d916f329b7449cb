/// Chooses the first of the rule's channels that the customer allows; the one the customer prefers (trait `preferred_channel`) comes first
/// if it is among them.
struct ChannelGate: Gate {
    let name = "consent"

    func judge(_ candidate: inout Candidate) -> GateAnswer {
        let consent = candidate.profile.consent
        let topic = candidate.rule.delivery.topic
        var channels = candidate.rule.delivery.channels
        if channels.isEmpty {
            // Without channels nothing has to be granted, but what was withdrawn is heeded.
            guard let denial = consent.denial(channel: nil, topic: topic) else {
                candidate.saw("no channels are configured")
                return .allow
            }
            candidate.saw(denial.description)
            return .drop(.noConsent, cause: denial.description)
        }
        if let preferred = candidate.profile.trait("preferred_channel")?.string,
            let place = channels.firstIndex(where: { $0.same(as: preferred) })
        {
            channels.insert(channels.remove(at: place), at: 0)
        }
        var reasons: [String] = []
        for channel in channels {
            let permission = Permission(
                channel: channel, topic: topic, consent, default: candidate.policy.consent[channel] ?? .denied)
            reasons.append("\(channel): \(permission.reason)")
            guard permission.isGranted else { continue }
            candidate.channel = channel
            candidate.saw(reasons.joined(separator: "; "))
            return .allow
        }
        candidate.saw(reasons.joined(separator: "; "))
        return .drop(.noConsent, cause: reasons.joined(separator: "; "))
    }
}

/// Whether a customer lets one channel be used for one topic, and why.
struct Permission {
    let isGranted: Bool
    let reason: String

    init(channel: String, topic: String?, _ consent: Consent, default fallback: DeliveryDefinition.Consent) {
        if let denial = consent.denial(channel: channel, topic: topic) {
            isGranted = false
            reason = denial.description
        } else if let grant = consent.grant(channel: channel, topic: topic) {
            isGranted = true
            reason = grant.description
        } else {
            isGranted = fallback == .granted
            reason = "\(fallback.rawValue) by default"
        }
    }
}
