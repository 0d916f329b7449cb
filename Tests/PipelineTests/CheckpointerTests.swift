import CSQLite
import Glibc
import Testing

@testable import Storage

/// Changes are moved from their log into the database while others are written, nothing is lost, and the log begins anew.
@Suite struct CheckpointerTests {
    private static let page = 4096

    /// A database as `Store` configures it, with a checkpointer that begins early.
    private struct Pair {
        let database: Database
        let checkpointer: Checkpointer

        init(_ path: String, pages: Int) throws {
            database = try Database(path: path, flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
            try database.execute("PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-64")
            try database.zeroUnusedBytes()
            try database.execute("CREATE TABLE IF NOT EXISTS line (number INTEGER PRIMARY KEY, text BLOB)")
            try database.gatherLog()
            checkpointer = try Checkpointer(path: path, bytes: pages * CheckpointerTests.page)
            database.countLog()
        }

        func commit(_ rows: some Sequence<Int>, _ length: (Int) -> Int) throws {
            checkpointer.waitIfLong()
            try database.execute("BEGIN IMMEDIATE")
            let statement = try database.statement(
                "INSERT INTO line VALUES (?, zeroblob(?)) ON CONFLICT DO UPDATE SET text=excluded.text")
            for row in rows {
                statement.bind(1, Int64(row))
                statement.bind(2, Int64(length(row)))
                try statement.run()
            }
            try database.execute("COMMIT")
            checkpointer.committed(database.logPages)
        }
    }

    private func size(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    @Test(arguments: UInt64(1)...6) func nothingIsLostAndTheLogStaysShort(seed: UInt64) throws {
        let scratch = Scratch(onDisk: seed % 2 == 0)
        let path = scratch.path + "/a.db"
        var random = SeededNumbers(seed: seed)
        let pages = 64 + random.below(200)
        var expected: [Int: Int] = [:]
        do {
            let pair = try Pair(path, pages: pages)
            for _ in 0..<400 {
                var rows: [Int: Int] = [:]
                for _ in 0..<(1 + random.below(20)) { rows[random.below(500)] = random.below(9000) }
                expected.merge(rows) { $1 }
                try pair.commit(rows.keys.sorted()) { rows[$0] ?? 0 }
                // Four times the length at which it is moved, and one commit, which has no more than 20 rows of three pages and their tree.
                #expect(size(path + "-wal") < (4 * pages + 200) * (Self.page + 24) + 32, "seed \(seed)")
            }
            pair.checkpointer.finish()
            #expect(size(path) > pages * Self.page, "seed \(seed): nothing has been moved")
        }
        let database = try Database(path: path, flags: SQLITE_OPEN_READONLY)
        #expect(try database.text("PRAGMA integrity_check") == "ok")
        let statement = try database.statement("SELECT number, length(text) FROM line")
        var found: [Int: Int] = [:]
        while try statement.step() { found[Int(statement.integer(0))] = Int(statement.integer(1)) }
        #expect(found == expected, "seed \(seed)")
    }

    /// A log that is moved from 32 pages on, and a reader whose read begins with ten lines and goes on.
    private func tenLinesAndAReader(_ path: String) throws -> (pair: Pair, reader: Database) {
        let pair = try Pair(path, pages: 32)
        try pair.commit(0..<10) { _ in 3000 }
        let reader = try Database(path: path, flags: SQLITE_OPEN_READONLY)
        try reader.execute("BEGIN")
        #expect(try reader.integer("SELECT count(*) FROM line") == 10)
        return (pair, reader)
    }

    /// A reader that stays keeps the log from beginning anew, and nobody from writing; when it has gone the log does.
    @Test func aReaderThatStaysIsWaitedForByNobody() throws {
        let scratch = Scratch()
        let (pair, reader) = try tenLinesAndAReader(scratch.path + "/a.db")
        for round in 0..<40 { try pair.commit(0..<(20 + round)) { _ in 3000 + round } }
        #expect(try reader.integer("SELECT count(*) FROM line") == 10)
        try reader.execute("COMMIT")
        let grown = pair.database.logPages
        #expect(grown > 4 * 32)
        // What is left is moved with the next commits, and one of them begins the log anew.
        var rounds = 0
        while pair.database.logPages >= grown, rounds < 100 {
            try pair.commit(0..<3) { _ in 2000 + rounds }
            pair.checkpointer.finish()
            rounds += 1
        }
        #expect(pair.database.logPages < 100, "\(pair.database.logPages) pages after \(rounds) commits")
        #expect(try reader.integer("SELECT count(*) FROM line") == 59)
    }

    /// What a reader kept from being moved is moved by a writer who may wait, and the log begins anew with his transaction.
    @Test func theRestIsMovedBeforeATransactionThatMayWait() throws {
        let scratch = Scratch()
        let (pair, reader) = try tenLinesAndAReader(scratch.path + "/a.db")
        for round in 0..<10 { try pair.commit(0..<40) { _ in 3000 + round } }
        pair.checkpointer.finish()
        let grown = pair.database.logPages
        #expect(grown > 32)
        try reader.execute("COMMIT")
        pair.checkpointer.moveRest()
        try pair.commit(0..<3) { _ in 2000 }
        #expect(pair.database.logPages < 32, "\(pair.database.logPages) pages of \(grown)")
        #expect(try reader.integer("SELECT count(*) FROM line WHERE length(text) = 2000") == 3)
    }
}
