import Engine
import Storage

/// Who is in memory: brought in from the store before the engine needs them.
extension Pipeline {
    /// Brings in those for whom something is due before the watermark; gives how far the engine may go with what is resident.
    mutating func wake(below watermark: Instant) throws -> Instant {
        guard let store, engine.hasStore, let next = try nextStoredWake(), next < watermark else { return watermark }
        for key in try store.productWakes(before: watermark) where !engine.isResident(key) { try bringIn(product: key) }
        let limit = max(4, min(Self.batchWakes, profileLimit / 4))
        // Who is resident is in the engine's own queue; the stored wake may be long out of date.
        let wakes = try store.wakes(from: wakesTaken, before: watermark, limit: limit) {
            engine.isResident($0) || engine.isGone($0)
        }
        var numbers = wakes.map(\.number)
        var bound = watermark
        if wakes.count == limit, let first = wakes.first, let last = wakes.last {
            if first.at == last.at {
                // More than fit wake in one millisecond: that millisecond is taken whole.
                let whole = try store.wakes(from: wakesTaken, before: last.at + 1, limit: .max) {
                    engine.isResident($0) || engine.isGone($0)
                }
                numbers = whole.map(\.number)
                bound = min(watermark, max(last.at, engine.clock.now) + 1)
            } else {
                bound = min(watermark, max(last.at, engine.clock.now + 1))
            }
        }
        for number in numbers { try bringIn(number: number) }
        // Those before it are resident from now on, or have been; a profile that is released is due later than the engine's time.
        wakesTaken = wakes.count == limit ? min(bound, wakes.last?.at ?? bound) : watermark
        return bound
    }

    /// About how many profiles the configured memory holds: by what those take that are here, but no more than if they took little.
    var profileLimit: Int {
        let mean = engine.residentBytes / max(1, engine.residentCustomers)
        return max(8, settings.memory / max(Settings.profileBytes, mean))
    }

    /// Whether those who have changed take up the half of the room that they may have. As long as there is room for everybody, and nothing goes on
    /// beside, there is no hurry to write.
    var mustWrite: Bool {
        switch transaction ?? place {
        case .beside:
            let mean = engine.residentBytes / max(1, engine.residentCustomers)
            return engine.dirtyCount >= 8 && engine.dirtyCount * mean >= settings.memory / 2
        case .here: return engine.residentBytes > settings.memory && engine.dirtyCount >= profileLimit / 2
        }
    }

    /// How much profiles may take after a commit. Where others change while they are written, that and the records have to have room too; a smaller
    /// cache costs next to nothing there (measured onto 2.5 million customers).
    var roomAfterCommit: Int { place == .beside ? settings.memory / 8 * 5 : settings.memory }

    mutating func bringIn(_ missing: Missing) throws {
        try bringIn(customers: missing.customers)
        for number in missing.numbers where !engine.isResident(number) {
            // What products and segments remember of a customer is their own; who is in the store says the table of customers.
            if !engine.isGone(number), let record = try store?.customer(number) {
                try insert(record)
            } else {
                engine.markAbsent(number: number)
            }
        }
        for product in missing.products where !engine.isResident(product) { try bringIn(product: product) }
        for segment in missing.members { try provideMembers(of: segment) }
        for number in missing.movedIDs { try provideMovedIDs(of: number) }
    }

    mutating func bringIn(customers keys: [CustomerKey]) throws {
        guard let store, !keys.isEmpty else { return }
        var absent: [CustomerKey] = []
        var numbers: [Int64] = []
        for key in keys {
            if let number = try store.number(of: key) { numbers.append(number) } else { absent.append(key) }
        }
        engine.markAbsent(absent, [])
        // In key order: neighbours share pages.
        for number in numbers.sorted() where !engine.isResident(number) { try bringIn(number: number) }
    }

    mutating func bringIn(number: Int64) throws {
        guard let store, let record = try store.customer(number) else {
            throw StoreError(.corrupt, "the state refers to customer number \(number), which it does not hold; restore a backup")
        }
        try insert(record)
    }

    private mutating func insert(_ record: CustomerRecord) throws {
        engine.insert(record, links: try store?.links(of: record.number) ?? [])
    }

    mutating func bringIn(product key: ProductKey) throws {
        guard let store else { return }
        if let record = try store.product(key) {
            engine.insert(record, followers: try store.followers(of: key))
        } else {
            engine.markAbsent([], [key])
        }
    }

    /// The members of a segment: those committed, changed by what has happened since.
    private mutating func provideMembers(of segment: Int) throws {
        let name = engine.rules.segments[segment].name
        let stored = try ask { store throws(StoreError) in try store.members(of: name) } ?? []
        var members = Dictionary(stored.map { ($0.customer, $0.enteredAt) }, uniquingKeysWith: { $1 })
        for change in engine.output.memberships where change.segment == segment { members[change.customer] = change.enteredAt }
        engine.provide(
            members: members.map { (customer: $0.key, enteredAt: $0.value) }.sorted { $0.customer < $1.customer }, of: segment)
    }

    /// The ids of a customer that were moved to the store, with those of visitors who have become the customer since the last commit.
    private mutating func provideMovedIDs(of number: Int64) throws {
        let numbers = engine.predecessors(of: number)
        guard let ids = try ask({ store throws(StoreError) in try store.movedIDs(of: numbers) }) else { return }
        engine.provide(ids: ids, of: number)
    }

    /// Reads what has been written to the last, also what is being committed; nil without a store. (Customers and products are read as they were
    /// before that commit: whom it changes is in memory, and stays there until it is through.)
    private func ask<Answer: Sendable>(_ question: (Store) throws(StoreError) -> Answer) throws -> Answer? {
        if (transaction ?? place) == .beside, let committer { return try committer.ask(question) }
        return try store.map { store in try question(store) }
    }

    /// A replay whose state outgrows its memory goes on with a temporary store, which gets all there is with the next commit.
    mutating func spill() throws {
        guard store == nil, engine.residentBytes > settings.memory else { return }
        store = try Store.temporary()
        engine.touchEverything()
        engine.explainsDecisions = true
        engine.movesIDs = true
    }

    /// When the next of those who are stored and have not been brought in is due; the stored time of whoever is resident may be out of date.
    mutating func nextStoredWake() throws -> Instant? {
        guard let store, engine.hasStore else { return nil }
        if let storedWake { return storedWake }
        let next = try store.nextWake(from: wakesTaken)
        storedWake = .some(next)
        return next
    }
}
