import Engine
import Ingest
import Pipeline
import Storage

/// All that is kept of a customer, for subject access.
struct CustomerExport {
    let json: CanonicalJSON

    /// Nil if nothing is kept.
    init?(_ live: LiveState, _ id: CustomerID) throws {
        let store = live.store
        let (numbers, keys) = try store.everybody(of: [id.key], includesProfiles: true)
        var letters: [Int64: DeadLetterRow] = [:]
        for key in keys { for letter in try store.deadLetters(holding: key.id) { letters[letter.number] = letter } }
        let waiting = WaitingLines.lines(of: try store.waiting()).filter { line in
            keys.contains { Store.holds($0.id, in: line.text) }
        }
        let orders = try ControlLog(path: live.directory + "/" + ControlLog.fileName).events(of: keys)
        guard !numbers.isEmpty || !letters.isEmpty || !waiting.isEmpty || !orders.isEmpty else { return nil }
        var parts: [(key: String, value: CanonicalJSON)] = [
            ("id", .string(id.text)), ("engine_time", .string(max(try live.now, 0).rfc3339)),
        ]
        var profiles = try numbers.compactMap { try store.customer($0) }.map { record in
            try CustomerReport(live, record, limit: 0, isComplete: true).completeJSON(
                movedIDs: try store.movedIDs(of: [record.number]))
        }
        if !profiles.isEmpty { parts.append(("profile", profiles.removeFirst())) }
        // Of whom an id was the same before, and is not any more.
        if !profiles.isEmpty { parts.append(("other_profiles", .array(profiles))) }
        if !numbers.isEmpty {
            var query = DecisionQuery()
            query.customers = numbers
            query.limit = .max
            parts.append(("decisions", .array(try store.decisions(query).map(Self.decision))))
            parts.append(("messages", .array(try store.messages(customers: numbers, limit: .max).map(Self.message))))
        }
        parts.append(("dead_letters", .array(letters.values.sorted { $0.number < $1.number }.map(Self.deadLetter))))
        parts.append(("waiting_lines", .array(waiting.map(Self.waitingLine))))
        parts.append(("orders", .array(orders)))
        json = .object(parts)
    }

    private static func decision(_ row: DecisionRow) -> CanonicalJSON {
        .object([
            ("id", .string(row.id)), ("rule", .string(row.rule)), ("customer", .string(row.customer)), ("key", .string(row.key)),
            ("started_at", .time(row.startedAt)), ("due_at", .time(row.dueAt)), ("decided_at", .time(row.decidedAt)),
            ("verdict", .string(row.verdict)), ("cause", .string(row.cause)), ("channel", .text(row.channel)),
            ("variant", .text(row.variant)), ("because", CanonicalJSON(stored: row.because)),
            ("message", CanonicalJSON(stored: row.message)),
        ])
    }

    private static func message(_ row: MessageRow) -> CanonicalJSON {
        .object([
            ("state", .string(row.state.rawValue)), ("outbox", .string(row.outbox)), ("file", .string(row.file)),
            ("message", CanonicalJSON(stored: row.json)),
        ])
    }

    private static func deadLetter(_ row: DeadLetterRow) -> CanonicalJSON {
        .object([
            ("number", .number(Double(row.number))), ("source", .string(row.source)), ("file", .string(row.file)),
            ("offset", .number(Double(row.offset))), ("length", .number(Double(row.length))), ("reason", .string(row.reason)),
            ("message", .string(row.message)), ("at", .time(row.knownAt)),
            ("head", .string(String(decoding: row.head, as: UTF8.self))),
        ])
    }

    private static func waitingLine(_ line: WaitingLines.Line) -> CanonicalJSON {
        .object([
            ("source", .string(line.source)), ("file", .string(String(line.file))), ("offset", .number(Double(line.offset))),
            ("turn", .time(line.order)), ("line", .string(String(decoding: line.text, as: UTF8.self))),
        ])
    }
}
