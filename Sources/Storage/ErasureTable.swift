import CSQLite
import Engine

/// What has to go from an outbox's directories because of erasures.
package struct LeavingFiles: Sendable, Equatable {
    /// The outbox's name.
    package let outbox: String
    /// Files of messages whose rows were deleted with their customer.
    package var files: [String] = []
    /// Keyed hashes of erased ids, each with the last sequence number at its erasure: files of messages up to that one which have no row any more,
    /// because rows have a retention of their own.
    package var customers: [String: Int64] = [:]

    package init(outbox: String) { self.outbox = outbox }
}

extension Store {
    package func tombstones() throws(StoreError) -> [(hash: String, until: Instant)] {
        let statement = try database.statement("SELECT hash, until FROM tombstone")
        defer { statement.reset() }
        var result: [(hash: String, until: Instant)] = []
        while try statement.step() { result.append((statement.text(0) ?? "", statement.integer(1))) }
        return result
    }

    /// Deletes all that is kept beside the customer's record, inside the caller's transaction. What is left to do outside of it, files and the
    /// truncation of the log of changes, is noted, so that a crash does not lose it.
    package func erase(_ erasure: Erasure, at clock: EngineClock) throws(StoreError) {
        guard erasure.isForgotten else { return try retire(erasure, at: clock.now) }
        let remember = try database.statement(
            "INSERT INTO tombstone VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET until=max(until, excluded.until)")
        let search = try database.statement(
            "INSERT INTO leaving_customer SELECT substr(key, 8), ?, ? FROM meta WHERE key LIKE 'outbox.%'")
        for hash in erasure.hashes {
            remember.bind(1, hash)
            remember.bind(2, erasure.until)
            try remember.run()
            search.bind(1, hash)
            search.bind(2, clock.sequence)
            try search.run()
        }
        let numbers = [erasure.customer].compactMap { $0 } + (try everybody(of: erasure.keys, includesProfiles: false).numbers)
        let files = try database.statement("INSERT INTO leaving_file SELECT outbox, file FROM message WHERE customer=?")
        for number in numbers {
            files.bind(1, number)
            try files.run()
            for table in ["message", "decision", "link", "seen_earlier", "former_customer"] {
                try delete(from: table, of: number)
            }
            try removeFollower(number)
        }
        for key in erasure.keys { try removeDeadLetters(try deadLetters(holding: key.id).map(\.number)) }
        try setMeta("scrub", "1")
    }

    /// An idle profile goes. Its messages and decisions have a retention of their own, and as long as there are any they are found by its ids.
    private func retire(_ erasure: Erasure, at now: Instant) throws(StoreError) {
        guard let number = erasure.customer else { return }
        let remember = try database.statement(
            """
            INSERT INTO former_customer (customer, id, anonymous, at) SELECT ?1, ?2, ?3, ?4
            WHERE EXISTS (SELECT 1 FROM decision WHERE customer=?1) OR EXISTS (SELECT 1 FROM message WHERE customer=?1)
            """)
        for key in erasure.keys {
            remember.bind(1, number)
            remember.bind(2, text: key.id)
            remember.bind(3, key.isAnonymous ? 1 : 0)
            remember.bind(4, now)
            try remember.run()
        }
        for table in ["link", "seen_earlier"] { try delete(from: table, of: number) }
    }

    private func delete(from table: String, of customer: Int64) throws(StoreError) {
        let statement = try database.statement("DELETE FROM \(table) WHERE customer=?")
        statement.bind(1, customer)
        try statement.run()
    }

    // MARK: Customers without a profile

    /// Everybody who has one of these ids, or one that another of them has: numbers and all ids.
    ///
    /// - Parameter includesProfiles: false: only those whose profiles were idle for too long.
    package func everybody(of keys: [CustomerKey], includesProfiles: Bool) throws(StoreError) -> (
        numbers: [Int64], keys: [CustomerKey]
    ) {
        var (numbers, all) = ([Int64](), keys)
        var next = 0
        while next < all.count {
            var found = try formerNumbers(of: all[next])
            if includesProfiles, let number = try number(of: all[next]) { found.insert(number, at: 0) }
            for number in found where !numbers.contains(number) {
                numbers.append(number)
                for key in try self.keys(of: number) where !all.contains(key) { all.append(key) }
            }
            next += 1
        }
        return (numbers, all)
    }

    /// Numbers of customers who had this id, and whose profiles were idle for too long.
    private func formerNumbers(of key: CustomerKey) throws(StoreError) -> [Int64] {
        let statement = try database.statement("SELECT customer FROM former_customer WHERE id=? AND anonymous=?")
        defer { statement.reset() }
        statement.bind(1, text: key.id)
        statement.bind(2, key.isAnonymous ? 1 : 0)
        var numbers: [Int64] = []
        while try statement.step() { numbers.append(statement.integer(0)) }
        return numbers
    }

    /// The ids of a customer, with or without a profile: its own, and the anonymous ones that became it. None if there is no such customer.
    package func keys(of number: Int64) throws(StoreError) -> [CustomerKey] {
        let statement = try database.statement(
            """
            SELECT id, anonymous FROM customer WHERE number=?1 UNION ALL SELECT anonymous_id, 1 FROM link WHERE customer=?1
            UNION ALL SELECT id, anonymous FROM former_customer WHERE customer=?1
            """)
        defer { statement.reset() }
        statement.bind(1, number)
        var keys: [CustomerKey] = []
        while try statement.step() {
            keys.append(CustomerKey(isAnonymous: statement.integer(1) != 0, id: statement.bytes(0) ?? []))
        }
        return keys
    }

    /// Goes through the ids of all customers from a number on, also of those whose profile is gone.
    package func forEachKey(from number: Int64, _ body: (_ key: CustomerKey, _ customer: Int64) -> Void) throws(StoreError) {
        let statement = try database.statement(
            """
            SELECT id, anonymous, number FROM customer WHERE number >= ?1
            UNION ALL SELECT anonymous_id, 1, customer FROM link WHERE customer >= ?1
            UNION ALL SELECT id, anonymous, customer FROM former_customer WHERE customer >= ?1
            """)
        defer { statement.reset() }
        statement.bind(1, number)
        while try statement.step() {
            body(CustomerKey(isAnonymous: statement.integer(1) != 0, id: statement.bytes(0) ?? []), statement.integer(2))
        }
    }

    // MARK: What is left to do

    /// By outbox.
    package func leavingFiles() throws(StoreError) -> [LeavingFiles] {
        let statement = try database.statement(
            "SELECT outbox, file, NULL, 0 FROM leaving_file UNION ALL SELECT outbox, NULL, hash, up_to FROM leaving_customer")
        defer { statement.reset() }
        var result: [String: LeavingFiles] = [:]
        while try statement.step() {
            let outbox = statement.text(0) ?? ""
            var leaving = result[outbox] ?? LeavingFiles(outbox: outbox)
            if let file = statement.text(1) { leaving.files.append(file) }
            if let hash = statement.text(2) {
                leaving.customers[hash] = max(leaving.customers[hash] ?? .min, statement.integer(3))
            }
            result[outbox] = leaving
        }
        return result.values.sorted { $0.outbox < $1.outbox }
    }

    /// Nothing of this outbox has to go any more.
    package func removeLeaving(of outbox: String) throws(StoreError) {
        for table in ["leaving_file", "leaving_customer"] {
            let statement = try database.statement("DELETE FROM \(table) WHERE outbox=?")
            statement.bind(1, outbox)
            try statement.run()
        }
    }

    /// Whether something was erased whose old pages may still be in the log of changes.
    package func needsScrubbing() throws(StoreError) -> Bool { try meta("scrub") == "1" }

    /// Moves all changes into the database and empties their log. False while a reader holds it; then it is to be tried again.
    package func scrub() throws(StoreError) -> Bool {
        checkpointer?.finish()
        let statement = try Statement("PRAGMA wal_checkpoint(TRUNCATE)", on: database)
        guard try statement.step(), statement.integer(0) == 0 else { return false }
        statement.reset()
        try setMeta("scrub", "0")
        return true
    }
}
