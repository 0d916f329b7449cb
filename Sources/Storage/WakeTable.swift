import Engine

/// When something may happen to a customer without an event: `customer.wake_at` again, in order of time.
///
/// A table of its own and not an index, because an index is changed row by row, in the order in which the customers are written. With a large state
/// that is all over its pages, each of which would be read, written and read again many times in one commit. The table is changed when all
/// customers are written, in its own order, and only for those whose wake has moved. Besides, it knows who only stands in a line: `inLine`.
extension Store {
    /// The wake of those for whom something runs that no time will end, because it waits for its turn in a line.
    static let inLine = Instant.max

    /// Customers for whom something is due from `start` on and before `time`, the earliest first; `skipping` those that need not be brought in.
    package func wakes(
        from start: Instant = .min, before time: Instant, limit: Int, skipping isKnown: (Int64) -> Bool = { _ in false }
    ) throws(StoreError) -> [(number: Int64, at: Instant)] {
        let statement = try database.statement("SELECT customer, at FROM wake WHERE at >= ? AND at < ? ORDER BY at")
        defer { statement.reset() }
        statement.bind(1, start)
        statement.bind(2, time)
        var result: [(number: Int64, at: Instant)] = []
        while result.count < limit, try statement.step() {
            let number = statement.integer(0)
            if !isKnown(number) { result.append((number, statement.integer(1))) }
        }
        return result
    }

    /// How many customers have something due before `time`, counted up to `limit`.
    package func countWakes(before time: Instant, limit: Int) throws(StoreError) -> Int {
        let statement = try database.statement("SELECT count(*) FROM (SELECT 1 FROM wake WHERE at < ? LIMIT ?)")
        defer { statement.reset() }
        statement.bind(1, time)
        statement.bind(2, Int64(limit))
        return try statement.step() ? Int(statement.integer(0)) : 0
    }

    /// The earliest moment from `start` on at which anything stored is due.
    package func nextWake(from start: Instant = .min) throws(StoreError) -> Instant? {
        var earliest: Instant?
        for sql in [
            "SELECT min(at) FROM wake WHERE at >= ? AND at < \(Self.inLine)",
            "SELECT min(wake_at) FROM product WHERE wake_at >= ?",
        ] {
            let statement = try database.statement(sql)
            defer { statement.reset() }
            statement.bind(1, start)
            if try statement.step(), let wake = statement.optionalInteger(0) { earliest = min(earliest ?? wake, wake) }
        }
        return earliest
    }

    func write(_ changes: inout WakeChanges) throws(StoreError) {
        let remove = try database.statement("DELETE FROM wake WHERE at=? AND customer=?")
        let add = try database.statement("INSERT INTO wake VALUES (?, ?)")
        for entry in changes.inOrder() {
            let statement = entry.isAdded ? add : remove
            statement.bind(1, entry.at)
            statement.bind(2, entry.customer)
            try statement.run()
        }
    }
}

/// What a commit changes in the table of wakes.
struct WakeChanges {
    /// In 16 bytes: a large batch has two for each of its customers.
    struct Entry {
        let at: Instant
        private let packed: Int64

        init(at: Instant, customer: Int64, isAdded: Bool) {
            self.at = at
            packed = customer << 1 | (isAdded ? 1 : 0)
        }

        var customer: Int64 { packed >> 1 }
        var isAdded: Bool { packed & 1 == 1 }

        static func precedes(_ a: Entry, _ b: Entry) -> Bool { a.at != b.at ? a.at < b.at : a.packed < b.packed }
    }

    private var entries: [Entry] = []

    /// In the order of the table, so that each of its pages is come to once.
    mutating func inOrder() -> [Entry] {
        entries.sort(by: Entry.precedes)
        return entries
    }

    /// - Parameters:
    ///   - stored: as it is in the table; nil: the customer is not in it.
    ///   - now: as it is to be.
    mutating func add(_ customer: Int64, stored: Instant?, now: Instant?) {
        guard stored != now else { return }
        if let stored { entries.append(Entry(at: stored, customer: customer, isAdded: false)) }
        if let now { entries.append(Entry(at: now, customer: customer, isAdded: true)) }
    }
}
