import Testing

/// What of `scripts/bench` does not depend on speed.
@Suite struct BenchTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
    static let hasPython = Program.shell("command -v python3", in: "/").code == 0

    @Test(
        "replay, the durable run and a plain Python script give the same messages, byte for byte",
        .enabled(if: hasPython, "python3 is not installed: the messages have no second opinion"))
    func theMessagesAreEqual() {
        let result = Program.shell("'\(Self.root)/scripts/bench' --selftest --lines 8000 --binary '\(Program.path)'", in: "/")
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.contains("are equal byte for byte"), "\(result.output)")
    }

    @Test("a message that only one of them has ends the bench", .enabled(if: hasPython, "python3 is not installed"))
    func aDifferenceIsAnError() {
        let program = Program()
        defer { program.remove() }
        program.write(
            "differ.py",
            """
            import sys
            sys.dont_write_bytecode = True
            sys.path.insert(0, sys.argv[1])
            import throughput
            assert throughput.compare({"replay": [b"a", b"b"], "the durable run": [b"a", b"b"]}) == 2
            throughput.compare({"replay": [b"a", b"b"], "the durable run": [b"a", b"b"], "the plain script": [b"a", b"c"]})
            """)
        let result = Program.shell("python3 differ.py '\(Self.root)/scripts/bench.d'", in: program.directory)
        #expect(result.code != 0)
        #expect(result.errors.contains("MESSAGES DIFFER"), "\(result.errors)")
        #expect(result.errors.contains("only in the plain script: 1"), "\(result.errors)")
    }

    @Test("the documentation shows options that are there", .enabled(if: hasPython, "python3 is not installed"))
    func everyShownOptionExists() {
        let help = Program.shell("'\(Self.root)/scripts/bench' --help", in: "/")
        #expect(help.code == 0, "\(help.errors)")
        let page = Program.contents(Self.root + "/docs/performance.md")
        let commands = page.matches(of: /scripts\/bench(?: [^`\n#]*)?/).map(\.output)
        let shown = Set(commands.flatMap { command in command.matches(of: /--[a-z]+/).map(\.output) })
        #expect(shown.count > 6)
        for option in shown { #expect(help.output.contains(option), "\(option)") }
    }
}
