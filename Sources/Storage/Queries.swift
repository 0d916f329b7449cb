import Engine

/// A decision as stored.
package struct DecisionRow: Sendable {
    package let number: Int64
    /// The id its message has, or would have had.
    package let id: String
    package let rule: String
    package let customer: String
    package let key: String
    package let startedAt: Instant
    package let dueAt: Instant
    package let decidedAt: Instant
    package let verdict: String
    package let cause: String
    package let channel: String?
    package let variant: String?
    /// Ids of the events that started it, a JSON array; nil if they had none.
    package let because: [UInt8]?
    /// The message that was not sent, with the verdict `holdout`.
    package let message: [UInt8]?
}

/// Which decisions are asked for; nil: any.
package struct DecisionQuery: Sendable {
    /// Several numbers may be of one customer.
    package var customers: [Int64]?
    package var rule: String?
    package var verdict: String?
    package var since: Instant?
    package var limit = 100

    package init() {}
}

/// A running instance, with whose it is.
package struct TimerRow: Sendable {
    package let rule: String
    package let customer: String
    package let key: String
    package let phase: String
    package let startedAt: Instant
    package let due: Instant
    /// The customer's.
    let number: Int64
}

/// What the read commands ask. A reader sees one consistent snapshot for as long as `reading` lasts, and is never in the daemon's way; it only
/// keeps the log of changes from being shortened meanwhile.
extension Store {
    package func reading<Result>(_ body: () throws -> Result) throws -> Result {
        try database.execute("BEGIN", doing: "read the state")
        defer { rollback() }
        return try body()
    }

    private static func text(_ id: String, isAnonymous: Bool) -> String {
        CustomerKey(isAnonymous: isAnonymous, id: Array(id.utf8)).text
    }

    // MARK: Segments

    package func segmentSizes() throws(StoreError) -> [(segment: String, members: Int)] {
        try totals("members").map { ($0, $1) }
    }

    package func memberList(of segment: String, limit: Int) throws(StoreError) -> [(customer: String, enteredAt: Instant)] {
        let statement = try database.statement(
            """
            SELECT c.id, c.anonymous, m.entered_at FROM membership m JOIN customer c ON c.number = m.customer WHERE m.segment=?
            ORDER BY m.customer LIMIT ?
            """)
        defer { statement.reset() }
        statement.bind(1, segment)
        statement.bind(2, Int64(limit))
        var result: [(customer: String, enteredAt: Instant)] = []
        while try statement.step() {
            result.append((Self.text(statement.text(0) ?? "", isAnonymous: statement.integer(1) != 0), statement.integer(2)))
        }
        return result
    }

    // MARK: Timers

    /// Running instances, the earliest due first; what waits in a line has no deadline and comes last.
    ///
    /// Customers are looked at in order of their wake, which is no later than the first of their deadlines, until no later one can be among the
    /// first `limit`: what it costs depends on the limit, and with a rule on how rare that is, not on how many customers there are.
    package func timers(rule: String?, limit: Int) throws(StoreError) -> [TimerRow] {
        guard limit > 0 else { return [] }
        var due: [TimerRow] = []
        var queued: [TimerRow] = []
        // No instance due later than this is among the first.
        var bound = Instant.max
        func trim() {
            due.sort { ($0.due, $0.number) < ($1.due, $1.number) }
            if due.count >= limit {
                due.removeLast(due.count - limit)
                bound = due.last?.due ?? .max
            }
        }
        let statement = try database.statement(
            """
            SELECT t.value ->> '$.rule', c.id, c.anonymous, t.value ->> '$.key', t.value ->> '$.phase', t.value ->> '$.started_at',
                t.value ->> '$.due', wake.at, c.number
            FROM wake CROSS JOIN customer c ON c.number = wake.customer, json_each(c.timers) t ORDER BY wake.at
            """)
        defer { statement.reset() }
        while try statement.step() {
            if due.count == limit && bound == .max || due.count / 2 >= limit { trim() }
            if statement.integer(7) > bound {
                trim()
                return due
            }
            if let rule, statement.text(0) != rule { continue }
            let row = TimerRow(
                rule: statement.text(0) ?? "",
                customer: Self.text(statement.text(1) ?? "", isAnonymous: statement.integer(2) != 0),
                key: statement.text(3) ?? "", phase: statement.text(4) ?? "", startedAt: statement.integer(5),
                due: statement.integer(6), number: statement.integer(8))
            if row.phase == "queued" {
                if queued.count < limit { queued.append(row) }
            } else {
                due.append(row)
            }
        }
        trim()
        return Array((due + queued.sorted { ($0.due, $0.number) < ($1.due, $1.number) }).prefix(limit))
    }

    // MARK: Decisions

    /// The newest first. Decisions are numbered in order of time, so that reading ends where `since` begins.
    package func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRow] {
        var conditions: [String] = []
        if query.customers != nil { conditions.append(Self.isOfCustomers) }
        if query.rule != nil { conditions.append("rule=?2") }
        if query.verdict != nil { conditions.append("verdict=?3") }
        let statement = try database.statement(
            "SELECT number, id, rule, customer_id, key, started_at, due_at, decided_at, verdict, cause, channel, variant, because, message FROM decision"
                + (conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")) + " ORDER BY number DESC")
        defer { statement.reset() }
        if let customers = query.customers { statement.bind(1, Self.list(customers)) }
        if let rule = query.rule { statement.bind(2, rule) }
        if let verdict = query.verdict { statement.bind(3, verdict) }
        var rows: [DecisionRow] = []
        while rows.count < query.limit, try statement.step() {
            if let since = query.since, statement.integer(7) < since { break }
            rows.append(
                DecisionRow(
                    number: statement.integer(0), id: statement.text(1) ?? "", rule: statement.text(2) ?? "",
                    customer: statement.text(3) ?? "",
                    key: statement.text(4) ?? "", startedAt: statement.integer(5), dueAt: statement.integer(6),
                    decidedAt: statement.integer(7),
                    verdict: statement.text(8) ?? "", cause: statement.text(9) ?? "", channel: statement.text(10),
                    variant: statement.text(11), because: statement.bytes(12), message: statement.bytes(13)))
        }
        return rows
    }

    /// Whether a row's customer is in a list that is bound as text.
    private static let isOfCustomers = "customer IN (SELECT value FROM json_each(?1))"
    private static func list(_ numbers: [Int64]) -> String { "[\(numbers.map(String.init).joined(separator: ","))]" }

    // MARK: Messages

    static let messageColumns =
        "sequence, id, rule, customer, decided_at, expires_at, outbox, file, state, json, channel, variant, retracts"

    /// The newest first.
    package func messages(customers: [Int64]? = nil, state: MessageState? = nil, rule: String? = nil, limit: Int)
        throws(StoreError)
        -> [MessageRow]
    {
        var conditions: [String] = []
        if customers != nil { conditions.append(Self.isOfCustomers) }
        if state != nil { conditions.append("state=?2") }
        if rule != nil { conditions.append("rule=?3") }
        let statement = try database.statement(
            "SELECT \(Self.messageColumns) FROM message"
                + (conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND "))
                + " ORDER BY sequence DESC LIMIT ?4")
        defer { statement.reset() }
        if let customers { statement.bind(1, Self.list(customers)) }
        if let state { statement.bind(2, state.rawValue) }
        if let rule { statement.bind(3, rule) }
        statement.bind(4, Int64(limit))
        var rows: [MessageRow] = []
        while try statement.step() { rows.append(MessageRow(statement)) }
        return rows
    }

    /// Looks through the names of all files, which end in the id, and reads no message but that one: an index of ids, which come in no order, would
    /// cost every commit more than this costs whoever asks.
    package func message(id: String) throws(StoreError) -> MessageRow? {
        let statement = try database.statement(
            """
            SELECT \(Self.messageColumns) FROM message WHERE sequence =
                (SELECT sequence FROM message INDEXED BY message_by_file WHERE substr(file, 21) = ? || '.json')
            """)
        defer { statement.reset() }
        statement.bind(1, id)
        return try statement.step() ? MessageRow(statement) : nil
    }

    package func message(file: String) throws(StoreError) -> MessageRow? {
        let statement = try database.statement("SELECT \(Self.messageColumns) FROM message WHERE file=?")
        defer { statement.reset() }
        statement.bind(1, file)
        return try statement.step() ? MessageRow(statement) : nil
    }

    // MARK: Dead letters

    private static let letterColumns = "number, source, file, offset, length, reason, message, place, at, head"

    private func letter(_ row: Statement) -> DeadLetterRow {
        var letter = DeadLetterRow(
            source: row.text(1) ?? "", file: row.text(2) ?? "", offset: row.integer(3), length: row.integer(4),
            reason: row.text(5) ?? "",
            message: row.text(6) ?? "", place: row.optionalInteger(7), at: row.integer(8), head: row.bytes(9) ?? [])
        letter.number = row.integer(0)
        return letter
    }

    /// The newest first.
    package func deadLetters(reason: String? = nil, source: String? = nil, limit: Int) throws(StoreError) -> [DeadLetterRow] {
        let statement = try database.statement(
            """
            SELECT \(Self.letterColumns) FROM dead_letter WHERE (?1 IS NULL OR reason=?1) AND (?2 IS NULL OR source=?2)
            ORDER BY number DESC LIMIT ?3
            """)
        defer { statement.reset() }
        statement.bind(1, reason)
        statement.bind(2, source)
        statement.bind(3, Int64(limit))
        var rows: [DeadLetterRow] = []
        while try statement.step() { rows.append(letter(statement)) }
        return rows
    }

    package func deadLetter(_ number: Int64) throws(StoreError) -> DeadLetterRow? {
        let statement = try database.statement("SELECT \(Self.letterColumns) FROM dead_letter WHERE number=?")
        defer { statement.reset() }
        statement.bind(1, number)
        return try statement.step() ? letter(statement) : nil
    }

    /// Those that were stored at this engine time or later.
    package func deadLetters(since: Instant) throws(StoreError) -> [DeadLetterRow] {
        let statement = try database.statement("SELECT \(Self.letterColumns) FROM dead_letter WHERE at >= ? ORDER BY number")
        defer { statement.reset() }
        statement.bind(1, since)
        var rows: [DeadLetterRow] = []
        while try statement.step() { rows.append(letter(statement)) }
        return rows
    }

    package func deadLetterCounts() throws(StoreError) -> [(source: String, reason: String, count: Int)] {
        let statement = try database.statement(
            "SELECT source, reason, count(*) FROM dead_letter GROUP BY source, reason ORDER BY count(*) DESC, source, reason")
        defer { statement.reset() }
        var result: [(source: String, reason: String, count: Int)] = []
        while try statement.step() {
            result.append((statement.text(0) ?? "", statement.text(1) ?? "", Int(statement.integer(2))))
        }
        return result
    }

    /// Those whose kept bytes hold an id as a whole word, whatever is wrong with the line; all are looked through.
    package func deadLetters(holding text: [UInt8]) throws(StoreError) -> [DeadLetterRow] {
        guard !text.isEmpty else { return [] }
        // Many programs escape in JSON what they need not: `\/`, `\u00eb`, `\u003c`.
        let statement = try database.statement(
            "SELECT \(Self.letterColumns) FROM dead_letter WHERE instr(head, ?) > 0 OR instr(head, x'5C') > 0 ORDER BY number")
        defer { statement.reset() }
        statement.bind(1, blob: text)
        var rows: [DeadLetterRow] = []
        while try statement.step() {
            let row = letter(statement)
            if Self.holds(text, in: row.head) { rows.append(row) }
        }
        return rows
    }

    /// Whether bytes of a line hold an id as a whole word, however JSON escapes it.
    package static func holds(_ id: [UInt8], in line: [UInt8]) -> Bool {
        holdsWord(id, in: line) || holdsWord(id, in: JSONText.unescaped(line))
    }

    /// An id of few letters must not stand for every line that has them within other words.
    private static func holdsWord(_ word: [UInt8], in bytes: [UInt8]) -> Bool {
        func isLetter(_ index: Int) -> Bool {
            guard bytes.indices.contains(index) else { return false }
            let byte = bytes[index]
            return byte >= 0x80 || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || byte == 0x5F
        }
        guard bytes.count >= word.count else { return false }
        return (0...(bytes.count - word.count)).contains { start in
            bytes[start] == word[0] && bytes[start..<(start + word.count)].elementsEqual(word) && !isLetter(start - 1)
                && !isLetter(start + word.count)
        }
    }
}
