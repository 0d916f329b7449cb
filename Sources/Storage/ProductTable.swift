import Engine

extension Store {
    package func product(_ key: ProductKey) throws(StoreError) -> ProductRecord? {
        let statement = try database.statement("SELECT facts, lines, seen, wake_at FROM product WHERE product_id=? AND variant=?")
        defer { statement.reset() }
        statement.bind(1, key.id)
        statement.bind(2, key.variant)
        guard try statement.step() else { return nil }
        return ProductRecord(
            key: key, facts: statement.bytes(0) ?? [], lines: statement.bytes(1), seen: statement.bytes(2),
            wake: statement.optionalInteger(3))
    }

    package func followers(of key: ProductKey) throws(StoreError) -> [Follower] {
        let statement = try database.statement(
            "SELECT customer, kind, since FROM follower WHERE product_id=? AND variant=? ORDER BY customer, kind")
        defer { statement.reset() }
        statement.bind(1, key.id)
        statement.bind(2, key.variant)
        var result: [Follower] = []
        while try statement.step() {
            guard let kind = statement.text(1).flatMap(InterestKind.init(rawValue:)) else { continue }
            result.append(Follower(kind: kind, customer: statement.integer(0), since: statement.integer(2)))
        }
        return result
    }

    /// Products of which a line is due before `time`.
    package func productWakes(before time: Instant) throws(StoreError) -> [ProductKey] {
        let statement = try database.statement("SELECT product_id, variant FROM product WHERE wake_at < ? ORDER BY wake_at")
        statement.bind(1, time)
        return try productKeys(statement)
    }

    /// Products for which somebody stands in a line.
    package func productsWithLines() throws(StoreError) -> [ProductKey] {
        try productKeys(try database.statement("SELECT product_id, variant FROM product WHERE lines IS NOT NULL"))
    }

    private func productKeys(_ statement: Statement) throws(StoreError) -> [ProductKey] {
        defer { statement.reset() }
        var result: [ProductKey] = []
        while try statement.step() { result.append(ProductKey(id: statement.text(0) ?? "", variant: statement.text(1) ?? "")) }
        return result
    }

    func write(_ products: [ProductRecord]) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO product (product_id, variant, facts, lines, seen, wake_at) VALUES (?,?,?,?,?,?)
            ON CONFLICT (product_id, variant) DO UPDATE SET facts=excluded.facts, lines=excluded.lines, seen=excluded.seen,
            wake_at=excluded.wake_at
            """)
        for record in products {
            statement.bind(1, record.key.id)
            statement.bind(2, record.key.variant)
            statement.bind(3, text: record.facts)
            statement.bind(4, text: record.lines)
            statement.bind(5, blob: record.seen)
            statement.bind(6, record.wake)
            try statement.run()
        }
    }

    /// Deletes what any product remembers of a customer. It looks at all of them, some million in a tenth of a second: an index by customer would cost
    /// more with every interest.
    func removeFollower(_ customer: Int64) throws(StoreError) {
        let statement = try database.statement("DELETE FROM follower WHERE customer=?")
        statement.bind(1, customer)
        try statement.run()
    }

    func write(_ followers: [(product: ProductKey, follower: Follower, isRemoval: Bool)]) throws(StoreError) {
        let add = try database.statement("INSERT OR REPLACE INTO follower VALUES (?,?,?,?,?)")
        let remove = try database.statement("DELETE FROM follower WHERE product_id=? AND variant=? AND customer=? AND kind=?")
        for change in followers {
            let statement = change.isRemoval ? remove : add
            statement.bind(1, change.product.id)
            statement.bind(2, change.product.variant)
            statement.bind(3, change.follower.customer)
            statement.bind(4, change.follower.kind.rawValue)
            if !change.isRemoval { statement.bind(5, change.follower.since) }
            try statement.run()
        }
    }
}
