import CLogBuffer
import CSQLite
import Testing

/// A write-ahead log that is written in large pieces holds what one holds that is written piece by piece, for this connection and for others.
@Suite struct LogBufferTests {
    /// A connection, and the whole of its one table.
    private final class Connection {
        private var handle: OpaquePointer?

        init(_ path: String, gathers: Bool) throws {
            try #require(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nil) == SQLITE_OK)
            run("PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=5")
            run("PRAGMA wal_autocheckpoint=50; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, value BLOB)")
            if gathers { #expect(nudged_gather_log(handle) == SQLITE_OK) }
        }

        deinit { sqlite3_close_v2(handle) }

        func run(_ sql: String) {
            let code = sqlite3_exec(handle, sql, nil, nil, nil)
            #expect(code == SQLITE_OK, "\(String(cString: sqlite3_errmsg(handle))) in \(sql)")
        }

        func text(_ sql: String) -> String {
            var statement: OpaquePointer?
            defer { sqlite3_finalize(statement) }
            guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK, sqlite3_step(statement) == SQLITE_ROW,
                let text = sqlite3_column_text(statement, 0)
            else { return "" }
            return String(cString: text)
        }

        var content: String {
            text(
                "SELECT ifnull(group_concat(id || ':' || hex(substr(value, 1, 4)) || length(value)), '') FROM (SELECT * FROM t ORDER BY id)"
            )
        }
    }

    @Test func transactionsOfAnySizeAreWhatTheyWouldBeWithoutIt() throws {
        for seed in UInt64(1)...12 {
            var random = SeededNumbers(seed: seed)
            let scratch = Scratch()
            var writer = try Connection(scratch.path + "/gathered.db", gathers: true)
            let plain = try Connection(scratch.path + "/plain.db", gathers: false)
            let reader = try Connection(scratch.path + "/gathered.db", gathers: false)
            for turn in 0..<60 {
                func both(_ sql: String) {
                    writer.run(sql)
                    plain.run(sql)
                }
                let before = plain.content
                both("BEGIN IMMEDIATE")
                // With five pages of cache most pages of a large transaction go to the log, and come back from it, before the commit.
                for _ in 0..<(1 + random.below(random.chance(20) ? 400 : 6)) {
                    let id = random.below(150)
                    let size = random.below(random.chance(10) ? 5000 : 300)
                    let bytes = (0..<4).map { _ in ["00", "7F", "A5", "FF"][random.below(4)] }.joined()
                    both(
                        random.chance(15)
                            ? "DELETE FROM t WHERE id=\(id)"
                            : "INSERT OR REPLACE INTO t VALUES (\(id), CAST(x'\(bytes)' || zeroblob(\(size)) AS BLOB))")
                    if random.chance(5) { #expect(writer.content == plain.content, "seed \(seed), turn \(turn)") }
                }
                #expect(reader.content == before, "seed \(seed), turn \(turn): what is not committed is seen")
                both(random.chance(25) ? "ROLLBACK" : "COMMIT")
                #expect(writer.content == plain.content, "seed \(seed), turn \(turn)")
                #expect(reader.content == plain.content, "seed \(seed), turn \(turn): what is committed is not seen")
                if random.chance(5) { both("PRAGMA wal_checkpoint(TRUNCATE)") }
                if random.chance(3) { writer = try Connection(scratch.path + "/gathered.db", gathers: true) }
            }
            #expect(writer.text("PRAGMA integrity_check") == "ok", "seed \(seed)")
        }
    }
}
