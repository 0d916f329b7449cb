import Engine

/// Shopify's webhooks (shopify.dev/docs/api/webhooks), of which the log keeps the topic beside the payload:
/// `{"topic": "orders/create", "webhook_id": "…", "triggered_at": "…", "payload": {…}}`, or the payload's fields beside `topic`.
///
/// What becomes of each topic stands in `docs/formats.md`.
struct ShopifyFormat: WebhookFormat {
    func scopes(of line: JSONView) -> [JSONView] {
        let payload = line.object("payload") ?? line
        return [payload, payload.object("customer"), line].compactMap { $0 }
    }

    func events(of line: JSONView) throws(Refusal) -> [WebhookEvent] {
        guard let topic = line.text("topic") ?? line.text("X-Shopify-Topic") else {
            throw Refusal(.missingEvent, "the line has no `topic`: log the header X-Shopify-Topic with each webhook", at: 0)
        }
        let payload = line.object("payload") ?? line
        let own =
            switch topic {
            case "orders/create", "checkouts/create", "carts/create", "customers/create", "refunds/create":
                payload.moment("created_at")
            case "orders/cancelled": payload.moment("cancelled_at")
            case "customers_email_marketing_consent/update":
                payload.moment("email_marketing_consent", "consent_updated_at")
            case "customers_marketing_consent/update": payload.moment("sms_marketing_consent", "consent_updated_at")
            default: payload.moment("updated_at")
            }
        let triggered = line.moment("triggered_at") ?? line.moment("X-Shopify-Triggered-At")
        guard let time = own ?? triggered ?? payload.moment("updated_at") ?? payload.moment("created_at") else {
            throw Refusal(.badTimestamp, "the line says no time: log the header X-Shopify-Triggered-At as `triggered_at`", at: 0)
        }
        var events = translate(topic, payload, line, at: time)
        let id = line.text("webhook_id") ?? line.text("X-Shopify-Webhook-Id") ?? derivedID(topic, payload, time)
        for index in events.indices where events[index].kind == .track { if events[index].id.isEmpty { events[index].id = id } }
        return events
    }

    /// Shopify sends a webhook again until it is acknowledged; without its own id it is known by what it is about and when.
    private func derivedID(_ topic: String, _ payload: JSONView, _ time: Instant) -> String {
        guard let id = payload.text("id") ?? payload.text("inventory_item_id") ?? payload.text("customer_id") else { return "" }
        let place = payload.text("location_id").map { "/" + $0 } ?? ""
        return "\(topic)/\(id)\(place)/\(time)"
    }

    private func translate(_ topic: String, _ payload: JSONView, _ line: JSONView, at time: Instant) -> [WebhookEvent] {
        switch topic {
        case "orders/create": return order(.orderCompleted, payload, at: time)
        case "orders/paid", "orders/updated", "orders/edited", "orders/fulfilled", "orders/partially_fulfilled":
            return order(.orderUpdated, payload, at: time)
        case "orders/cancelled": return order(.orderCancelled, payload, at: time)
        case "refunds/create": return [refund(payload, line, at: time)]
        case "checkouts/create", "checkouts/update":
            // A checkout that is done is an order, and its lines lie in no cart any more.
            if payload.moment("completed_at") != nil { break }
            return [cart(topic == "checkouts/create" ? .checkoutStarted : .cartUpdated, payload, isCheckout: true, at: time)]
        case "carts/create", "carts/update": return [cart(.cartUpdated, payload, isCheckout: false, at: time)]
        case "products/create", "products/update":
            let events = ShopifyProduct.changes(payload, at: time)
            if !events.isEmpty { return events }
        case "inventory_levels/update", "inventory_levels/connect": return [ShopifyProduct.stock(payload, line, at: time)]
        case "customers_email_marketing_consent/update":
            return [consent("email", payload, payload.object("email_marketing_consent"), at: time)]
        case "customers_marketing_consent/update":
            return [consent("sms", payload, payload.object("sms_marketing_consent"), at: time)]
        case "customers/redact":
            var event = WebhookEvent(.customerErasureRequested, at: time)
            event.user = payload.text("customer", "id") ?? ""
            return [event]
        default: break
        }
        var event = WebhookEvent(topic, at: time)
        identify(payload, line, in: &event)
        if topic == "customers/create" || topic == "customers/update" {
            event.kind = .track
            event.user = payload.text("id") ?? ""
            event.traits = traits(payload)
            event.locale = payload.text("locale") ?? ""
        }
        event.properties.add(membersOf: payload)
        return [event]
    }

    // MARK: Who

    /// A customer by Shopify's id; a visitor by the token of the cart, which the order has too, so that it links both.
    private func identify(_ payload: JSONView, _ line: JSONView?, in event: inout WebhookEvent) {
        event.user = payload.text("customer", "id") ?? payload.text("customer_id") ?? line?.text("customer_id") ?? ""
        event.anonymous = payload.text("cart_token") ?? payload.text("checkout_token") ?? ""
        event.locale = payload.text("customer_locale") ?? ""
        if let customer = payload.object("customer") {
            event.traits = traits(customer, address: payload.object("shipping_address") ?? payload.object("billing_address"))
        }
    }

    /// A refund names only its order, so that the order's number is an id of whoever ordered.
    private static func orderID(_ id: String) -> String { "order:" + id }

    private func traits(_ customer: JSONView, address: JSONView? = nil) -> ObjectWriter {
        var traits = ObjectWriter()
        traits.add("email", text: customer.text("email"))
        traits.add("first_name", text: customer.text("first_name"))
        traits.add("last_name", text: customer.text("last_name"))
        let address = customer.object("default_address") ?? address
        traits.add("country", text: address?.text("country_code"))
        return traits
    }

    // MARK: Orders and carts

    private func order(_ name: StateEvent, _ payload: JSONView, at time: Instant) -> [WebhookEvent] {
        var event = WebhookEvent(name, at: time)
        identify(payload, nil, in: &event)
        event.properties.add("order_id", text: payload.text("id"))
        event.properties.add("order_number", text: payload.text("name") ?? payload.text("order_number"))
        event.properties.add("cart_id", text: payload.text("cart_token"))
        event.properties.add("checkout_id", text: payload.text("checkout_token"))
        event.properties.add("status", text: payload.text("financial_status"))
        event.properties.add("fulfillment", text: payload.text("fulfillment_status"))
        event.properties.add("reason", text: payload.text("cancel_reason"))
        event.properties.add("total", number: payload["total_price"]?.decimal)
        event.properties.add("revenue", number: payload["subtotal_price"]?.decimal)
        event.properties.add("shipping", number: payload["total_shipping_price_set"]?["shop_money"]?["amount"]?.decimal)
        event.properties.add("currency", text: payload.text("currency"))
        event.properties.add("coupon", text: payload["discount_codes"]?.elements.first?.text("code"))
        event.properties.add("products", list: ShopifyProduct.lines(payload))
        guard let id = payload.text("id") else { return [event] }
        if event.user.isEmpty {
            if event.anonymous.isEmpty { event.anonymous = Self.orderID(id) }
            return [event]
        }
        return name == .orderCompleted ? [.link(Self.orderID(id), to: event.user, at: time), event] : [event]
    }

    private func refund(_ payload: JSONView, _ line: JSONView, at time: Instant) -> WebhookEvent {
        var event = WebhookEvent(.orderRefunded, at: time)
        identify(payload, line, in: &event)
        let order = payload.text("order_id")
        if event.user.isEmpty, let order { event.anonymous = Self.orderID(order) }
        event.properties.add("order_id", text: order)
        event.properties.add("refund_id", text: payload.text("id"))
        event.properties.add("reason", text: payload.text("note"))
        var total = Decimal.zero
        for transaction in payload["transactions"]?.elements ?? [] where transaction.text("kind") == "refund" {
            let failed = transaction.text("status").map { $0 != "success" } ?? false
            if !failed, let amount = transaction["amount"]?.decimal { total = total + amount }
        }
        event.properties.add("total", number: total)
        event.properties.add("currency", text: payload["transactions"]?.elements.first?.text("currency"))
        event.properties.add("products", list: ShopifyProduct.refunded(payload))
        return event
    }

    private func cart(_ name: StateEvent, _ payload: JSONView, isCheckout: Bool, at time: Instant) -> WebhookEvent {
        var event = WebhookEvent(name, at: time)
        identify(payload, nil, in: &event)
        let token = payload.text("token") ?? payload.text("id") ?? ""
        if event.anonymous.isEmpty { event.anonymous = token }
        event.properties.add("cart_id", text: payload.text("cart_token") ?? token)
        if isCheckout {
            event.properties.add("checkout_id", text: token)
            event.properties.add("checkout_url", text: payload.text("abandoned_checkout_url"))
        }
        event.properties.add("currency", text: payload.text("currency") ?? payload.text("presentment_currency"))
        event.properties.add("total", number: payload["total_price"]?.decimal)
        event.properties.add("products", list: ShopifyProduct.lines(payload))
        return event
    }

    private func consent(_ channel: String, _ payload: JSONView, _ consent: JSONView?, at time: Instant) -> WebhookEvent {
        var event = WebhookEvent(.consentChanged, at: time)
        event.user = payload.text("customer_id") ?? payload.text("id") ?? ""
        event.properties.add("channel", text: channel)
        event.properties.add("granted", flag: consent?.text("state") == "subscribed")
        return event
    }
}

/// Products as Shopify has them: what is bought is a variant of a product.
enum ShopifyProduct {
    /// The lines of an order, a checkout or a cart.
    static func lines(_ payload: JSONView) -> [ObjectWriter] {
        (payload["line_items"]?.elements ?? []).map { line($0, quantity: $0["quantity"]) }
    }

    static func refunded(_ refund: JSONView) -> [ObjectWriter] {
        (refund["refund_line_items"]?.elements ?? []).compactMap { item in
            item.object("line_item").map { line($0, quantity: item["quantity"]) }
        }
    }

    private static func line(_ item: JSONView, quantity: JSONView?) -> ObjectWriter {
        var product = ObjectWriter()
        product.add("product_id", text: item.text("product_id"))
        product.add("variant", text: item.text("variant_id"))
        product.add("sku", text: item.text("sku"))
        product.add("quantity", quantity)
        product.add("price", item["price"])
        product.add("name", text: item.text("title") ?? item.text("name"))
        product.add("url", text: item.text("url"))
        product.add("image_url", text: item.text("image", "src") ?? item.text("image_url"))
        return product
    }

    /// Price and stock of every variant. Shopify says them at each change of anything in the product; the state keeps what differs.
    static func changes(_ product: JSONView, at time: Instant) -> [WebhookEvent] {
        guard let id = product.text("id") else { return [] }
        var events: [WebhookEvent] = []
        for variant in product["variants"]?.elements ?? [] {
            for (name, key) in [(StateEvent.productPriceChanged, "price"), (.productStockChanged, "inventory_quantity")] {
                guard let value = variant[key], value.tag != .null else { continue }
                var event = WebhookEvent(name, at: time)
                event.properties.add("product_id", text: id)
                event.properties.add("variant", text: variant.text("id"))
                event.properties.add(name == .productPriceChanged ? "price" : "available", value)
                event.properties.add("name", text: product.text("title"))
                event.properties.add("category", text: product.text("product_type"))
                event.properties.add("image_url", text: product.text("image", "src"))
                // Both are of one product and one webhook; only their ids tell them apart.
                event.id = "products/\(id)/\(variant.text("id") ?? "")/\(key)/\(time)"
                events.append(event)
            }
        }
        return events
    }

    /// Stock at one place. It names an inventory item and no product, unless whoever logs it adds `product_id` and `variant_id`.
    static func stock(_ payload: JSONView, _ line: JSONView, at time: Instant) -> WebhookEvent {
        var event = WebhookEvent(.productStockChanged, at: time)
        let product = payload.text("product_id") ?? line.text("product_id")
        event.properties.add("product_id", text: product ?? payload.text("inventory_item_id"))
        if product != nil { event.properties.add("variant", text: payload.text("variant_id") ?? line.text("variant_id")) }
        event.properties.add("available", payload["available"])
        event.properties.add("location_id", text: payload.text("location_id"))
        return event
    }
}
