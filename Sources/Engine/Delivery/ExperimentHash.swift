/// A customer's fixed place in an experiment: the first four bytes, big-endian, of SHA-256 over four lines joined by a newline:
/// salt, kind (`holdout` or `variant`), scope (a rule or an experiment; empty for `delivery.holdout`), customer as in messages.
///
/// It is documented in `docs/delivery.md`, with test vectors and how to compute it elsewhere, and so never changes: the same customer stays on
/// the same side over restarts, replays and machines.
package struct ExperimentHash: Sendable {
    /// 0 to 2^32 - 1, evenly.
    package let number: UInt32

    package init(salt: String, kind: String, scope: String, customer: String, sha256: ([UInt8]) -> [UInt8]) {
        let text = salt + "\n" + kind + "\n" + scope + "\n" + customer
        number = sha256(Array(text.utf8)).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// `number` scaled to 0 ..< `total`, rounded down.
    package func scaled(to total: Int) -> Int {
        let (high, low) = UInt64(number).multipliedFullWidth(by: UInt64(max(0, total)))
        return Int(truncatingIfNeeded: high << 32 | low >> 32)
    }
}

extension Candidate {
    func hash(_ kind: String, scope: String) -> ExperimentHash {
        ExperimentHash(salt: policy.salt, kind: kind, scope: scope, customer: profile.key.text, sha256: sha256)
    }
}
