extension Engine {
    /// Whether an event is dropped because it is of somebody who was erased: by its user, or by an anonymous id of which nobody else is the user.
    package func drops(_ event: Event, of batch: EventBatch) -> Bool {
        guard event.time <= tombstones.newest else { return false }
        if !event.user.isEmpty { return tombstones.drops(isAnonymous: false, batch.bytes(event.user), at: event.time) }
        return !event.anonymous.isEmpty && tombstones.drops(isAnonymous: true, batch.bytes(event.anonymous), at: event.time)
    }

    /// Whom keyed hashes stand for, among those who are at hand.
    package func residentCustomer(hashes: Set<String>) -> Int64? {
        for slot in profiles.indices where isUsed[slot] {
            let profile = profiles[slot]
            let keys = [profile.key] + profile.links.map { CustomerKey(isAnonymous: true, id: $0) }
            if keys.contains(where: { hashes.contains(tombstones.hash($0)) }) { return profile.number }
        }
        return nil
    }

    /// The number of whoever is at hand and has this id.
    package func number(of key: CustomerKey) -> Int64? { find(key).map { profiles[$0].number } }

    package func isCustomer(_ number: Int64, hashes: Set<String>) -> Bool {
        guard let slot = slotByNumber[number] else { return false }
        return ([profiles[slot].key] + profiles[slot].links.map { CustomerKey(isAnonymous: true, id: $0) }).contains {
            hashes.contains(tombstones.hash($0))
        }
    }

    /// Whether nothing runs for a resident customer who was last seen before `bound`.
    package func isIdle(_ number: Int64, since bound: Instant) -> Bool {
        slotByNumber[number].map { profiles[$0].lastSeen < bound && profiles[$0].instances.isEmpty } ?? false
    }

    /// Takes a customer out of everything the engine holds. Gives what has to be brought in first, with nothing changed, or nil when it is done.
    ///
    /// - Parameters:
    ///   - forgets: leaves tombstones, so that events up to `until` are dropped for ever; false: an idle profile is let go.
    package mutating func erase(_ number: Int64, hashes: [String], until: Instant, forgets: Bool) -> Missing? {
        var missing = Missing()
        guard let slot = slotByNumber[number] else {
            if absentNumbers.contains(number) { return nil }
            missing.numbers.append(number)
            return missing
        }
        let products =
            profiles[slot].instances.compactMap(\.product) + profiles[slot].interests.map(\.product)
            + profiles[slot].carts.list.flatMap { $0.lines.map(\.product) }
        for product in products { _ = require(product, &missing) }
        guard missing.isEmpty else { return missing }

        while !profiles[slot].instances.isEmpty {
            end(slot, 0, .erased)
            // The verdict counts; whose it was is gone.
            if let last = output.decisions.indices.last {
                output.decisions[last].id = ""
                output.decisions[last].customer = 0
                output.decisions[last].customerText = ""
                output.decisions[last].key = ""
                output.decisions[last].because = TextList()
            }
        }
        for product in products {
            guard let index = productIndex[product] else { continue }
            for kind in InterestKind.allCases { self.products[index].unfollow(kind, number) }
            touch(product: index)
        }
        for membership in profiles[slot].segments { output.memberships.append((membership.segment, number, nil)) }
        let keys = [profiles[slot].key] + profiles[slot].links.map { CustomerKey(isAnonymous: true, id: $0) }
        let all = forgets ? Set(hashes + keys.map { tombstones.hash($0) }).sorted() : []
        for hash in all { tombstones.add(hash, until: until) }
        output.removed.append(number)
        output.running -= profiles[slot].storedInstances
        output.erasures.append(Erasure(customer: number, keys: keys, hashes: all, until: until, isForgotten: forgets))
        gone.insert(number)
        absent.formUnion(keys)
        release(slot)
        return nil
    }

    /// Nobody is known by these ids: only the tombstones are left.
    package mutating func entomb(_ hashes: [String], keys: [CustomerKey] = [], until: Instant) {
        for hash in hashes { tombstones.add(hash, until: until) }
        output.erasures.append(Erasure(customer: nil, keys: keys, hashes: hashes, until: until, isForgotten: true))
    }

    /// `Customer Erasure Requested`: false after noting what is missing.
    mutating func applyErasure(_ event: Event, of batch: EventBatch, _ missing: inout Missing) -> Bool {
        var keys = batch.customers(of: event)
        for key in keys where find(key) == nil {
            if mayBeStored(key) { missing.customers.append(key) }
        }
        guard missing.isEmpty else { return false }
        // The anonymous id of an event may belong to another user, who asked for nothing.
        if let user = keys.first, !user.isAnonymous {
            keys.removeAll { key in find(key).map { !profiles[$0].key.isAnonymous && profiles[$0].key != user } ?? false }
        }
        let numbers = keys.compactMap { key in find(key).map { profiles[$0].number } }
        for number in numbers {
            guard let slot = slotByNumber[number] else { continue }
            for product in profiles[slot].instances.compactMap(\.product) + profiles[slot].interests.map(\.product)
                + profiles[slot].carts.list.flatMap({ $0.lines.map(\.product) })
            { _ = require(product, &missing) }
        }
        guard missing.isEmpty else { return false }
        clock.now = max(clock.now, event.order)
        counters.events += 1
        for number in numbers where slotByNumber[number] != nil {
            _ = erase(number, hashes: [], until: event.time, forgets: true)
        }
        entomb(keys.map { tombstones.hash($0) }, keys: keys, until: event.time)
        return true
    }
}
