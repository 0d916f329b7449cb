/// Pure: input and state give changed state and effects. Time is an input; nothing here reads a clock, a file or a random number, and no
/// effect depends on the order of a hash table.
///
/// One engine owns all state. It holds the profiles and products that are warm; what is not resident but may be stored is asked for
/// (`Progress.missing`) before anything of the input at hand has been changed, so that the caller can bring it in and go on.
package struct Engine: Sendable {
    package let rules: RuleSet
    /// SHA-256, given from outside so that the core needs no library.
    let sha256: @Sendable ([UInt8]) -> [UInt8]
    /// Whether there are records outside that the engine does not hold. False: whoever is not resident is new.
    package var hasStore: Bool
    /// Whether decisions say why, and get the id that their message would have had where they come to none. Nobody asks for it where none is kept,
    /// and it takes hashing and judging again.
    package var explainsDecisions = true
    /// Whether a changed set of segments or calendars has still to be judged on some of the stored customers. Time stands still until it has.
    package var isAdopting = false
    /// Whether there is a store that takes the ids that only late events can repeat.
    package var movesIDs = false
    /// Whether judgements are told step by step (`Output.passages`), for `explain`.
    package var isTracing = false

    // Counters that a checkpoint keeps.
    package internal(set) var clock: EngineClock

    var profiles: ContiguousArray<Profile> = []
    var isUsed: [Bool] = []
    var isDirty: [Bool] = []
    /// What each profile took in memory when it was last measured, and all of them together.
    var footprints: [Int] = []
    package internal(set) var residentBytes = 0
    var freeSlots: [Int] = []
    var index: SlotIndex
    var slotByNumber: [Int64: Int] = [:]
    var products: [Product] = []
    var productDirty: [Bool] = []
    var productIndex: ProductIndex
    var wakes = WakeQueue()
    /// Keys the store was asked for and does not have; only until the batch ends.
    var absent: Set<CustomerKey> = []
    var absentProducts: Set<ProductKey> = []
    var absentNumbers: Set<Int64> = []
    /// Customers that are no more, whose records are still stored until the batch is committed.
    var gone: Set<Int64> = []
    /// Likewise, of the batch that is being committed.
    var leaving: Set<Int64> = []
    /// Whose events are dropped.
    package var tombstones: Tombstones

    /// The moment that is being worked off; it survives a pause for missing state.
    var moment = Moment()
    var dirtySlots: [Int] = []
    var dirtyProducts: [Int] = []
    package internal(set) var output = Output()
    package internal(set) var counters = Counters()
    /// Members of a segment, given by the store for the start at hand.
    var providedMembers: [Int: [(customer: Int64, enteredAt: Instant)]] = [:]
    /// Ids that were moved to the store, given back by it for the late event at hand.
    var providedIDs: [MovedIDs] = []

    /// Before this time nothing is sent: state is built from old events without making messages. Nil: everything counts.
    let publishFrom: Instant?

    /// - Parameter hashSeed: of the tables in which customers and products are found; a number that nobody knows who writes the logs.
    package init(
        rules: RuleSet, clock: EngineClock = EngineClock(), publishFrom: Instant? = nil, hasStore: Bool, hashSeed: UInt64 = 0,
        sha256: @escaping @Sendable ([UInt8]) -> [UInt8]
    ) {
        self.rules = rules
        self.publishFrom = publishFrom ?? rules.definitions.publishFrom
        self.clock = clock
        self.hasStore = hasStore
        self.sha256 = sha256
        index = SlotIndex(seed: hashSeed)
        productIndex = ProductIndex(seed: hashSeed)
        tombstones = Tombstones(secret: [], sha256: sha256)
    }
}

/// What of the engine itself outlives a run.
package struct EngineClock: Sendable, Equatable {
    /// Everything before this has been applied.
    package var now: Instant = .min
    /// The next customer's number.
    package var nextCustomer: Int64 = 1
    /// Of the last message that was decided.
    package var sequence: Int64 = 0
    /// Of the last event that touched a cart, in the order of application: it decides between carts that were touched at one and the same time.
    package var turn: Int64 = 0

    package init() {}

    package init(now: Instant, nextCustomer: Int64, sequence: Int64, turn: Int64) {
        self.now = now
        self.nextCustomer = nextCustomer
        self.sequence = sequence
        self.turn = turn
    }
}

/// What one batch did beside changing profiles.
package struct Output: Sendable {
    package var messages: [Message] = []
    package var decisions: [Decision] = []
    /// Sequences of messages, of this batch or an earlier one, that are to be taken back if no sender has claimed them.
    package var withdrawals: [Int64] = []
    /// Customers whose records are to be deleted: anonymous ones that became users.
    package var removed: [Int64] = []
    /// Which customer each of those became.
    package var merged: [(from: Int64, into: Int64)] = []
    package var erasures: [Erasure] = []
    /// Anonymous ids that now lead to a customer.
    package var links: [(anonymous: [UInt8], customer: Int64)] = []
    package var outcomes: [Outcome] = []
    /// Ids that are kept beside their customers' records from now on.
    package var movedIDs: [MovedIDs] = []
    /// How many more instances the stored records have than before.
    package var running = 0
    package var memberships: [(segment: Int, customer: Int64, enteredAt: Instant?)] = []
    /// Interests that have ended in products which are not at hand.
    package var unfollowed: [(product: ProductKey, follower: Follower)] = []
    /// What the gates saw; only while tracing.
    package var passages: [Passage] = []

    package init() {}
}

package struct Counters: Sendable, Equatable {
    package var events = 0
    package var duplicates = 0
    package var late = 0
    package var conditionErrors = 0

    package init() {}
}

package enum Verdict: String, Sendable, CaseIterable {
    case published, cancelled
    case conditionFalse = "condition_false"
    case conditionError = "condition_error"
    case merged, cooldown
    case noConsent = "no_consent"
    case suppressed, holdout, capped, expired, withdrawn
    case ruleRemoved = "rule_removed"
    case erased
}

/// How an instance ended.
package struct Decision: Sendable {
    /// The id its message has, or would have had; empty if `Engine.explainsDecisions` is off and there is no message.
    package var id: String
    package var rule: String
    package var customer: Int64
    package var customerText: String
    package var key: String
    package var startedAt: Instant
    /// When it was first due, if it was held.
    package var dueAt: Instant
    package var decidedAt: Instant
    package var verdict: Verdict
    /// The event that cancelled it, the condition's error, the rule's own words, or what delayed what went out; empty if the verdict says all.
    package var cause: String
    /// What its message has, or would have had; nil where it came to no choice.
    package var channel: String?
    package var variant: String?
    /// The message that was held out; nil for every other verdict.
    package var message: [UInt8]?
    /// The last 16 ids of events that started it.
    package var because = TextList()
}

/// What the engine needs before it can go on.
package struct Missing: Sendable {
    package var customers: [CustomerKey] = []
    package var numbers: [Int64] = []
    package var products: [ProductKey] = []
    /// Segments whose members are needed (as of all that has been committed).
    package var members: [Int] = []
    /// Customers whose ids that were moved to the store are needed (`Engine.provide(ids:of:)`).
    package var movedIDs: [Int64] = []

    package var isEmpty: Bool {
        customers.isEmpty && numbers.isEmpty && products.isEmpty && members.isEmpty && movedIDs.isEmpty
    }
}

package enum Progress: Sendable {
    /// Everything below the watermark is applied; `next` is the first event of the batch that is not.
    case done(next: Int)
    /// Input `next` (an index into the batch) or the moment at hand needs these first.
    case missing(Missing, next: Int)
}

/// One millisecond's timers while they are worked off.
struct Moment: Sendable {
    var at: Instant = .min
    var isOpen = false
    /// Slots whose segments and calendars are still to be judged, in the order of their customers, reversed (taken from the end).
    var slots: [Int] = []
    /// Everyone woken at this moment, whose next wake is to be found when it ends.
    var woken: [Int] = []
    /// Those of them who came to it from a line.
    var joined: Set<Int> = []
    /// A price may wake a hundred thousand at once.
    var due = Heap<DueTimer>()
}

extension Engine {
    /// Applies the batch's events from `start` on (sorted) that are below the watermark, and the timers and segment changes between them,
    /// and at last those up to the watermark. Stops at the first input that needs what is not resident; call again with its index.
    package mutating func advance(_ batch: EventBatch, from start: Int, below watermark: Instant) -> Progress {
        var next = start
        var missing = Missing()
        while true {
            if moment.isOpen {
                guard work(&missing) else { return .missing(missing, next: next) }
                continue
            }
            dropStaleWakes()
            let wake = wakes.first.map { max($0.at, clock.now) } ?? .max
            if next < batch.events.count, batch.events[next].order < watermark {
                if wake >= batch.events[next].order {
                    guard apply(batch.events[next], of: batch, &missing) else { return .missing(missing, next: next) }
                    next += 1
                    continue
                }
            } else if wake >= watermark {
                clock.now = max(clock.now, watermark)
                return .done(next: next)
            }
            open(at: wake)
        }
    }

    private mutating func dropStaleWakes() {
        while let first = wakes.first, !counts(first) { _ = wakes.pop() }
    }

    /// Whether an entry still says when something is due; not if it has moved, or its profile was released.
    private func counts(_ wake: WakeQueue.Entry) -> Bool {
        if wake.slot >= 0 { return isUsed[wake.slot] && profiles[wake.slot].wake == wake.at }
        return products.indices.contains(-1 - wake.slot) && products[-1 - wake.slot].wake(now: wake.at) <= wake.at
    }

    /// Profiles come and go, and each leaves an entry for a time that may be months ahead: the queue is not to outgrow those who are here.
    mutating func dropForgottenWakes() {
        guard wakes.count > 2 * (slotByNumber.count + products.count) + 1024 else { return }
        let kept = self
        wakes.keep { kept.counts($0) }
    }

    /// The next moment at which something resident is due, not before now.
    package mutating func nextWake() -> Instant? {
        dropStaleWakes()
        return wakes.first.map { max($0.at, clock.now) }
    }

    // MARK: Residency

    package var residentCustomers: Int { slotByNumber.count }
    package var residentProducts: Int { products.count }

    func text(of slot: Int) -> String { profiles[slot].key.text }

    private func keyHashes(_ slot: Int) -> [UInt64] {
        guard isUsed[slot] else { return [] }
        return [index.hash(isAnonymous: profiles[slot].key.isAnonymous, profiles[slot].key.id)]
            + profiles[slot].links.map { index.hash(isAnonymous: true, $0) }
    }

    /// The slot of a customer, also by an anonymous id that became a user.
    func find(isAnonymous: Bool, _ id: UnsafeRawBufferPointer) -> Int? {
        index.find(index.hash(isAnonymous: isAnonymous, id)) { slot in
            if profiles[slot].key.isAnonymous == isAnonymous, profiles[slot].key.id.same(as: id) { return true }
            return isAnonymous && isLinked(id, to: slot)
        }
    }

    func find(_ key: CustomerKey) -> Int? { key.id.withUnsafeBytes { find(isAnonymous: key.isAnonymous, $0) } }

    /// Whether this anonymous id became the user in the slot.
    func isLinked(_ anonymous: UnsafeRawBufferPointer, to slot: Int) -> Bool {
        // The newest first: of those who have many it is mostly one of the last.
        profiles[slot].links.lastIndex { $0.same(as: anonymous) } != nil
    }

    /// Whether a customer that is not resident may be stored.
    func mayBeStored(_ key: CustomerKey) -> Bool { hasStore && !absent.contains(key) }

    /// The key of a customer an event names who is not resident but may be stored.
    func storedKey(_ slot: Int?, _ isAnonymous: Bool, _ id: ArenaText, of batch: EventBatch) -> CustomerKey? {
        guard hasStore, slot == nil, !id.isEmpty else { return nil }
        let key = CustomerKey(isAnonymous: isAnonymous, id: Array(batch.bytes(id)))
        return mayBeStored(key) ? key : nil
    }

    mutating func place(_ profile: consuming Profile) -> Int {
        let hash = index.hash(isAnonymous: profile.key.isAnonymous, profile.key.id)
        let slot = freeSlots.popLast() ?? profiles.count
        index.insert(hash, slot: slot)
        for link in profile.links { index.insert(index.hash(isAnonymous: true, link), slot: slot) }
        slotByNumber[profile.number] = slot
        if profile.wake < .max { wakes.push(profile.wake, slot) }
        if slot < profiles.count {
            profiles[slot] = profile
            isUsed[slot] = true
            isDirty[slot] = false
        } else {
            profiles.append(profile)
            isUsed.append(true)
            isDirty.append(false)
            footprints.append(0)
        }
        measure(slot)
        return slot
    }

    mutating func measure(_ slot: Int) {
        let footprint = profiles[slot].footprint
        residentBytes += footprint - footprints[slot]
        footprints[slot] = footprint
    }

    mutating func link(_ anonymous: [UInt8], to slot: Int) {
        index.insert(index.hash(isAnonymous: true, anonymous), slot: slot)
        profiles[slot].links.append(anonymous)
        output.links.append((anonymous, profiles[slot].number))
    }

    /// Forgets a resident profile; its record, if any, stays where it is.
    mutating func release(_ slot: Int) {
        for hash in keyHashes(slot) { index.remove(hash, slot: slot) }
        slotByNumber[profiles[slot].number] = nil
        isUsed[slot] = false
        residentBytes -= footprints[slot]
        footprints[slot] = 0
        profiles[slot] = Profile(number: 0, key: CustomerKey(isAnonymous: false, id: []), firstSeen: 0)
        freeSlots.append(slot)
    }

    mutating func touch(_ slot: Int) {
        guard !isDirty[slot] else { return }
        isDirty[slot] = true
        dirtySlots.append(slot)
    }

    mutating func touch(product index: Int) {
        guard !productDirty[index] else { return }
        productDirty[index] = true
        dirtyProducts.append(index)
    }

    mutating func wake(_ slot: Int, at time: Instant) {
        guard time < profiles[slot].wake else { return }
        profiles[slot].wake = time
        wakes.push(time, slot)
    }

    mutating func wake(product index: Int) {
        let time = products[index].wake(now: clock.now)
        if time < .max { wakes.push(time, -1 - index) }
    }

    mutating func placeProduct(_ product: Product) -> Int {
        if let index = productIndex[product.key] { return index }
        products.append(product)
        productDirty.append(false)
        productIndex.append(product.key)
        wake(product: products.count - 1)
        return products.count - 1
    }

    /// The product's index, or nil after noting it as missing.
    mutating func require(_ key: ProductKey, _ missing: inout Missing) -> Int? {
        if let index = productIndex[key] { return index }
        if hasStore, !absentProducts.contains(key) {
            if !missing.products.contains(key) { missing.products.append(key) }
            return nil
        }
        return placeProduct(Product(key: key))
    }
}
