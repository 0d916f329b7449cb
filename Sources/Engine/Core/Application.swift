/// What applying one event has found out about it, for conditions and triggers.
struct EventContext {
    let event: EventName
    let time: Instant
    let name: String
    let id: String
    let properties: JSONView?
    /// Products the event names: its own `product_id`, else those of `products`.
    let mentions: [ProductMention]
    /// Those of `products`; nil if there is no such list.
    let listed: [ProductMention]?
    var cartID: String?
    /// Whether the event says or implies a cart, so that it does not stand for all of them.
    var namesCart = false
    var subscriptionID: String?
    var product: ProductKey? { mentions.first?.product }

    init(_ event: Event, of batch: EventBatch, _ properties: JSONView?, _ rules: RuleSet) {
        self.event = event.name
        time = event.time
        name = rules.vocabulary[event.name].name
        id = batch.string(event.id)
        self.properties = properties
        listed = properties.flatMap { ProductMention.list($0) }
        mentions = properties.flatMap { ProductMention($0) }.map { [$0] } ?? listed ?? []
    }
}

/// Whom an event of a customer is about, as far as known before it is applied.
private struct Actors {
    var user: Int?
    var anonymous: Int?
    /// The anonymous profile that the event makes the user's.
    var merging: Int?
}

/// What counting an event has come to.
private struct Arrival {
    let slot: Int
    /// Nobody has been judged by any segments before.
    let isNew: Bool
    /// The segments have changed since the customer was judged last.
    let adopts: Bool
    let isMerged: Bool
    let changesContext: Bool
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

    /// As `apply`, whoever was erased.
    mutating func applyKept(_ event: Event, of batch: EventBatch, _ missing: inout Missing) -> Bool {
        if event.name == StateEvent.customerErasureRequested.eventName, !event.user.isEmpty || !event.anonymous.isEmpty {
            return applyErasure(event, of: batch, &missing)
        }
        let properties = batch.properties(of: event)
        if event.user.isEmpty && event.anonymous.isEmpty || isProductsOwn(event.name) {
            return applyProduct(event, properties, of: batch, &missing)
        }

        // Who. Nothing is changed until all that is needed is resident.
        let userSlot = event.user.isEmpty ? nil : batch.withBytes(event.user) { find(isAnonymous: false, $0) }
        // Nearly every event of a known visitor names both ids, which belong together already.
        let anonymousSlot =
            event.anonymous.isEmpty
            ? nil
            : batch.withBytes(event.anonymous) { id in
                if let userSlot, profiles[userSlot].links.count < Self.fewLinks, isLinked(id, to: userSlot) {
                    userSlot
                } else {
                    find(isAnonymous: true, id)
                }
            }
        if let key = storedKey(userSlot, false, event.user, of: batch) { missing.customers.append(key) }
        if let key = storedKey(anonymousSlot, true, event.anonymous, of: batch) { missing.customers.append(key) }
        guard missing.isEmpty else { return false }
        let merging =
            userSlot != anonymousSlot
            ? anonymousSlot.flatMap { event.user.isEmpty || !profiles[$0].key.isAnonymous ? nil : $0 } : nil
        let actors = Actors(user: userSlot, anonymous: anonymousSlot, merging: merging)
        if movesIDs {
            if let slot = userSlot ?? anonymousSlot { requireMovedIDs(of: slot, event, &missing) }
            if let merging { requireMovedIDs(of: merging, event, &missing) }
            guard missing.isEmpty else { return false }
        }
        // Most events only count: they have no effect on carts and the like, and trigger nothing.
        return rules.acts[Int(event.name.index)]
            ? act(event, properties, actors, of: batch, &missing) : onlyCount(event, properties, actors, of: batch, &missing)
    }

    private mutating func onlyCount(
        _ event: Event, _ properties: JSONView?, _ actors: Actors, of batch: EventBatch, _ missing: inout Missing
    ) -> Bool {
        if actors.merging != nil {
            requireProducts(of: actors, event, &missing)
            guard missing.isEmpty else { return false }
        }
        guard let arrival = count(event, properties, actors, of: batch) else { return true }
        guard isJudged(event, arrival) || !rules.triggers.calendars.isEmpty else { return true }
        let changes = judgeSegments(event, arrival)
        if !changes.isEmpty {
            fire(arrival.slot, changes, .cancel)
            fire(arrival.slot, changes, .start)
        }
        settle(arrival.slot)
        return true
    }

    private mutating func act(
        _ event: Event, _ properties: JSONView?, _ actors: Actors, of batch: EventBatch, _ missing: inout Missing
    ) -> Bool {
        var context = EventContext(event, of: batch, properties, rules)
        if concernsProducts(event.name) { require(productsOf: context, &missing) }
        requireProducts(of: actors, event, &missing)
        guard missing.isEmpty else { return false }
        guard let arrival = count(event, properties, actors, of: batch) else { return true }
        change(arrival.slot, &context)
        let changes = judgeSegments(event, arrival)
        // What both starts and cancels a rule cancels first, be it the event or a segment that it led into.
        fire(arrival.slot, context, changes, .cancel)
        fire(arrival.slot, context, changes, .start)
        settle(arrival.slot)
        return true
    }

    private mutating func fire(
        _ slot: Int, _ context: borrowing EventContext, _ changes: [SegmentChange], _ action: Trigger.Action
    ) {
        fire(slot, context, holding(rules.triggers.groups(of: context.event, action), slot, context))
        if !changes.isEmpty { fire(slot, changes, action) }
    }

    /// Counts an event: whose it is, and what is kept of every event. Nil if it is the same as one that counted.
    private mutating func count(_ event: Event, _ properties: JSONView?, _ actors: Actors, of batch: EventBatch) -> Arrival? {
        clock.now = max(clock.now, event.order)
        counters.events += 1
        if event.isLate { counters.late += 1 }
        var slot: Int
        if !event.user.isEmpty {
            slot = actors.user ?? create(isAnonymous: false, batch.bytes(event.user), at: event.time)
            if !event.anonymous.isEmpty {
                if let merging = actors.merging {
                    merge(merging, into: slot, at: event.time)
                } else if actors.anonymous == nil {
                    link(Array(batch.bytes(event.anonymous)), to: slot)
                    touch(slot)
                }
            }
        } else {
            slot = actors.anonymous ?? create(isAnonymous: true, batch.bytes(event.anonymous), at: event.time)
        }
        touch(slot)

        if !event.id.isEmpty, rules.definitions.dedupe > 0,
            !providedIDs.isEmpty && isProvided(event)
                || profiles[slot].seen.sees(
                    event.digest, at: event.time, now: clock.now, dedupe: rules.definitions.dedupe,
                    lateFor: rules.definitions.lateFor)
        {
            counters.duplicates += 1
            if event.name == StateEvent.paymentFailed.eventName { complete(slot, properties, at: event.time) }
            // The event counts no more, but what it linked does.
            if actors.merging != nil {
                let changes = judge(slot, rules.graph.order, isQuiet: false)
                fire(slot, changes, .cancel)
                fire(slot, changes, .start)
            }
            settle(slot)
            return nil
        }
        if movesIDs { moveIDs(of: slot) }
        let judgedBy = profiles[slot].judgedBy
        let isNew = actors.user == nil && actors.anonymous == nil
        let whereabouts = rules.triggers.calendars.isEmpty || isNew ? nil : whereabouts(slot)
        update(slot, event, properties, batch)
        if let whereabouts { startPassedOver(slot, since: whereabouts) }
        if !rules.delivery.conversions.isEmpty { convert(slot, event, properties) }
        return Arrival(
            slot: slot, isNew: judgedBy == 0, adopts: judgedBy != rules.judgement, isMerged: actors.merging != nil,
            changesContext: event.traits != 0 || !event.locale.isEmpty || !event.timezone.isEmpty)
    }

    /// A late event may equal one whose id was moved to the store.
    private func requireMovedIDs(of slot: Int, _ event: Event, _ missing: inout Missing) {
        guard profiles[slot].seen.needsMoved(at: event.time, dedupe: rules.definitions.dedupe), !event.id.isEmpty,
            rules.definitions.dedupe > 0
        else { return }
        let number = profiles[slot].number
        if !providedIDs.contains(where: { $0.customer == number }) { missing.movedIDs.append(number) }
    }

    /// Whether the event is the same as one whose id was moved to the store. What was given for it, ids of whoever it is about, is not kept, so that
    /// many late events take no more memory than one.
    private mutating func isProvided(_ event: Event) -> Bool {
        defer { providedIDs.removeAll() }
        return providedIDs.contains { moved in
            moved.ids.contains { $0.isRepeated(by: event.digest, at: event.time, dedupe: rules.definitions.dedupe) }
        }
    }

    /// Whether the event may have changed who is in which segment.
    private func isJudged(_ event: Event, _ arrival: Arrival) -> Bool {
        arrival.adopts || arrival.isMerged || !rules.graph.byEvent[Int(event.name.index)].isEmpty
            || arrival.changesContext && !rules.graph.byContext.isEmpty
    }

    private mutating func judgeSegments(_ event: Event, _ arrival: Arrival) -> [SegmentChange] {
        guard isJudged(event, arrival) else { return [] }
        return judgeSegments(
            arrival.slot, event: event, all: arrival.isMerged || arrival.adopts, changesContext: arrival.changesContext,
            isQuiet: arrival.adopts && !arrival.isNew)
    }

    /// Whether an event is about a product and nobody's, also if it names somebody, as many log libraries make every event do: changes of
    /// stock and price, and what only starts rules with an audience.
    private func isProductsOwn(_ name: EventName) -> Bool {
        guard rules.vocabulary[name].isProductEvent else { return false }
        if let state = StateEvent(rawValue: name.index) { return state.isAboutAProduct }
        let index = Int(name.index)
        return rules.statistics.seriesByEvent[index].isEmpty && rules.statistics.markByEvent[index] == nil
            && rules.triggers.byEvent[index].allSatisfy { $0.action == .start && rules.rules[$0.rule].hasAudience }
    }

    private mutating func create(isAnonymous: Bool, _ id: ArraySlice<UInt8>, at time: Instant) -> Int {
        let key = CustomerKey(isAnonymous: isAnonymous, id: Array(id))
        let profile = Profile(number: clock.nextCustomer, key: key, firstSeen: time)
        clock.nextCustomer += 1
        return place(profile)
    }

    /// What is kept of every event: profile fields, traits, marks and windows.
    private mutating func update(_ slot: Int, _ event: Event, _ properties: JSONView?, _ batch: EventBatch) {
        if profiles[slot].see(event, of: batch) { moveHolds(slot) }
        countActivity(slot, at: event.time)
        profiles[slot].count(event, properties, of: batch, rules, now: clock.now)
    }

    /// With more of them a look into the index is quicker than one through them.
    private static let fewLinks = 16

    /// The products that an event names are known from now on.
    private mutating func require(productsOf context: EventContext, _ missing: inout Missing) {
        for place in context.mentions.indices { _ = require(context.mentions[place].product, &missing) }
        // An event with a product of its own may carry a list besides.
        if context.mentions.count == 1, let listed = context.listed {
            for place in listed.indices { _ = require(listed[place].product, &missing) }
        }
    }

    /// Notes the stored products that the event's effects, conditions or cancelled instances and messages may touch.
    private mutating func requireProducts(of actors: Actors, _ event: Event, _ missing: inout Missing) {
        // What anybody has to do with is resident where nothing is stored.
        guard hasStore, concernsProducts(event.name) else { return }
        let acting = event.user.isEmpty ? actors.anonymous : actors.user
        for case let slot? in [acting, actors.merging] {
            for place in profiles[slot].instances.indices {
                if let product = profiles[slot].instances[place].product { _ = require(product, &missing) }
            }
            if event.time < max(clock.now, event.order) {
                for send in profiles[slot].sends where send.isRefuted(at: event.time) {
                    if let product = send.product { _ = require(product, &missing) }
                }
            }
            if actors.merging != nil || event.name == StateEvent.orderCompleted.eventName {
                for interest in profiles[slot].interests where rules.products.indexes(interest.kind) {
                    _ = require(interest.product, &missing)
                }
            }
            if rules.products.indexesCarts {
                for cart in profiles[slot].carts.list { for line in cart.lines { _ = require(line.product, &missing) } }
            }
        }
    }

    /// Whether an event can concern product records at all: some rule asks for them, or an interest notes the price of now.
    private func concernsProducts(_ name: EventName) -> Bool {
        if rules.products.hasRecords { return true }
        return switch StateEvent(rawValue: name.index) {
        case .backInStockRequested, .productAddedToWishlist: true
        case .productViewed: rules.products.keepsViews
        default: false
        }
    }
}
