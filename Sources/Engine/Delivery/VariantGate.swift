/// Puts the customer on one side of the rule's experiment; it never stops anything.
struct VariantGate: Gate {
    let name = "variants"

    func judge(_ candidate: inout Candidate) -> GateAnswer {
        let variants = candidate.rule.delivery.variants
        guard !variants.isEmpty else { return .allow }
        let hash = candidate.hash("variant", scope: candidate.rule.delivery.experiment)
        let point = hash.scaled(to: variants.reduce(0) { $0 + $1.weight })
        var end = 0
        for variant in variants {
            end += variant.weight
            guard point < end else { continue }
            candidate.variant = variant.name
            candidate.saw("the customer's number \(hash.number) falls to \(variant.name)")
            break
        }
        return .allow
    }
}
