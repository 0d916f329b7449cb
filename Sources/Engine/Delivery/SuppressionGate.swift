/// Nothing goes to whom nothing may reach: bounced, marked as spam, or unsubscribed from everything.
struct SuppressionGate: Gate {
    let name = "suppression"

    func judge(_ candidate: inout Candidate) -> GateAnswer {
        guard let (reason, at) = candidate.profile.consent.suppression else {
            candidate.saw("not suppressed")
            return .allow
        }
        candidate.saw("\(reason.rawValue) at \(at.rfc3339)")
        return .drop(.suppressed, cause: "\(reason.rawValue) at \(at.rfc3339)")
    }
}
