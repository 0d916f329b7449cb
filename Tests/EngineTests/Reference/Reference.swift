import Engine

/// The contract in its plainest form: everything sorted, one moment after the other, recomputed from scratch wherever that is possible.
final class Reference {
    struct Told: Equatable {
        var decisions: [String] = []
        /// (id, because, lines of the cart) of each message.
        var messages: [String] = []
    }

    let world: World
    var told = Told()
    var customers: [Customer] = []
    var links: [String: Customer] = [:]
    var facts: [String: Facts] = [:]
    var productIDs: [(product: String, id: String, time: Instant)] = []
    var now: Instant = .min
    var turn = 0
    /// Events of the millisecond are being applied; what they lead to comes after all of them.
    var isApplying = false
    /// Moments at which a segment could change by time alone.
    var moments: Set<Instant> = []
    /// What is known of each rule's starts at each product.
    var queues: [Queue] = []

    init(_ world: World) { self.world = world }

    static func run(_ world: World, _ lines: [OrderedLine], until end: Instant) -> Told {
        let reference = Reference(world)
        reference.run(lines, until: end)
        return reference.told
    }

    func run(_ lines: [OrderedLine], until end: Instant) {
        var next = 0
        while true {
            var times: [Instant] =
                moments.filter { $0 > now } + customers.flatMap { $0.running.filter { !$0.isQueued }.map { max($0.due, now) } }
            times += queues.compactMap { $0.due }.map { max($0, now) }
            if next < lines.count { times.append(lines[next].order) }
            guard let time = times.min(), time <= end || next < lines.count else { return }
            now = time
            isApplying = true
            while next < lines.count, lines[next].order == now {
                turn += 1
                apply(lines[next].line)
                next += 1
            }
            isApplying = false
            if moments.contains(now) {
                for customer in customers.sorted(by: { $0.name < $1.name }) { judgeSegments(customer, after: nil) }
            }
            for queue in queues.indices where queues[queue].due.map({ $0 <= now }) ?? false { newPace(queue) }
            for queue in queues.indices where queues[queue].isOpen { take(queue) }
            while let (customer, place) = firstDue() { judge(customer, place) }
        }
    }

    // MARK: Who

    func customer(_ name: String) -> Customer {
        if let known = customers.first(where: { $0.name == name }) { return known }
        let new = Customer(name)
        customers.append(new)
        return new
    }

    /// Finds whose event it is, and links.
    func who(_ line: LogLine) -> Customer? {
        guard let user = line.user else {
            guard let anonymous = line.anonymous else { return nil }
            return links[anonymous] ?? customer("anonymous:" + anonymous)
        }
        let owner = customer(user)
        if let anonymous = line.anonymous, links[anonymous] == nil {
            links[anonymous] = owner
            if let visitor = customers.first(where: { $0.name == "anonymous:" + anonymous }) {
                customers.removeAll { $0 === visitor }
                merge(visitor, into: owner)
            }
        }
        return owner
    }

    func merge(_ visitor: Customer, into owner: Customer) {
        for customer in [visitor, owner] {
            forgetCarts(customer)
            customer.interests.removeAll { $0.kind == .waitlist && $0.last + world.waitlistForget <= now }
        }
        owner.segments.formUnion(visitor.segments)
        owner.past += visitor.past
        owner.payments += visitor.payments
        owner.counted += visitor.counted
        owner.cancels += visitor.cancels
        owner.interestsEnded += visitor.interestsEnded
        // What ended as the visitor's is the user's now, so that no second message comes of the same start.
        owner.ended += visitor.ended
        owner.served += visitor.served
        owner.cartLinks.merge(visitor.cartLinks) { $0.turn > $1.turn ? $0 : $1 }
        for (key, value) in visitor.traits where owner.traits[key] == nil { owner.traits[key] = value }
        for (rule, time) in visitor.published { owner.published[rule] = max(time, owner.published[rule] ?? .min) }
        for cart in visitor.carts {
            guard let place = owner.carts.firstIndex(where: { $0.id == cart.id }) else {
                owner.carts.append(cart)
                continue
            }
            for line in cart.lines {
                if let at = owner.carts[place].lines.firstIndex(where: { $0.product == line.product }) {
                    owner.carts[place].lines[at].quantity += line.quantity
                    owner.carts[place].lines[at].changed = max(line.changed, owner.carts[place].lines[at].changed)
                } else {
                    owner.carts[place].lines.append(line)
                }
            }
            if (cart.touched, cart.turn) > (owner.carts[place].touched, owner.carts[place].turn) {
                owner.carts[place].touched = cart.touched
                owner.carts[place].turn = cart.turn
            }
            owner.carts[place].snapshot = max(owner.carts[place].snapshot, cart.snapshot)
            owner.carts[place].ended += cart.ended
        }
        for interest in visitor.interests {
            if let at = owner.interests.firstIndex(where: { $0.kind == interest.kind && $0.product == interest.product }) {
                owner.interests[at].since = min(owner.interests[at].since, interest.since)
                owner.interests[at].last = max(owner.interests[at].last, interest.last)
            } else {
                owner.interests.append(interest)
            }
        }
        for instance in visitor.running {
            guard let at = owner.running.firstIndex(where: { $0.rule == instance.rule && $0.key == instance.key }) else {
                owner.running.append(instance)
                continue
            }
            let own = owner.running[at]
            let takesNew =
                if instance.started == own.started {
                    instance.place < own.place
                } else {
                    world.rules[instance.rule].restart == (instance.started > own.started)
                }
            if takesNew { owner.running[at] = instance }
            end(takesNew ? own : instance, of: owner, .merged)
        }
    }

    // MARK: Events

    func isDuplicate(_ line: LogLine, _ customer: Customer) -> Bool {
        guard let id = line.id, world.dedupe > 0 else { return false }
        if customer.counted.contains(where: { $0.id == id && line.time - $0.time < world.dedupe }) { return true }
        customer.counted.append((id, line.time))
        return false
    }

    func apply(_ line: LogLine) {
        guard let customer = who(line) else {
            if let product = line.properties["product_id"]?.text { applyProduct(line, product) }
            return
        }
        guard !isDuplicate(line, customer) else { return }
        customer.past.append(line)
        for window in Templates.windows { moments.insert(View.bucketEnd(line.time, window) + window) }
        for constant in Templates.constants { moments.formUnion([line.time + constant, line.time + constant + 1]) }
        if case .object(let keys, let values) = line.traits {
            for (key, value) in zip(keys, values) where (customer.traits[key]?.time ?? .min) <= line.time {
                customer.traits[key] = (value, line.time)
            }
        }
        forgetCarts(customer)
        if let product = line.properties["product_id"]?.text,
            ["Product Stock Changed", "Product Price Changed"].contains(line.name)
        {
            changeFacts(line, product)
        }
        let cart = applyCart(line, customer)
        applyInterests(line, customer)
        if ["Payment Failed", "Payment Succeeded", "Subscription Started", "Subscription Cancelled", "Subscription Expired"]
            .contains(
                line.name)
        {
            // A failure older than a success changes nothing: what is newer stays.
            let id = line.properties["subscription_id"]?.text
            let isOver =
                line.name == "Payment Failed"
                && customer.payments.contains {
                    $0.name == "Payment Succeeded" && $0.properties["subscription_id"]?.text == id && $0.time > line.time
                }
            if !isOver { customer.payments.append(line) }
        }
        judgeSegments(customer, after: line, cart: cart)
    }

    /// A dropped cart takes its links along.
    func forgetCarts(_ customer: Customer) {
        for cart in customer.carts where cart.touched + world.cartsForget <= now {
            customer.cartLinks = customer.cartLinks.filter { $0.value.cart != cart.id }
        }
        customer.carts.removeAll { $0.touched + world.cartsForget <= now }
    }

    // MARK: Carts

    func currentCart(_ customer: Customer) -> String {
        let full = customer.carts.filter { !$0.lines.isEmpty }
        return (full.isEmpty ? customer.carts : full).max { ($0.touched, $0.turn) < ($1.touched, $1.turn) }?.id ?? ""
    }

    func linkedCart(_ line: LogLine, _ customer: Customer) -> String? {
        for key in ["checkout_id", "order_id"] {
            if let id = line.properties[key]?.text, let link = customer.cartLinks[key + ":" + id] { return link.cart }
        }
        return nil
    }

    static func products(_ line: LogLine) -> [(product: String, quantity: Double, price: Double?)]? {
        guard case .array(let list)? = line.properties["products"] else { return nil }
        return list.compactMap { item in
            item["product_id"]?.text.map { ($0, item["quantity"]?.number ?? 1, item["price"]?.number) }
        }
    }

    /// The cart an event belongs to.
    func cartOf(_ line: LogLine, _ customer: Customer) -> String {
        let given = line.properties["cart_id"]?.text
        guard line.name == "Order Completed" else { return given ?? linkedCart(line, customer) ?? currentCart(customer) }
        if let given, customer.carts.contains(where: { $0.id == given }) || customer.carts.allSatisfy(\.lines.isEmpty) {
            return given
        }
        if let linked = linkedCart(line, customer) { return linked }
        let bought = Self.products(line) ?? []
        func overlap(_ cart: Cart) -> Double {
            bought.reduce(0) { sum, item in
                sum + min(item.quantity, cart.lines.first { $0.product == item.product }?.quantity ?? 0)
            }
        }
        let best = customer.carts.filter { overlap($0) > 0 }.max {
            (overlap($0), $0.touched, $0.turn) < (overlap($1), $1.touched, $1.turn)
        }
        return best?.id ?? currentCart(customer)
    }

    static let cartEvents: Set = [
        "Product Added", "Product Removed", "Cart Viewed", "Cart Updated", "Checkout Started", "Order Completed",
    ]

    /// The id of the cart that an event of the cart table has touched.
    func applyCart(_ line: LogLine, _ customer: Customer) -> String? {
        guard Self.cartEvents.contains(line.name) else { return nil }
        let id = cartOf(line, customer)
        if !customer.carts.contains(where: { $0.id == id }) {
            customer.carts.append(Cart(id: id, touched: line.time, turn: turn))
        }
        guard let at = customer.carts.firstIndex(where: { $0.id == id }) else { return nil }
        var cart = customer.carts[at]
        if line.time >= cart.touched {
            cart.touched = line.time
            cart.turn = turn
        }
        let isReplaced = cart.snapshot > line.time
        let product = line.properties["product_id"]?.text
        switch line.name {
        case "Product Added":
            if let product, !isReplaced { change(&cart, product, line.properties["quantity"]?.number ?? 1, line) }
        case "Product Removed":
            if let product, !isReplaced { change(&cart, product, -(line.properties["quantity"]?.number ?? .infinity), line) }
        case "Order Completed":
            // A list of no products says no more than none.
            if let bought = Self.products(line), !bought.isEmpty {
                if !isReplaced { for item in bought { change(&cart, item.product, -item.quantity, line) } }
            } else if !isReplaced {
                cart.lines.removeAll { $0.changed <= line.time }
                cart.snapshot = line.time
            }
        default:
            if line.name == "Checkout Started" {
                for key in ["checkout_id", "order_id"] {
                    if let value = line.properties[key]?.text { customer.cartLinks[key + ":" + value] = (id, turn) }
                }
            }
            if let lines = Self.products(line), !isReplaced {
                cart.lines.removeAll { $0.changed <= line.time }
                for item in lines where !cart.lines.contains(where: { $0.product == item.product && $0.changed > line.time }) {
                    if item.quantity > 0, !cart.ended.contains(where: { $0.product == item.product && $0.time > line.time }) {
                        if let at = cart.lines.firstIndex(where: { $0.product == item.product }) {
                            cart.lines[at].quantity += item.quantity
                        } else {
                            cart.lines.append(
                                Cart.Line(product: item.product, quantity: item.quantity, price: item.price, changed: line.time))
                        }
                    }
                }
                cart.snapshot = line.time
            }
        }
        customer.carts[at] = cart
        return id
    }

    func change(_ cart: inout Cart, _ product: String, _ quantity: Double, _ line: LogLine) {
        if let at = cart.lines.firstIndex(where: { $0.product == product }) {
            cart.lines[at].quantity += quantity
            cart.lines[at].changed = max(cart.lines[at].changed, line.time)
        } else if quantity > 0 {
            cart.lines.append(Cart.Line(product: product, quantity: quantity, changed: line.time))
        }
        if cart.lines.contains(where: { $0.product == product && $0.quantity <= 0 }) { cart.ended.append((product, line.time)) }
        cart.lines.removeAll { $0.quantity <= 0 }
    }

    // MARK: Interests and subscriptions

    func applyInterests(_ line: LogLine, _ customer: Customer) {
        func note(_ kind: Interested.Kind, _ product: String) {
            // What comes late brings nothing back that has ended since.
            let isOver = customer.interestsEnded.contains {
                $0.product == product && ($0.kind ?? kind) == kind && $0.time > line.time
            }
            if isOver { return }
            if let at = customer.interests.firstIndex(where: { $0.kind == kind && $0.product == product }) {
                // A late request has its effect at its own time: who asked first stands first.
                customer.interests[at].since = min(customer.interests[at].since, line.time)
                customer.interests[at].last = max(customer.interests[at].last, line.time)
            } else {
                customer.interests.append(Interested(kind: kind, product: product, since: line.time, last: line.time))
            }
        }
        func drop(_ kinds: [Interested.Kind], _ product: String) {
            customer.interestsEnded.append((kinds.count == 1 ? kinds[0] : nil, product, line.time))
            customer.interests.removeAll { kinds.contains($0.kind) && $0.product == product && $0.last <= line.time }
        }
        customer.interests.removeAll { $0.kind == .waitlist && $0.last + world.waitlistForget <= now }
        let product = line.properties["product_id"]?.text
        switch line.name {
        case "Product Viewed": if let product { note(.viewed, product) }
        case "Product Added to Wishlist": if let product { note(.wishlist, product) }
        case "Product Removed from Wishlist": if let product { drop([.wishlist], product) }
        case "Back In Stock Requested":
            if let product, facts[product]?.available ?? 0 <= 0 { note(.waitlist, product) }
        case "Back In Stock Cancelled": if let product { drop([.waitlist], product) }
        case "Order Completed": for item in Self.products(line) ?? [] { drop([.waitlist, .wishlist, .viewed], item.product) }
        default: break
        }
    }

    /// The state of a subscription, by going over its events in order of their times.
    func episode(_ customer: Customer, _ id: String) -> Episode? {
        let events = customer.payments.filter { ($0.properties["subscription_id"]?.text ?? "") == id }
        guard !events.isEmpty else { return nil }
        var episode = Episode(id: id)
        for event in events.enumerated().sorted(by: { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }).map(
            \.element)
        {
            switch event.name {
            case "Payment Failed":
                if !episode.isOpen {
                    episode.isOpen = true
                    episode.since = event.time
                    episode.attempts = 0
                }
                episode.attempts += 1
                if episode.status != "cancelled", episode.status != "expired" { episode.status = "past_due" }
            case "Payment Succeeded":
                episode.isOpen = false
                episode.status = "active"
            case "Subscription Started": episode.status = "active"
            case "Subscription Cancelled": episode.status = "cancelled"
            default: episode.status = "expired"
            }
        }
        return episode
    }

    // MARK: Triggers

    func view(_ customer: Customer?, event: LogLine?, cart: String? = nil, product: String? = nil, subscription: String? = nil)
        -> View
    {
        View(
            customer: customer, now: now, event: event, cart: cart.flatMap { id in customer?.carts.first { $0.id == id } },
            product: product.flatMap { facts[$0] },
            subscription: subscription.flatMap { id in customer.flatMap { episode($0, id) } })
    }

    /// The keys an event names for a rule; nil: none is named and none can be resolved.
    func keys(_ rule: RuleSpec, _ line: LogLine, _ customer: Customer, cart: String?) -> [String]? {
        switch rule.per ?? (rule.audience.isEmpty ? .customer : .product) {
        case .customer: return [""]
        case .cart: return [cart ?? line.properties["cart_id"]?.text ?? linkedCart(line, customer) ?? currentCart(customer)]
        case .product:
            if let product = line.properties["product_id"]?.text { return [product] }
            if let products = Self.products(line), !products.isEmpty { return products.map(\.product) }
            return nil
        case .subscription: return line.properties["subscription_id"]?.text.map { [$0] }
        }
    }

    func judgeSegments(_ customer: Customer, after line: LogLine?, cart: String? = nil) {
        let before = customer.segments
        for segment in world.segments {
            if segment.condition.holds(View(customer: customer, now: now)) ?? false {
                customer.segments.insert(segment.name)
            } else {
                customer.segments.remove(segment.name)
            }
        }
        let after = customer.segments
        for action in [true, false] {
            for (index, rule) in world.rules.enumerated() {
                // The event itself comes before the segments that it led into.
                let triggers = action ? rule.cancel : rule.start
                for trigger in triggers.filter(\.isEvent) + triggers.filter({ !$0.isEvent }) {
                    switch trigger {
                    case .event(let name, let condition):
                        guard let line, line.name == name, rule.audience.isEmpty || action else { continue }
                        let keys = keys(rule, line, customer, cart: cart)
                        let key = keys?.first
                        if let condition {
                            let per = rule.per ?? .customer
                            let view = view(
                                customer, event: line, cart: cart ?? (per == .cart ? key : nil),
                                product: line.properties["product_id"]?.text,
                                subscription: line.properties["subscription_id"]?.text ?? "")
                            guard condition.holds(view) ?? false else { continue }
                        }
                        if action {
                            cancel(index, customer, keys, at: line.time)
                        } else {
                            for key in keys ?? (rule.per == .subscription ? [""] : []) {
                                start(index, customer, key, line, at: line.time)
                            }
                        }
                    case .enters(let segment):
                        guard after.contains(segment), !before.contains(segment) else { continue }
                        if action { cancel(index, customer, nil, at: now) } else { start(index, customer, "", nil, at: now) }
                    case .leaves(let segment):
                        guard before.contains(segment), !after.contains(segment) else { continue }
                        if action { cancel(index, customer, nil, at: now) } else { start(index, customer, "", nil, at: now) }
                    }
                }
            }
        }
    }

    func id(_ rule: Int, _ customer: String, _ key: String, _ started: Instant) -> String {
        let json = "[\"shop\",\"\(world.rules[rule].name)\",\"\(customer)\",\"\(key)\",\(started)]"
        return SHA256.base32(Array(SHA256.hash(Array(json.utf8)).prefix(20)))
    }

    func cancel(_ rule: Int, _ customer: Customer, _ keys: [String]?, at time: Instant) {
        for key in keys?.map(Optional.some) ?? [nil] { customer.cancels.append((rule, key, time)) }
        for instance in customer.running where instance.rule == rule && instance.started <= time {
            if keys?.contains(instance.key) ?? true {
                customer.running.removeAll { $0.rule == rule && $0.key == instance.key }
                end(instance, of: customer, .cancelled)
            }
        }
        takeBack(rule, customer, keys, at: time)
    }

    func start(_ rule: Int, _ customer: Customer, _ key: String, _ line: LogLine?, at time: Instant) {
        guard !customer.cancels.contains(where: { $0.rule == rule && $0.key ?? key == key && $0.time > time }) else { return }
        guard !customer.ended.contains(where: { $0.rule == rule && $0.key == key && $0.start == time }) else { return }
        let because = line?.id.map { [$0] } ?? []
        let spec = world.rules[rule]
        if let at = customer.running.firstIndex(where: { $0.rule == rule && $0.key == key }) {
            guard spec.restart else { return }
            customer.running[at].because = Array((customer.running[at].because + because).suffix(16))
            guard time >= customer.running[at].started else { return }
            customer.running[at].started = time
            customer.running[at].due = time + spec.wait
            customer.running[at].event = line
            return
        }
        customer.running.append(
            Running(rule: rule, key: key, started: time, due: time + spec.wait, event: line, because: because))
    }

    // MARK: Timers

    func firstDue() -> (Customer, Int)? {
        customers.flatMap { customer in
            customer.running.indices.filter { !customer.running[$0].isQueued && customer.running[$0].due <= now }.map {
                (customer, $0)
            }
        }
        .min { left, right in
            let (a, b) = (left.0.running[left.1], right.0.running[right.1])
            let (first, second) = (world.rules[a.rule], world.rules[b.rule])
            if first.priority != second.priority { return first.priority > second.priority }
            return (first.name, a.place, left.0.name, a.key) < (second.name, b.place, right.0.name, b.key)
        }
    }

    func judge(_ customer: Customer, _ place: Int) {
        let instance = customer.running[place]
        let rule = world.rules[instance.rule]
        forgetCarts(customer)
        let per = rule.per ?? (rule.audience.isEmpty ? .customer : .product)
        let view = view(
            customer, event: instance.event, cart: per == .cart ? instance.key : nil,
            product: per == .product ? instance.key : nil,
            subscription: per == .subscription ? instance.key : nil)
        let holds = rule.condition.map { $0.holds(view) } ?? true
        var verdict = Verdict.published
        if holds == nil {
            verdict = .conditionError
        } else if holds == false {
            verdict = .conditionFalse
        } else if !hasShare(customer, instance) {
            return
        } else if let last = customer.published[instance.rule], now < last + rule.cooldown {
            verdict = .cooldown
        }
        customer.running.remove(at: place)
        if verdict == .published {
            customer.published[instance.rule] = now
            let lines = per == .cart ? view.cart?.lines.map { "\($0.product)*\(Int($0.quantity))" }.sorted() ?? [] : []
            told.messages.append(
                "\(id(instance.rule, customer.name, instance.key, instance.started)) \(instance.because) \(lines)")
            if let product = instance.product {
                customer.interestsEnded.append((.waitlist, product, now))
                customer.interests.removeAll { $0.kind == .waitlist && $0.product == product }
            }
        }
        end(instance, of: customer, verdict)
    }

    func end(_ instance: Running, of customer: Customer, _ verdict: Verdict) {
        let id = id(instance.rule, customer.name, instance.key, instance.started)
        customer.ended.append((instance.rule, instance.key, instance.started))
        told.decisions.append(
            decisionText(
                rule: world.rules[instance.rule].name, customer: customer.name, key: instance.key, startedAt: instance.started,
                dueAt: instance.due, decidedAt: now, verdict: verdict.rawValue, id: id))
        if instance.product != nil, verdict == .published || !instance.isQueued { shareIsFree(instance, of: customer, verdict) }
    }
}
