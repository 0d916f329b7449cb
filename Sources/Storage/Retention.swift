import Engine

/// How long things are kept after their last use.
package struct Retention: Sendable {
    package var profiles: Milliseconds = 400 * 86_400_000
    package var decisions: Milliseconds = 90 * 86_400_000
    package var messages: Milliseconds = 90 * 86_400_000
    package var deadLetters: Milliseconds = 30 * 86_400_000
    /// So many dead letters at most, whatever their age: a log that is broken as a whole must not fill the disk.
    package var maxDeadLetters = 100_000
    /// Of what went through by the hour; some hundred bytes a day.
    package var hours: Milliseconds = 400 * 86_400_000

    package init() {}
}

extension Store {
    /// Deletes the oldest of what is beyond its time, at most `limit` rows of each kind, inside the caller's transaction. Rows are numbered in order of
    /// time, so that the first `limit` of each table tell.
    ///
    /// - Parameter now: the engine's time.
    /// - Returns: whether there may be more.
    package func expire(_ retention: Retention, now: Instant, limit: Int) throws(StoreError) -> Bool {
        try dateDeadLetters(at: now)
        let letters = try numbers("SELECT number, at FROM dead_letter ORDER BY number LIMIT ?", limit) {
            $1 < now - retention.deadLetters
        }
        try keepDeadLetters(retention.maxDeadLetters, removing: limit)
        let decisions = try numbers("SELECT number, decided_at FROM decision ORDER BY number LIMIT ?", limit) {
            $1 < now - retention.decisions
        }
        // What is still on its way stays, however old.
        let messages = try numbers(
            """
            SELECT sequence, decided_at FROM message WHERE state NOT IN ('pending', 'staged', 'withdrawing') ORDER BY sequence LIMIT ?
            """, limit
        ) { $1 < now - retention.messages }
        try removeDeadLetters(letters)
        try remove("DELETE FROM decision WHERE number=?", decisions)
        try remove("DELETE FROM message WHERE sequence=?", messages)
        // By then nothing is left that would be found by them.
        let former = try numbers("SELECT number, at FROM former_customer ORDER BY number LIMIT ?", limit) {
            $1 < now - max(retention.decisions, retention.messages)
        }
        try remove("DELETE FROM former_customer WHERE number=?", former)
        try dropHours(before: now - retention.hours)
        return [letters, decisions, messages, former].contains { $0.count == limit }
    }

    /// Lines that were refused before the engine had a time count from its first one. They are the oldest.
    private func dateDeadLetters(at now: Instant) throws(StoreError) {
        guard try integer("SELECT at FROM dead_letter ORDER BY number LIMIT 1") == .min else { return }
        let statement = try database.statement("UPDATE dead_letter SET at=? WHERE at=?")
        statement.bind(1, now)
        statement.bind(2, Instant.min)
        try statement.run()
    }

    /// Deletes the oldest dead letters beyond `count`, at most `limit` of them, inside the caller's transaction.
    package func keepDeadLetters(_ count: Int, removing limit: Int) throws(StoreError) {
        // Numbers grow, so there can't be too many unless they span too much; counting is for then only.
        guard let span = try integer("SELECT max(number) - min(number) + 1 FROM dead_letter"), span > count,
            let excess = try integer("SELECT count(*) FROM dead_letter").map({ $0 - Int64(count) }), excess > 0
        else { return }
        let statement = try database.statement(
            "DELETE FROM dead_letter WHERE number IN (SELECT number FROM dead_letter ORDER BY number LIMIT ?)")
        statement.bind(1, min(excess, Int64(limit)))
        try statement.run()
    }

    private func numbers(_ sql: String, _ limit: Int, _ isOld: (_ number: Int64, _ at: Instant) -> Bool) throws(StoreError)
        -> [Int64]
    {
        let statement = try database.statement(sql)
        defer { statement.reset() }
        statement.bind(1, Int64(limit))
        var result: [Int64] = []
        while try statement.step() {
            if isOld(statement.integer(0), statement.integer(1)) { result.append(statement.integer(0)) }
        }
        return result
    }

    private func remove(_ sql: String, _ numbers: [Int64]) throws(StoreError) {
        let statement = try database.statement(sql)
        for number in numbers {
            statement.bind(1, number)
            try statement.run()
        }
    }

    /// When the last messages after a sequence number were decided, in order.
    package func lastDecided(_ count: Int, since sequence: Int64) throws(StoreError) -> [Instant] {
        let statement = try database.statement(
            "SELECT decided_at FROM message WHERE sequence > ? AND state <> 'pending' ORDER BY sequence DESC LIMIT ?")
        defer { statement.reset() }
        statement.bind(1, sequence)
        statement.bind(2, Int64(count))
        var result: [Instant] = []
        while try statement.step() { result.append(statement.integer(0)) }
        return result.reversed()
    }

    /// Of the next customers by number those who were last seen before `bound` and for whom nothing runs, and the number to go on from; nil at the
    /// end.
    package func idle(after number: Int64, before bound: Instant, limit: Int) throws(StoreError) -> (
        numbers: [Int64], next: Int64?
    ) {
        let statement = try database.statement(
            "SELECT number, last_seen, timers IS NULL FROM customer WHERE number > ? ORDER BY number LIMIT ?")
        defer { statement.reset() }
        statement.bind(1, number)
        statement.bind(2, Int64(limit))
        var idle: [Int64] = []
        var last: Int64?
        while try statement.step() {
            last = statement.integer(0)
            if statement.integer(1) < bound, statement.integer(2) != 0 { idle.append(statement.integer(0)) }
        }
        return (idle, last)
    }
}
