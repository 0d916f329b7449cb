/// Keeps a share of the customers from being sent what they would have been, so that it shows what the messages do. Last, so that both
/// sides have passed everything else.
struct HoldoutGate: Gate {
    let name = "holdout"

    func judge(_ candidate: inout Candidate) -> GateAnswer {
        guard let share = candidate.rule.delivery.holdout, share.millionths > 0 else { return .allow }
        let millionths = candidate.hash("holdout", scope: candidate.rule.delivery.holdoutScope).scaled(to: 1_000_000)
        candidate.saw("the customer's place is \(millionths) of a million, and those below \(share.millionths) are held out")
        return millionths < share.millionths ? .drop(.holdout, cause: "") : .allow
    }
}
