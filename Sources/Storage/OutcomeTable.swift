import Engine

/// One line of a rule's counters, as read back.
package struct OutcomeRow: Sendable, Equatable {
    package var rule: String
    /// Empty without variants.
    package var variant: String
    /// `published` or `holdout`.
    package var side: String
    /// Of the revenue; messages and conversions are counted in the line without one.
    package var currency: String
    package var sent: Int
    package var converted: Int
    package var revenue: Decimal
}

extension Store {
    /// Adds to the counters. Revenue is summed here and not by SQLite, whose sums of decimals are not exact.
    func write(_ outcomes: [Outcome]) throws(StoreError) {
        let write = try database.statement("INSERT OR REPLACE INTO outcome VALUES (?,?,?,?,?,?,?)")
        for outcome in outcomes {
            let side = outcome.isHoldout ? Verdict.holdout.rawValue : Verdict.published.rawValue
            var counts = [OutcomeRow(outcome, side: side, currency: "")]
            counts[0].sent = outcome.sent
            counts[0].converted = outcome.converted
            if let currency = outcome.currency, !currency.isEmpty {
                counts.append(OutcomeRow(outcome, side: side, currency: currency))
                counts[1].revenue = outcome.revenue
            } else {
                counts[0].revenue = outcome.revenue
            }
            for added in counts where added.sent != 0 || added.converted != 0 || added.revenue != .zero {
                let known = try counted(added)
                write.bind(1, added.rule)
                write.bind(2, added.variant)
                write.bind(3, added.side)
                write.bind(4, added.currency)
                write.bind(5, Int64(added.sent + (known?.sent ?? 0)))
                write.bind(6, Int64(added.converted + (known?.converted ?? 0)))
                write.bind(7, (added.revenue + (known?.revenue ?? .zero)).text)
                try write.run()
            }
        }
    }

    private func counted(_ key: OutcomeRow) throws(StoreError) -> OutcomeRow? {
        let read = try database.statement("SELECT * FROM outcome WHERE rule=? AND variant=? AND side=? AND currency=?")
        defer { read.reset() }
        read.bind(1, key.rule)
        read.bind(2, key.variant)
        read.bind(3, key.side)
        read.bind(4, key.currency)
        return try read.step() ? OutcomeRow(read) : nil
    }

    /// All counters, by rule, variant, side and currency.
    package func outcomes() throws(StoreError) -> [OutcomeRow] {
        let read = try database.statement("SELECT * FROM outcome ORDER BY rule, variant, side, currency")
        defer { read.reset() }
        var rows: [OutcomeRow] = []
        while try read.step() { rows.append(OutcomeRow(read)) }
        return rows
    }
}

extension OutcomeRow {
    fileprivate init(_ outcome: Outcome, side: String, currency: String) {
        self.init(
            rule: outcome.rule, variant: outcome.variant ?? "", side: side, currency: currency, sent: 0, converted: 0,
            revenue: .zero)
    }

    fileprivate init(_ row: Statement) {
        self.init(
            rule: row.text(0) ?? "", variant: row.text(1) ?? "", side: row.text(2) ?? "", currency: row.text(3) ?? "",
            sent: Int(row.integer(4)), converted: Int(row.integer(5)), revenue: Decimal(text: (row.text(6) ?? "").utf8) ?? .zero)
    }
}
