import Engine

/// Stripe's webhook events (docs.stripe.com/api/events): `{"id": "evt_…", "type": "invoice.paid", "created": …, "data": {"object": …}}`.
///
/// What becomes of each type stands in `docs/formats.md`.
struct StripeFormat: WebhookFormat {
    func scopes(of line: JSONView) -> [JSONView] {
        let object = line.object("data", "object")
        // An invoice has its subscription's metadata in a copy of its own (docs.stripe.com/api/invoices/object).
        return [
            object, object?.object("subscription_details"), object?.object("parent", "subscription_details"), line,
        ].compactMap { $0 }
    }

    func events(of line: JSONView) throws(Refusal) -> [WebhookEvent] {
        guard let type = line.text("type") else {
            throw Refusal(.missingEvent, "the line has no `type`, so it is no Stripe event", at: 0)
        }
        guard let time = line.moment("created") else {
            throw Refusal(.badTimestamp, "`created` is no number of seconds since 1970", at: 0)
        }
        guard let object = line.object("data", "object") else {
            throw Refusal(.missingEvent, "the line has no `data.object`, which a Stripe event is about", at: 0)
        }
        var event = translate(type, object, before: line.object("data", "previous_attributes"), at: time)
        if event.id.isEmpty { event.id = line.text("id") ?? "" }
        let isCustomer = object.text("object") == "customer"
        event.user = (isCustomer ? object.text("id") : object.reference("customer") ?? object.text("customer_account")) ?? ""
        if isCustomer {
            event.traits.add("email", text: object.text("email"))
            event.traits.add("name", text: object.text("name"))
            event.traits.add("country", text: object.text("address", "country"))
            event.locale = object["preferred_locales"]?.elements.first?.string ?? ""
        }
        return [event]
    }

    private func translate(_ type: String, _ object: JSONView, before: JSONView?, at time: Instant) -> WebhookEvent {
        switch type {
        case "invoice.payment_failed": return failure(object, at: time)
        case "invoice.paid", "invoice.payment_succeeded":
            // A trial's invoice over nothing is paid too, but nobody has paid.
            if let total = object["total"]?.decimal, !total.isPositive { break }
            return success(object, at: time)
        case "customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted":
            if let event = subscription(type, object, before: before, at: time) { return event }
        case "charge.refunded": return refund(object, before: before, at: time)
        default: break
        }
        var event = WebhookEvent(type, at: time)
        event.properties.add(membersOf: object)
        return event
    }

    // MARK: Invoices

    private func failure(_ invoice: JSONView, at time: Instant) -> WebhookEvent {
        var event = WebhookEvent(.paymentFailed, at: time)
        describe(invoice, in: &event)
        event.properties.add("attempt", invoice["attempt_count"])
        event.properties.add("next_attempt", time: invoice.moment("next_payment_attempt"))
        if let decline = StripeDecline(in: invoice) {
            event.properties.add("decline", text: decline.kind.rawValue)
            event.properties.add("decline_code", text: decline.code)
        }
        let currency = invoice.text("currency") ?? ""
        event.properties.add("amount", number: StripeMoney.amount(invoice, "amount_remaining", "amount_due", currency))
        return event
    }

    /// Stripe says both `invoice.paid` and `invoice.payment_succeeded` of one payment: they have one id, and so count once.
    private func success(_ invoice: JSONView, at time: Instant) -> WebhookEvent {
        var event = WebhookEvent(.paymentSucceeded, at: time)
        if let id = invoice.text("id") { event.id = id + "/paid" }
        describe(invoice, in: &event)
        event.properties.add("amount", number: StripeMoney.amount(invoice["amount_paid"], invoice.text("currency") ?? ""))
        return event
    }

    private func describe(_ invoice: JSONView, in event: inout WebhookEvent) {
        event.properties.add("subscription_id", text: Self.subscription(of: invoice))
        event.properties.add("invoice_id", text: invoice.text("id"))
        event.properties.add("invoice_url", text: invoice.text("hosted_invoice_url"))
        event.properties.add("billing_reason", text: invoice.text("billing_reason"))
        event.properties.add("currency", text: invoice.text("currency")?.uppercased())
    }

    /// The subscription of an invoice: a field of its own before the API's version of 2025-03-31, in `parent` since, and in its
    /// lines in both.
    private static func subscription(of invoice: JSONView) -> String? {
        if let id = invoice.reference("subscription") ?? invoice.reference("parent", "subscription_details", "subscription") {
            return id
        }
        for line in invoice.object("lines")?["data"]?.elements ?? [] {
            if let id = line.reference("subscription") ?? line.reference("parent", "subscription_item_details", "subscription") {
                return id
            }
        }
        return nil
    }

    // MARK: Subscriptions

    /// What a subscription's event means, nil for changes that the state doesn't know.
    ///
    /// Cancelled is who won't go on though it was paid for; expired is what is over because its time is, or for want of payment.
    private func subscription(_ type: String, _ object: JSONView, before: JSONView?, at time: Instant) -> WebhookEvent? {
        let status = object.text("status") ?? ""
        var event: WebhookEvent
        switch type {
        case "customer.subscription.created":
            guard status == "active" || status == "trialing" else { return nil }
            event = WebhookEvent(.subscriptionStarted, at: time)
        case "customer.subscription.deleted":
            let reason = object.text("cancellation_details", "reason")
            // Its end was set before, and has come.
            let isDue = object.moment("cancel_at").map { $0 <= object.moment("ended_at") ?? time } ?? false
            let isOver =
                isDue || object["cancel_at_period_end"]?.bool == true || reason == "payment_failed"
                || reason == "payment_disputed"
            event = WebhookEvent(isOver ? .subscriptionExpired : .subscriptionCancelled, at: time)
            event.properties.add("reason", text: reason)
        default:
            guard let change = change(object, status, before: before, at: time) else { return nil }
            event = change
        }
        event.properties.add("subscription_id", text: object.text("id"))
        event.properties.add("status", text: status)
        event.properties.add("trial", flag: status == "trialing")
        if let item = object.object("items")?["data"]?.elements.first {
            let price = item.object("price") ?? item.object("plan")
            event.properties.add("plan", text: price?.text("id"))
            event.properties.add("product_id", text: price?.reference("product"))
            let currency = price?.text("currency") ?? object.text("currency") ?? ""
            event.properties.add("price", number: price.flatMap { StripeMoney.amount($0, "unit_amount", "amount", currency) })
            event.properties.add("currency", text: currency.uppercased())
            event.properties.add("period_ends", time: item.moment("current_period_end") ?? object.moment("current_period_end"))
        }
        return event
    }

    private func change(_ object: JSONView, _ status: String, before: JSONView?, at time: Instant) -> WebhookEvent? {
        guard let before else { return nil }
        let isRunning = status == "active" || status == "trialing"
        switch before.text("status") {
        case "incomplete" where isRunning: return WebhookEvent(.subscriptionStarted, at: time)
        case "unpaid" where isRunning, "paused" where isRunning: return resumed(at: time)
        case .some where status == "unpaid" || status == "incomplete_expired":
            var event = WebhookEvent(.subscriptionExpired, at: time)
            event.properties.add("reason", text: status)
            return event
        default: break
        }
        func ends(_ object: JSONView) -> Bool? {
            if let atEnd = object["cancel_at_period_end"]?.bool, atEnd || object["cancel_at"] == nil { return atEnd }
            return object["cancel_at"].map { $0.tag != .null }
        }
        guard let ended = ends(before), let willEnd = ends(object), ended != willEnd else { return nil }
        if !willEnd { return resumed(at: time) }
        var event = WebhookEvent(.subscriptionCancelled, at: time)
        event.properties.add("reason", text: object.text("cancellation_details", "reason"))
        event.properties.add("feedback", text: object.text("cancellation_details", "feedback"))
        return event
    }

    private func resumed(at time: Instant) -> WebhookEvent {
        var event = WebhookEvent(.subscriptionStarted, at: time)
        event.properties.add("resumed", flag: true)
        return event
    }

    // MARK: Refunds

    private func refund(_ charge: JSONView, before: JSONView?, at time: Instant) -> WebhookEvent {
        var event = WebhookEvent(.orderRefunded, at: time)
        let currency = charge.text("currency") ?? ""
        // The charge has the sum of all its refunds; what it was before tells this one's part.
        if let all = charge["amount_refunded"]?.decimal {
            let earlier = before?["amount_refunded"]?.decimal ?? .zero
            event.properties.add("total", number: StripeMoney.amount(all - earlier, currency))
        }
        event.properties.add("currency", text: currency.uppercased())
        event.properties.add("charge_id", text: charge.text("id"))
        event.properties.add("order_id", text: charge.text("metadata", "order_id"))
        event.properties.add("invoice_id", text: charge.reference("invoice"))
        event.properties.add("full", flag: charge["refunded"]?.bool == true)
        return event
    }
}

/// Amounts in a currency's smallest unit (docs.stripe.com/currencies, "Minor units").
enum StripeMoney {
    /// UGX and ISK have no decimals either, but Stripe goes on writing them with two ("Special cases", there).
    private static let whole: Set<String> = [
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
    ]
    private static let thousandths: Set<String> = ["bhd", "jod", "kwd", "omr", "tnd"]

    /// The first of two fields that has an amount.
    static func amount(_ object: JSONView, _ field: String, _ other: String, _ currency: String) -> Decimal? {
        amount(object[field], currency) ?? amount(object[other], currency)
    }

    static func amount(_ value: JSONView?, _ currency: String) -> Decimal? { value?.decimal.flatMap { amount($0, currency) } }

    static func amount(_ minor: Decimal, _ currency: String) -> Decimal? {
        let currency = currency.lowercased()
        if whole.contains(currency) { return minor }
        return Decimal(text: Array("\(minor.text)e-\(thousandths.contains(currency) ? 3 : 2)".utf8))
    }
}

/// Why a card was declined, where an event says so.
struct StripeDecline {
    let code: String
    let kind: Subscription.Decline

    /// Codes after which the same card can't be charged again, whatever one waits for: those that Stripe's own retries stop at
    /// (docs.stripe.com/billing/revenue-recovery/smart-retries, "hard declines"), and those of cards that are void or refused for good
    /// (docs.stripe.com/declines/codes).
    private static let hard: Set<String> = [
        "authentication_required", "card_not_supported", "currency_not_supported", "do_not_try_again", "expired_card",
        "fraudulent",
        "highest_risk_level", "incorrect_number", "invalid_account", "invalid_expiry_month", "invalid_expiry_year",
        "invalid_number",
        "lost_card", "merchant_blacklist", "new_account_information_available", "pickup_card", "restricted_card",
        "revocation_of_all_authorizations", "revocation_of_authorization", "security_violation", "service_not_allowed",
        "stolen_card", "stop_payment_order", "transaction_not_allowed",
    ]

    /// Looks at the places where an invoice, a payment intent or a charge may have the reason; an invoice has it only if its payment
    /// was expanded, or if whoever logs the events put it there.
    init?(in object: JSONView) {
        let payment =
            object.object("payments")?["data"]?.elements.last?.object("payment", "payment_intent") ?? object.object(
                "payment_intent")
            ?? object
        let errors = [
            object.object("last_payment_error"), payment.object("last_payment_error"), payment.object("latest_charge", "outcome"),
            object.object("charge", "outcome"), object.object("last_finalization_error"), object,
        ].compactMap { $0 }
        for error in errors {
            let code = error.text("decline_code") ?? error.text("reason") ?? error.text("failure_code") ?? error.text("code")
            let advice = error.text("advice_code")
            guard let code = code ?? advice else { continue }
            self.code = code
            kind = Self.hard.contains(code) || advice == "do_not_try_again" ? .hard : .soft
            return
        }
        return nil
    }
}
