import Engine
import Testing

/// Busy customers' ids are kept beside their records: late copies are known all the same, also over a link.
@Suite struct MovedIDTests {
    private static func rules() throws -> RuleSet {
        var definitions = Definitions(instance: "shop")
        definitions.dedupe = hour
        definitions.lateFor = 30 * day
        var rule = RuleDefinition(name: .here("ping"))
        rule.start = [.event(name: .here("Ping"), condition: nil)]
        definitions.rules = [rule]
        return try RuleSet.compiled(definitions)
    }

    /// One user with two devices and one with none, who send pings for ten days; a third of the lines are late copies, or late themselves.
    private static func log(_ random: inout Seeded) -> [LogLine] {
        var lines: [LogLine] = []
        let origin = RandomLog.origin
        var time = origin
        for index in 0..<600 {
            time += Milliseconds(random.below(Int(40 * minute)))
            if !lines.isEmpty, random.below(4) == 0 {
                // A copy of anything that was ever sent, with the time of the first, or somewhat later.
                var copy = lines[random.below(lines.count)]
                copy.offset = 0
                if random.below(3) == 0 { copy.time += Milliseconds(random.below(Int(2 * hour))) }
                // Written again after the login, by the user.
                if copy.anonymous != nil, time > origin + 3 * day, random.below(2) == 0 {
                    copy.anonymous = nil
                    copy.user = "u1"
                }
                lines.append(copy)
                continue
            }
            let isLate = random.below(8) == 0
            var line = LogLine(isLate ? time - Milliseconds(random.below(Int(3 * day))) : time, "Ping", id: "m\(index)")
            switch random.below(4) {
            case 0: line.user = "u2"
            case 1: line.user = "u1"
            case 2: line.anonymous = "a1"
            default: line.anonymous = "a2"
            }
            // Logins on either device, within some days; before that these are visitors.
            if let device = line.anonymous, time > origin + (device == "a1" ? 3 : 6) * day, random.below(3) == 0 {
                line.user = "u1"
            }
            lines.append(line)
        }
        for index in lines.indices { lines[index].offset = index + 1 }
        return lines
    }

    /// Which pings count, by a list of all that ever counted.
    private static func counted(_ lines: [OrderedLine], dedupe: Milliseconds) -> Int {
        var owner: [String: String] = [:]
        var ids: [String: [(id: String, time: Instant)]] = [:]
        var count = 0
        for line in lines.map(\.line) {
            var customer = line.user ?? owner[line.anonymous ?? ""] ?? line.anonymous ?? ""
            if let user = line.user, let anonymous = line.anonymous, owner[anonymous] == nil {
                owner[anonymous] = user
                ids[user, default: []] += ids.removeValue(forKey: anonymous) ?? []
                customer = user
            }
            let id = line.id ?? ""
            if ids[customer, default: []].contains(where: { $0.id == id && line.time - $0.time < dedupe }) { continue }
            ids[customer, default: []].append((id, line.time))
            count += 1
        }
        return count
    }

    @Test(arguments: UInt64(1)...20) func lateCopiesAreKnownHoweverTheStateIsKept(seed: UInt64) throws {
        var random = Seeded(state: seed)
        let rules = try Self.rules()
        let log = Self.log(&random)
        let lines = OrderedLine.sorted(log, lateness: hour)
        let end = (lines.last?.order ?? 0) + 1
        let counted = Self.counted(lines, dedupe: hour)
        #expect(counted < lines.count - 40, "seed \(seed)")
        for mode in Driver.Mode.allCases {
            for pieces in [1, 3, 40] {
                let cuts = (0..<pieces).map { _ in random.below(lines.count) }
                var driver = Driver(rules: rules, mode: mode)
                driver.countsDuplicates = true
                let told = try driver.run(lines, until: end, cuts: cuts)
                #expect(told.duplicates == lines.count - counted, "seed \(seed), \(mode), \(pieces) pieces")
                #expect(mode == .alone || told.movedIDs > 100, "seed \(seed), \(mode), \(pieces) pieces: \(told.movedIDs)")
            }
        }
    }
}
