import Engine

/// A message's way to the outbox directory (`outbox.md`, Exactly once).
package enum MessageState: String, Sendable { case pending, staged, published, stale, withdrawing, withdrawn }

/// One row of the outbox.
package struct MessageRow: Sendable {
    package var sequence: Int64
    package var id: String
    package var rule: String
    package var customer: Int64
    package var decidedAt: Instant
    package var expiresAt: Instant
    /// The outbox it goes to, by name.
    package var outbox: String
    /// The file's name in the outbox directory.
    package var file: String
    package var state: MessageState
    package var channel: String?
    package var variant: String?
    /// The sequence of the message that this one takes back.
    package var retracts: Int64?
    package var json: [UInt8]

    package init(_ message: Message, outbox: String, file: String, state: MessageState) {
        sequence = message.sequence
        id = message.id
        rule = message.rule
        customer = message.customer
        decidedAt = message.time
        expiresAt = message.expires
        self.outbox = outbox
        self.file = file
        self.state = state
        channel = message.channel
        variant = message.variant
        retracts = message.retracts
        json = message.json
    }

    init(_ row: Statement) {
        sequence = row.integer(0)
        id = row.text(1) ?? ""
        rule = row.text(2) ?? ""
        customer = row.integer(3)
        decidedAt = row.integer(4)
        expiresAt = row.integer(5)
        outbox = row.text(6) ?? ""
        file = row.text(7) ?? ""
        state = row.text(8).flatMap(MessageState.init(rawValue:)) ?? .pending
        json = row.bytes(9) ?? []
        channel = row.text(10)
        variant = row.text(11)
        retracts = row.optionalInteger(12)
    }
}

extension Store {
    package func write(_ messages: [MessageRow]) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO message (sequence, id, rule, customer, decided_at, expires_at, outbox, file, state, json, channel, variant, retracts)
            VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
            """)
        for row in messages {
            statement.bind(1, row.sequence)
            statement.bind(2, row.id)
            statement.bind(3, row.rule)
            statement.bind(4, row.customer)
            statement.bind(5, row.decidedAt)
            statement.bind(6, row.expiresAt)
            statement.bind(7, row.outbox)
            statement.bind(8, row.file)
            statement.bind(9, row.state.rawValue)
            statement.bind(10, text: row.json)
            statement.bind(11, row.channel)
            statement.bind(12, row.variant)
            statement.bind(13, row.retracts)
            try statement.run()
        }
        let states = Dictionary(grouping: messages, by: \.state).sorted { $0.key.rawValue < $1.key.rawValue }
        try add(states.map { ("messages", $0.key.rawValue, $0.value.count) })
    }

    /// Marks what was renamed into `new/`; what is to be taken back since then stays so.
    package func markPublished(_ sequences: [Int64]) throws(StoreError) {
        // OR FAIL: else a copy of each page is kept, in case that the trigger fails. After an error the transaction is given up as a whole.
        let statement = try database.statement("UPDATE OR FAIL message SET state='published' WHERE sequence=? AND state='staged'")
        var published = 0
        for sequence in sequences {
            statement.bind(1, sequence)
            try statement.run()
            published += database.changes
        }
        // The trigger leaves these to us.
        try add([
            ("messages", MessageState.staged.rawValue, -published), ("messages", MessageState.published.rawValue, published),
        ])
    }

    /// Commits the intent to take messages back: those without a file are withdrawn at once.
    package func intendWithdrawal(of sequences: [Int64]) throws(StoreError) {
        let statement = try database.statement(
            """
            UPDATE message SET state=CASE state WHEN 'pending' THEN 'withdrawn' ELSE 'withdrawing' END
            WHERE sequence=? AND state IN ('pending', 'staged', 'published')
            """)
        // Their file never came to be, and so does that of what would have taken them back.
        let retraction = try database.statement(
            """
            UPDATE message SET state='withdrawn' WHERE retracts=?1 AND state='pending'
            AND (SELECT state FROM message WHERE sequence=?1) IN ('withdrawn', 'stale')
            """)
        for sequence in sequences {
            statement.bind(1, sequence)
            try statement.run()
            retraction.bind(1, sequence)
            try retraction.run()
        }
    }

    /// Commits the outcome: both are withdrawn, and the retraction of what was taken back before any sender had it needs no file.
    package func settleWithdrawal(of sequences: [Int64], takenBack: [Int64]) throws(StoreError) {
        try setState(.withdrawn, of: sequences)
        let statement = try database.statement("UPDATE message SET state='withdrawn' WHERE retracts=? AND state='pending'")
        for sequence in takenBack {
            statement.bind(1, sequence)
            try statement.run()
        }
    }

    package func setState(_ state: MessageState, of sequences: [Int64]) throws(StoreError) {
        let statement = try database.statement(
            state == .published
                ? "UPDATE message SET state=? WHERE sequence=? AND state<>'staged'"
                : "UPDATE message SET state=? WHERE sequence=?")
        if state == .published { try markPublished(sequences) }
        for sequence in sequences {
            statement.bind(1, state.rawValue)
            statement.bind(2, sequence)
            try statement.run()
        }
    }

    /// Messages in one of the open states, in order of decision.
    package func messages(in state: MessageState, limit: Int = .max) throws(StoreError) -> [MessageRow] {
        let statement = try database.statement(
            """
            SELECT sequence, id, rule, customer, decided_at, expires_at, outbox, file, state, json, channel, variant, retracts FROM message
            WHERE state=? ORDER BY sequence LIMIT ?
            """)
        defer { statement.reset() }
        statement.bind(1, state.rawValue)
        statement.bind(2, Int64(limit))
        var rows: [MessageRow] = []
        while try statement.step() { rows.append(MessageRow(statement)) }
        return rows
    }

    /// Pending messages of an outbox in order of decision, without those of some rules, and without retractions of what is just being taken back:
    /// they wait for what becomes of it.
    package func pendingMessages(of outbox: String, except rules: [String], limit: Int) throws(StoreError) -> [MessageRow] {
        var rows: [MessageRow] = []
        let statement = try database.statement(
            """
            SELECT \(Self.messageColumns) FROM message m WHERE state='pending' AND outbox=? AND rule NOT IN (SELECT value FROM json_each(?))
            AND NOT EXISTS (SELECT 1 FROM message o WHERE o.sequence = m.retracts AND o.state='withdrawing') ORDER BY sequence LIMIT ?
            """)
        defer { statement.reset() }
        statement.bind(1, outbox)
        statement.bind(2, CanonicalJSON.array(rules.map { .string($0) }).text)
        statement.bind(3, Int64(limit))
        while try statement.step() { rows.append(MessageRow(statement)) }
        return rows
    }

    /// How many messages of some rules are pending.
    package func pendingCount(of rules: [String]) throws(StoreError) -> Int {
        guard !rules.isEmpty else { return 0 }
        let statement = try database.statement(
            "SELECT count(*) FROM message WHERE state='pending' AND rule IN (SELECT value FROM json_each(?))")
        defer { statement.reset() }
        statement.bind(1, CanonicalJSON.array(rules.map { .string($0) }).text)
        return try statement.step() ? Int(statement.integer(0)) : 0
    }

    /// What was decided, sent and seen while a customer was anonymous becomes the user's.
    package func moveHistory(_ merged: [(from: Int64, into: Int64)]) throws(StoreError) {
        guard !merged.isEmpty else { return }
        for table in ["decision", "message", "seen_earlier"] {
            // Most have none, and looking is a fraction of an update that changes nothing.
            let look = try database.statement("SELECT 1 FROM \(table) WHERE customer=? LIMIT 1")
            let move = try database.statement("UPDATE \(table) SET customer=? WHERE customer=?")
            for (from, into) in merged {
                look.bind(1, from)
                let isThere = try look.step()
                look.reset()
                guard isThere else { continue }
                move.bind(1, into)
                move.bind(2, from)
                try move.run()
            }
        }
    }

    package func state(ofFile name: String, outbox: String) throws(StoreError) -> MessageState? {
        let statement = try database.statement("SELECT state FROM message WHERE file=? AND outbox=?")
        defer { statement.reset() }
        statement.bind(1, name)
        statement.bind(2, outbox)
        return try statement.step() ? statement.text(0).flatMap(MessageState.init(rawValue:)) : nil
    }

    /// How many messages are pending, by outbox.
    package func pendingCounts() throws(StoreError) -> [String: Int] {
        let statement = try database.statement("SELECT outbox, count(*) FROM message WHERE state='pending' GROUP BY outbox")
        defer { statement.reset() }
        var counts: [String: Int] = [:]
        while try statement.step() { counts[statement.text(0) ?? ""] = Int(statement.integer(1)) }
        return counts
    }

    package func count(_ state: MessageState) throws(StoreError) -> Int {
        let statement = try database.statement("SELECT count(*) FROM message WHERE state=?")
        defer { statement.reset() }
        statement.bind(1, state.rawValue)
        return try statement.step() ? Int(statement.integer(0)) : 0
    }

    /// Writes decisions, inside the caller's transaction and in their order.
    ///
    /// - Parameter merged: customers whose history is moved to others by the end of the batch.
    package func write(_ decisions: [Decision], merged: [(from: Int64, into: Int64)] = []) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO decision (id, rule, customer, customer_id, key, started_at, due_at, decided_at, verdict, cause, channel, variant, message, because)
            VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)
            """)
        var counts: [Verdict: Int] = [:]
        // An instance has one verdict: that its message was withdrawn takes the place of that it was published.
        let change = try database.statement(
            "UPDATE decision SET verdict=?, cause=?, decided_at=? WHERE customer=? AND id=? AND verdict='published'")
        for decision in decisions {
            if decision.verdict == .withdrawn {
                change.bind(1, decision.verdict.rawValue)
                change.bind(2, decision.cause)
                change.bind(3, decision.decidedAt)
                change.bind(5, decision.id)
                var isChanged = false
                for customer in [decision.customer] + merged.filter({ $0.into == decision.customer }).map(\.from) {
                    change.bind(4, customer)
                    try change.run()
                    isChanged = isChanged || database.changes > 0
                }
                if isChanged { continue }
            }
            counts[decision.verdict, default: 0] += 1
            statement.bind(1, decision.id)
            statement.bind(2, decision.rule)
            statement.bind(3, decision.customer)
            statement.bind(4, decision.customerText)
            statement.bind(5, decision.key)
            statement.bind(6, decision.startedAt)
            statement.bind(7, decision.dueAt)
            statement.bind(8, decision.decidedAt)
            statement.bind(9, decision.verdict.rawValue)
            statement.bind(10, decision.cause)
            statement.bind(11, decision.channel)
            statement.bind(12, decision.variant)
            statement.bind(13, text: decision.message)
            let because = decision.because.isEmpty ? nil : CanonicalJSON.array(decision.because.map { .string($0) }).bytes
            statement.bind(14, text: because)
            try statement.run()
        }
        let ordered = counts.sorted { $0.key.rawValue < $1.key.rawValue }
        try add(ordered.map { ("decisions", $0.key.rawValue, $0.value) })
    }

    /// Everything the engine changed but the customers' rows, inside the caller's transaction and before them.
    package func write(_ changes: Changes, rules: RuleSet) throws(StoreError) {
        let removed = try remove(changes.output.removed)
        let added = try countNew(changes.numbers)
        try write(changes.output.movedIDs, rules.definitions, now: changes.clock.now)
        try add([("customers", "", added - removed), ("running", "", changes.output.running)])
        try write(links: changes.output.links)
        try write(changes.products)
        try write(changes.followers)
        try write(changes.output.memberships, rules: rules, until: changes.clock.now)
        try write(changes.output.decisions, merged: changes.output.merged)
        try write(changes.output.outcomes)
        let clock = changes.clock
        try setMeta("clock", "\(clock.now) \(clock.nextCustomer) \(clock.sequence) \(clock.turn)")
    }

    /// The engine's own counters as of the last commit; nil before the first. Damaged ones are refused: to go on from others would give customers
    /// and messages numbers that are taken.
    package func engineClock() throws(StoreError) -> EngineClock? {
        let lastCustomer = try database.integer("SELECT max(number) FROM customer") ?? 0
        let lastMessage = try database.integer("SELECT max(sequence) FROM message") ?? 0
        guard let text = try meta("clock") else {
            guard lastCustomer == 0, lastMessage == 0 else { throw damaged("clock") }
            return nil
        }
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Int64($0) }
        // The fourth is younger than the others.
        guard (3...4).contains(parts.count), numbers.count == parts.count,
            Self.times.contains(numbers[0]) || numbers[0] == .min && lastCustomer == 0,
            numbers[1] > lastCustomer,
            numbers[2] >= lastMessage
        else { throw damaged("clock") }
        return EngineClock(
            now: numbers[0], nextCustomer: numbers[1], sequence: numbers[2], turn: numbers.dropFirst(3).first ?? 0)
    }

    /// What an engine's time can be: events are of the years 1 to 9999, and it follows them at a distance that is configured.
    private static let times: ClosedRange<Instant> = -70_000_000_000_000...253_402_300_800_000
}
