import ArgumentParser
import Engine
import Storage

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes all that is kept of a customer as JSON (subject access).",
        discussion: "Profile, decisions, messages with their content, and dead letters whose kept bytes hold one of the ids.")

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A user id, or anonymous:ID.", valueName: "id"))
    var id: CustomerID

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            let json = try live.store.reading { try Self.json(live, id) }
            try StandardOutput.write(json.text)
        }
    }

    private static func json(_ live: LiveState, _ id: CustomerID) throws -> CanonicalJSON {
        let key = id.key
        var parts: [(key: String, value: CanonicalJSON)] = [
            ("id", .string(id.text)), ("engine_time", .string(max(try live.now, 0).rfc3339)),
        ]
        var ids = [key.id]
        if let number = try live.store.number(of: key), let record = try live.store.customer(number) {
            ids = [record.id] + (try live.store.links(of: number))
            parts.append(("profile", try CustomerReport(live, record, limit: 0, isComplete: true).json))
            var query = DecisionQuery()
            query.customer = number
            query.limit = .max
            parts.append(("decisions", DecisionTable.make(try live.store.decisions(query)).json))
            parts.append(
                (
                    "messages",
                    .array(
                        try live.store.messages(customer: number, limit: .max).map { row in
                            .object([
                                ("state", .string(row.state.rawValue)), ("outbox", .string(row.outbox)),
                                ("message", CanonicalJSON(stored: row.json)),
                            ])
                        })
                ))
        }
        var letters: [Int64: DeadLetterRow] = [:]
        for id in ids { for letter in try live.store.deadLetters(holding: id) { letters[letter.number] = letter } }
        parts.append(
            (
                "dead_letters",
                .array(
                    letters.values.sorted { $0.number < $1.number }.map { row in
                        .object([
                            ("number", .number(Double(row.number))), ("source", .string(row.source)),
                            ("reason", .string(row.reason)),
                            ("head", .string(String(decoding: row.head, as: UTF8.self))),
                        ])
                    })
            ))
        guard parts.contains(where: { $0.key == "profile" }) || !letters.isEmpty else {
            throw Failure(.data, "nothing is kept of \(DisplayText.safe(id.text)); an anonymous customer is written anonymous:ID")
        }
        return .object(parts)
    }
}
