extension Engine {
    /// Moves everything of an anonymous profile to the user it became, once, in event order (`events.md`, Who).
    mutating func merge(_ from: Int, into slot: Int, at time: Instant) {
        let visitor = profiles[from]
        let number = visitor.number
        for product in visitor.interests.map(\.product) + visitor.carts.list.flatMap({ $0.lines.map(\.product) }) {
            guard let index = productIndex[product] else { continue }
            for kind in InterestKind.allCases { products[index].unfollow(kind, number) }
            touch(product: index)
        }
        for membership in visitor.segments { output.memberships.append((membership.segment, number, nil)) }
        output.removed.append(number)
        output.running -= visitor.storedInstances
        output.merged.append((number, profiles[slot].number))
        gone.insert(number)
        release(from)
        for anonymous in [visitor.key.id] + visitor.links { link(anonymous, to: slot) }

        let user = profiles[slot].number
        profiles[slot].absorb(visitor, at: time, rules)
        // Who is in a segment does not enter it by a login.
        for membership in visitor.segments where !profiles[slot].isMember(of: membership.segment) {
            profiles[slot].segments.append(membership)
            output.memberships.append((membership.segment, user, membership.enteredAt))
        }
        // What was to be forgotten before the link comes back with no newer cart of that id.
        var carts = visitor.carts
        carts.prune(now: clock.now, forget: rules.definitions.cartsForget)
        pruneCarts(slot)
        profiles[slot].carts.merge(carts)
        for interest in visitor.interests { merge(interest, into: slot) }
        profiles[slot].ended.merge(visitor.ended)
        if rules.products.indexesCarts {
            for line in profiles[slot].carts.list.flatMap(\.lines) {
                guard let index = productIndex[line.product],
                    let interest = interest(.cart, slot, line.product)
                else {
                    continue
                }
                products[index].follow(.cart, user, since: interest.since)
                touch(product: index)
            }
        }
        for past in visitor.past {
            recordPast(slot, past.rule, key: past.key) { own in
                if let lastCancel = past.lastCancel { own.lastCancel = max(own.lastCancel ?? lastCancel, lastCancel) }
                for start in past.endedStarts { own.endedStarts.insert(start) }
            }
        }
        for instance in visitor.instances { merge(instance, of: number, into: slot) }
        moveHolds(slot)
        touch(slot)
    }

    private mutating func merge(_ interest: Interest, into slot: Int) {
        guard interest.holds(at: clock.now, rules.definitions) else { return }
        let (now, definitions) = (clock.now, rules.definitions)
        profiles[slot].interests.removeAll { $0.product == interest.product && !$0.holds(at: now, definitions) }
        if let own = place(of: interest.kind, slot, in: interest.product) {
            if interest.since < profiles[slot].interests[own].since {
                profiles[slot].interests[own].since = interest.since
                profiles[slot].interests[own].price = interest.price
                profiles[slot].interests[own].currency = interest.currency
            }
            profiles[slot].interests[own].last = max(profiles[slot].interests[own].last, interest.last)
            profiles[slot].interests[own].add(interest.count)
        } else {
            profiles[slot].interests.append(interest)
        }
        guard rules.products.indexes(interest.kind), let index = productIndex[interest.product],
            let merged = self.interest(interest.kind, slot, interest.product)
        else { return }
        products[index].follow(interest.kind, profiles[slot].number, since: merged.since)
        touch(product: index)
    }

    /// Of two instances of one key the one with the later start stays if the rule restarts, else the earlier; the other ends `merged`.
    private mutating func merge(_ instance: Instance, of number: Int64, into slot: Int) {
        let user = profiles[slot].number
        let line = instance.product.flatMap { productIndex[$0] }.flatMap { index in
            products[index].lines.firstIndex { $0.rule == instance.rule }.map { (index, $0) }
        }
        guard let own = profiles[slot].instances.firstIndex(where: { $0.rule == instance.rule && $0.key.same(as: instance.key) })
        else {
            profiles[slot].instances.append(instance)
            if let (index, place) = line {
                products[index].lines[place].replace(number, by: user)
                touch(product: index)
            }
            return
        }
        let visitorIsLater = instance.startedAt > profiles[slot].instances[own].startedAt
        let visitorStays =
            if instance.startedAt == profiles[slot].instances[own].startedAt {
                // Of one start: the better place in the product's line.
                instance.place < profiles[slot].instances[own].place
            } else {
                visitorIsLater == rules.rules[instance.rule].restart
            }
        if visitorStays {
            // The user's ends first, under the user's name in the line; then the visitor's takes its place.
            end(slot, own, .merged)
            if let (index, place) = line {
                products[index].lines[place].replace(number, by: user)
                touch(product: index)
            }
            profiles[slot].instances.append(instance)
        } else {
            if let (index, place) = line {
                let active = products[index].lines[place].active.contains { $0.customer == number }
                products[index].lines[place].remove(number)
                if active { products[index].lines[place].isOpen = true }
                touch(product: index)
                wake(product: index)
            }
            recordMerged(slot, instance)
        }
    }

    private mutating func recordMerged(_ slot: Int, _ instance: Instance) {
        let customer = text(of: slot)
        recordPast(slot, instance.rule, key: instance.key) { $0.endedStarts.insert(instance.startedAt) }
        output.decisions.append(
            Decision(
                id: decisionID(rule: instance.rule, customer: customer, key: instance.key, startedAt: instance.startedAt),
                rule: rules.rules[instance.rule].name, customer: profiles[slot].number, customerText: customer, key: instance.key,
                startedAt: instance.startedAt, dueAt: instance.dueAt, decidedAt: clock.now, verdict: .merged,
                cause: "",
                because: instance.because))
    }
}
