/// What of a customer's products has ended, and when: a late event that is older brings nothing back (`time.md`, Order).
///
/// A product stands there by a hash of 64 bits, because busy customers have many: two of one customer's are as good as never alike. Each is kept for as
/// long as a late event may refer to it.
package struct Endings: Sendable, Equatable {
    /// What has ended for a product.
    package enum What: Sendable {
        case waitlist, wishlist
        /// All interests but the cart's: it was bought.
        case bought
        /// A line of the cart with this id.
        case line(cart: String)

        fileprivate var hash: UInt64 {
            switch self {
            case .waitlist: 0x9E37_79B9_7F4A_7C15
            case .wishlist: 0x3C6E_F372_FE94_F82A
            case .bought: 0xDAA6_6D2C_7DDF_743F
            case .line(let cart): StableHash.of(cart) &* 0x9E37_79B9_7F4A_7C15
            }
        }
    }

    package struct Entry: Sendable, Equatable {
        package var hash: UInt64
        /// Event time.
        package var at: Instant

        package init(hash: UInt64, at: Instant) {
            self.hash = hash
            self.at = at
        }
    }

    package private(set) var entries: [Entry] = []

    package init(_ entries: [Entry] = []) { self.entries = entries }

    package var isEmpty: Bool { entries.isEmpty }

    private static func hash(_ what: What, _ product: ProductKey) -> UInt64 {
        (StableHash.of(product.id) &* 31 &+ StableHash.of(product.variant)) ^ what.hash
    }

    /// Notes that something ended at `time`.
    ///
    /// - Parameter bound: what ended before is forgotten.
    package mutating func note(_ what: What, _ product: ProductKey, at time: Instant, forgettingBefore bound: Instant) {
        if entries.contains(where: { $0.at < bound }) { entries.removeAll { $0.at < bound } }
        add(Entry(hash: Self.hash(what, product), at: time))
    }

    private mutating func add(_ entry: Entry) {
        if let place = entries.firstIndex(where: { $0.hash == entry.hash }) {
            entries[place].at = max(entries[place].at, entry.at)
        } else {
            entries.appendTightly(entry)
        }
    }

    /// Whether it ended after `time`.
    package func hasEnded(_ what: What, _ product: ProductKey, after time: Instant) -> Bool {
        guard !entries.isEmpty else { return false }
        let hash = Self.hash(what, product)
        return entries.contains { $0.hash == hash && $0.at > time }
    }

    /// Whether an interest has ended after `time`, alone or because the product was bought.
    func hasEnded(_ kind: InterestKind, _ product: ProductKey, after time: Instant) -> Bool {
        hasEnded(.bought, product, after: time) || kind.ending.map { hasEnded($0, product, after: time) } ?? false
    }

    package mutating func merge(_ other: Endings) { for entry in other.entries { add(entry) } }
}

extension InterestKind {
    /// What ends with an interest of this kind alone; nil for views, which only an order ends, and for a cart's, which ends with its line.
    var ending: Endings.What? {
        switch self {
        case .waitlist: .waitlist
        case .wishlist: .wishlist
        case .viewed, .cart: nil
        }
    }
}
