import CEL

/// Events of products, and whom they reach.
extension Engine {
    /// Applies an event without a customer: stock, price, or what starts a rule with an audience.
    mutating func applyProduct(_ event: Event, _ properties: JSONView?, of batch: EventBatch, _ missing: inout Missing) -> Bool {
        guard let properties, let mention = ProductMention(properties) else {
            clock.now = max(clock.now, event.order)
            counters.events += 1
            return true
        }
        guard let index = require(mention.product, &missing) else { return false }
        // Whom it may concern has to be at hand before anything changes, because the starts' conditions are judged after the change.
        let triggers = rules.triggers.byEvent[Int(event.name.index)]
        let starts = rules.triggers.audienceStarts(of: event.name)
        // Where nothing is stored everybody is.
        for trigger in hasStore ? starts.flatMap({ $0.places.map { triggers[$0] } }) : [] {
            for audience in rules.rules[trigger.rule].audience {
                if case .segment(let segment) = audience, providedMembers[segment] == nil { missing.members.append(segment) }
            }
            for (number, _) in candidates(index, trigger.rule) where isAway(number) { missing.numbers.append(number) }
            for line in products[index].lines where line.rule == trigger.rule {
                for place in line.waiting + line.active where isAway(place.customer) { missing.numbers.append(place.customer) }
            }
        }
        guard missing.isEmpty else { return false }
        // Members come and go: they are of this event alone.
        defer { providedMembers.removeAll() }
        dropAbsent(from: index)

        clock.now = max(clock.now, event.order)
        counters.events += 1
        if event.isLate { counters.late += 1 }
        touch(product: index)
        if !event.id.isEmpty, rules.definitions.dedupe > 0,
            products[index].seen.sees(
                event.digest, at: event.time, now: clock.now, dedupe: rules.definitions.dedupe, lateFor: rules.definitions.lateFor
            )
        {
            counters.duplicates += 1
            return true
        }
        switch StateEvent(rawValue: event.name.index) {
        case .productStockChanged: products[index].facts.stock(properties, at: event.time)
        case .productPriceChanged: products[index].facts.price(properties, at: event.time)
        default: break
        }
        let name = rules.vocabulary[event.name].name
        let id = batch.string(event.id)
        let places = holding(starts) { engine, condition in
            var scope = Scope(condition: condition, rules: engine.rules, profile: nil, now: engine.clock.now)
            scope.eventName = name
            scope.eventID = id
            scope.eventTime = event.time
            scope.properties = properties
            scope.product = mention.product
            scope.facts = engine.products[index].facts
            if case .value(.bool(true)) = condition.program.evaluate(scope) { return true }
            return false
        }
        for place in places {
            startLine(index, triggers[place].rule, at: event.time, id: id, name: name, properties: properties)
        }
        return true
    }

    /// Customers whom a start of this rule at this product reaches, with the time of their earliest interest; unsorted, each once.
    private func candidates(_ index: Int, _ rule: Int) -> [(number: Int64, since: Instant)] {
        let audiences = rules.rules[rule].audience
        // A customer follows a product once in each way.
        if audiences.count == 1, let kind = audiences[0].interest {
            return products[index].followers.compactMap { $0.kind == kind ? ($0.customer, $0.since) : nil }
        }
        var found: [Int64: Instant] = [:]
        var order: [Int64] = []
        func add(_ number: Int64, _ since: Instant) {
            if let known = found[number] {
                found[number] = min(known, since)
            } else {
                found[number] = since
                order.append(number)
            }
        }
        for audience in audiences {
            switch audience {
            case .waitlist, .wishlist, .cart, .viewed:
                for follower in products[index].followers where follower.kind == audience.interest {
                    add(follower.customer, follower.since)
                }
            case .segment(let segment):
                if hasStore {
                    for member in providedMembers[segment] ?? [] { add(member.customer, member.enteredAt) }
                } else {
                    for slot in profiles.indices where isUsed[slot] {
                        for membership in profiles[slot].segments where membership.segment == segment {
                            add(profiles[slot].number, membership.enteredAt)
                        }
                    }
                }
            }
        }
        return order.map { ($0, found[$0] ?? 0) }
    }

    /// The audience of a start in its order: earliest interest first, then customer id. Interests are checked against the profiles,
    /// which know what has been forgotten.
    mutating func audience(_ index: Int, _ rule: Int) -> [Int] {
        let product = products[index].key
        let rules = rules
        let now = clock.now
        var found: [(slot: Int, since: Instant)] = []
        for (number, _) in candidates(index, rule) {
            guard let slot = slotByNumber[number] else { continue }
            pruneCarts(slot)
            if let since = profiles[slot].audienceSince(of: rules.rules[rule], product, now: now, rules.definitions) {
                found.append((slot, since))
            }
        }
        let profiles = profiles
        found.sort {
            $0.since != $1.since ? $0.since < $1.since : CustomerKey.precedes(profiles[$0.slot].key, profiles[$1.slot].key)
        }
        return found.map(\.slot)
    }

    /// Whether a customer has to be brought in before something is decided about them.
    func isAway(_ number: Int64) -> Bool { slotByNumber[number] == nil && !absentNumbers.contains(number) }

    /// Nobody is kept who is not in the store: what a product still knows of them goes.
    mutating func dropAbsent(from index: Int) {
        guard !absentNumbers.isEmpty else { return }
        for follower in products[index].followers where absentNumbers.contains(follower.customer) {
            products[index].unfollow(follower.kind, follower.customer)
            touch(product: index)
        }
        for place in products[index].lines.indices {
            for number in absentNumbers { products[index].lines[place].remove(number) }
        }
        for segment in providedMembers.keys.sorted() {
            for member in providedMembers[segment] ?? [] where absentNumbers.contains(member.customer) {
                output.memberships.append((segment, member.customer, nil))
            }
        }
    }
}

extension Profile {
    /// Since when the customer belongs to a rule's audience at a product: the earliest interest that still holds; nil if none does.
    fileprivate func audienceSince(
        of rule: Rule, _ product: ProductKey, now: Instant, _ definitions: Definitions
    ) -> Instant? {
        var since: Instant?
        for audience in rule.audience {
            switch audience {
            case .segment(let segment):
                if let membership = segments.first(where: { $0.segment == segment }) {
                    since = min(since ?? .max, membership.enteredAt)
                }
            case .waitlist, .wishlist, .cart, .viewed:
                guard let kind = audience.interest, let interest = interest(in: product, kinds: [kind], at: now, definitions)
                else {
                    continue
                }
                if case .viewed(let within) = audience, interest.last <= now - within { continue }
                since = min(since ?? .max, interest.since)
            }
        }
        return since
    }
}
