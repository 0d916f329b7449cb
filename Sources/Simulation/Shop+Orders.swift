import Engine

/// Calls about carts and orders, and what the shop's server says about them later.
extension Shop {
    private func currency(of customer: Customer) -> [UInt8] {
        settings.localPrices ? Country.all[customer.country].currency : [0x45, 0x55, 0x52]
    }

    /// Product Added and Product Removed.
    mutating func postCartLine(_ head: StaticString, _ entry: Cart.Line, cart: UInt64, _ voice: Voice, at time: Instant) {
        beginLine(head, voice, at: time)
        line.text("\"cart_id\":\"")
        line.hexadecimal(cart)
        line.text("\",")
        write(entry)
        writeCurrency(voice)
        endLine()
    }

    /// A snapshot of the whole cart; with the ids of its checkout once that has started.
    mutating func postCart(_ head: StaticString, _ cart: Cart, _ voice: Voice, at time: Instant) {
        beginLine(head, voice, at: time)
        line.text("\"cart_id\":\"")
        line.hexadecimal(cart.id)
        if cart.order > 0 { writeOrder(cart.order, ",\"order_id\":\"o", andCheckout: true) } else { line.byte(0x22) }
        line.text(",\"value\":")
        line.amount(cart.total)
        writeCurrency(voice)
        write(cart.lines)
        endLine()
    }

    /// Half of the orders name their cart, the others only the checkout's ids. One without products bought the whole cart.
    mutating func postOrder(
        _ order: Order, _ bought: [Cart.Line], cart: UInt64, namesProducts: Bool, _ voice: Voice, at time: Instant
    ) {
        beginLine("{\"type\":\"track\",\"event\":\"Order Completed\"", voice, at: time)
        line.text("\"order_id\":\"o")
        line.integer(Int(order.number), width: 8)
        line.text("\",\"checkout_id\":\"c")
        line.integer(Int(order.number), width: 8)
        if random.chance(500) {
            line.text("\",\"cart_id\":\"")
            line.hexadecimal(cart)
        }
        line.text("\",\"total\":")
        line.amount(Int(order.total))
        line.text(",\"revenue\":")
        line.amount(Int(order.total))
        writeCurrency(voice)
        if namesProducts { write(bought) }
        endLine()
    }

    private mutating func writeOrder(_ number: Int, _ key: StaticString, andCheckout: Bool) {
        line.byte(0x22)
        line.text(key)
        line.integer(number, width: 8)
        if andCheckout {
            line.text("\",\"checkout_id\":\"c")
            line.integer(number, width: 8)
        }
        line.byte(0x22)
    }

    private mutating func writeCurrency(_ voice: Voice) {
        line.text(",\"currency\":\"")
        line.text(currency(of: voice.customer))
        line.byte(0x22)
    }

    private mutating func write(_ entry: Cart.Line) {
        writeItem(entry.item)
        line.text(",\"price\":")
        line.amount(entry.price)
        line.text(",\"quantity\":")
        line.integer(entry.quantity)
    }

    private mutating func write(_ lines: [Cart.Line]) {
        line.text(",\"products\":[")
        for index in lines.indices {
            line.byte(index == 0 ? 0x7B : 0x2C)
            if index > 0 { line.byte(0x7B) }
            write(lines[index])
            line.byte(0x7D)
        }
        line.byte(0x5D)
    }

    // MARK: After the order

    private mutating func beginAbout(_ order: Order, _ head: StaticString, at time: Instant) {
        let customer = Customer(Int(order.customer), seed: settings.seed)
        beginLine(head, Voice(customer: customer, device: 0, user: order.user, anonymous: !order.user), at: time)
        line.text("\"order_id\":\"o")
        line.integer(Int(order.number), width: 8)
        line.byte(0x22)
    }

    mutating func mail(_ order: Order, at time: Instant) {
        beginAbout(order, "{\"type\":\"track\",\"event\":\"Email Delivered\"", at: time)
        line.text(",\"campaign\":\"order-confirmation\"")
        endLine()
        if random.chance(550) { agenda.add(.opening(order), at: time + 20_000 + Instant(random.exponential(mean: 7_200_000))) }
    }

    mutating func openMail(_ order: Order, at time: Instant) {
        beginAbout(order, "{\"type\":\"track\",\"event\":\"Email Opened\"", at: time)
        line.text(",\"campaign\":\"order-confirmation\"")
        endLine()
    }

    mutating func review(_ order: Order, at time: Instant) {
        let draw = random.below(16)
        beginAbout(order, "{\"type\":\"track\",\"event\":\"Product Reviewed\"", at: time)
        line.byte(0x2C)
        line.text(catalog.fragments[Int(order.product)])
        line.text(",\"rating\":")
        line.integer(draw < 8 ? 5 : draw < 12 ? 4 : draw < 14 ? 3 : 16 - draw)
        endLine()
    }

    /// Half of the complaints are settled within the hour.
    mutating func complain(_ order: Order, at time: Instant) {
        beginAbout(order, "{\"type\":\"track\",\"event\":\"Complaint Submitted\"", at: time)
        line.text(",\"about\":\"delivery\"")
        endLine()
        if random.chance(500) { agenda.add(.settlement(order), at: time + Instant(random.between(10, 50)) * 60_000) }
    }

    mutating func settle(_ order: Order, at time: Instant) {
        beginAbout(order, "{\"type\":\"track\",\"event\":\"Complaint Resolved\"", at: time)
        endLine()
    }

    mutating func refund(_ order: Order, at time: Instant) {
        postReversal(order, "{\"type\":\"track\",\"event\":\"Order Refunded\"", at: time)
    }

    mutating func cancel(_ order: Order, at time: Instant) {
        postReversal(order, "{\"type\":\"track\",\"event\":\"Order Cancelled\"", at: time)
    }

    private mutating func postReversal(_ order: Order, _ head: StaticString, at time: Instant) {
        beginAbout(order, head, at: time)
        line.text(",\"total\":")
        line.amount(Int(order.total))
        writeCurrency(.server(Customer(Int(order.customer), seed: settings.seed)))
        endLine()
    }

    // MARK: Subscriptions

    private mutating func beginAbout(_ issue: PaymentIssue, _ head: StaticString, at time: Instant) {
        beginLine(head, .server(Customer(Int(issue.customer), seed: settings.seed)), at: time)
        line.text("\"subscription_id\":\"s")
        line.integer(Int(issue.customer), width: 8)
        line.text("\",\"amount\":")
        line.amount(Int(issue.amount))
        line.text(",\"currency\":\"EUR\"")
    }

    mutating func pay(_ issue: PaymentIssue, at time: Instant) {
        beginAbout(issue, "{\"type\":\"track\",\"event\":\"Payment Succeeded\"", at: time)
        line.text(",\"attempt\":")
        line.integer(Int(issue.attempt) + 1)
        endLine()
    }

    mutating func reportFailure(_ issue: PaymentIssue, next: Instant?, at time: Instant) {
        beginAbout(issue, "{\"type\":\"track\",\"event\":\"Payment Failed\"", at: time)
        line.text(",\"attempt\":")
        line.integer(Int(issue.attempt))
        line.text(",\"decline\":\"")
        line.text(issue.isHard ? "hard" : "soft")
        line.byte(0x22)
        if let next {
            line.text(",\"next_attempt\":\"")
            line.time(next)
            line.byte(0x22)
        }
        endLine()
    }

    mutating func reportDeparture(_ issue: PaymentIssue, at time: Instant) {
        beginAbout(issue, "{\"type\":\"track\",\"event\":\"Subscription Cancelled\"", at: time)
        line.text(",\"reason\":\"")
        line.text(issue.attempt > 3 ? "payment" : "customer")
        line.byte(0x22)
        endLine()
    }
}
