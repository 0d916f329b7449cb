import CSQLite
import Engine

/// A message's file that has to go from its outbox.
package struct MessageFile: Sendable, Equatable {
    package let outbox: String
    package let file: String

    package init(outbox: String, file: String) {
        self.outbox = outbox
        self.file = file
    }
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
    package func erase(_ erasure: Erasure) throws(StoreError) {
        let remember = try database.statement(
            "INSERT INTO tombstone VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET until=max(until, excluded.until)")
        for hash in erasure.hashes {
            remember.bind(1, hash)
            remember.bind(2, erasure.until)
            try remember.run()
        }
        if let number = erasure.customer {
            let files = try database.statement("INSERT INTO leaving_file SELECT outbox, file FROM message WHERE customer=?")
            files.bind(1, number)
            if erasure.isForgotten { try files.run() }
            // An idle profile's messages and decisions have a retention of their own.
            for table in (erasure.isForgotten ? ["message", "decision"] : []) + ["link", "seen_earlier"] {
                let statement = try database.statement("DELETE FROM \(table) WHERE customer=?")
                statement.bind(1, number)
                try statement.run()
            }
        }
        guard erasure.isForgotten else { return }
        if let number = erasure.customer { try removeFollower(number) }
        for key in erasure.keys { try removeDeadLetters(try deadLetters(holding: key.id).map(\.number)) }
        try setMeta("scrub", "1")
    }

    /// Notes files that have to go besides.
    package func noteLeaving(_ files: [MessageFile]) throws(StoreError) {
        try run("INSERT INTO leaving_file VALUES (?, ?)", forEach: files)
    }

    package func leavingFiles() throws(StoreError) -> [MessageFile] {
        let statement = try database.statement("SELECT outbox, file FROM leaving_file")
        defer { statement.reset() }
        var result: [MessageFile] = []
        while try statement.step() { result.append(MessageFile(outbox: statement.text(0) ?? "", file: statement.text(1) ?? "")) }
        return result
    }

    package func removeLeavingFiles(_ files: [MessageFile]) throws(StoreError) {
        try run("DELETE FROM leaving_file WHERE outbox=? AND file=?", forEach: files)
    }

    private func run(_ sql: String, forEach files: [MessageFile]) throws(StoreError) {
        let statement = try database.statement(sql)
        for file in files {
            statement.bind(1, file.outbox)
            statement.bind(2, file.file)
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
