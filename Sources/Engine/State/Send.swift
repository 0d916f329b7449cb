/// A message to this customer that was published or held out, remembered for as long as a cap, a late cancel or a conversion may ask for it.
package struct Send: Sendable, Equatable {
    /// By name, and with the tags it had: it counts for caps whatever becomes of the rule.
    package var rule: String
    package var key: String
    package var channel: String?
    package var variant: String?
    package var tags: [String]
    /// Of the message.
    package var id: String
    /// 0 if it was held out.
    package var sequence: Int64
    /// Who it was decided for: a visitor may have become a user since.
    package var customer: Int64
    /// The last start of its instance.
    package var startedAt: Instant
    package var at: Instant
    package var isUncounted: Bool
    package var isWithdrawn = false
    package var isConverted = false
    /// Of the product's variant in the key, in bytes; negative without a product.
    var variantLength: Int32 = -1

    package var isHoldout: Bool { sequence == 0 }
    /// The product that the message was about, whose text is the key.
    var product: ProductKey? { variantLength < 0 ? nil : ProductKey(text: key, variantLength: Int(variantLength)) }

    /// Whether an event of this time shows that the message should not have been sent: its last start is no later, and it was decided no earlier.
    func isRefuted(at time: Instant) -> Bool { !isWithdrawn && !isHoldout && startedAt <= time && time <= at }
}

extension Profile {
    /// Remembers a send, in order of time, and forgets those nobody can ask for any more.
    mutating func add(_ send: Send, now: Instant, keeps: Milliseconds) {
        if let first = sends.first, first.at <= now - keeps { sends.removeAll { $0.at <= now - keeps } }
        sends.append(send)
    }
}
