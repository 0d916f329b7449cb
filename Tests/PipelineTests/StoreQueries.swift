@testable import Storage

/// What tests alone ask of a state.
extension Store {
    /// The recorded verdicts, in order of decision.
    func verdicts() throws -> [String] { try texts("SELECT verdict FROM decision ORDER BY number") }

    func state(ofSequence sequence: Int64) throws -> MessageState? {
        try texts("SELECT state FROM message WHERE sequence=\(sequence)").first.flatMap(MessageState.init(rawValue:))
    }

    private func texts(_ sql: String) throws -> [String] {
        let statement = try database.statement(sql)
        defer { statement.reset() }
        var texts: [String] = []
        while try statement.step() { texts.append(statement.text(0) ?? "") }
        return texts
    }
}
