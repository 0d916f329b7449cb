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

    package func hash(_ key: CustomerKey) -> String { hash(key.text) }

    /// - Parameter customer: as messages write it.
    package func hash(_ customer: String) -> String {
        hmac.of(Array(customer.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    package mutating func add(_ hash: String, until time: Instant) {
        until[hash] = max(until[hash] ?? time, time)
        newest = max(newest, time)
    }

    /// Until when events under this hash are dropped; nil: none is.
    package func end(of hash: String) -> Instant? { until[hash] }

    func drops(isAnonymous: Bool, _ id: ArraySlice<UInt8>, at time: Instant) -> Bool {
        drops(CustomerKey(isAnonymous: isAnonymous, id: Array(id)), at: time)
    }

    package func drops(_ key: CustomerKey, at time: Instant) -> Bool { until[hash(key)].map { time <= $0 } ?? false }

    /// Whether bytes that may be no JSON hold an id of whoever is dropped at `time`, as a string or a word of its own.
    package func drops(holding bytes: [UInt8], at time: Instant) -> Bool {
        guard time <= newest else { return false }
        return Self.words(of: bytes).union(Self.words(of: JSONText.unescaped(bytes))).contains { word in
            drops(isAnonymous: false, word, at: time) || drops(isAnonymous: true, word, at: time)
        }
    }

    /// What stands between quotation marks, and what stands between the marks and white space of JSON.
    private static func words(of bytes: [UInt8]) -> Set<ArraySlice<UInt8>> {
        let quote = UInt8(ascii: "\"")
        let marks = Array("\",:{}[]".utf8)
        return Set(bytes.split(separator: quote) + bytes.split { $0 <= 0x20 || marks.contains($0) })
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
