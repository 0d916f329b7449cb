/// What one commit writes: the records of everything that changed since the last one, and what happened beside.
package struct Changes: Sendable {
    /// The customers that changed, ascending by number. Their records are made one after the other while they are written (`Engine.records`):
    /// all at once would take as much memory as the profiles.
    package var slots: [Int] = []
    /// Of those customers, in the same order.
    package var numbers: [Int64] = []
    package var products: [ProductRecord] = []
    package var followers: [(product: ProductKey, follower: Follower, isRemoval: Bool)] = []
    package var output = Output()
    package var clock = EngineClock()

    package init() {}

    package var isEmpty: Bool {
        slots.isEmpty && products.isEmpty && output.messages.isEmpty && output.decisions.isEmpty && output.removed.isEmpty
    }
}

extension Engine {
    /// How many profiles have changed since the last commit; they cannot be released before it.
    package var dirtyCount: Int { dirtySlots.count }

    /// Takes messages, decisions and the like alone, for who keeps no records.
    package mutating func takeOutput() -> Changes {
        var changes = Changes()
        changes.output = output
        changes.clock = clock
        output = Output()
        return changes
    }

    /// Takes what is to be committed; without `records` (a replay without a store) nothing of the profiles and products.
    package mutating func takeChanges(records: Bool = true) -> Changes {
        if records { moveIDs() }
        var changes = takeOutput()
        let writer = RecordWriter(rules: rules)
        if records {
            var dirty: [(number: Int64, slot: Int)] = []
            dirty.reserveCapacity(dirtySlots.count)
            for slot in dirtySlots where isUsed[slot] && isDirty[slot] {
                dirty.append((profiles[slot].number, slot))
                changes.output.running += profiles[slot].instances.count - profiles[slot].storedInstances
                profiles[slot].storedInstances = profiles[slot].instances.count
                // A slot that was given to somebody else is in the list twice.
                isDirty[slot] = false
            }
            dirty.sort { $0.number < $1.number }
            changes.slots = dirty.map(\.slot)
            changes.numbers = dirty.map(\.number)
            for index in dirtyProducts {
                changes.products.append(writer.record(products[index], now: clock.now))
                for change in products[index].followerChanges {
                    changes.followers.append((products[index].key, change.follower, change.isRemoval))
                }
            }
            for gone in changes.output.unfollowed { changes.followers.append((gone.product, gone.follower, true)) }
        }
        for slot in dirtySlots {
            isDirty[slot] = false
            if isUsed[slot] { measure(slot) }
        }
        for index in dirtyProducts {
            productDirty[index] = false
            products[index].followerChanges.removeAll()
        }
        dirtySlots.removeAll(keepingCapacity: true)
        dirtyProducts.removeAll(keepingCapacity: true)
        swap(&leaving, &gone)
        gone.removeAll(keepingCapacity: true)
        return changes
    }

    /// Makes the next commit hold all that is resident, for a store that holds nothing yet.
    package mutating func touchEverything() {
        output.links.removeAll()
        output.memberships.removeAll()
        for slot in profiles.indices where isUsed[slot] {
            touch(slot)
            let number = profiles[slot].number
            for link in profiles[slot].links { output.links.append((link, number)) }
            for membership in profiles[slot].segments {
                output.memberships.append((membership.segment, number, membership.enteredAt))
            }
        }
        for index in products.indices {
            touch(product: index)
            products[index].followerChanges = products[index].followers.map { ($0, false) }
        }
    }

    /// Takes the decisions so far, to be written before the rest of their batch: thousands of them take as much memory as the profiles.
    package mutating func takeDecisions() -> [Decision] {
        defer { output.decisions.removeAll() }
        return output.decisions
    }

    /// Moves the ids of a customer that only late events can repeat, if there are enough of them.
    mutating func moveIDs(of slot: Int) {
        guard
            let ids = profiles[slot].seen.takeOlder(
                now: clock.now, dedupe: rules.definitions.dedupe, lateFor: rules.definitions.lateFor)
        else { return }
        output.movedIDs.append(MovedIDs(customer: profiles[slot].number, ids: ids))
    }

    /// Moves the ids of all who have changed since the last commit, which long batches would else keep in memory.
    package mutating func moveIDs() {
        guard movesIDs else { return }
        for slot in dirtySlots where isUsed[slot] { moveIDs(of: slot) }
    }

    /// Measures those who have changed since the last commit, because in a long batch they grow: some of them, and all only if by those it may be too much.
    package mutating func measureChanged(limit: Int) {
        let before = residentBytes
        for index in stride(from: 0, to: dirtySlots.count, by: Self.measured) where isUsed[dirtySlots[index]] {
            measure(dirtySlots[index])
        }
        guard before + (residentBytes - before) * Self.measured > limit else { return }
        for slot in dirtySlots where isUsed[slot] { measure(slot) }
    }

    /// One of so many is measured to know of all.
    private static let measured = 8

    /// Takes the ids that were moved so far, likewise.
    package mutating func takeMovedIDs() -> [MovedIDs] {
        defer { output.movedIDs.removeAll() }
        return output.movedIDs
    }

    /// What is to be written of customers that changed; to be asked for before the engine goes on.
    package func records(_ slots: some Sequence<Int>) -> [CustomerRecord] {
        let writer = RecordWriter(rules: rules)
        var draft = RecordColumns()
        draft.reserve(1 << 12)
        return slots.map { writer.record(profiles[$0], &draft) }
    }

    /// The customers of a batch that are not resident, each once.
    package func missing(in batch: EventBatch, from start: Int) -> [CustomerKey] {
        guard hasStore else { return [] }
        var seen: Set<CustomerKey> = []
        var result: [CustomerKey] = []
        func look(_ isAnonymous: Bool, _ text: ArenaText) {
            guard !text.isEmpty else { return }
            let slot = batch.withBytes(text) { find(isAnonymous: isAnonymous, $0) }
            if let key = storedKey(slot, isAnonymous, text, of: batch), seen.insert(key).inserted { result.append(key) }
        }
        for index in start..<batch.events.count {
            look(false, batch.events[index].user)
            look(true, batch.events[index].anonymous)
        }
        return result
    }

    /// Instances that run, wait in line or are held, of resident customers.
    package var pendingInstances: Int {
        profiles.indices.reduce(0) { $0 + (isUsed[$1] ? profiles[$1].instances.count : 0) }
    }

    package func isResident(_ number: Int64) -> Bool { slotByNumber[number] != nil }
    /// Whether a stored record is one of a customer that is no more, so that it must not be brought in again.
    package func isGone(_ number: Int64) -> Bool { gone.contains(number) || leaving.contains(number) }
    package func isResident(_ product: ProductKey) -> Bool { productIndex[product] != nil }

    /// Brings in a stored customer with the anonymous ids linked to it. Instances of rules that are gone end `rule_removed`. While a
    /// changed configuration is applied to everybody, who is brought in is judged by changed segments and calendars before anything else happens to
    /// it, quietly: who is in a segment at once has not entered it.
    package mutating func insert(_ record: CustomerRecord, links: [[UInt8]]) {
        guard slotByNumber[record.number] == nil else { return }
        let reading = RecordReader(rules: rules).profile(record, links: links)
        var profile = reading.profile
        let adopts = isAdopting && profile.judgedBy != 0 && profile.judgedBy != rules.judgement
        let wake = profile.wake
        // The next moment of other segments says nothing of these.
        if adopts { profile.wake = .max }
        // A record on which another set changed nothing was not written again.
        if profile.judgedBy != 0 { profile.judgedBy = rules.judgement }
        let slot = place(profile)
        if isAdopting, reading.leavesBehind { touch(slot) }
        if reading.leavesLine {
            touch(slot)
            settle(slot)
        }
        for (rule, instance) in reading.orphans {
            touch(slot)
            output.decisions.append(
                Decision(
                    id: "", rule: rule, customer: record.number, customerText: text(of: slot), key: instance.key,
                    startedAt: instance.startedAt, dueAt: instance.dueAt, decidedAt: clock.now,
                    verdict: .ruleRemoved,
                    cause: "", because: instance.because))
        }
        if adopts {
            adopt(slot)
            if profiles[slot].wake != wake { touch(slot) }
        }
    }

    package mutating func insert(_ record: ProductRecord, followers: [Follower]) {
        let (product, leavesBehind) = RecordReader(rules: rules).product(record, followers: followers)
        let index = placeProduct(product)
        if isAdopting, leavesBehind { touch(product: index) }
    }

    /// Notes that the store has no such records.
    package mutating func markAbsent(_ customers: [CustomerKey], _ products: [ProductKey]) {
        absent.formUnion(customers)
        absentProducts.formUnion(products)
    }

    /// Notes that the store has no customer of a number that a product or a segment remembers.
    package mutating func markAbsent(number: Int64) { absentNumbers.insert(number) }

    package mutating func provide(members: [(customer: Int64, enteredAt: Instant)], of segment: Int) {
        providedMembers[segment] = members
    }

    /// A customer, and the visitors who have become the customer since the last commit: under these numbers the store has what is the customer's.
    package func predecessors(of customer: Int64) -> [Int64] {
        [customer] + output.merged.filter { $0.into == customer }.map(\.from)
    }

    /// Gives what `Missing.movedIDs` asked for: all ids that were moved and taken from here, also those of visitors who have become the customer since
    /// the last commit.
    package mutating func provide(ids: [SeenID], of customer: Int64) {
        let customers = predecessors(of: customer)
        let pending = output.movedIDs.filter { customers.contains($0.customer) }.flatMap(\.ids)
        providedIDs.append(MovedIDs(customer: customer, ids: ids + pending))
    }

    /// What was taken last is committed.
    package mutating func committed() { leaving.removeAll(keepingCapacity: true) }

    /// Releases profiles until they take at most `limit` bytes, the clean ones that were seen least recently first; call after a commit.
    package mutating func shrink(toBytes limit: Int) {
        absent.removeAll(keepingCapacity: true)
        absentProducts.removeAll(keepingCapacity: true)
        absentNumbers.removeAll()
        guard hasStore, residentBytes > limit else { return }
        let target = limit / 16 * 15
        var candidates: [(slot: Int, seen: Instant)] = []
        for slot in profiles.indices where isUsed[slot] && !isDirty[slot] { candidates.append((slot, profiles[slot].lastSeen)) }
        candidates.sort { $0.seen != $1.seen ? $0.seen < $1.seen : $0.slot < $1.slot }
        for candidate in candidates {
            if residentBytes <= target { break }
            release(candidate.slot)
        }
        dropForgottenWakes()
    }
}
