/// Why a customer may want to hear of a product.
package enum InterestKind: String, Sendable, CaseIterable {
    case waitlist, wishlist, viewed, cart
}

/// A customer's interest in one product. The `cart` kind is read off the cart's lines instead of being kept twice.
package struct Interest: Sendable, Equatable {
    package var kind: InterestKind
    /// How often it was expressed.
    package var count: Int32
    package var product: ProductKey
    /// Event time from which it holds: the place in a line. A repeated request keeps it.
    package var since: Instant
    /// Event time of the newest event that expressed it.
    package var last: Instant
    /// The product's price at `since`.
    package var price: Decimal?
    package var currency: String?

    package init(
        kind: InterestKind, product: ProductKey, since: Instant, last: Instant, count: Int32, price: Decimal?, currency: String?
    ) {
        self.kind = kind
        self.count = count
        self.product = product
        self.since = since
        self.last = last
        self.price = price
        self.currency = currency
    }

    /// Whether it still counts: a place in the waitlist ends some time after the last request.
    package func holds(at now: Instant, _ definitions: Definitions) -> Bool {
        kind != .waitlist || last > now - definitions.waitlistForget
    }

    mutating func add(_ more: Int32) { count = Int32(clamping: Int64(count) + Int64(more)) }
}

/// What is known of one product.
package struct ProductFacts: Sendable, Equatable {
    package var available: Decimal?
    /// Before the last change; unknown counts as 0.
    package var wasAvailable: Decimal?
    package var availableAt: Instant?
    package var price: Decimal?
    package var wasPrice: Decimal?
    package var priceAt: Instant?
    package var currency: String?
    package var name: String?
    package var url: String?
    package var imageURL: String?

    package init() {}

    /// `Product Stock Changed`; a late one changes nothing that is newer.
    package mutating func stock(_ properties: JSONView, at time: Instant) {
        describe(properties, at: time)
        guard let value = properties["available"] else { return }
        // Some watchers log stock as yes or no.
        guard let amount = value.decimal ?? value.bool.map({ Decimal($0 ? 1 : 0) }) else { return }
        if let newest = availableAt, newest > time { return }
        wasAvailable = available ?? .zero
        available = amount
        availableAt = time
    }

    /// `Product Price Changed`.
    package mutating func price(_ properties: JSONView, at time: Instant) {
        describe(properties, at: time)
        guard let amount = properties["price"]?.decimal else { return }
        if let newest = priceAt, newest > time { return }
        wasPrice = price
        price = amount
        priceAt = time
        if let text = properties["currency"]?.identifier, !text.isEmpty { currency = text }
    }

    private mutating func describe(_ properties: JSONView, at time: Instant) {
        if let newest = [availableAt, priceAt].compactMap({ $0 }).max(), newest > time { return }
        if let text = properties["name"]?.identifier, !text.isEmpty { name = text }
        if let text = properties["url"]?.identifier, !text.isEmpty { url = text }
        if let text = properties["image_url"]?.identifier, !text.isEmpty { imageURL = text }
    }
}
