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
            if let difference = Self.difference(told.decisions, expected.decisions) { return "decisions: " + difference }
            return Self.difference(told.messages.map(Self.summary), expected.messages).map { "messages: " + $0 }
        } catch {
            return "\(error)"
        }
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
                "seed \(seed) lateness \(lateness) forget \(world.cartsForget) dedupe \(world.dedupe)",
            ] + segments + rules + log.map { "  \($0)" }).joined(separator: "\n")
    }

    static var runs: Int { ProcessInfo.processInfo.environment["NUDGED_RUNS"].flatMap { Int($0) } ?? 60 }
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
