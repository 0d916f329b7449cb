import Engine

extension Shop {
    private static let hour: Instant = 3_600_000
    private static let day: Instant = 86_400_000

    /// Puts what starts everything else on the agenda.
    mutating func open() {
        drawNextVisit()
        if newcomers > 0 { agenda.add(.newcomer(0), at: newcomerTime(0)) }
        if subscribers > 0 { agenda.add(.renewal(0), at: renewalTime(0)) }
        agenda.add(.outage, at: settings.start + Instant(random.exponential(mean: outageGap)))
        agenda.add(.repricing, at: settings.start + Instant(random.exponential(mean: repricingGap)))
        if formers > 0 { agenda.add(.former(0), at: formerTime(0)) }
        if settings.meetsRules { agenda.add(.launch, at: settings.start + Instant(random.exponential(mean: Int(Self.day)))) }
        // A few products are out of stock from the start.
        for _ in 0..<(1 + catalog.count / 40) { agenda.add(.soldOut(catalog.popularItem(&random)), at: settings.start) }
    }

    mutating func perform(_ task: Task, at time: Instant) {
        switch task {
        case .visit:
            admit(at: time)
            drawNextVisit()
        case .step(let visit): step(visit, at: time)
        case .newcomer(let turn): welcome(turn, at: time)
        case .renewal(let turn): renew(turn, at: time)
        case .retry(let issue): retry(issue, at: time)
        case .mail(let order): mail(order, at: time)
        case .opening(let order): openMail(order, at: time)
        case .review(let order): review(order, at: time)
        case .refund(let order): refund(order, at: time)
        case .cancellation(let order): cancel(order, at: time)
        case .complaint(let order): complain(order, at: time)
        case .settlement(let order): settle(order, at: time)
        case .former(let turn): orderBefore(turn, at: time)
        case .launch:
            launch(at: time)
            agenda.add(.launch, at: time + 1 + Instant(random.exponential(mean: Int(Self.day))))
        case .outage:
            if settings.meetsRules { runLow(at: time) } else { sellOut(catalog.anyItem(&random), at: time) }
            agenda.add(.outage, at: time + 1 + Instant(random.exponential(mean: outageGap)))
        case .soldOut(let item): sellOut(item, at: time)
        case .restock(let item):
            changeStock(of: item, to: random.between(1, 8), at: time)
            agenda.add(.delivery(item), at: time + Instant(random.between(12, 48)) * Self.hour)
        case .delivery(let item):
            // Sold out again in the meantime: its next restock is on the agenda already.
            let left = catalog.stock(of: item)
            if left > 0 { changeStock(of: item, to: left + catalog.delivery(of: item, &random), at: time) }
        case .repricing:
            reprice(at: time)
            agenda.add(.repricing, at: time + 1 + Instant(random.exponential(mean: repricingGap)))
        }
    }

    /// A product is sold out elsewhere every 20 days on average (10, where the shipped rules are to see it), and gets a new price every 7.
    private var outageGap: Int { Int((settings.meetsRules ? 10 : 20) * Self.day) / catalog.count }
    private var repricingGap: Int { Int(7 * Self.day) / catalog.count }

    // MARK: Who comes

    private mutating func drawNextVisit() {
        let product = random.exponential().multipliedFullWidth(by: visitGap)
        visitClock += product.high << 32 | product.low >> 32
        agenda.add(.visit, at: settings.start + Instant(visitClock >> 16))
    }

    /// Lets somebody in, if the hour suits them.
    private mutating func admit(at time: Instant) {
        let index = Customer.visitor(random: random.next(), of: settings.customers, stride: stride)
        let customer = Customer(index, seed: settings.seed)
        let local = time + Country.all[customer.country].offset
        let hour = Int((local % Self.day + Self.day) % Self.day / Self.hour)
        guard random.below(256) < Country.hours[customer.kind][hour] else { return }
        var voice = Voice(customer: customer, device: 0, user: false, anonymous: true)
        var mayLogIn = customer.hasAccount
        if let turn = customer.newcomerTurn, turn < newcomers, newcomerTime(turn) + Self.hour > time { mayLogIn = false }
        if settings.meetsRules, customer.newcomerTurn != nil, customer.abandonsSignUp { mayLogIn = false }
        if mayLogIn {
            voice = Voice(customer: customer, device: random.below(4) == 0 ? 1 : 0, user: false, anonymous: true)
            if random.chance(750) {
                voice.user = true
                voice.anonymous = customer.sendsBothIDs
                mayLogIn = false
            }
        }
        begin(Visit(voice: voice, mayLogIn: mayLogIn, steps: 2 + random.exponential(mean: 10)), at: time)
    }

    private mutating func welcome(_ turn: Int, at time: Instant) {
        let customer = Customer(Customer.newcomer(turn), seed: settings.seed)
        var visit = Visit(
            voice: Voice(customer: customer, device: 0, user: false, anonymous: true), steps: 6 + random.exponential(mean: 10))
        visit.signUp = 1
        begin(visit, at: time)
        if turn + 1 < newcomers {
            agenda.add(.newcomer(turn + 1), at: max(time, newcomerTime(turn + 1)))
        }
    }

    /// Newcomers sign up one after the other, evenly over the days, in the order of their numbers.
    private func newcomerTime(_ turn: Int) -> Instant {
        let span = Int(Self.day) * settings.days
        return settings.start + Instant(span / newcomers * turn + span / 1000)
    }

    private mutating func orderBefore(_ turn: Int, at time: Instant) {
        let customer = Customer(Customer.former(turn), seed: settings.seed)
        let item = catalog.popularItem(&random)
        // Some buy for a firm.
        let line = Cart.Line(item: item, quantity: turn % 8 == 3 ? 25 : 1, price: price(of: item, for: customer))
        orders += 1
        let order = Order(
            customer: UInt32(customer.index), number: UInt32(clamping: orders),
            total: Int32(clamping: line.quantity * line.price),
            product: item.product, user: customer.hasAccount)
        postOrder(order, [line], cart: random.next() | 1, namesProducts: true, .server(customer), at: time)
        follow(order, at: time)
        if turn + 1 < formers { agenda.add(.former(turn + 1), at: formerTime(turn + 1)) }
    }

    /// Evenly over the two weeks before the first day.
    private func formerTime(_ turn: Int) -> Instant {
        settings.start - 14 * Self.day + Instant(14 * Int(Self.day) / formers * turn)
    }

    private mutating func begin(_ visit: Visit, at time: Instant) {
        agenda.add(.step(store(visit)), at: time)
    }

    private mutating func store(_ visit: Visit) -> Int {
        if let place = freeVisits.popLast() {
            visits[place] = visit
            return place
        }
        visits.append(visit)
        return visits.count - 1
    }

    /// Plans the visit's next step, or lets the customer go; some come back for a cart they left.
    mutating func proceed(_ place: Int, at time: Instant) {
        if visits[place].steps > 0 {
            agenda.add(.step(place), at: time + 1000 + Instant(random.exponential(mean: 25_000)))
        } else if !visits[place].cart.lines.isEmpty, random.chance(300) {
            visits[place].steps = 2 + random.exponential(mean: 6)
            visits[place].place = .cart
            agenda.add(.step(place), at: time + Self.hour + Instant(random.exponential(mean: Int(20 * Self.hour))))
        } else {
            visits[place].cart = Cart()
            freeVisits.append(place)
        }
    }

    // MARK: Billing

    /// Subscribers are billed one after the other, evenly over the days of a cycle, and then again.
    private func renewalTime(_ turn: Int) -> Instant {
        let cycle = Int(Self.day) * settings.billingDays
        return settings.start
            + Instant(turn / subscribers * cycle + turn % subscribers * (cycle / subscribers) + cycle / subscribers / 2)
    }

    private mutating func renew(_ turn: Int, at time: Instant) {
        let index = Customer.subscriber(turn % subscribers)
        if !unbilled.contains(UInt32(index)) {
            let amount = Int32(990 + 500 * random.below(4))
            let issue = PaymentIssue(customer: UInt32(index), amount: amount, attempt: 0, isHard: random.chance(250))
            if random.chance(800) { pay(issue, at: time) } else { fail(issue, at: time) }
        }
        agenda.add(.renewal(turn + 1), at: max(time, renewalTime(turn + 1)))
    }

    /// A failed payment is tried again after a day, three and five; whoever can't pay then loses the subscription.
    private mutating func fail(_ issue: PaymentIssue, at time: Instant) {
        let failed = PaymentIssue(
            customer: issue.customer, amount: issue.amount, attempt: issue.attempt + 1, isHard: issue.isHard)
        let next = failed.attempt <= 3 ? time + (Instant(failed.attempt) * 2 - 1) * Self.day : nil
        unbilled.insert(issue.customer)
        reportFailure(failed, next: next, at: time)
        agenda.add(.retry(failed), at: next ?? time + Self.hour)
    }

    private mutating func retry(_ issue: PaymentIssue, at time: Instant) {
        if issue.attempt > 3 || random.chance(60) {
            unbilled.insert(issue.customer)
            reportDeparture(issue, at: time)
        } else if random.chance(issue.isHard ? 200 : 500) {
            unbilled.remove(issue.customer)
            pay(issue, at: time)
        } else {
            fail(issue, at: time)
        }
    }
}
