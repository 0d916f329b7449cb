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
            // The event counts no more, but what it linked does.
            if merging != nil {
                let changes = judge(slot, rules.segmentOrder, isQuiet: false)
                for action in [Trigger.Action.cancel, .start] { fire(slot, changes, action) }
            }
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
            || changesContext && !rules.segmentsByContext.isEmpty
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
        if let state = StateEvent(rawValue: name.index) { return state.isAboutAProduct }
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

    /// What is kept of every event: profile fields, traits, marks and windows.
    private mutating func update(_ slot: Int, _ event: Event, _ properties: JSONView?, _ batch: EventBatch) {
        if profiles[slot].see(event, of: batch) { moveHolds(slot) }
        countActivity(slot, at: event.time)
        profiles[slot].count(event, properties, of: batch, rules, now: clock.now)
    }

    /// Notes the products that the event's effects, conditions or cancelled instances may touch. Those that it names are known from now on.
    private mutating func requireProducts(
        _ event: Event, _ mentions: [ProductMention], _ listed: [ProductMention]?, slots: [Int], isMerging: Bool,
        _ missing: inout Missing
    ) {
        for place in mentions.indices { _ = require(mentions[place].product, &missing) }
        // An event with a product of its own may carry a list besides.
        if mentions.count == 1, let listed { for place in listed.indices { _ = require(listed[place].product, &missing) } }
        // What anybody has to do with is resident where nothing is stored.
        guard hasStore else { return }
        for slot in slots {
            for place in profiles[slot].instances.indices {
                if let product = profiles[slot].instances[place].product { _ = require(product, &missing) }
            }
            if isMerging || event.name == StateEvent.orderCompleted.eventName {
                for interest in profiles[slot].interests where rules.indexes(interest.kind) {
                    _ = require(interest.product, &missing)
                }
            }
            if rules.indexesCarts {
                for cart in profiles[slot].carts.list { for line in cart.lines { _ = require(line.product, &missing) } }
            }
        }
    }

    private func needsPrice(_ name: EventName) -> Bool {
        switch StateEvent(rawValue: name.index) {
        case .backInStockRequested, .productAddedToWishlist: true
        case .productViewed: rules.keepsViews
        default: false
        }
    }
}
