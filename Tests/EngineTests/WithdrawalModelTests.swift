import Engine
import Testing

/// What late lines take back, against a model that knows nothing but one rule: starts, cancels, the cooldown, and messages that a late cancel
/// turns out to have been wrong about. (The reference of `ModelTests` does not tell of it.)
@Suite struct WithdrawalModelTests {
    static let seeds = (0..<400).map { UInt64($0) &* 104_729 &+ 2026 }

    @Test(arguments: seeds) func lateCancelsTakeBackWhatTheyWouldHaveCancelled(seed: UInt64) throws {
        let trial = WithdrawalTrial(seed: seed)
        let told = try Driver(rules: try RuleSet.compiled(trial.world.definitions)).run(trial.lines, until: trial.end)
        #expect(WithdrawalTrial.settled(told) == trial.expected(), "seed \(seed)")
    }

    /// The random trials do come to every verdict the model knows.
    @Test func trialsReachEveryVerdict() {
        var verdicts: Set<String> = []
        for seed in Self.seeds {
            for line in WithdrawalTrial(seed: seed).expected() {
                verdicts.insert(String(line.drop { $0 != " " }.dropFirst().drop { $0 != " " }.dropFirst()))
            }
        }
        #expect(verdicts == ["published", "cancelled", "cooldown", "withdrawn"])
    }
}

/// One random log of two customers, hours of it late, and the one rule.
private struct WithdrawalTrial {
    let world: World
    let lines: [OrderedLine]
    let end: Instant
    private let spec: RuleSpec

    init(seed: UInt64) {
        var generator = Seeded(state: seed)
        var spec = RuleSpec("r")
        spec.start = [.event("A")]
        spec.cancel = [.event("B")]
        spec.wait = generator.pick([0, 30, 100, 600])
        spec.restart = generator.chance(50)
        spec.cooldown = generator.pick([0, 120])
        var world = World()
        world.rules = [spec]
        var now: Instant = 0
        var log: [LogLine] = []
        for _ in 0..<(10 + generator.below(110)) {
            now += generator.pick([0, 1, 5, 30, 100])
            let time = max(0, now - generator.pick([0, 0, 0, 5, 50, 200, 700]))
            log.append(LogLine(time, generator.pick(["A", "A", "B"]), user: generator.pick(["ada", "ben"])))
        }
        self.spec = spec
        self.world = world
        lines = OrderedLine.sorted(log, lateness: generator.pick([0, 10, 60]))
        end = now + 1000
    }

    /// Each instance's last verdict, as `customer start verdict`.
    static func settled(_ told: Told) -> [String] {
        var verdicts: [String: String] = [:]
        for decision in told.decisions {
            let words = decision.split(separator: " ")
            verdicts["\(words[2]) \(words[6])"] = String(words[4])
        }
        return verdicts.map { "\($0.key) \($0.value)" }.sorted()
    }

    private struct Run {
        var start: Instant
        /// When it is judged: at its deadline, or when the late line that started it was read.
        var due: Instant
    }

    func expected() -> [String] { ["ada", "ben"].flatMap(expected).sorted() }

    private func expected(of customer: String) -> [String] {
        var running: Run?
        var lastCancel = Instant.min
        var lastMessage: Instant?
        var verdicts: [Instant: String] = [:]
        var published: [(start: Instant, at: Instant)] = []
        func judge(before time: Instant) {
            guard let run = running, run.due < time else { return }
            running = nil
            if let lastMessage, run.due < lastMessage + spec.cooldown {
                verdicts[run.start] = "cooldown"
                return
            }
            lastMessage = run.due
            verdicts[run.start] = "published"
            published.append((run.start, run.due))
        }
        for ordered in lines where ordered.line.user == customer {
            let (time, turn) = (ordered.line.time, ordered.order)
            judge(before: turn)
            if ordered.line.name == "B" {
                lastCancel = max(lastCancel, time)
                if let run = running, run.start <= time {
                    verdicts[run.start] = "cancelled"
                    running = nil
                }
                for message in published where time < turn && message.start <= time && time <= message.at {
                    verdicts[message.start] = "withdrawn"
                }
            } else if time >= lastCancel, verdicts[time] == nil {
                if let run = running {
                    if spec.restart, time >= run.start { running = Run(start: time, due: max(time + spec.wait, turn)) }
                } else {
                    running = Run(start: time, due: max(time + spec.wait, turn))
                }
            }
        }
        judge(before: end + 1)
        return verdicts.map { "\(customer) \($0.key) \($0.value)" }
    }
}
