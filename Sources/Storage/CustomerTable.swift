import Engine

extension Store {
    private static let columns = """
        number, id, anonymous, first_seen, last_seen, locale, timezone, wake_at, judged_by, traits, carts, interests, subscriptions, \
        segments, timers, rolling, seen
        """

    private func record(_ row: Statement) -> CustomerRecord {
        var record = CustomerRecord(
            number: row.integer(0), isAnonymous: row.integer(2) != 0, id: row.bytes(1) ?? [], firstSeen: row.integer(3),
            lastSeen: row.integer(4), locale: row.text(5), timezone: row.text(6), wake: row.optionalInteger(7),
            judgedBy: row.integer(8))
        for column in RecordColumns.Column.allCases {
            row.withBytes(Int32(9 + column.rawValue)) { record.columns.add($0) }
        }
        return record
    }

    /// The number of the customer behind a key: its own, or of the user an anonymous id was linked to.
    package func number(of key: CustomerKey) throws(StoreError) -> Int64? {
        if key.isAnonymous {
            let link = try database.statement("SELECT customer FROM link WHERE anonymous_id=?")
            defer { link.reset() }
            link.bind(1, text: key.id)
            if try link.step() { return link.integer(0) }
        }
        let statement = try database.statement("SELECT number FROM customer WHERE id=? AND anonymous=?")
        defer { statement.reset() }
        statement.bind(1, text: key.id)
        statement.bind(2, key.isAnonymous ? 1 : 0)
        return try statement.step() ? statement.integer(0) : nil
    }

    /// Whether nobody and no product is stored.
    package func isEmpty() throws(StoreError) -> Bool {
        try integer("SELECT EXISTS (SELECT 1 FROM customer) OR EXISTS (SELECT 1 FROM product)") == 0
    }

    package func customer(_ number: Int64) throws(StoreError) -> CustomerRecord? {
        let statement = try database.statement("SELECT \(Self.columns) FROM customer WHERE number=?")
        defer { statement.reset() }
        statement.bind(1, number)
        return try statement.step() ? record(statement) : nil
    }

    /// Anonymous ids linked to a customer.
    package func links(of number: Int64) throws(StoreError) -> [[UInt8]] {
        let statement = try database.statement("SELECT anonymous_id FROM link WHERE customer=? ORDER BY anonymous_id")
        defer { statement.reset() }
        statement.bind(1, number)
        var links: [[UInt8]] = []
        while try statement.step() { links.append(statement.bytes(0) ?? []) }
        return links
    }

    /// Customers for whom something is due from `start` on and before `time`, the earliest first; `skipping` those that need not be brought in.
    package func wakes(
        from start: Instant = .min, before time: Instant, limit: Int, skipping isKnown: (Int64) -> Bool = { _ in false }
    ) throws(StoreError) -> [(number: Int64, at: Instant)] {
        let statement = try database.statement(
            "SELECT number, wake_at FROM customer WHERE wake_at >= ? AND wake_at < ? ORDER BY wake_at")
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
        let statement = try database.statement("SELECT count(*) FROM (SELECT 1 FROM customer WHERE wake_at < ? LIMIT ?)")
        defer { statement.reset() }
        statement.bind(1, time)
        statement.bind(2, Int64(limit))
        return try statement.step() ? Int(statement.integer(0)) : 0
    }

    /// The earliest moment from `start` on at which anything stored is due.
    package func nextWake(from start: Instant = .min) throws(StoreError) -> Instant? {
        var earliest: Instant?
        for table in ["customer", "product"] {
            let statement = try database.statement("SELECT min(wake_at) FROM \(table) WHERE wake_at >= ?")
            defer { statement.reset() }
            statement.bind(1, start)
            if try statement.step(), let wake = statement.optionalInteger(0) { earliest = min(earliest ?? wake, wake) }
        }
        return earliest
    }

    /// While a changed set of segments or calendars is judged on everybody: the last customer that has been. Else nil.
    package func judgedUpTo() throws(StoreError) -> Int64? { try metaNumber("judged_up_to") }

    package func setJudgedUpTo(_ number: Int64?) throws(StoreError) {
        if let number { try setMeta("judged_up_to", String(number)) } else { try dropMeta("judged_up_to") }
    }

    /// The next customers by number.
    package func customerNumbers(after number: Int64, limit: Int) throws(StoreError) -> [Int64] {
        let statement = try database.statement("SELECT number FROM customer WHERE number > ? ORDER BY number LIMIT ?")
        defer { statement.reset() }
        statement.bind(1, number)
        statement.bind(2, Int64(limit))
        var numbers: [Int64] = []
        while try statement.step() { numbers.append(statement.integer(0)) }
        return numbers
    }

    /// Writes customers, as many at a time as `next` gives, until it gives none.
    func write(customers next: () -> [CustomerRecord]?) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO customer (\(Self.columns)) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
            ON CONFLICT (number) DO UPDATE SET first_seen=excluded.first_seen, last_seen=excluded.last_seen, locale=excluded.locale,
            timezone=excluded.timezone, wake_at=excluded.wake_at, judged_by=excluded.judged_by, traits=excluded.traits,
            carts=excluded.carts, interests=excluded.interests, subscriptions=excluded.subscriptions, segments=excluded.segments,
            timers=excluded.timers, rolling=excluded.rolling, seen=excluded.seen
            """)
        defer { statement.clear() }
        while let records = next() { for record in records { try write(record, statement) } }
    }

    private func write(_ record: CustomerRecord, _ statement: Statement) throws(StoreError) {
        statement.bind(1, record.number)
        statement.bind(2, text: record.id)
        statement.bind(3, record.isAnonymous ? 1 : 0)
        statement.bind(4, record.firstSeen)
        statement.bind(5, record.lastSeen)
        statement.bind(6, record.locale)
        statement.bind(7, record.timezone)
        statement.bind(8, record.wake)
        statement.bind(9, record.judgedBy)
        try record.columns.bytes.withUnsafeBufferPointer { (bytes) throws(StoreError) in
            for column in RecordColumns.Column.allCases {
                let range = record.columns.range(of: column)
                statement.bind(
                    Int32(10 + column.rawValue), lent: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[range])),
                    isText: column != .rolling && column != .seen)
            }
            try statement.run()
        }
    }

    /// Gives how many there were to remove: some customers come and go within one batch.
    func remove(_ customers: [Int64]) throws(StoreError) -> Int {
        let statement = try database.statement("DELETE FROM customer WHERE number=?")
        var removed = 0
        for number in customers {
            statement.bind(1, number)
            try statement.run()
            removed += database.changes
        }
        return removed
    }

    func write(links: [(anonymous: [UInt8], customer: Int64)]) throws(StoreError) {
        let statement = try database.statement(
            "INSERT INTO link VALUES (?, ?) ON CONFLICT (anonymous_id) DO UPDATE SET customer=excluded.customer")
        for link in links {
            statement.bind(1, text: link.anonymous)
            statement.bind(2, link.customer)
            try statement.run()
        }
    }

    // MARK: Segments

    package func members(of segment: String) throws(StoreError) -> [(customer: Int64, enteredAt: Instant)] {
        let statement = try database.statement("SELECT customer, entered_at FROM membership WHERE segment=? ORDER BY customer")
        defer { statement.reset() }
        statement.bind(1, segment)
        var result: [(customer: Int64, enteredAt: Instant)] = []
        while try statement.step() { result.append((statement.integer(0), statement.integer(1))) }
        return result
    }
}
