import Foundation
import Testing

/// What `docs/delivery.md` gives an analyst to recompute holdout and variants with: its Python and its SQL, run as they stand there.
@Suite struct AnalystTests {
    static let page: String = {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        return Program.contents(root + "/docs/delivery.md")
    }()

    static func blocks(_ kind: String) -> [String] {
        // Behind the language stands how the block is run, see docs/README.md.
        page.components(separatedBy: "\n```\(kind)").dropFirst().map { block in
            block.components(separatedBy: "\n```")[0].split(separator: "\n", omittingEmptySubsequences: false).dropFirst().joined(
                separator: "\n")
                + "\n"
        }
    }

    static let hasPython = Program.shell("python3 -c 'import hashlib, sqlite3'", in: "/").code == 0
    static let noPython: Comment = "there is no python3 here: the examples for analysts are not run"

    /// The rows of the page's table of test vectors, as Python tuples.
    private static var vectors: [String] {
        page.split(separator: "\n").compactMap { row in
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces).replacing("(empty)", with: "") }
            guard cells.count == 6, ["holdout", "variant"].contains(cells[1]) else { return nil }
            return "(\"\(cells[0])\", \"\(cells[1])\", \"\(cells[2])\", \"\(cells[3])\", \(cells[4]), \(cells[5])),\n"
        }
    }

    @Test(.enabled(if: hasPython, noPython)) func pythonGivesTheVectors() throws {
        let program = Program()
        defer { program.remove() }
        #expect(Self.vectors.count == 5)
        program.write(
            "vectors.py",
            Self.blocks("python")[0] + "vectors = [\n\(Self.vectors.joined())]\n"
                + """
                for salt, kind, scope, customer, expected, millionths in vectors:
                    assert number(salt, kind, scope, customer) == expected, customer
                    assert expected * 1_000_000 >> 32 == millionths, customer
                print(len(vectors))
                """)
        let result = program.shell("python3 vectors.py")
        #expect(result.code == 0 && result.output == "5\n", "\(result.errors)")
    }

    /// The page's configuration over a log of 400 customers, a third of them anonymous: every recorded side is what the page's Python says.
    @Test(.enabled(if: hasPython, noPython)) func pythonAgreesWithWhatWasDecided() throws {
        let program = Program()
        defer { program.remove() }
        let policy = try #require(Self.blocks("yaml").first { $0.contains("experiment: summer") })
        program.write(
            "nudged.yaml", "instance: shop\nclock: log\nsources: [{ name: web, path: web.ndjson }]\n" + policy)
        program.write(
            "web.ndjson",
            (0..<400).map { number in
                let who = number % 3 == 0 ? #""anonymousId":"v\#(number)""# : #""userId":"ü\#(number)""#
                return
                    #"{"type":"page","timestamp":"2026-03-01T10:00:\#(number / 10 % 60 < 10 ? "0" : "")\#(number / 10 % 60)Z","messageId":"m\#(number)",\#(who)}"#
                    + "\n"
            }.joined())
        let replayed = program.run("replay -c nudged.yaml --state state --progress none")
        #expect(replayed.code == 0, "\(replayed.errors)")
        let python = Self.blocks("python")
        program.write(
            "check.py",
            python[0] + python[1].replacing("/var/lib/nudged/", with: program.directory + "/state/")
                + """
                rows = state.execute(query).fetchall()
                print(len(rows), sum(verdict == "holdout" for _, verdict, _ in rows), sum(side == "A" for _, _, side in rows))
                """)
        let result = program.shell("python3 check.py")
        #expect(result.code == 0, "\(result.errors)")
        let numbers = result.output.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        try #require(numbers.count == 3)
        #expect(numbers[0] == 400 && 20...60 ~= numbers[1] && 160...240 ~= numbers[2], "\(numbers)")
    }

    static let hasPostgres = Program.shell("command -v initdb && command -v postgres && command -v runuser", in: "/").code == 0

    /// A server without a network: one statement on standard input.
    @Test(.enabled(if: hasPostgres, "there is no PostgreSQL here: the example for it is not run")) func postgresGivesTheNumber()
        throws
    {
        let program = Program()
        defer { program.remove() }
        let query = try #require(Self.blocks("sql").first { $0.contains("sha256") })
        program.write("query.sql", query)
        let result = program.shell(
            """
            chmod 711 . && mkdir database && as="" && if [ "$(id -u)" = 0 ]; then chown nobody database; as="runuser -u nobody --"; fi
            $as initdb -D "$PWD/database" -A trust --no-sync > initdb.log 2>&1 && $as postgres --single -D "$PWD/database" postgres < query.sql
            """)
        #expect(result.output.contains("\"857421887\""), "\(result.output) \(result.errors)")
    }
}
