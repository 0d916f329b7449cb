import CSQLite
import Engine
import Testing

@testable import Storage

extension Store {
    /// How many entries the table of wakes has too many or too few.
    func wakesThatDiffer() throws(StoreError) -> Int64? {
        let expected = """
            SELECT coalesce(wake_at, iif(timers IS NULL, NULL, 9223372036854775807)) AS at, number FROM customer WHERE at IS NOT NULL
            """
        return try integer(
            """
            SELECT (SELECT count(*) FROM (\(expected) EXCEPT SELECT at, customer FROM wake))
                + (SELECT count(*) FROM (SELECT at, customer FROM wake EXCEPT \(expected)))
            """)
    }
}

/// The table of wakes says of everybody what the customers' own rows say.
@Suite struct WakeTableTests {
    private func customer(_ number: Int64, wake: Instant?, timers: String? = nil) -> CustomerRecord {
        var record = CustomerRecord(
            number: number, isAnonymous: false, id: Array("c\(number)".utf8), firstSeen: 0, lastSeen: 0, locale: nil,
            timezone: nil,
            wake: wake, judgedBy: 0)
        for column in RecordColumns.Column.allCases {
            let text = column == .timers ? timers ?? "" : ""
            Array(text.utf8).withUnsafeBytes { record.columns.add($0) }
        }
        return record
    }

    private func write(_ customers: [CustomerRecord], to store: Store) throws {
        var rest = [customers]
        try store.begin()
        try store.write { rest.popLast() }
        try store.commit()
    }

    @Test func itFollowsCustomersWhoComeMoveAndGo() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path)
        let queued = #"[{"rule":"r","key":"","phase":"queued","started_at":0,"due":0}]"#
        let waiting = #"[{"rule":"r","key":"","phase":"waiting","started_at":0,"due":300}]"#
        try write(
            [
                customer(1, wake: 500), customer(2, wake: nil), customer(3, wake: nil, timers: queued),
                customer(4, wake: 300, timers: waiting),
            ], to: store)
        #expect(try store.wakesThatDiffer() == 0)
        #expect(try store.wakes(before: 501, limit: 9).map(\.number) == [4, 1])
        #expect(try store.countWakes(before: 500, limit: 9) == 1)
        #expect(try store.nextWake(from: 301) == 500)
        // Whoever only waits in a line is never due.
        #expect(try store.nextWake(from: 501) == nil)
        #expect(try store.timers(rule: nil, limit: 9).map(\.number) == [4, 3])

        try write([customer(1, wake: nil), customer(2, wake: 500), customer(3, wake: 100), customer(4, wake: 300)], to: store)
        #expect(try store.wakesThatDiffer() == 0)
        #expect(try store.wakes(before: .max, limit: 9).map(\.number) == [3, 4, 2])

        try store.begin()
        #expect(try store.remove([3, 1, 7]) == 2)
        try store.commit()
        #expect(try store.wakesThatDiffer() == 0)
        #expect(try store.wakes(before: .max, limit: 9).map(\.number) == [4, 2])
    }

    /// A state that was written before there was such a table.
    @Test func itIsMadeOfAnOlderState() throws {
        let scratch = Scratch()
        do {
            let database = try Database(
                path: scratch.path + "/nudged.db", flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
            let older = Schema.migrations.firstIndex { $0.contains("CREATE TABLE wake ") } ?? 0
            for sql in Schema.migrations[..<older] { try database.execute(sql) }
            try database.execute("PRAGMA user_version=\(older); PRAGMA application_id=\(Schema.applicationID)")
            try database.execute(
                """
                INSERT INTO customer (number, id, anonymous, first_seen, last_seen, wake_at, judged_by, timers) VALUES
                    (1, 'a', 0, 0, 0, 500, 0, NULL), (2, 'b', 0, 0, 0, NULL, 0, NULL), (3, 'c', 0, 0, 0, NULL, 0, '[]'),
                    (4, 'd', 0, 0, 0, 300, 0, '[]')
                """)
        }
        let store = try Store.open(directory: scratch.path)
        #expect(try store.wakesThatDiffer() == 0)
        #expect(try store.wakes(before: .max, limit: 9).map(\.number) == [4, 1])
        #expect(try store.integer("SELECT count(*) FROM wake") == 3)
    }
}
