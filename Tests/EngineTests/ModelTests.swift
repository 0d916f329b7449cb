import Engine
import Foundation
import Testing

/// One random world and log.
struct Trial {
    var seed: UInt64
    var world: World
    var log: [LogLine]
    var lateness: Milliseconds
    var end: Instant

    init(_ flavour: Flavour, seed: UInt64) {
        var generator = Seeded(state: seed)
        let unit = generator.pick([20 * minute, hour, 7 * hour, 50 * minute])
        self.seed = seed
        lateness = unit * 2
        world = World.random(flavour, unit: unit, &generator)
        log = RandomLog.make(flavour, unit: unit, lateness: lateness, &generator)
        end = RandomLog.origin + unit * 60 + 3 * day
    }

    var sorted: [OrderedLine] { OrderedLine.sorted(log, lateness: lateness) }

    /// What differs between engine and reference, or nil.
    func difference() -> String? {
        do {
            let told = try Driver(rules: try RuleSet.compiled(world.definitions)).run(sorted, until: end)
            let expected = Reference.run(world, sorted, until: end)
            if ProcessInfo.processInfo.environment["NUDGED_TRACE"] != nil {
                print("engine:", told.decisions, "reference:", expected.decisions, separator: "\n")
            }
            // The reference does not tell of messages that are taken back, but for the share that goes on.
            let decisions = told.decisions.filter { !$0.contains("] withdrawn ") }
            if let difference = Self.difference(Self.settled(decisions), Self.settled(expected.decisions)) {
                return "decisions: " + difference
            }
            return Self.difference(told.messages.map(Self.summary), expected.messages).map { "messages: " + $0 }
        } catch {
            return "\(error)"
        }
    }

    /// What events end in one millisecond comes before what timers end, and among itself in no order that the contract gives.
    static func settled(_ decisions: [String]) -> [String] {
        var result: [String] = []
        var rest = decisions[...]
        while let moment = rest.first?.prefix(while: { $0 != " " }) {
            let group = rest.prefix { $0.prefix { $0 != " " } == moment }
            rest = rest.dropFirst(group.count)
            func isByEvent(_ decision: String) -> Bool { decision.contains("] cancelled ") || decision.contains("] merged ") }
            result += group.filter(isByEvent).sorted() + group.filter { !isByEvent($0) }
        }
        return result
    }

    static func difference(_ engine: [String], _ reference: [String]) -> String? {
        guard engine != reference else { return nil }
        let place = zip(engine, reference).prefix { $0 == $1 }.count
        return """
            at \(place): engine \(engine.dropFirst(place).first ?? "nothing more")
                   reference \(reference.dropFirst(place).first ?? "nothing more")
            """
    }

    /// (id, because, lines of the cart) of a message.
    static func summary(_ message: String) -> String {
        guard let json = try? JSONSerialization.jsonObject(with: Data(message.utf8)) as? [String: Any],
            let data = json["data"] as? [String: Any]
        else { return "not JSON" }
        let items = ((data["cart"] as? [String: Any])?["items"] as? [[String: Any]] ?? []).map {
            "\($0["product_id"] ?? "")*\($0["quantity"] ?? "")"
        }
        return "\(json["id"] ?? "") \(data["because"] as? [String] ?? []) \(items.sorted())"
    }

    /// The same failure with as few lines and rules as possible.
    func smallest(_ fails: (Trial) -> Bool) -> Trial {
        var best = self
        var shrinks = true
        while shrinks {
            shrinks = false
            for index in best.log.indices.reversed() {
                var smaller = best
                smaller.log.remove(at: index)
                if fails(smaller) {
                    best = smaller
                    shrinks = true
                }
            }
            for index in best.world.rules.indices.reversed() where best.world.rules.count > 1 {
                var smaller = best
                smaller.world.rules.remove(at: index)
                if fails(smaller) {
                    best = smaller
                    shrinks = true
                }
            }
        }
        return best
    }

    var report: String {
        let segments = world.segments.map { "  segment \($0.name): \($0.condition.cel)" }
        let rules = world.rules.map { "  rule \($0.definition.summary)" }
        return
            ([
                "seed \(seed) lateness \(lateness) forget \(world.cartsForget) dedupe \(world.dedupe)"
            ] + segments + rules + log.map { "  \($0)" }).joined(separator: "\n")
    }

    static var runs: Int { ProcessInfo.processInfo.environment["NUDGED_RUNS"].flatMap { Int($0) } ?? 80 }
    static var seed: UInt64 { ProcessInfo.processInfo.environment["NUDGED_SEED"].flatMap { UInt64($0) } ?? 20_261_122 }
}

extension RuleDefinition {
    var summary: String {
        func text(_ trigger: TriggerDefinition) -> String {
            switch trigger {
            case .event(let name, let condition): name.value + (condition.map { " where " + $0.value } ?? "")
            case .enters(let segment): "enters " + segment.value
            case .leaves(let segment): "leaves " + segment.value
            case .calendar(let name, _, _): "calendar " + name.value
            }
        }
        return """
            \(name.value) per \(per?.value.rawValue ?? "-") start \(start.map(text)) cancel \(cancel.map(text)) wait \(wait) restart \(restart) \
            cooldown \(cooldown) priority \(priority) if \(condition?.value ?? "-") audience \(audience) limit \(limit?.value ?? "-") \
            pace \(pace ?? 0)
            """
    }
}

@Suite struct ModelTests {
    @Test(arguments: Flavour.allCases) func theEngineDecidesAsTheNaiveReferenceDoes(_ flavour: Flavour) throws {
        for run in 0..<Trial.runs {
            let trial = Trial(flavour, seed: Trial.seed &+ UInt64(run))
            guard trial.difference() != nil else { continue }
            let smallest = trial.smallest { $0.difference() != nil }
            Testing.Issue.record("\(flavour.testDescription): \(smallest.difference() ?? "")\n\(smallest.report)")
            return
        }
    }
}

/// What must hold of the engine alone: nothing of how its input is cut, stored or cached shows.
@Suite struct PropertyTests {
    /// The flavours and, for stock, the cases that keep lines in the store.
    static var seeds: Range<UInt64> { Trial.seed..<(Trial.seed &+ UInt64(max(1, Trial.runs / 4))) }

    static func check(_ flavour: Flavour, _ name: String, _ run: (Trial, RuleSet, inout Seeded) throws -> Told) throws {
        for seed in seeds {
            func difference(_ trial: Trial) -> String? {
                do {
                    let rules = try RuleSet.compiled(trial.world.definitions)
                    let plain = try Driver(rules: rules).run(trial.sorted, until: trial.end)
                    var generator = Seeded(state: seed ^ 0xABCD)
                    let told = try run(trial, rules, &generator)
                    return Trial.difference(told.decisions, plain.decisions) ?? Trial.difference(told.messages, plain.messages)
                } catch {
                    return "\(error)"
                }
            }
            let trial = Trial(flavour, seed: seed)
            guard difference(trial) != nil else { continue }
            let smallest = trial.smallest { difference($0) != nil }
            Testing.Issue.record(
                "\(flavour.testDescription), \(name) (as reference: the uncut run): \(difference(smallest) ?? "")\n\(smallest.report)"
            )
            return
        }
    }

    /// Before which lines a batch ends: by each line's own number, so that a smaller log is cut at the same places.
    static func cuts(_ lines: [OrderedLine], _ generator: inout Seeded) -> [Int] {
        let salt = generator.next()
        let share = 10 + generator.below(80)
        return lines.indices.filter { index in
            var own = Seeded(state: salt &+ UInt64(lines[index].line.offset))
            return own.chance(share)
        }
    }

    @Test(arguments: Flavour.allCases) func anyCutOfTheInputIntoBatchesGivesTheSameBytes(_ flavour: Flavour) throws {
        try Self.check(flavour, "cut") { trial, rules, generator in
            let lines = trial.sorted
            return try Driver(rules: rules).run(lines, until: trial.end, cuts: Self.cuts(lines, &generator))
        }
    }

    @Test(arguments: Flavour.allCases) func anEngineRebuiltFromItsRecordsGoesOnAsIfNothingHadHappened(_ flavour: Flavour) throws {
        try Self.check(flavour, "restarted") { trial, rules, generator in
            let lines = trial.sorted
            return try Driver(rules: rules, mode: .restarted).run(lines, until: trial.end, cuts: Self.cuts(lines, &generator))
        }
    }

    @Test(arguments: Flavour.allCases) func releasingProfilesChangesNothing(_ flavour: Flavour) throws {
        try Self.check(flavour, "evicted") { trial, rules, generator in
            let lines = trial.sorted
            return try Driver(rules: rules, mode: .evicted).run(lines, until: trial.end, cuts: Self.cuts(lines, &generator))
        }
    }
}
