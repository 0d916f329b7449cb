import Engine
import Glibc
import Testing

/// The real program, killed at random while its logs are written and rotated and a sender works: the outbox is that of one replay.
@Suite(.serialized) struct KillTests {
    struct Course {
        var kills: Int
        var signal: Int32
        var lines: Int
        var seed: UInt64
        var extra = ""
    }

    private func run(_ course: Course) throws {
        print("seed \(course.seed)")
        var random = SeededNumbers(seed: course.seed)
        let shop = LiveShop(extra: course.extra)
        let lines = ShopLog.lines(course.lines, streams: ShopLog.streams.count, seed: course.seed)
        var feeder = LogFeeder(directory: shop.path + "/logs", streams: ShopLog.streams)
        var sender = SimulatedSender(outbox: shop.outbox)
        var written = 0
        var stops = 0
        var early = 0
        while stops < course.kills {
            let daemon = shop.start()
            // Some are killed on their way up, some in the middle of their work, some when idle.
            let pieces = random.below(8)
            for _ in 0..<pieces {
                let count = min(random.below(6), lines.count - written)
                feeder.write(lines[written..<(written + count)], keeping: random.chance(30) ? 1 + random.below(80) : 0)
                written += count
                if random.chance(10) { feeder.rotate(random.below(ShopLog.streams.count)) }
                if random.chance(15), !feeder.rotated.isEmpty { feeder.compress(random.below(feeder.rotated.count)) }
                sender.work(&random, share: 30)
                usleep(UInt32(random.below(12_000)))
            }
            usleep(UInt32(random.below(20_000)))
            if let code = daemon.poll() {
                Issue.record("seed \(course.seed): the daemon ended by itself with \(code): \(daemon.said)")
                return
            }
            daemon.send(course.signal)
            let code = daemon.wait()
            stops += 1
            if course.signal == SIGKILL {
                #expect(code == -SIGKILL, "\(daemon.said)")
            } else if code == -course.signal {
                early += 1  // before it listens for signals, nothing has been done
            } else {
                #expect(code == 0, "\(daemon.said)")
            }
        }
        feeder.write(lines[written...])
        let code = shop.drain()
        #expect(code == 0, "\(Files.text(shop.path + "/run.err"))")
        sender.finish()
        #expect(sender.faults.isEmpty, "seed \(course.seed): \(sender.faults.prefix(5))")
        let expected = shop.replay()
        expectSame(sender.seen, expected, "seed \(course.seed)")
        try shop.checkState("seed \(course.seed)")
        #expect(Files.text(shop.state + "/control.ndjson").isEmpty, "seed \(course.seed): a line was overtaken")
        #expect(expected.count > course.lines / 10)
        print(
            "\(stops) stops by signal \(course.signal)\(early > 0 ? " (\(early) before it listened)" : ""), \(lines.count) lines, \(expected.count) messages, each once"
        )
    }

    @Test func killedTwoHundredTimesAtRandom() throws {
        try run(Course(kills: 210 * LiveReplayTests.factor, signal: SIGKILL, lines: 4000 * LiveReplayTests.factor, seed: 11))
    }

    /// Profiles are evicted and come back all the time.
    @Test func killedAtRandomWithLittleMemory() throws {
        try run(
            Course(
                kills: 40 * LiveReplayTests.factor, signal: SIGKILL, lines: 800 * LiveReplayTests.factor, seed: 12,
                extra: "memory: 1 MiB"))
    }

    @Test func endedByTermManyTimes() throws {
        try run(Course(kills: 30, signal: SIGTERM, lines: 800, seed: 21))
    }
}
