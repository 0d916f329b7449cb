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

    /// Writes customers, as many at a time as `next` gives, until it gives none; then their wakes.
    ///
    /// To be the last of a transaction: with a large state it writes far more pages than SQLite keeps in memory, and if one that has gone to the log
    /// already is changed again, all that follows it there is read and written once more.
    package func write(customers next: () -> [CustomerRecord]?) throws(StoreError) {
        let wake = try database.statement("SELECT \(Self.wake) FROM customer WHERE number=?")
        let insert = try database.statement(
            "INSERT INTO customer (\(Self.columns)) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
        let update = try database.statement(
            """
            UPDATE customer SET first_seen=?4, last_seen=?5, locale=?6, timezone=?7, wake_at=?8, judged_by=?9, traits=?10, carts=?11,
            interests=?12, subscriptions=?13, segments=?14, timers=?15, rolling=?16, seen=?17 WHERE number=?1
            """)
        defer {
            insert.clear()
            update.clear()
        }
        var wakes = WakeChanges()
        while let records = next() {
            for record in records {
                wake.bind(1, record.number)
                let isStored = try wake.step()
                let inLine = record.columns.range(of: .timers).isEmpty ? nil : Self.inLine
                wakes.add(record.number, stored: isStored ? wake.optionalInteger(0) : nil, now: record.wake ?? inLine)
                wake.reset()
                try write(record, isStored ? update : insert)
            }
        }
        try write(&wakes)
    }

    /// A customer's entry in the table of wakes, if there is one.
    private static let wake = "coalesce(wake_at, iif(timers IS NULL, NULL, \(inLine)))"

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
        let wake = try database.statement(
            "DELETE FROM wake WHERE customer=?1 AND at=(SELECT \(Self.wake) FROM customer WHERE number=?1)")
        let statement = try database.statement("DELETE FROM customer WHERE number=?")
        var removed = 0
        for number in customers {
            wake.bind(1, number)
            try wake.run()
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
