import Foundation
import Testing

@testable import Pipeline

/// The daemon towards whoever runs it: signals, notifications, log.
@Suite(.serialized) struct DaemonTests {
    @Test func readyAndStatus() throws {
        let daemon = try Daemon(logs: (0..<50).map { Daemon.added("u\($0)", at: $0, id: "m\($0)") }.joined())
        #expect(daemon.wait { $0.contains("READY=1") })
        #expect(
            daemon.wait {
                $0.contains { $0.hasPrefix("STATUS=50 lines (") && $0.contains("messages (") && $0.contains("caught up") }
            })
        let ended = daemon.end()
        #expect(ended.status == 0)
        daemon.wait { $0.contains("STOPPING=1") }
        #expect(daemon.notes.contains("STOPPING=1"))
    }

    @Test func endsWithinFiveSecondsInABacklog() throws {
        // Some carts are touched all the time, some once: timers fire and messages are made all along.
        var text = ""
        for index in 0..<400_000 { text += Daemon.line(index) }
        let daemon = try Daemon(logs: text)
        #expect(daemon.wait { $0.contains("READY=1") })
        usleep(1_500_000)
        let ended = daemon.end()
        #expect(ended.status == 0)
        #expect(ended.seconds < 5, "took \(ended.seconds) s")
        daemon.wait { $0.contains("STOPPING=1") }
        let status = daemon.notes.last { $0.hasPrefix("STATUS=") } ?? ""
        #expect(status.contains("behind in shop"), "it was to be interrupted in a backlog: \(status)")
    }

    @Test func reloadsAndRefuses() throws {
        let daemon = try Daemon()
        #expect(daemon.wait { $0.contains("READY=1") })
        daemon.forgetNotes()
        try daemon.scratch.write("instance: [", to: "nudged.yaml")
        daemon.signal(SIGHUP)
        #expect(daemon.wait { $0.contains("READY=1") })
        // The status of the start may still have been on its way.
        #expect(daemon.notes.contains { $0.contains(/^RELOADING=1\nMONOTONIC_USEC=\d+$/) })
        #expect(daemon.wait { $0.contains { $0.hasPrefix("STATUS=") && $0.contains("was not reloaded") } })
        daemon.forgetNotes()
        try daemon.scratch.write(Daemon.configuration().replacingOccurrences(of: "logs/", with: "more/"), to: "nudged.yaml")
        try daemon.scratch.write(Daemon.added("u", at: 1, id: "m"), to: "more/shop.ndjson")
        daemon.signal(SIGHUP)
        #expect(daemon.wait { $0.contains { $0.hasPrefix("STATUS=1 lines") && !$0.contains("reloaded") } })
        #expect(daemon.end().status == 0)
        #expect(daemon.log.contains("nudged: configuration reloaded\n"))
        #expect(try daemon.scratch.text("state/control.ndjson").contains("\"type\":\"reloaded\""))
    }

    @Test func stateCannotMove() throws {
        let daemon = try Daemon()
        #expect(daemon.wait { $0.contains("READY=1") })
        try daemon.scratch.write(
            Daemon.configuration().replacingOccurrences(of: "state: state", with: "state: other"), to: "nudged.yaml")
        daemon.signal(SIGHUP)
        #expect(daemon.wait { $0.contains { $0.hasPrefix("STATUS=") && $0.contains("`state` can't change") } })
        #expect(daemon.end().status == 0)
    }

    /// Idle, it wakes for the watchdog and nothing else.
    @Test func idleItFeedsTheWatchdogAndSleeps() throws {
        let daemon = try Daemon(logs: Daemon.added("u", at: 1, id: "m"), watchdog: "3000000")
        #expect(daemon.wait { $0.contains { $0.hasPrefix("STATUS=1 lines") } })
        usleep(3_000_000)
        daemon.wait { _ in true }
        daemon.forgetNotes()
        let clock = ContinuousClock()
        let start = clock.now
        let before = daemon.wakeUps
        usleep(6_200_000)
        let woken = daemon.wakeUps - before
        daemon.wait { _ in true }
        // On a busy machine more time passes than was asked for; half a period of the watchdog is 1.5 s.
        let turns = Int((clock.now - start) / .milliseconds(1500))
        #expect((3...turns + 2).contains(daemon.notes.count { $0 == "WATCHDOG=1" }), "\(daemon.notes)")
        // Each turn writes the status file, whose rename may sleep once more.
        #expect(woken <= 3 * turns + 4, "\(woken) wake-ups in \(turns) turns")
        #expect(daemon.end().status == 0)
    }

    /// Messages of a paused rule wait for the end of the pause, and nothing asks for them meanwhile.
    @Test func aPausedRuleLetsItSleep() throws {
        let daemon = try Daemon(logs: Daemon.added("u", at: 1, id: "m"))
        #expect(daemon.wait { $0.contains { $0.hasPrefix("STATUS=1 lines") } })
        let outcome = try Program.run(Program.nudged, "pause", "cart", "-c", daemon.scratch.path + "/nudged.yaml")
        #expect(outcome.status == 0, "\(outcome.error)")
        try daemon.scratch.append(Daemon.added("v", at: 100, id: "n"), to: "logs/shop.ndjson")
        #expect(daemon.wait { $0.contains { $0.contains("1 messages wait") } }, "\(daemon.notes)")
        usleep(7_000_000)
        // Asking once a second would show in every span; a round past the outbox, half a minute after the last news, shows in one.
        var woken: [Int] = []
        repeat {
            let before = daemon.wakeUps
            usleep(6_000_000)
            woken.append(daemon.wakeUps - before)
        } while woken.last ?? 0 > 4 && woken.count < 3
        #expect(woken.contains { $0 <= 4 }, "wake-ups in spans of 6 s: \(woken)")
        let resumed = try Program.run(Program.nudged, "resume", "cart", "-c", daemon.scratch.path + "/nudged.yaml")
        #expect(resumed.status == 0)
        daemon.forgetNotes()
        #expect(daemon.wait { $0.contains { $0.hasPrefix("STATUS=") && !$0.contains("messages wait") } })
        #expect(daemon.end().status == 0)
    }

    /// What events hold is nobody's business but the state's and the messages'.
    @Test func noWordOfAPayloadIsLogged() throws {
        let mark = "zqxmark"
        var text = ""
        for index in 0..<20 {
            text += Daemon.added("\(mark)-user\(index)", at: index * 60, id: "\(mark)-id\(index)", product: "\(mark)-product")
            text +=
                #"{"type":"identify","messageId":"\#(mark)-i\#(index)","userId":"\#(mark)-user\#(index)","#
                + #""timestamp":"2026-01-01T00:30:00Z","traits":{"email":"\#(mark)@example.com"}}"# + "\n"
            // Wrong in every way there is.
            text += #"{"type":"track","event":"\#(mark)","userId":7,"timestamp":"\#(mark)"}"# + "\n"
            text += #"{"type":"\#(mark)","userId":"\#(mark)"}"# + "\n" + "\(mark) {\n" + #"["\#(mark)"]"# + "\n"
        }
        let daemon = try Daemon(logs: text)
        #expect(daemon.wait { $0.contains { $0.hasPrefix("STATUS=") && $0.contains("caught up") } })
        daemon.signal(SIGHUP)
        usleep(500_000)
        #expect(daemon.end().status == 0)
        daemon.wait { _ in true }
        #expect(daemon.log.contains("could not be read as events"), "the test is to have dead letters: \(daemon.log)")
        #expect(!daemon.scratch.names("outbox/new").isEmpty, "the test is to have messages")
        #expect(!daemon.log.contains(mark))
        #expect(!daemon.metrics.contains(mark) && !daemon.metrics.isEmpty)
        #expect(!daemon.notes.joined().contains(mark))
        #expect(try !daemon.scratch.text("state/status.json").contains(mark))
        #expect(!daemon.scratch.names("outbox/new").joined().contains(mark))
    }

    @Test func journalDatagramsHaveFields() {
        let plain = ServiceLog.datagram(.warning, "a text", [.path("/x=y")])
        #expect(
            String(decoding: plain, as: UTF8.self)
                == "MESSAGE=a text\nPRIORITY=4\nSYSLOG_IDENTIFIER=nudged\nNUDGED_PATH=/x=y\n")
        let long = ServiceLog.datagram(.error, "a\nb", [])
        #expect(long.starts(with: Array("MESSAGE\n".utf8) + [3, 0, 0, 0, 0, 0, 0, 0] + Array("a\nb\nPRIORITY=3\n".utf8)))
    }

    @Test func watchdogIsForThisProcessOnly() {
        func period(_ environment: [String: String]) -> Int64? {
            ServiceNotification { environment[$0] }.watchdogPeriod.map { Int64($0) }
        }
        #expect(period([:]) == nil)
        #expect(period(["WATCHDOG_USEC": "60000000"]) == 60_000)
        #expect(period(["WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"]) == nil)
        #expect(period(["WATCHDOG_USEC": "60000000", "WATCHDOG_PID": String(getpid())]) == 60_000)
    }
}

extension Daemon {
    /// One of ten events a second, cheap to make: no dates are formatted.
    static func line(_ index: Int) -> String {
        let second = index / 10
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = "2026-01-\(two(1 + second / 86_400))T\(two(second / 3600 % 24)):\(two(second / 60 % 60)):\(two(second % 60))Z"
        return
            #"{"type":"track","event":"Product Added","messageId":"m\#(index)","userId":"u\#(index % 10 == 0 ? index : index % 200)","timestamp":"\#(time)","#
            + #""properties":{"cart_id":"c","product_id":"p1","price":1,"quantity":1}}"# + "\n"
    }
}
