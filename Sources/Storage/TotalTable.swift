import Engine

/// What went through in an hour of engine time, or how it stood at that hour's last commit.
package struct HourRow: Sendable, Equatable {
    package enum Series: String, Sendable {
        /// Events that were applied, duplicates among them.
        case events
        /// Lines that became dead letters, in the hour in which the engine was when they were met.
        case deadLetters = "dead_letters"
        /// The longest time (ms) by which the engine was behind the wall clock at a commit; only with `clock: wall`.
        case lag
        /// Members of a segment, by its name.
        case members
    }

    package var at: Instant
    package var series: Series
    package var name: String
    package var value: Int64

    package init(at: Instant, series: Series, name: String = "", value: Int64) {
        self.at = at
        self.series = series
        self.name = name
        self.value = value
    }

    package static let length: Milliseconds = 3_600_000

    /// The hour a time lies in.
    package static func hour(of time: Instant) -> Instant {
        let over = time % length
        return time - (over < 0 ? over + length : over)
    }
}

extension Store {
    // MARK: Totals

    func add(_ counts: [(name: String, part: String, by: Int)]) throws(StoreError) {
        let statement = try database.statement(
            "INSERT INTO total VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value")
        for count in counts where count.by != 0 {
            statement.bind(1, count.name)
            statement.bind(2, count.part)
            statement.bind(3, Int64(count.by))
            try statement.run()
        }
    }

    /// By part, in its order; those of none are left out.
    package func totals(_ name: String) throws(StoreError) -> [(part: String, count: Int)] {
        let statement = try database.statement("SELECT part, value FROM total WHERE name=? AND value > 0 ORDER BY part")
        defer { statement.reset() }
        statement.bind(1, name)
        var result: [(part: String, count: Int)] = []
        while try statement.step() { result.append((statement.text(0) ?? "", Int(statement.integer(1)))) }
        return result
    }

    /// How many of these are not stored yet: numbers are given in order, and a new customer is written with the batch that made it.
    func countNew(_ numbers: [Int64]) throws(StoreError) -> Int {
        let newest = try integer("SELECT max(number) FROM customer") ?? 0
        return numbers.count { $0 > newest }
    }

    // MARK: Segments

    /// Forgets who is in any other segment than these.
    package func dropMemberships(except segments: [String]) throws(StoreError) {
        let known = try database.statement("SELECT DISTINCT segment FROM membership")
        var names: [String] = []
        while try known.step() { names.append(known.text(0) ?? "") }
        known.reset()
        for name in names where !segments.contains(where: { $0.utf8.elementsEqual(name.utf8) }) {
            for sql in ["DELETE FROM membership WHERE segment=?", "DELETE FROM total WHERE name='members' AND part=?"] {
                let statement = try database.statement(sql)
                statement.bind(1, name)
                try statement.run()
            }
        }
    }

    /// Writes changes of membership, which come in order of time, and the sizes that segments had at the end of each hour.
    ///
    /// - Parameter until: the engine's time after all of them.
    func write(
        _ memberships: [(segment: Int, customer: Int64, enteredAt: Instant?)], rules: RuleSet, until: Instant
    ) throws(StoreError) {
        guard !memberships.isEmpty else { return }
        let enter = try database.statement("INSERT OR IGNORE INTO membership VALUES (?, ?, ?)")
        let again = try database.statement("UPDATE membership SET entered_at=?3 WHERE segment=?1 AND customer=?2")
        let leave = try database.statement("DELETE FROM membership WHERE segment=? AND customer=?")
        var sizes: [Int: Int] = [:]
        var touched: Set<Int> = []
        var hour = Instant.min
        for change in memberships {
            let name = rules.segments[change.segment].name
            if sizes[change.segment] == nil { sizes[change.segment] = try size(of: name) }
            // Who leaves does so no earlier than whoever entered before.
            if let enteredAt = change.enteredAt, HourRow.hour(of: enteredAt) > hour {
                if hour > .min { try writeSizes(sizes, touched, at: hour, rules) }
                touched.removeAll()
                hour = HourRow.hour(of: enteredAt)
            }
            let statement = change.enteredAt == nil ? leave : enter
            statement.bind(1, name)
            statement.bind(2, change.customer)
            if let enteredAt = change.enteredAt { statement.bind(3, enteredAt) }
            try statement.run()
            if database.changes > 0 {
                sizes[change.segment, default: 0] += change.enteredAt == nil ? -1 : 1
                touched.insert(change.segment)
            } else if let enteredAt = change.enteredAt {
                again.bind(1, name)
                again.bind(2, change.customer)
                again.bind(3, enteredAt)
                try again.run()
            }
        }
        try writeSizes(sizes, touched, at: hour > .min ? hour : HourRow.hour(of: until), rules)
        let total = try database.statement("INSERT OR REPLACE INTO total VALUES ('members', ?, ?)")
        for (segment, size) in sizes.sorted(by: { $0.key < $1.key }) {
            total.bind(1, rules.segments[segment].name)
            total.bind(2, Int64(size))
            try total.run()
        }
    }

    private func size(of segment: String) throws(StoreError) -> Int {
        let statement = try database.statement("SELECT value FROM total WHERE name='members' AND part=?")
        defer { statement.reset() }
        statement.bind(1, segment)
        return try statement.step() ? Int(statement.integer(0)) : 0
    }

    private func writeSizes(_ sizes: [Int: Int], _ touched: Set<Int>, at hour: Instant, _ rules: RuleSet) throws(StoreError) {
        try write(
            touched.sorted().map {
                HourRow(at: hour, series: .members, name: rules.segments[$0].name, value: Int64(sizes[$0] ?? 0))
            })
    }

    // MARK: Hours

    /// Adds to what is known of an hour: counts are summed, of lags the longest stays, of sizes the last.
    package func write(_ rows: [HourRow]) throws(StoreError) {
        for row in rows {
            let change =
                switch row.series {
                case .events, .deadLetters: "value + excluded.value"
                case .lag: "max(value, excluded.value)"
                case .members: "excluded.value"
                }
            let statement = try database.statement(
                "INSERT INTO hour VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET value = \(change)")
            statement.bind(1, row.at)
            statement.bind(2, row.series.rawValue)
            statement.bind(3, row.name)
            statement.bind(4, row.value)
            try statement.run()
        }
    }

    /// In order of time.
    package func hours(since: Instant) throws(StoreError) -> [HourRow] {
        let statement = try database.statement("SELECT at, series, name, value FROM hour WHERE at >= ? ORDER BY at, series, name")
        defer { statement.reset() }
        statement.bind(1, since)
        var rows: [HourRow] = []
        while try statement.step() {
            guard let series = statement.text(1).flatMap(HourRow.Series.init(rawValue:)) else { continue }
            rows.append(
                HourRow(at: statement.integer(0), series: series, name: statement.text(2) ?? "", value: statement.integer(3)))
        }
        return rows
    }

    func dropHours(before time: Instant) throws(StoreError) {
        let statement = try database.statement("DELETE FROM hour WHERE at < ?")
        statement.bind(1, time)
        try statement.run()
    }

    /// Verdicts by rule and day of decision (ms), of decisions from `since` on that are still kept.
    package func verdictDays(since: Instant) throws(StoreError) -> [(rule: String, verdict: String, day: Instant, count: Int)] {
        let statement = try database.statement(
            """
            SELECT rule, verdict, decided_at / 86400000 * 86400000 AS day, count(*) FROM decision WHERE decided_at >= ?
            GROUP BY rule, verdict, day ORDER BY day, rule, verdict
            """)
        defer { statement.reset() }
        statement.bind(1, since)
        var rows: [(rule: String, verdict: String, day: Instant, count: Int)] = []
        while try statement.step() {
            rows.append((statement.text(0) ?? "", statement.text(1) ?? "", statement.integer(2), Int(statement.integer(3))))
        }
        return rows
    }
}
