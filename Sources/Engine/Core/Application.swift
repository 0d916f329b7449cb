import CEL

/// What applying one event has found out about it, for conditions and triggers.
struct EventContext {
    let event: Event
    let name: String
    let id: String
    let properties: JSONView?
    /// Products the event names: its own `product_id`, else those of `products`.
    var mentions: [ProductMention] = []
    /// Those of `products`; nil if there is no such list.
    var listed: [ProductMention]?
    var cartID: String?
    /// Whether the event says or implies a cart, so that it does not stand for all of them.
    var namesCart = false
    var subscriptionID: String?
    var product: ProductKey? { mentions.first?.product }
}

extension Engine {
    /// Applies one event; false after noting what is missing, with nothing changed.
    mutating func apply(_ event: Event, of batch: EventBatch, _ missing: inout Missing) -> Bool {
        if !missing.isEmpty { missing = Missing() }
        guard event.time <= tombstones.newest else { return applyKept(event, of: batch, &missing) }
        if drops(event, of: batch) {
            clock.now = max(clock.now, event.order)
            return true
        }
        var event = event
        // Another's event on the device of somebody who was erased does not bring the device back.
        if !event.anonymous.isEmpty, tombstones.drops(isAnonymous: true, batch.bytes(event.anonymous), at: event.time) {
            event.anonymous = .none
        }
        return applyKept(event, of: batch, &missing)
    }

    private mutating func applyKept(_ event: Event, of batch: EventBatch, _ missing: inout Missing) -> Bool {
        if event.name == StateEvent.customerErasureRequested.eventName, !event.user.isEmpty || !event.anonymous.isEmpty {
            return applyErasure(event, of: batch, &missing)
        }
        let properties = batch.properties(of: event)
        if event.user.isEmpty && event.anonymous.isEmpty || isProductsOwn(event.name) {
            return applyProduct(event, properties, of: batch, &missing)
        }

        // Who. Nothing is changed until all that is needed is resident.
        var userSlot = event.user.isEmpty ? nil : batch.withBytes(event.user) { find(isAnonymous: false, $0) }
        // Nearly every event of a known visitor names both ids, which belong together already.
        let anonymousSlot =
            event.anonymous.isEmpty
            ? nil
            : batch.withBytes(event.anonymous) { id in
                if let userSlot, isLinked(id, to: userSlot) { userSlot } else { find(isAnonymous: true, id) }
            }
        if let key = storedKey(userSlot, false, event.user, of: batch) { missing.customers.append(key) }
        if let key = storedKey(anonymousSlot, true, event.anonymous, of: batch) { missing.customers.append(key) }
        guard missing.isEmpty else { return false }
        let merging =
            userSlot != anonymousSlot
            ? anonymousSlot.flatMap { event.user.isEmpty || !profiles[$0].key.isAnonymous ? nil : $0 } : nil
        let acting = event.user.isEmpty ? anonymousSlot : userSlot

        // Most events only count: they have no effect on carts and the like, and trigger nothing.
        let acts = rules.acts[Int(event.name.index)]
        var mentions: [ProductMention] = []
        var listed: [ProductMention]?
        if acts, let properties {
            listed = ProductMention.list(properties)
            mentions = ProductMention(properties).map { [$0] } ?? listed ?? []
        }
        if acts || merging != nil, rules.usesProducts || needsPrice(event.name) {
            requireProducts(
                event, mentions, listed, slots: [acting, merging].compactMap { $0 }, isMerging: merging != nil, &missing)
            guard missing.isEmpty else { return false }
        }

        clock.now = max(clock.now, event.order)
        counters.events += 1
        if event.isLate { counters.late += 1 }
        var slot: Int
        if !event.user.isEmpty {
            if userSlot == nil { userSlot = create(isAnonymous: false, batch.bytes(event.user), at: event.time) }
            slot = userSlot ?? 0
            if !event.anonymous.isEmpty {
                if let merging {
                    merge(merging, into: slot)
                } else if anonymousSlot == nil {
                    link(Array(batch.bytes(event.anonymous)), to: slot)
                    touch(slot)
                }
            }
        } else {
            slot = anonymousSlot ?? create(isAnonymous: true, batch.bytes(event.anonymous), at: event.time)
        }
        touch(slot)

        if !event.id.isEmpty, rules.definitions.dedupe > 0,
            profiles[slot].seen.sees(
                event.digest, at: event.time, now: clock.now, dedupe: rules.definitions.dedupe, lateFor: rules.definitions.lateFor
            )
        {
            counters.duplicates += 1
            settle(slot)
            return true
        }

        let isNew = profiles[slot].judgedBy == 0
        let adopts = profiles[slot].judgedBy != rules.judgement
        update(slot, event, properties, batch)
        if !rules.delivery.conversions.isEmpty { convert(slot, event, properties) }
        let changesContext = event.traits != 0 || !event.locale.isEmpty || !event.timezone.isEmpty
        let isJudged =
            adopts || merging != nil || !rules.segmentsByEvent[Int(event.name.index)].isEmpty
            || changesContext && !rules.sensitivity.context.isEmpty
        guard acts || isJudged || !rules.calendars.isEmpty else { return true }

        var context: EventContext?
        if acts {
            var found = EventContext(
                event: event, name: rules.vocabulary[event.name].name, id: batch.string(event.id), properties: properties,
                mentions: mentions, listed: listed)
            change(slot, &found)
            context = found
        }
        let changes =
            isJudged
            ? judgeSegments(
                slot, event: event, all: merging != nil || adopts, changesContext: changesContext, isQuiet: adopts && !isNew) : []
        // What both starts and cancels a rule cancels first, be it the event or a segment that it led into.
        for action in [Trigger.Action.cancel, .start] {
            if let context {
                fire(slot, context, holding(rules.triggers(of: event.name, action)) { $0.holds($1, slot, context) })
            }
            if !changes.isEmpty { fire(slot, changes, action) }
        }
        settle(slot)
        return true
    }

    /// Whether an event is about a product and nobody's, also if it names somebody, as many log libraries make every event do: changes of
    /// stock and price, and what only starts rules with an audience.
    private func isProductsOwn(_ name: EventName) -> Bool {
        guard rules.vocabulary[name].isProductEvent else { return false }
        if let state = StateEvent(rawValue: name.index) { return state == .productStockChanged || state == .productPriceChanged }
        let index = Int(name.index)
        return rules.seriesByEvent[index].isEmpty && rules.markByEvent[index] == nil
            && rules.triggersByEvent[index].allSatisfy { $0.action == .start && rules.rules[$0.rule].hasAudience }
    }

    private mutating func create(isAnonymous: Bool, _ id: ArraySlice<UInt8>, at time: Instant) -> Int {
        let key = CustomerKey(isAnonymous: isAnonymous, id: Array(id))
        let profile = Profile(number: clock.nextCustomer, key: key, firstSeen: time)
        clock.nextCustomer += 1
        return place(profile)
    }

    /// Profile fields, traits, marks and windows.
    private mutating func update(_ slot: Int, _ event: Event, _ properties: JSONView?, _ batch: EventBatch) {
        profiles[slot].firstSeen = min(profiles[slot].firstSeen, event.time)
        profiles[slot].lastSeen = max(profiles[slot].lastSeen, event.time)
        if !event.locale.isEmpty { Self.stamp(&profiles[slot].locale, event.locale, of: batch, at: event.time) }
        if !event.timezone.isEmpty, Self.stamp(&profiles[slot].timezone, event.timezone, of: batch, at: event.time) {
            moveHolds(slot)
        }
        countActivity(slot, at: event.time)
        if let traits = batch.traits(of: event) { profiles[slot].set(traits: traits, at: event.time) }
        let name = Int(event.name.index)
        guard name != 0 else { return }
        if let mark = rules.markByEvent[name] {
            if let place = profiles[slot].marks.firstIndex(where: { $0.definition == mark }) {
                profiles[slot].marks[place].first = min(profiles[slot].marks[place].first, event.time)
                profiles[slot].marks[place].last = max(profiles[slot].marks[place].last, event.time)
            } else {
                profiles[slot].marks.append(Mark(definition: mark, first: event.time, last: event.time))
            }
        }
        for definition in rules.seriesByEvent[name] { count(definition, slot, event.time, properties) }
    }

    /// The newest event time wins; a value that stays the same, which nearly every event repeats, is not made anew. Gives whether it is another.
    @discardableResult
    private static func stamp(_ field: inout Stamped<String>?, _ text: ArenaText, of batch: EventBatch, at time: Instant) -> Bool
    {
        if let known = field?.at {
            guard known <= time else { return false }
            if batch.withBytes(text, { field?.value.same(as: $0) ?? false }) {
                field?.at = time
                return false
            }
        }
        field = Stamped(batch.string(text), at: time)
        return true
    }

    private mutating func count(_ definition: Int, _ slot: Int, _ time: Instant, _ properties: JSONView?) {
        let width = rules.series[definition].width
        let statistic = rules.series[definition].statistic
        let bucket = width.bucket(time)
        let longest = rules.longest[definition]
        if width != .lifetime, width.leaves(bucket, window: longest) <= clock.now { return }
        let value = statistic == .count || statistic == .ordered ? nil : properties?.value(at: rules.seriesPaths[definition])
        let number = value?.decimal
        switch statistic {
        case .sum: if number == nil { return }
        case .distinct, .top: if value == nil || value?.tag == .null { return }
        case .count, .ordered: break
        }
        let place: Int
        if let found = profiles[slot].series.firstIndex(where: { $0.definition == definition }) {
            place = found
        } else {
            profiles[slot].series.append(Series(definition: definition))
            place = profiles[slot].series.count - 1
        }
        profiles[slot].series[place].prune(now: clock.now, longest: longest, width: width)
        switch statistic {
        case .count: profiles[slot].series[place].count(bucket)
        case .sum: if let number { profiles[slot].series[place].number(number, bucket) }
        case .distinct: if let value { profiles[slot].series[place].distinct(value.packed, bucket) }
        case .top: if let value { profiles[slot].series[place].top(value.packed, bucket) }
        case .ordered:
            guard let properties else { return }
            for mention in ProductMention.list(properties) ?? ProductMention(properties).map({ [$0] }) ?? [] {
                profiles[slot].series[place].distinct(Array(mention.product.id.utf8), bucket)
            }
        }
    }

    /// Notes the products that the event's effects, conditions or cancelled instances may touch.
    private mutating func requireProducts(
        _ event: Event, _ mentions: [ProductMention], _ listed: [ProductMention]?, slots: [Int], isMerging: Bool,
        _ missing: inout Missing
    ) {
        var keys: [ProductKey] = []
        func add(_ key: ProductKey) { if !keys.contains(key) { keys.append(key) } }
        for mention in mentions { add(mention.product) }
        // An event with a product of its own may carry a list besides.
        if mentions.count == 1 { for mention in listed ?? [] { add(mention.product) } }
        for slot in slots {
            for place in profiles[slot].instances.indices {
                if let product = profiles[slot].instances[place].product { add(product) }
            }
            if isMerging || event.name == StateEvent.orderCompleted.eventName {
                for interest in profiles[slot].interests where rules.indexes(interest.kind) {
                    add(interest.product)
                }
            }
            if rules.indexesCarts {
                for cart in profiles[slot].carts.list { for line in cart.lines { add(line.product) } }
            }
        }
        for key in keys { _ = require(key, &missing) }
    }

    private func needsPrice(_ name: EventName) -> Bool {
        switch StateEvent(rawValue: name.index) {
        case .backInStockRequested, .productAddedToWishlist: true
        case .productViewed: rules.keepsViews
        default: false
        }
    }

    // MARK: Carts, interests, subscriptions

    /// Carries out what the state understands of the event, and finds its cart, products and subscription.
    private mutating func change(_ slot: Int, _ context: inout EventContext) {
        let event = context.event
        let state = StateEvent(rawValue: event.name.index)
        context.subscriptionID = Subscription.id(context.properties)
        profiles[slot].carts.prune(now: clock.now, forget: rules.definitions.cartsForget)
        let before = rules.indexesCarts ? cartProducts(slot) : []
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
                profiles[slot].subscriptions.append(Subscription(id: id, at: event.time))
                place = profiles[slot].subscriptions.count - 1
            }
            if let state { profiles[slot].subscriptions[place].apply(state, context.properties, at: event.time) }
            context.cartID = profiles[slot].carts.target(of: context.properties)
        case .consentChanged, .unsubscribed, .emailBounced, .emailMarkedAsSpam:
            if let state { profiles[slot].consent.apply(state, context.properties, at: event.time) }
            context.cartID = profiles[slot].carts.target(of: context.properties)
        default:
            context.cartID = profiles[slot].carts.target(of: context.properties)
        }
        if let properties = context.properties, Carts.cartID(properties) != nil { context.namesCart = true }
        if rules.indexesCarts { reindexCart(slot, before: before) }
    }

    private mutating func changeCart(_ slot: Int, _ state: StateEvent, _ context: inout EventContext) {
        let time = context.event.time
        let properties = context.properties
        let listed = context.listed
        let id: String
        if state == .orderCompleted {
            let bought = listed ?? []
            id = profiles[slot].carts.target(ofOrder: properties, bought: bought)
        } else {
            id = profiles[slot].carts.target(of: properties)
        }
        let cart = profiles[slot].carts.touch(id: id, at: time)
        switch state {
        case .productAdded: for mention in context.mentions.prefix(1) { profiles[slot].carts.add(mention, to: cart, at: time) }
        case .productRemoved:
            for mention in context.mentions.prefix(1) { profiles[slot].carts.remove(mention, from: cart, at: time) }
        case .orderCompleted:
            profiles[slot].carts.order(listed ?? [], in: cart, at: time)
            for mention in listed ?? [] {
                forgetInterests(slot, in: mention.product, kinds: [.waitlist, .wishlist, .viewed], until: time)
            }
        default: if let listed { profiles[slot].carts.replace(listed, in: cart, at: time) }
        }
        if state == .checkoutStarted { profiles[slot].carts.link(properties, to: cart) }
        context.cartID = id
        context.namesCart = true
    }

    private mutating func changeInterest(_ slot: Int, _ state: StateEvent, _ context: EventContext) {
        guard let mention = context.mentions.first else { return }
        let time = context.event.time
        switch state {
        case .backInStockCancelled: forgetInterests(slot, in: mention.product, kinds: [.waitlist], until: time)
        case .productRemovedFromWishlist: forgetInterests(slot, in: mention.product, kinds: [.wishlist], until: time)
        case .productAddedToWishlist: express(.wishlist, slot, mention, at: time)
        case .productViewed: if rules.keepsViews { express(.viewed, slot, mention, at: time) }
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
        let since: Instant
        if let place = profiles[slot].interests.firstIndex(where: { $0.kind == kind && $0.product == mention.product }) {
            profiles[slot].interests[place].count += 1
            profiles[slot].interests[place].last = max(profiles[slot].interests[place].last, time)
            if time < profiles[slot].interests[place].since {
                profiles[slot].interests[place].since = time
                profiles[slot].interests[place].price = price ?? profiles[slot].interests[place].price
            }
            since = profiles[slot].interests[place].since
        } else {
            profiles[slot].interests.append(
                Interest(
                    kind: kind, product: mention.product, since: time, last: time, count: 1, price: price, currency: currency))
            since = time
        }
        follow(kind, slot, mention.product, since: since)
    }

    private mutating func follow(_ kind: InterestKind, _ slot: Int, _ product: ProductKey, since: Instant) {
        guard rules.indexes(kind), let index = productIndex[product] else { return }
        products[index].follow(kind, profiles[slot].number, since: since)
        touch(product: index)
    }

    /// Takes interests away that were expressed no later than `until`.
    mutating func forgetInterests(_ slot: Int, in product: ProductKey, kinds: [InterestKind], until: Instant) {
        let gone = profiles[slot].interests.filter { $0.product == product && kinds.contains($0.kind) && $0.last <= until }
        guard !gone.isEmpty else { return }
        profiles[slot].interests.removeAll { gone.contains($0) }
        for interest in gone { unfollow(interest.kind, slot, product) }
    }

    private mutating func unfollow(_ kind: InterestKind, _ slot: Int, _ product: ProductKey) {
        guard rules.indexes(kind), let index = productIndex[product] else { return }
        products[index].unfollow(kind, profiles[slot].number)
        touch(product: index)
    }

    /// Waitlist places end after `waitlist.forget`. The product's index is told only when it is at hand; an audience checks again.
    private mutating func forgetOldInterests(_ slot: Int) {
        let bound = clock.now - rules.definitions.waitlistForget
        let gone = profiles[slot].interests.filter { $0.kind == .waitlist && $0.last <= bound && productIndex[$0.product] != nil }
        guard !gone.isEmpty else { return }
        profiles[slot].interests.removeAll { gone.contains($0) }
        for interest in gone { unfollow(.waitlist, slot, interest.product) }
    }

    private func cartProducts(_ slot: Int) -> [ProductKey] {
        profiles[slot].carts.list.flatMap { $0.lines.map(\.product) }
    }

    private mutating func reindexCart(_ slot: Int, before: [ProductKey]) {
        for product in before where profiles[slot].interest(in: product, kinds: [.cart]) == nil { unfollow(.cart, slot, product) }
        for product in cartProducts(slot) {
            if let interest = profiles[slot].interest(in: product, kinds: [.cart]) {
                follow(.cart, slot, product, since: interest.since)
            }
        }
    }

    // MARK: Segments

    /// Judges the segments that this event may have changed, and gives what changed. The first judgement under new segments is quiet.
    private mutating func judgeSegments(
        _ slot: Int, event: Event, all: Bool, changesContext: Bool, isQuiet: Bool
    ) -> [SegmentChange] {
        if all { return judge(slot, rules.segmentOrder, isQuiet: isQuiet) }
        let own = rules.segmentsByEvent[Int(event.name.index)]
        guard changesContext, !rules.sensitivity.context.isEmpty else { return judge(slot, own, isQuiet: false) }
        return judge(slot, rules.withDependents(own + rules.sensitivity.context), isQuiet: false)
    }

    /// Judges segments in the given order (those a segment is made of before it).
    mutating func judge(_ slot: Int, _ indices: [Int], isQuiet: Bool) -> [SegmentChange] {
        var changes: [SegmentChange] = []
        for segment in indices {
            let isIn = evaluate(rules.segments[segment].condition, slot)
            let wasIn = profiles[slot].isMember(of: segment)
            guard isIn != wasIn else { continue }
            if isIn {
                profiles[slot].segments.append(Membership(segment: segment, enteredAt: clock.now))
                output.memberships.append((segment, profiles[slot].number, clock.now))
            } else {
                profiles[slot].segments.removeAll { $0.segment == segment }
                output.memberships.append((segment, profiles[slot].number, nil))
            }
            touch(slot)
            if !isQuiet { changes.append(SegmentChange(segment: segment, entered: isIn)) }
        }
        profiles[slot].judgedBy = rules.judgement
        return changes
    }

    /// A segment's or trigger's condition on the profile alone.
    private mutating func evaluate(_ condition: Condition, _ slot: Int) -> Bool {
        let now = clock.now
        let rules = rules
        let result = profiles.withUnsafeBufferPointer { profiles -> Evaluation? in
            guard let first = profiles.baseAddress else { return nil }
            return condition.program.evaluate(
                ProfileScope(condition: condition, rules: rules, profile: first + slot, now: now))
        }
        switch result {
        case .value(.bool(let value)): return value
        case .value, nil: return false
        case .error:
            counters.conditionErrors += 1
            return false
        }
    }

    // MARK: Next wake

    /// Makes sure the profile is woken for the next moment at which it may change without an event.
    mutating func settle(_ slot: Int) {
        var next = Instant.max
        for place in profiles[slot].instances.indices where profiles[slot].instances[place].phase != .queued {
            next = min(next, max(profiles[slot].instances[place].due, clock.now))
        }
        if !rules.segments.isEmpty { next = min(next, nextSegmentChange(slot)) }
        if !rules.calendars.isEmpty { next = min(next, nextCalendarStart(slot)) }
        wake(slot, at: next)
    }

    /// The next moment at which a segment of this profile may change by time: a bucket leaves a window, or a `since` reaches its constant.
    private func nextSegmentChange(_ slot: Int) -> Instant {
        var next = Instant.max
        for place in profiles[slot].series.indices {
            let definition = profiles[slot].series[place].definition
            if rules.windowMoments[definition].isEmpty { continue }
            let width = rules.series[definition].width
            for moment in rules.windowMoments[definition] {
                if let change = profiles[slot].series[place].nextChange(now: clock.now, window: moment, width: width) {
                    next = min(next, change)
                }
            }
        }
        for place in profiles[slot].marks.indices {
            for constant in rules.sinceMoments[profiles[slot].marks[place].definition] {
                let moment = profiles[slot].marks[place].last + constant
                if moment > clock.now { next = min(next, moment) } else if moment + 1 > clock.now { next = min(next, moment + 1) }
            }
        }
        return next
    }
}

struct SegmentChange {
    let segment: Int
    let entered: Bool
}
