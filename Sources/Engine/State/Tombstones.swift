/// What is known of erased customers: a keyed hash of each id, and until when their events are dropped.
///
/// The hash is HMAC-SHA-256 under the secret of the configuration, over the id as messages write it (`anonymous:ID` for an
/// anonymous one), in lower-case hexadecimal: without the secret nobody can find out whose it is by trying ids.
package struct Tombstones: Sendable {
    private let hmac: HMAC
    private var until: [String: Instant] = [:]
    /// No event after this is dropped, which spares nearly every live event the hashing.
    package private(set) var newest: Instant = .min

    package init(secret: [UInt8], sha256: @escaping @Sendable ([UInt8]) -> [UInt8]) {
        hmac = HMAC(key: secret, sha256: sha256)
    }

    package func hash(_ key: CustomerKey) -> String {
        hmac.of(Array(key.text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    package mutating func add(_ hash: String, until time: Instant) {
        until[hash] = max(until[hash] ?? time, time)
        newest = max(newest, time)
    }

    func drops(isAnonymous: Bool, _ id: ArraySlice<UInt8>, at time: Instant) -> Bool {
        guard let end = until[hash(CustomerKey(isAnonymous: isAnonymous, id: Array(id)))] else { return false }
        return time <= end
    }
}

/// One erasure: what a commit has to take away beside the customer's record.
package struct Erasure: Sendable {
    /// Nil if nobody was known by the ids.
    package var customer: Int64?
    /// The customer's own id and the anonymous ones linked to it.
    package var keys: [CustomerKey]
    /// Of all the ids.
    package var hashes: [String]
    package var until: Instant
    /// Nil for a profile that was idle for too long: no tombstone.
    package var isForgotten: Bool
}
