import Testing

/// How read commands write: for people on a terminal of any width, for programs otherwise; and that none of them is in the daemon's way.
@Suite struct OutputTests {
    private static let tables = [
        "timers", "segments", "segments buyer", "decisions", "outbox list", "deadletters list", "deadletters counts",
    ]
    private static let reports = ["status", "profile ada", "explain ada", "explain ada vip", "report"]

    /// As on a terminal: with colours and a width. Without `script` (util-linux) there is no terminal to be had.
    private func onTerminal(_ shop: Shop, _ command: String, _ environment: String) -> String {
        shop.program.shell("\(environment) script -qec 'nudged \(command) -c nudged.yaml' /dev/null").output
    }

    @Test(arguments: tables) func tablesAreTextJSONAndCSV(_ command: String) {
        let shop = Shop()
        defer { shop.program.remove() }
        let text = shop.run(command)
        #expect(text.code == 0, "\(text.errors)")
        let json = shop.run(command + " --json").output
        #expect(json.hasPrefix("[") && json.hasSuffix("]\n"))
        shop.program.write("rows.json", json)
        #expect(shop.program.shell("python3 -c 'import json,sys; print(len(json.load(open(\"rows.json\"))))'").code == 0)
        let csv = shop.run(command + " --csv").output
        #expect(csv.hasSuffix("\r\n"))
        shop.program.write("rows.csv", csv)
        let equal =
            "import csv,json; r=list(csv.reader(open(\"rows.csv\",newline=\"\"))); print(len(r)-1==len(json.load(open(\"rows.json\"))), len(set(map(len,r)))==1)"
        #expect(shop.program.shell("python3 -c '\(equal)'").output == "True True\n")
        #expect(text.lines.count == csv.split(separator: "\r\n").count)
    }

    @Test(arguments: reports) func reportsAreJSONToo(_ command: String) {
        let shop = Shop()
        defer { shop.program.remove() }
        shop.program.write("report.json", shop.run(command + " --json").output)
        #expect(shop.program.shell("python3 -m json.tool report.json").code == 0)
    }

    @Test(arguments: tables + reports.dropLast()) func coloursAreForTerminalsAlone(_ command: String) {
        let shop = Shop()
        defer { shop.program.remove() }
        #expect(!shop.run(command).output.contains("\u{1B}"))
        guard shop.program.shell("script --version").code == 0 else { return }
        #expect(!onTerminal(shop, command, "NO_COLOR=1 TERM=xterm").contains("\u{1B}["))
        #expect(!onTerminal(shop, command, "TERM=dumb").contains("\u{1B}["))
        // What says where things stand has no colours at all.
        if command != "status" { #expect(onTerminal(shop, command, "env -u NO_COLOR TERM=xterm").contains("\u{1B}[")) }
    }

    /// Columns that give way where a line is too long; times, numbers and what names something are never cut.
    private static let elastic = ["customer", "key", "cause", "condition", "message"]

    /// How wide a table is uncut, and how wide on a terminal of `columns`: elastic columns give way, down to eight each.
    private func widths(_ shop: Shop, _ command: String, columns: Int) -> (whole: Int, kept: Int) {
        shop.program.write("rows.csv", shop.run(command + " --csv").output)
        shop.program.write(
            "widths.py",
            """
            import csv, sys
            elastic, columns = sys.argv[1].split(), int(sys.argv[2])
            rows = list(csv.reader(open("rows.csv", newline="")))
            told = [(name, max(len(row[i]) for row in rows)) for i, name in enumerate(rows[0]) if any(row[i] for row in rows[1:])]
            gaps = 2 * (len(told) - 1)
            whole = sum(width for _, width in told) + gaps
            least = sum(min(width, 8) if name in elastic else width for name, width in told) + gaps
            print(whole, min(whole, max(columns, least)))
            """)
        let elastic = Self.elastic + (command == "decisions" ? ["id"] : [])
        let numbers = shop.program.shell("python3 widths.py '\(elastic.joined(separator: " "))' \(columns)").output
            .split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        #expect(numbers.count == 2, "\(command)")
        return (numbers.first ?? 0, numbers.last ?? 0)
    }

    @Test(arguments: tables) func tablesKeepToTheWidth(_ command: String) {
        let shop = Shop()
        defer { shop.program.remove() }
        guard shop.program.shell("script --version").code == 0 else { return }
        let wide = onTerminal(shop, command, "NO_COLOR=1 COLUMNS=400").split(whereSeparator: \.isNewline)
        #expect(wide.allSatisfy { !$0.contains("…") })
        for columns in [30, 60, 100] {
            let (whole, kept) = widths(shop, command, columns: columns)
            #expect((wide.map(\.count).max() ?? 0) <= whole)
            let narrow = onTerminal(shop, command, "NO_COLOR=1 COLUMNS=\(columns)").split(whereSeparator: \.isNewline)
            #expect(narrow.count == wide.count)
            #expect((narrow.map(\.count).max() ?? 0) <= kept, "\(columns) columns: \(narrow)")
            #expect(
                narrow.contains { $0.contains("…") } == (kept < (wide.map(\.count).max() ?? 0)), "\(columns) columns: \(narrow)")
        }
    }

    /// A reader that never ends its look keeps the daemon from nothing: it goes on reading, committing and publishing.
    @Test func aLongReadBlocksNothing() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once").code == 0)
        shop.program.write(
            "hold.py",
            """
            import sqlite3, subprocess, sys
            reader = sqlite3.connect("file:state/nudged.db?mode=ro", uri=True, isolation_level=None)
            reader.execute("BEGIN")
            before = reader.execute("SELECT count(*) FROM profiles").fetchone()
            done = subprocess.run(["nudged", "run", "--once", "--drain", "-c", "nudged.yaml"], timeout=60)
            after = reader.execute("SELECT count(*) FROM profiles").fetchone()
            print(done.returncode, before == after)
            reader.execute("COMMIT")
            print(reader.execute("SELECT count(*) FROM profiles").fetchone()[0] > before[0])
            """)
        shop.program.write("logs/more.ndjson", Shop.line("Signed Up", at: "2026-03-02T10:00:00Z", user: "eve", id: "m1"))
        #expect(shop.program.shell("python3 hold.py").output == "0 True\nTrue\n")
    }
}
