import Engine

/// Counts of everything, for `status`.
package struct Overview: Sendable {
    package var engineNow: Instant?
    package var customers = 0
    /// Running instances of all rules.
    package var timers = 0
    package var nextDue: Instant?
    package var messages: [(state: String, count: Int)] = []
    package var verdicts: [(verdict: String, count: Int)] = []
    package var deadLetters: [(reason: String, count: Int)] = []
    package var files: [SourceFileRow] = []
}

extension Store {
    /// Reads one consistent snapshot.
    package func overview() throws(StoreError) -> Overview {
        try database.execute("BEGIN")
        defer { rollback() }
        var overview = Overview()
        overview.engineNow = try engineClock().flatMap { $0.now == .min ? nil : $0.now }
        overview.customers = Int(try integer("SELECT count(*) FROM customer") ?? 0)
        overview.timers = Int(
            try integer("SELECT coalesce(sum(json_array_length(timers)), 0) FROM customer WHERE timers IS NOT NULL") ?? 0)
        overview.nextDue = try nextWake()
        overview.messages = try counts("SELECT state, count(*) FROM message GROUP BY state ORDER BY state").map { ($0, $1) }
        overview.verdicts = try counts("SELECT verdict, count(*) FROM decision GROUP BY verdict ORDER BY verdict").map {
            ($0, $1)
        }
        overview.deadLetters = try counts("SELECT reason, count(*) FROM dead_letter GROUP BY reason ORDER BY reason").map {
            ($0, $1)
        }
        overview.files = try sourceFiles()
        return overview
    }

    private func counts(_ sql: String) throws(StoreError) -> [(String, Int)] {
        let statement = try database.statement(sql)
        defer { statement.reset() }
        var result: [(String, Int)] = []
        while try statement.step() { result.append((statement.text(0) ?? "", Int(statement.integer(1)))) }
        return result
    }
}
