import Engine

/// Ids that counted, moved out of their customers' records when only a late event could still equal them: rows of many ids, added at the end of the
/// table, and read for such an event alone.
extension Store {
    /// All ids of these customers that were moved.
    package func movedIDs(of customers: [Int64]) throws(StoreError) -> [SeenID] {
        let statement = try database.statement("SELECT ids FROM seen_earlier WHERE customer=? ORDER BY number")
        defer { statement.reset() }
        var ids: [SeenID] = []
        for customer in customers {
            statement.bind(1, customer)
            while try statement.step() { ids += SeenIDs.entries(statement.bytes(0) ?? []) }
            statement.reset()
        }
        return ids
    }

    /// Adds ids, and deletes the oldest rows that nothing can equal any more, of which there may be more than are added: so they don't pile up.
    ///
    /// - Parameter now: the engine's time; `.min` before the first event.
    package func write(_ movedIDs: [MovedIDs], _ definitions: Definitions, now: Instant) throws(StoreError) {
        let add = try database.statement("INSERT INTO seen_earlier (customer, newest, ids) VALUES (?, ?, ?)")
        for moved in movedIDs {
            add.bind(1, moved.customer)
            add.bind(2, moved.newest)
            add.bind(3, blob: SeenIDs.bytes(moved.ids))
            try add.run()
        }
        guard now > .min else { return }
        let bound = now - definitions.dedupe - definitions.lateFor
        // A row is no newer than its commit, so that what stands behind one that is still of use goes in its turn.
        let oldest = try database.statement("SELECT number, newest FROM seen_earlier ORDER BY number LIMIT ?")
        oldest.bind(1, Int64(2 * movedIDs.count + 8))
        var last: Int64?
        while try oldest.step(), oldest.integer(1) <= bound { last = oldest.integer(0) }
        oldest.reset()
        guard let last else { return }
        let remove = try database.statement("DELETE FROM seen_earlier WHERE number <= ?")
        remove.bind(1, last)
        try remove.run()
    }
}
