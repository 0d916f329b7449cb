/// A product as an event names it: in its properties, or as an element of `products`. Names and addresses are read when they are asked for, which
/// only carts do.
package struct ProductMention: Sendable {
    package let product: ProductKey
    /// Nil if the event does not say.
    package let quantity: Decimal?
    package let price: Decimal?
    package let currency: String?
    private let view: JSONView
    private let places: Places

    /// Reads the product fields of an object; nil if it names no product. `sku` stands in for a missing `product_id`.
    package init?(_ view: JSONView, currency fallback: String? = nil) {
        // One pass over the members instead of a look-up for each field.
        var places = Places()
        view.forEachMember { key, value in
            switch Field(key) {
            case .productID: places.id = value
            case .sku: places.sku = value
            case .variant: places.variant = value
            case .quantity: places.quantity = value
            case .price: places.price = value
            case .currency: places.currency = value
            case .name: places.name = value
            case .url: places.url = value
            case .imageURL: places.imageURL = value
            case nil: break
            }
        }
        self.view = view
        self.places = places
        guard let id = view.text(at: places.id) ?? view.text(at: places.sku) else { return nil }
        product = ProductKey(id: id, variant: view.text(at: places.variant) ?? "")
        quantity = view.decimal(at: places.quantity)
        price = view.decimal(at: places.price)
        currency = view.text(at: places.currency) ?? fallback
    }

    package var name: String? { view.text(at: places.name) }
    package var url: String? { view.text(at: places.url) }
    package var imageURL: String? { view.text(at: places.imageURL) }

    /// Whether a text is the name that the event gives.
    func names(_ text: String?) -> Bool { view.isText(text, at: places.name) }

    /// Where an object's product fields are; 0 is none. The last of a repeated key counts.
    private struct Places: Sendable {
        var id = 0, sku = 0, variant = 0, quantity = 0, price = 0, currency = 0, name = 0, url = 0, imageURL = 0
    }

    private enum Field {
        case productID, sku, variant, quantity, price, currency, name, url, imageURL

        init?(_ key: UnsafeRawBufferPointer) {
            func matches(_ text: StaticString) -> Bool {
                text.withUTF8Buffer { areEqual(key, UnsafeRawBufferPointer($0)) }
            }
            switch key.count {
            case 3:
                if matches("url") { self = .url } else if matches("sku") { self = .sku } else { return nil }
            case 4: if matches("name") { self = .name } else { return nil }
            case 5: if matches("price") { self = .price } else { return nil }
            case 7: if matches("variant") { self = .variant } else { return nil }
            case 8:
                if matches("quantity") { self = .quantity } else if matches("currency") { self = .currency } else { return nil }
            case 9: if matches("image_url") { self = .imageURL } else { return nil }
            case 10: if matches("product_id") { self = .productID } else { return nil }
            default: return nil
            }
        }
    }

    /// The elements of `products` that name a product, or nil if there is no such array.
    package static func list(_ properties: JSONView) -> [ProductMention]? {
        guard let products = properties["products"], products.tag == .array else { return nil }
        let currency = properties["currency"]?.identifier
        return products.elements.compactMap { ProductMention($0, currency: currency) }
    }
}

extension JSONView {
    /// The text or number of the value at an offset, 0 for none; nil if it is empty.
    fileprivate func text(at place: Int) -> String? {
        guard place > 0, let text = JSONView(bytes: bytes, offset: place).identifier, !text.isEmpty else { return nil }
        return text
    }

    fileprivate func decimal(at place: Int) -> Decimal? { place > 0 ? JSONView(bytes: bytes, offset: place).decimal : nil }

    fileprivate func isText(_ text: String?, at place: Int) -> Bool {
        guard place > 0, let text, let own = JSONView(bytes: bytes, offset: place).stringBytes else { return false }
        return own.withUnsafeBytes { text.same(as: $0) }
    }
}
