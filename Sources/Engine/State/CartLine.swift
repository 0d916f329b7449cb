/// One product in a cart.
package struct CartLine: Sendable, Equatable {
    package var product: ProductKey
    package var quantity: Decimal
    /// Event time of the newest change of the quantity.
    package var changedAt: Instant
    package var price: Decimal?
    package var currency: String?
    package var name: String?
    package var url: String?
    package var imageURL: String?
    /// Event time of the newest of price, currency, name and URLs.
    package var describedAt: Instant
    /// Since when it lies in the cart, and its price then: the `cart` interest.
    package var since: Instant
    package var priceThen: Decimal?
}

extension CartLine {
    init(_ mention: ProductMention, quantity: Decimal, at time: Instant) {
        product = mention.product
        self.quantity = quantity
        price = mention.price
        currency = mention.currency
        name = mention.name
        url = mention.url
        imageURL = mention.imageURL
        describedAt = time
        changedAt = time
        since = time
        priceThen = mention.price
    }

    /// The newest fields stay; a late event only fills what is missing.
    mutating func describe(by mention: ProductMention, at time: Instant) {
        if time >= describedAt {
            price = mention.price ?? price
            currency = mention.currency ?? currency
            // Mostly it is the one that is there already.
            if !mention.names(name) { name = mention.name ?? name }
            url = mention.url ?? url
            imageURL = mention.imageURL ?? imageURL
            describedAt = time
        } else {
            price = price ?? mention.price
            currency = currency ?? mention.currency
            name = name ?? mention.name
            url = url ?? mention.url
            imageURL = imageURL ?? mention.imageURL
            if time < since {
                since = time
                priceThen = mention.price ?? priceThen
            }
        }
    }

    mutating func fillGaps(from other: CartLine) {
        price = price ?? other.price
        currency = currency ?? other.currency
        name = name ?? other.name
        url = url ?? other.url
        imageURL = imageURL ?? other.imageURL
    }
}
