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
    /// While a changed set of segments or calendars is judged on everybody: how many of a hundred have been.
    package var judgedPercent: Int?
}

extension Store {
    /// Reads one consistent snapshot; how long that takes does not depend on how much is stored.
    package func overview() throws(StoreError) -> Overview {
        try database.execute("BEGIN")
        defer { rollback() }
        return try overviewWithin()
    }

    /// As `overview`, within the caller's `reading`.
    package func overviewWithin() throws(StoreError) -> Overview {
        var overview = Overview()
        let clock = try engineClock()
        overview.engineNow = clock.flatMap { $0.now == .min ? nil : $0.now }
        overview.judgedPercent = try judgedUpTo().map { Int(100 * $0 / max(1, clock?.nextCustomer ?? 1)) }
        overview.customers = try totals("customers").first?.count ?? 0
        overview.timers = try totals("running").first?.count ?? 0
        overview.nextDue = try nextWake()
        overview.messages = try totals("messages").map { ($0, $1) }
        overview.verdicts = try totals("decisions").map { ($0, $1) }
        overview.deadLetters = try totals("dead_letters").map { ($0, $1) }
        overview.files = try sourceFiles()
        return overview
    }
}
