import Glibc
import Testing

@testable import Storage

/// Logs that come, change and go while nothing runs, over several runs of the program.
@Suite struct RestartedLogTests {
    let scratch = Scratch()
    /// Who comes twice was read twice.
    private let configuration = """
        instance: shop
        state: state
        outbox: outbox
        clock: log
        lateness: 0s
        sources: [{ name: shop, path: "logs/app*" }]
        segments: { twice: 'profile.count("E") >= 2' }
        rules: { greet: { per: customer, start: E, expires: 36500d } }
        """

    init() {
        mkdir(scratch.path + "/logs", 0o755)
        Files.write(configuration, to: scratch.path + "/nudged.yaml")
    }

    private func line(_ number: Int) -> String {
        #"{"type":"track","timestamp":"2026-03-01T10:00:0\#(number)Z","userId":"u\#(number)","event":"E"}"# + "\n"
    }

    private func append(_ text: String, to name: String = "app.log") {
        Files.write(Array(text.utf8), to: scratch.path + "/logs/" + name, flags: O_APPEND)
    }

    private func move(_ old: String, to new: String) { #expect(rename(scratch.path + "/" + old, scratch.path + "/" + new) == 0) }

    private func run(drains: Bool = false) {
        #expect(
            Program.run(
                ["run", "--config", scratch.path + "/nudged.yaml", "--once"] + (drains ? ["--drain"] : []), in: scratch.path)
                == 0,
            "\(Files.text(scratch.path + "/run.err"))")
    }

    private func count(_ query: String) throws -> Int64? {
        try Store.reader(directory: scratch.path + "/state").integer("SELECT count(*) FROM \(query)")
    }

    @Test func aFileThatComesBackWaitsForTheRestOfItsLastLine() throws {
        append(line(1))
        run()
        move("logs", to: "elsewhere")
        run()
        move("elsewhere", to: "logs")
        append(line(2))
        run()
        #expect(try count("sources WHERE ended = 0") == 1)
        append(String(line(3).prefix(40)))
        run()
        append(line(3).dropFirst(40) + line(4))
        run(drains: true)
        #expect(Files.names(scratch.path + "/outbox/new").count == 4)
        #expect(try count("dead_letters") == 0)
    }

    @Test func whatAFileIsKnownByIsKeptAlsoWhereNoLineWasRead() throws {
        append((1...3).map(line).joined())
        run()
        Files.write((1...3).map(line).joined(), to: scratch.path + "/logs/app.log.1")
        Files.write(line(4), to: scratch.path + "/logs/app.log")
        for _ in 0..<3 { run() }
        let told = Files.text(scratch.path + "/run.err").split(separator: "\n").count { $0.contains("was truncated") }
        #expect(told == 1)
        unlink(scratch.path + "/logs/app.log")
        run()
        move("logs/app.log.1", to: "logs/old.log")
        run()
        #expect(try count("sources WHERE path LIKE '%/old.log'") == 1)
        move("logs/old.log", to: "logs/app.log.2")
        run(drains: true)
        #expect(Files.names(scratch.path + "/outbox/new").count == 4)
        #expect(try count("segments") == 0)
    }
}
