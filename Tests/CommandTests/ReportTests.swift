import CSQLite
import Testing

/// The page of the state's own history.
@Suite struct ReportTests {
    private static let configuration = Shop.configuration.replacing(
        "wait: 1h", with: "wait: 1h\n    holdout: 50%")

    @Test func thePageShowsWhatWasAskedOfIt() {
        let shop = Shop(configuration: Self.configuration)
        defer { shop.program.remove() }
        #expect(shop.run("report -o report.html").code == 0)
        let page = shop.program.read("report.html")
        for heading in ["Input", "Lag", "Messages by rule", "Verdicts by rule", "Conversions against holdout", "Segment sizes"] {
            #expect(page.contains("<h2>\(heading)</h2>"), "\(heading)")
        }
        for reference in ["http://", "https://", "src=", "url(", "<script"] { #expect(!page.contains(reference), "\(reference)") }
        #expect(shop.run("report").output == page)
        #expect(shop.run("report -o nowhere/report.html").code == 73)
    }

    @Test func figuresAreThoseOfTheLog() {
        let shop = Shop(configuration: Self.configuration)
        defer { shop.program.remove() }
        let json = shop.run("report --json").output
        #expect(json.contains(#"{"at":"2026-03-01T10:00:00.000Z","name":"","series":"events","value":4}"#), "\(json)")
        #expect(json.contains(#"{"at":"2026-03-01T10:00:00.000Z","name":"buyer","series":"members","value":1}"#))
        #expect(json.contains(#""rule":"vip","verdict":"condition_false""#))
        #expect(json.contains(#""series":"dead_letters","value":2}"#))
        #expect(json.contains(#""judgement":"#))
    }

    /// Totals, however they are kept, are what counting would give.
    @Test func totalsEqualCounts() {
        let shop = Shop(
            configuration: Shop.configuration
                + "delivery: { channels: [email], consent: { default: granted }, caps: [ { at_most: 1, per: 7d } ] }\n",
            runs: false)
        defer { shop.program.remove() }
        _ = shop.program.shell("rm logs/web.ndjson; nudged simulate --customers 60 --days 6 --malformed 20000 -o all.ndjson")
        for count in [400, 900, 100_000] {
            _ = shop.program.shell(
                "head -n \(count) all.ndjson > part; cat part | tail -c +$(($(cat logs/web.ndjson 2>/dev/null | wc -c) + 1)) >> logs/web.ndjson"
            )
            #expect(shop.run("run --once").code == 0)
            #expect(Self.difference(shop) == "")
        }
        _ = shop.program.shell(
            "nudged forget -c nudged.yaml $(nudged segments buyer --csv -c nudged.yaml | sed -n 2p | cut -d, -f1)")
        #expect(shop.run("run --once").code == 0)
        #expect(Self.difference(shop) == "")
        #expect(StateRows(shop, "SELECT count(*) > 10 FROM customer").text == "1")
    }

    private static func difference(_ shop: Shop) -> String {
        let counted = """
            SELECT 'customers', '', count(*) FROM customer
            UNION ALL SELECT 'running', '', sum(json_array_length(timers)) FROM customer WHERE timers IS NOT NULL HAVING count(*) > 0
            UNION ALL SELECT 'members', segment, count(*) FROM membership GROUP BY segment
            UNION ALL SELECT 'messages', state, count(*) FROM message GROUP BY state
            UNION ALL SELECT 'decisions', verdict, count(*) FROM decision GROUP BY verdict
            UNION ALL SELECT 'dead_letters', reason, count(*) FROM dead_letter GROUP BY reason
            """
        return StateRows(shop, "SELECT * FROM (\(counted)) EXCEPT SELECT * FROM totals").text
            + StateRows(shop, "SELECT * FROM totals EXCEPT SELECT * FROM (\(counted))").text
    }
}

/// What people see who ask the state with SQL.
struct StateRows {
    /// One line a row, columns divided by `|`.
    let text: String

    init(_ shop: Shop, _ sql: String) {
        var handle: OpaquePointer?
        var statement: OpaquePointer?
        var lines: [String] = []
        defer {
            sqlite3_finalize(statement)
            sqlite3_close_v2(handle)
        }
        guard sqlite3_open_v2(shop.program.directory + "/state/nudged.db", &handle, SQLITE_OPEN_READONLY, nil) == SQLITE_OK,
            sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK
        else {
            text = String(cString: sqlite3_errmsg(handle))
            return
        }
        while sqlite3_step(statement) == SQLITE_ROW {
            lines.append(
                (0..<sqlite3_column_count(statement)).map { column in
                    sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
                }.joined(separator: "|"))
        }
        text = lines.joined(separator: "\n")
    }
}
