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
}
