/// What an event does to carts, interests, subscriptions and consent.
extension Engine {
    /// What a repetition of a failed payment adds.
    mutating func complete(_ slot: Int, _ properties: JSONView?, at time: Instant) {
        let id = Subscription.id(properties) ?? ""
        guard let place = profiles[slot].subscriptions.firstIndex(where: { $0.id.same(as: id) }) else { return }
        profiles[slot].subscriptions[place].complete(properties, at: time)
    }

    /// Carries out what the state understands of the event, and finds its cart, products and subscription.
    mutating func change(_ slot: Int, _ context: inout EventContext) {
        let state = StateEvent(rawValue: context.event.index)
        context.subscriptionID = Subscription.id(context.properties)
        pruneCarts(slot)
        let before = rules.products.indexesCarts ? cartProducts(slot) : []
        switch state {
        case .productAdded, .productRemoved, .cartViewed, .cartUpdated, .checkoutStarted, .orderCompleted:
            if let state { changeCart(slot, state, &context) }
        case .orderUpdated, .orderRefunded, .orderCancelled:
            context.cartID = profiles[slot].carts.target(of: context.properties)
            context.namesCart = true
        case .productViewed, .productAddedToWishlist, .productRemovedFromWishlist, .backInStockRequested, .backInStockCancelled:
            if let state { changeInterest(slot, state, context) }
            context.cartID = profiles[slot].carts.target(of: context.properties)
        case .paymentFailed, .paymentSucceeded, .subscriptionStarted, .subscriptionCancelled, .subscriptionExpired:
            let id = context.subscriptionID ?? ""
            let place: Int
            if let found = profiles[slot].subscriptions.firstIndex(where: { $0.id.same(as: id) }) {
                place = found
            } else {
                profiles[slot].subscriptions.append(Subscription(id: id, at: context.time))
                place = profiles[slot].subscriptions.count - 1
            }
            if let state { profiles[slot].subscriptions[place].apply(state, context.properties, at: context.time) }
            context.cartID = profiles[slot].carts.target(of: context.properties)
        case .consentChanged, .unsubscribed, .emailBounced, .emailMarkedAsSpam:
            if let state { profiles[slot].consent.apply(state, context.properties, at: context.time) }
            context.cartID = profiles[slot].carts.target(of: context.properties)
        default:
            context.cartID = profiles[slot].carts.target(of: context.properties)
        }
        if let properties = context.properties, Carts.cartID(properties) != nil { context.namesCart = true }
        if rules.products.indexesCarts { reindexCart(slot, before: before) }
    }

    private mutating func changeCart(_ slot: Int, _ state: StateEvent, _ context: inout EventContext) {
        let time = context.time
        let bound = clock.now - rules.definitions.lateFor
        let properties = context.properties
        let listed = context.listed
        let id: String
        if state == .orderCompleted {
            let bought = listed ?? []
            id = profiles[slot].carts.target(ofOrder: properties, bought: bought)
        } else {
            id = profiles[slot].carts.target(of: properties)
        }
        clock.turn += 1
        let cart = profiles[slot].carts.touch(id: id, at: time, turn: clock.turn)
        switch state {
        case .productAdded: for mention in context.mentions.prefix(1) { profiles[slot].carts.add(mention, to: cart, at: time) }
        case .productRemoved:
            for mention in context.mentions.prefix(1) {
                guard let product = profiles[slot].carts.remove(mention, from: cart, at: time) else { continue }
                profiles[slot].ended.note(.line(cart: id), product, at: time, forgettingBefore: bound)
            }
        case .orderCompleted:
            for product in profiles[slot].carts.order(listed ?? [], in: cart, at: time) {
                profiles[slot].ended.note(.line(cart: id), product, at: time, forgettingBefore: bound)
            }
            for mention in listed ?? context.mentions {
                forgetInterests(slot, in: mention.product, kinds: [.waitlist, .wishlist, .viewed], until: time)
                profiles[slot].ended.note(.bought, mention.product, at: time, forgettingBefore: bound)
            }
        default: if let listed { profiles[slot].carts.replace(listed, in: cart, at: time, ended: profiles[slot].ended) }
        }
        if state == .checkoutStarted { profiles[slot].carts.link(properties, to: cart, turn: clock.turn) }
        context.cartID = id
        context.namesCart = true
    }

    private mutating func changeInterest(_ slot: Int, _ state: StateEvent, _ context: EventContext) {
        guard let mention = context.mentions.first else { return }
        let time = context.time
        switch state {
        case .backInStockCancelled: endInterest(.waitlist, slot, in: mention.product, at: time)
        case .productRemovedFromWishlist: endInterest(.wishlist, slot, in: mention.product, at: time)
        case .productAddedToWishlist: express(.wishlist, slot, mention, at: time)
        case .productViewed: if rules.products.keepsViews { express(.viewed, slot, mention, at: time) }
        case .backInStockRequested:
            // Whoever asks for what is there does not wait for it.
            if let index = productIndex[mention.product], let available = products[index].facts.available, available.isPositive {
                return
            }
            express(.waitlist, slot, mention, at: time)
        default: break
        }
    }

    private mutating func express(_ kind: InterestKind, _ slot: Int, _ mention: ProductMention, at time: Instant) {
        let facts = productIndex[mention.product].map { products[$0].facts }
        let price = mention.price ?? facts?.price
        let currency = mention.currency ?? facts?.currency
        forgetOldInterests(slot)
        // What is not late is older than nothing.
        if time < clock.now, profiles[slot].ended.hasEnded(kind, mention.product, after: time) { return }
        let since: Instant
        if let place = place(of: kind, slot, in: mention.product) {
            profiles[slot].interests[place].add(1)
            profiles[slot].interests[place].last = max(profiles[slot].interests[place].last, time)
            if time < profiles[slot].interests[place].since {
                profiles[slot].interests[place].since = time
                profiles[slot].interests[place].price = price ?? profiles[slot].interests[place].price
            }
            since = profiles[slot].interests[place].since
        } else {
            profiles[slot].interests.appendTightly(
                Interest(
                    kind: kind, product: mention.product, since: time, last: time, count: 1, price: price, currency: currency))
            since = time
        }
        follow(kind, slot, mention.product, since: since)
    }

    func place(of kind: InterestKind, _ slot: Int, in product: ProductKey) -> Int? {
        for place in profiles[slot].interests.indices
        where profiles[slot].interests[place].kind == kind && profiles[slot].interests[place].product == product { return place }
        return nil
    }

    private mutating func follow(_ kind: InterestKind, _ slot: Int, _ product: ProductKey, since: Instant) {
        guard rules.products.indexes(kind), let index = productIndex[product] else { return }
        products[index].follow(kind, profiles[slot].number, since: since)
        touch(product: index)
    }

    /// Ends an interest of a kind at `time`, for what is older and comes later too.
    mutating func endInterest(_ kind: InterestKind, _ slot: Int, in product: ProductKey, at time: Instant) {
        forgetInterests(slot, in: product, kinds: [kind], until: time)
        guard let ending = kind.ending else { return }
        profiles[slot].ended.note(ending, product, at: time, forgettingBefore: clock.now - rules.definitions.lateFor)
    }

    /// Takes interests away that were expressed no later than `until`.
    mutating func forgetInterests(_ slot: Int, in product: ProductKey, kinds: [InterestKind], until: Instant) {
        let gone = profiles[slot].interests.filter { $0.product == product && kinds.contains($0.kind) && $0.last <= until }
        guard !gone.isEmpty else { return }
        profiles[slot].interests.removeAll { gone.contains($0) }
        for interest in gone { unfollow(interest.kind, slot, product) }
    }

    private mutating func unfollow(_ kind: InterestKind, _ slot: Int, _ product: ProductKey) {
        guard rules.products.indexes(kind) else { return }
        guard let index = productIndex[product] else {
            // Only its row has to go: the product is brought in from it.
            if hasStore {
                let follower = Follower(kind: kind, customer: profiles[slot].number, since: 0)
                output.unfollowed.append((product, follower))
            }
            return
        }
        products[index].unfollow(kind, profiles[slot].number)
        touch(product: index)
    }

    /// Drops the carts that nothing has touched for as long as carts are kept; products no longer know of them.
    mutating func pruneCarts(_ slot: Int) {
        let forget = rules.definitions.cartsForget
        guard profiles[slot].carts.hasForgotten(now: clock.now, forget: forget) else { return }
        let before = rules.products.indexesCarts ? cartProducts(slot) : []
        touch(slot)
        profiles[slot].carts.prune(now: clock.now, forget: forget)
        if rules.products.indexesCarts { reindexCart(slot, before: before) }
    }

    /// Waitlist places end after `waitlist.forget`. The product's index is told only when it is at hand; an audience checks again.
    private mutating func forgetOldInterests(_ slot: Int) {
        // Nothing is copied to see that nothing is to be done: a visitor may have looked at thousands of products.
        let bound = clock.now - rules.definitions.waitlistForget
        var hasOld = false
        for place in profiles[slot].interests.indices
        where profiles[slot].interests[place].kind == .waitlist && profiles[slot].interests[place].last <= bound { hasOld = true }
        guard hasOld else { return }
        let gone = profiles[slot].interests.filter {
            !$0.holds(at: clock.now, rules.definitions) && productIndex[$0.product] != nil
        }
        guard !gone.isEmpty else { return }
        profiles[slot].interests.removeAll { gone.contains($0) }
        for interest in gone { unfollow(.waitlist, slot, interest.product) }
    }

    func interest(_ kind: InterestKind, _ slot: Int, _ product: ProductKey) -> Interest? {
        profiles[slot].interest(in: product, kinds: [kind], at: clock.now, rules.definitions)
    }

    private func cartProducts(_ slot: Int) -> [ProductKey] {
        profiles[slot].carts.list.flatMap { $0.lines.map(\.product) }
    }

    /// Tells the products what lies in the carts, and what has gone out of them. What lies there unchanged is told too: an audience may be younger than
    /// the cart.
    private mutating func reindexCart(_ slot: Int, before: [ProductKey]) {
        // Since when it does in the cart that was touched last.
        var since: [ProductKey: Instant] = [:]
        for cart in profiles[slot].carts.list.reversed() {
            for line in cart.lines where since[line.product] == nil {
                since[line.product] = line.since
                follow(.cart, slot, line.product, since: line.since)
            }
        }
        for product in before where since[product] == nil { unfollow(.cart, slot, product) }
    }
}
