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

    /// The narrowest terminal on which everything that never leaves has room: no line is longer than any wider one. What has no room is named, and ids that
    /// other commands take are whole or left out.
    @Test(arguments: tables) func tablesKeepToTheWidth(_ command: String) {
        let shop = Shop()
        defer { shop.program.remove() }
        guard shop.program.shell("script --version").code == 0 else { return }
        let wide = onTerminal(shop, command, "NO_COLOR=1 COLUMNS=400").split(whereSeparator: \.isNewline)
        #expect(wide.allSatisfy { !$0.contains("…") && !$0.contains("no room for") })
        let whole = wide.map(\.count).max() ?? 0
        for columns in [80, 100, 132] {
            let narrow = onTerminal(shop, command, "NO_COLOR=1 COLUMNS=\(columns)").split(whereSeparator: \.isNewline)
            #expect(narrow.allSatisfy { $0.count <= columns }, "\(columns) columns: \(narrow)")
            let named = narrow.count { $0.hasPrefix("(no room for ") }
            #expect(narrow.count == wide.count + named)
            #expect(
                (named > 0 || narrow.contains { $0.contains("…") }) == (columns < whole), "\(columns) columns: \(narrow)")
        }
    }

    @Test func anIdIsWholeOrLeftOut() {
        let shop = Shop()
        defer { shop.program.remove() }
        let ids = shop.run("decisions --csv").output.split(separator: "\r\n").dropFirst().compactMap {
            $0.split(separator: ",").last
        }
        #expect(!ids.isEmpty)
        let piped = shop.program.shell("COLUMNS=40 nudged decisions -c nudged.yaml").output
        #expect(ids.allSatisfy { piped.contains($0) })
        guard shop.program.shell("script --version").code == 0 else { return }
        let narrow = onTerminal(shop, "decisions", "NO_COLOR=1 COLUMNS=80")
        #expect(narrow.contains("(no room for started at, due at, id: --json has everything)"), "\(narrow)")
        #expect(ids.allSatisfy { onTerminal(shop, "decisions", "NO_COLOR=1 COLUMNS=140").contains($0) })
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
