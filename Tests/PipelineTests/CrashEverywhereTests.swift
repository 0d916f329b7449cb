import CrashSimulation
import Engine
import Glibc
import Testing

/// The pipeline with its outbox, its database and its control log, stopped at every single operation on the disk, with and without a loss of
/// power; each time it goes on from what was kept, is stopped again while it does, and ends with the outbox of a replay.
///
/// `NUDGED_CRASH_SEEDS=24` for more runs; `NUDGED_TORTURE=1` for logs at random besides.
@Suite struct CrashEverywhereTests {
    private static let seeds = environment("NUDGED_CRASH_SEEDS").flatMap { Int($0) } ?? (LiveReplayTests.factor > 1 ? 4 : 1)

    /// In the quick run fewer lives are stopped again.
    private static let calm = LiveReplayTests.factor > 1 ? 1 : 2

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Held for quiet hours, capped, cancelled while held, taken back before and after a sender has it.
    private static let rules = """
        delivery:
          timezone: Etc/UTC
          quiet_hours: { from: "21:00", to: "09:00" }
          caps: [ { at_most: 2, per: 24h } ]
        rules:
          nudge: { start: Ping, wait: 1h, cancel: Stop, retract: true, exempt: true }
          plain: { start: Ping, wait: 90m, cancel: Stop, exempt: true }
          held: { start: Pang, cancel: Stop }
          abandoned: { per: cart, start: [Product Added], wait: 40m, cancel: [Order Completed], exempt: true, retract: true }
        """

    private static func line(_ time: String, _ stream: Int, _ event: String, _ customer: String, _ number: Int) -> LoggedLine {
        LoggedLine(
            time: Instant.parse(rfc3339: "2026-03-\(time)Z".utf8) ?? 0, stream: stream,
            text:
                #"{"timestamp":"2026-03-\#(time)Z","type":"track","event":"\#(event)","userId":"\#(customer)","messageId":"m\#(number)","properties":{"cart_id":"c-\#(customer)","product_id":"p1","quantity":1,"price":9.5}}"#
        )
    }

    /// One file at a time moves time, so that nothing is overtaken, while its own lines come late.
    private static let story: [LoggedLine] = [
        ("01T10:00:00", "Ping", "ann"), ("01T10:01:00", "Ping", "ben"), ("01T10:02:00", "Product Added", "cem"),
        ("01T10:03:00", "Ping", "dag"), ("01T10:04:00", "Ping", "eva"), ("01T12:00:00", "Look", "ann"),
        ("01T10:30:00", "Stop", "ann"), ("01T12:01:00", "Look", "ann"), ("01T10:31:00", "Stop", "ben"),
        ("01T12:02:00", "Look", "ben"), ("01T10:20:00", "Order Completed", "cem"), ("01T12:03:00", "Look", "cem"),
        ("01T22:00:00", "Pang", "ann"), ("01T22:01:00", "Pang", "ben"), ("01T22:02:00", "Pang", "cem"),
        ("01T23:00:00", "Stop", "ben"), ("02T08:00:00", "Look", "cem"), ("02T09:30:00", "Look", "dag"),
        ("02T10:00:00", "Product Added", "fay"), ("02T10:30:00", "Ping", "fay"), ("02T13:00:00", "Look", "fay"),
        ("02T10:15:00", "Order Completed", "fay"), ("02T10:40:00", "Stop", "fay"), ("02T13:30:00", "Look", "fay"),
    ].enumerated().map { line($1.0, 0, $1.1, $1.2, $0) }

    @Test(arguments: 0..<seeds)
    func aRunStoppedAnywhereEndsWithTheOutboxOfAReplay(seed: Int) throws {
        try everywhere(.init(lines: Self.story, pieces: 3, isOvertaking: false), rules: Self.rules, seed: UInt64(seed)) {
            outcomes in
            #expect(outcomes.contains { $0.takenBack > 0 } && outcomes.contains { $0.retracted > 0 })
            #expect(outcomes.allSatisfy { $0.published > 5 })
        }
    }

    /// Lines of several files, hours out of order: what the daemon decides about those that were overtaken is in the control log.
    @Test(.enabled(if: LiveReplayTests.factor > 1, "NUDGED_TORTURE is not set"), arguments: 0..<seeds)
    func anyLogStoppedAnywhere(seed: Int) throws {
        let lines = ShopLog.lines(45, streams: ShopLog.streams.count, seed: UInt64(seed), disorder: 4 * 3_600_000)
        try everywhere(.init(lines: lines, pieces: 9, isOvertaking: true), rules: ShopLog.rules, seed: UInt64(seed)) { _ in }
    }

    /// The disk fails, or is full, at one operation: a message waits, or the run ends with an error; nothing is lost and nothing is twice.
    @Test(arguments: [EIO, ENOSPC]) func aRunWithAFailureAnywhereEndsWithTheOutboxOfAReplay(code: Int32) throws {
        let scenario = try CrashScenario(.init(lines: Self.story, pieces: 3, isOvertaking: false), rules: Self.rules, seed: 1)
        let operations = try scenario.record()
        let expected = try scenario.replay()
        var failures = 0
        // From nothing, and from where something is published.
        for start in code == EIO || LiveReplayTests.factor > 1 ? [0, operations.count / 2] : [0] {
            var disk = SimulatedDisk()
            for operation in operations[..<start] { disk.apply(operation) }
            for place in 1... {
                let what = "error \(code) at operation \(place) of a run from operation \(start)"
                let (end, happened) = try scenario.endure(disk, .failure(at: place, code: code), at: place, seed: UInt64(place))
                guard happened else { break }
                failures += 1
                _ = try scenario.check(end, against: expected, what)
            }
        }
        #expect(failures > 100)
        print("error \(code): \(failures) failures")
    }

    private func everywhere(
        _ input: CrashScenario.Input, rules: String, seed: UInt64, _ judge: ([CrashScenario.Outcome]) -> Void
    ) throws {
        let scenario = try CrashScenario(input, rules: rules, seed: seed)
        let operations = try scenario.record()
        var expected = input.isOvertaking ? [] : try scenario.replay()
        var outcomes: [CrashScenario.Outcome] = []
        var disk = SimulatedDisk()
        for place in 0...operations.count {
            if place > 0 { disk.apply(operations[place - 1]) }
            for losesPower in [false, true] {
                let what =
                    "seed \(seed), stopped after \(place) of \(operations.count) operations\(losesPower ? ", power lost" : "")"
                var random = SeededNumbers(seed: seed &* 1_000_003 &+ UInt64(place))
                var kept = disk
                if losesPower { kept.losePower(using: &random) }
                do {
                    let end = try scenario.recover(
                        kept, crashes: max(0, random.below(4) - Self.calm), losesPower: losesPower, seed: random.next())
                    if input.isOvertaking { expected = try scenario.replay() }
                    outcomes.append(try scenario.check(end, against: expected, what))
                } catch {
                    Issue.record("\(what): \(error)")
                }
            }
        }
        #expect(operations.count > 300)
        print("seed \(seed): \(operations.count) operations, stopped after each, \(expected.count) messages")
        judge(outcomes)
    }
}
