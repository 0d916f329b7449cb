import Engine

/// RevenueCat's webhooks (revenuecat.com/docs/integrations/webhooks/event-types-and-fields): `{"event": {"type": "RENEWAL", …},
/// "api_version": "1.0"}`, or that inner object alone.
///
/// What becomes of each type stands in `docs/formats.md`.
struct RevenueCatFormat: WebhookFormat {
    func scopes(of line: JSONView) -> [JSONView] {
        let event = line.object("event") ?? line
        return [event, event.object("subscriber_attributes")].compactMap { $0 }
    }

    func events(of line: JSONView) throws(Refusal) -> [WebhookEvent] {
        let object = line.object("event") ?? line
        guard let type = object.text("type") else {
            throw Refusal(.missingEvent, "the line has no `event.type`, so it is no RevenueCat webhook", at: 0)
        }
        guard let time = object["event_timestamp_ms"]?.number.flatMap({ Instant(exactly: $0.rounded(.down)) }),
            Instant.years.contains(time)
        else { throw Refusal(.badTimestamp, "`event_timestamp_ms` is no number of milliseconds since 1970", at: 0) }
        let people = People(of: object)
        var events = translate(type, object, at: time)
        let id = object.text("id") ?? ""
        for index in events.indices {
            events[index].user = people.user
            events[index].anonymous = people.anonymous.first ?? ""
            // An event that the line implies besides its own has an id of its own, or it would be taken for a repetition.
            if events[index].id.isEmpty, !id.isEmpty { events[index].id = index == 0 ? id : "\(id)/\(index)" }
        }
        events[0].traits = traits(object)
        return people.anonymous.dropFirst().filter { _ in !people.user.isEmpty }.map { .link($0, to: people.user, at: time) }
            + events
    }

    // MARK: Who

    /// The ids of one customer: RevenueCat names it by any of them, and lists the others as aliases.
    private struct People {
        /// The id the app gave, or empty.
        var user = ""
        /// Those that RevenueCat made up, of which a line links at most eight.
        var anonymous: [String] = []

        init(of object: JSONView) {
            func ids(_ key: String) -> [String] { object[key]?.elements.compactMap(\.identifier).filter { !$0.isEmpty } ?? [] }
            var all = [object.text("app_user_id"), object.text("original_app_user_id")].compactMap { $0 } + ids("aliases")
            // A transfer gives one customer's purchases to another. Where the one was anonymous, it was the other all along.
            if object["transferred_to"] != nil { all += ids("transferred_to") + ids("transferred_from").filter(Self.isAnonymous) }
            user = all.first { !Self.isAnonymous($0) } ?? ""
            for id in all where Self.isAnonymous(id) && !anonymous.contains(id) && anonymous.count < 8 { anonymous.append(id) }
        }

        private static func isAnonymous(_ id: String) -> Bool { id.utf8.starts(with: "$RCAnonymousID:".utf8) }
    }

    /// What the app has noted of its customer, and the country that the store knows.
    private func traits(_ object: JSONView) -> ObjectWriter {
        var traits = ObjectWriter()
        traits.add("country", text: object.text("country_code"))
        for (name, attribute) in object.object("subscriber_attributes")?.entries ?? [] {
            let value = attribute["value"]
            switch name {
            case "$email": traits.add("email", value)
            case "$displayName": traits.add("name", value)
            // Its other reserved attributes are ids of devices and campaigns.
            default: if !name.utf8.starts(with: "$".utf8) { traits.add(name, value) }
            }
        }
        return traits
    }

    // MARK: What

    private func translate(_ type: String, _ object: JSONView, at time: Instant) -> [WebhookEvent] {
        func event(_ event: StateEvent) -> WebhookEvent {
            var event = WebhookEvent(event, at: time)
            describe(object, in: &event)
            return event
        }
        let price = object["price"]?.decimal
        switch type {
        case "INITIAL_PURCHASE":
            return [event(.subscriptionStarted)] + (price?.isPositive == true ? [event(.paymentSucceeded)] : [])
        case "RENEWAL":
            // Where Stripe bills, a period begins before it is paid; its renewal says so by costing nothing.
            let isStripe = object.text("store") == "STRIPE" || object.text("store") == "RC_BILLING"
            if isStripe, price == .zero { break }
            return [event(.paymentSucceeded)]
        case "BILLING_ISSUE": return [issue(event(.paymentFailed), object)]
        case "CANCELLATION":
            if object.text("cancel_reason") == "BILLING_ERROR" { return [issue(event(.paymentFailed), object)] }
            let isRefund = price.map { $0 < .zero } ?? false
            // Of what was bought once, only the money comes back: it has no end that could be brought forward.
            let isSubscription = !isRefund || object.moment("expiration_at_ms") != nil
            return (isSubscription ? [event(.subscriptionCancelled)] : []) + (isRefund ? [event(.orderRefunded)] : [])
        case "UNCANCELLATION":
            var resumed = event(.subscriptionStarted)
            resumed.properties.add("resumed", flag: true)
            return [resumed]
        case "EXPIRATION": return [event(.subscriptionExpired)]
        default: break
        }
        var other = WebhookEvent(type, at: time)
        other.properties.add("subscription_id", text: Self.subscription(of: object))
        other.properties.add(membersOf: object)
        return [other]
    }

    /// A billing issue is said twice, as `BILLING_ISSUE` and as `CANCELLATION` for `BILLING_ERROR`, in either order. Both get the id
    /// of the period that could not be renewed, and so count once.
    private func issue(_ event: WebhookEvent, _ object: JSONView) -> WebhookEvent {
        var event = event
        if let period = object.text("transaction_id") ?? object.text("purchased_at_ms"), let id = Self.subscription(of: object) {
            event.id = "\(id)/\(period)/billing_issue"
        }
        event.properties.add("attempt", number: Decimal(1))
        event.properties.add("grace_ends", time: object.moment("grace_period_expiration_at_ms"))
        return event
    }

    private func describe(_ object: JSONView, in event: inout WebhookEvent) {
        event.properties.add("subscription_id", text: Self.subscription(of: object))
        event.properties.add("product_id", text: object.text("product_id"))
        event.properties.add("store", text: object.text("store"))
        event.properties.add("environment", text: object.text("environment"))
        event.properties.add("trial", flag: object.text("period_type") == "TRIAL")
        event.properties.add("reason", text: object.text("cancel_reason") ?? object.text("expiration_reason"))
        event.properties.add("period_ends", time: object.moment("expiration_at_ms"))
        let paid = object["price_in_purchased_currency"]?.decimal
        let amount = paid ?? object["price"]?.decimal
        switch event.name {
        case StateEvent.orderRefunded.name:
            event.properties.add("total", number: amount.map { max($0, -$0) })
            event.properties.add("order_id", text: object.text("transaction_id"))
        case StateEvent.paymentFailed.name:
            // What it says is 0; the amount that was due it doesn't say.
            break
        default: event.properties.add("amount", number: amount)
        }
        // `price` is in US dollars, whatever was paid in.
        event.properties.add("currency", text: paid == nil ? amount.map { _ in "USD" } : object.text("currency"))
    }

    /// The first transaction's id stays with a subscription through all its renewals.
    private static func subscription(of object: JSONView) -> String? {
        object.text("original_transaction_id") ?? object.text("transaction_id") ?? object.text("product_id")
    }
}
