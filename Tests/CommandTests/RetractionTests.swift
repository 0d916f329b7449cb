import Testing

/// A purchase that comes late takes back what was sent, also while messages are paused, after a flood, and when the customer is erased. Each run is
/// a process of its own.
@Suite struct RetractionTests: ~Copyable {
    private let program = Program()

    deinit { program.remove() }

    private func begin(_ more: String = "") {
        program.write(
            "nudged.yaml",
            """
            instance: shop
            state: state
            outbox: outbox
            clock: log
            sources: [{ name: shop, path: log.ndjson }]
            rules:
              nudge: { start: Ping, wait: 1h, cancel: Stop, retract: true }
            \(more)

            """)
        program.write("log.ndjson", "")
        run()
    }

    private func log(_ event: String, _ customer: String, at time: String) {
        let line = Shop.line(event, at: "2026-03-01T\(time)Z", user: customer, id: "\(event) \(customer) \(time)")
        program.write("log.ndjson", program.read("log.ndjson") + line)
    }

    private func run() {
        let result = program.run("run -c nudged.yaml --once")
        #expect(result.code == 0, "\(result.errors)")
    }

    private func order(_ command: String) {
        let result = program.run("\(command) -c nudged.yaml")
        #expect(result.code == 0, "\(result.errors)")
        run()
    }

    private func files(_ part: String) -> Int { Int(program.shell("ls outbox/\(part) | wc -l").output.dropLast()) ?? -1 }

    /// The states of all messages, the latest first.
    private var states: [String] {
        program.run("outbox list -c nudged.yaml --csv").output.split(whereSeparator: \.isNewline).dropFirst().map {
            String($0.split(separator: ",")[1])
        }
    }

    private func claimAll() { _ = program.shell("mv outbox/new/* outbox/cur/") }

    /// A reminder for Zelda at 11:00.
    private func remind() {
        log("Ping", "zelda", at: "10:00:00")
        log("Other", "zelda", at: "11:30:00")
        run()
    }

    /// What would have cancelled it, and something later, past which its turn comes.
    private func stop() {
        log("Stop", "zelda", at: "10:30:00")
        log("Other", "ben", at: "11:40:00")
        run()
    }

    /// The sender has given it up; to send it again would be wrong now.
    @Test func whatWasTakenBackIsNotRequeued() {
        begin()
        remind()
        _ = program.shell("mv outbox/new/* outbox/failed/")
        let file = program.shell("ls outbox/failed").output.dropLast()
        stop()
        let shown = program.run("outbox show \(file) -c nudged.yaml").output
        #expect(shown.contains("failed/\(file): it was taken back; a sender had given it up already\n"), "\(shown)")
        let result = program.run("outbox requeue \(file) -c nudged.yaml")
        #expect(
            result.code == 65 && result.errors.contains("was taken back by a late event, so it is not sent again"), "\(result)")
        #expect(program.shell("ls outbox/failed").output == "\(file)\n")
        #expect(program.shell("grep -L nudged.retract outbox/new/*").output.isEmpty)
    }

    @Test func whatWasTakenBackInTimeIsShownSo() {
        begin()
        remind()
        let file = program.shell("ls outbox/new").output.dropLast()
        stop()
        let shown = program.run("outbox show \(file) -c nudged.yaml").output
        #expect(shown.contains("\(file): it was taken back; its file is gone\n"), "\(shown)")
    }

    /// It never had a file, so nothing has to be said of it.
    @Test func aPausedMessageAndItsRetractionNeverGoOut() {
        begin()
        order("pause nudge")
        remind()
        #expect(states == ["pending"])
        stop()
        #expect(states == ["withdrawn", "withdrawn"])
        order("resume nudge")
        #expect(states == ["withdrawn", "withdrawn"] && files("new") == 0)
    }

    @Test func anUnclaimedFileIsTakenBackDuringAPause() {
        begin()
        remind()
        order("pause nudge")
        #expect(files("new") == 1)
        stop()
        #expect(files("new") == 0 && files("tmp") == 0)
        order("resume nudge")
        #expect(states == ["withdrawn", "withdrawn"] && files("new") == 0)
    }

    @Test func theRetractionOfAClaimedMessageWaitsForThePausesEnd() {
        begin()
        remind()
        claimAll()
        order("pause nudge")
        stop()
        #expect(states == ["pending", "withdrawn"] && files("new") == 0 && files("cur") == 1)
        order("resume nudge")
        #expect(states == ["published", "withdrawn"] && files("new") == 1 && files("cur") == 1)
        #expect(program.shell("cat outbox/new/*").output.contains(#""type":"nudged.retract""#))
    }

    @Test func afterAFloodRetractionsWaitLikeMessages() {
        begin("safety: { at_most: 1, per: 7d }")
        remind()
        claimAll()
        log("Ping", "ben", at: "11:31:00")
        log("Other", "ben", at: "12:40:00")
        run()
        // The second message in a week is one too many, and stops all.
        #expect(states == ["pending", "published"] && files("new") == 0)
        log("Stop", "zelda", at: "10:30:00")
        log("Stop", "ben", at: "11:45:00")
        log("Other", "ben", at: "12:50:00")
        run()
        #expect(states.count == 4 && states.count { $0 == "pending" } == 1 && files("new") == 0)
        order("resume")
        #expect(states.count { $0 == "published" } == 1 && states.count { $0 == "withdrawn" } == 3)
        #expect(program.shell("cat outbox/new/*").output.contains(#""subject":"zelda""#))
    }

    /// Neither the message, claimed or not, nor what takes it back is left.
    @Test(arguments: [false, true]) func anErasureReachesBoth(isPaused: Bool) {
        begin()
        remind()
        claimAll()
        if isPaused { order("pause nudge") }
        stop()
        #expect(files("cur") == 1 && files("new") == (isPaused ? 0 : 1))
        order("forget zelda")
        #expect(files("cur") == 0 && files("new") == 0 && files("tmp") == 0)
        #expect(program.shell("grep -rl zelda state outbox").output.isEmpty)
        if isPaused { order("resume nudge") }
        #expect(files("new") == 0)
    }
}
