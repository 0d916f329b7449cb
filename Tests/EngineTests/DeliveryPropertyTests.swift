import CEL
import Engine
import Testing

/// Whatever the configuration and the log: nobody gets more than the caps allow, nothing at night, nothing without consent, nothing of a rule
/// within its cooldown; who is held out gets nothing and who isn't is not held out, and each is on the side of the documented hash.
///
/// The claims are checked on the messages alone, with zones, consent and links read off the log anew.
@Suite struct DeliveryPropertyTests {
    static let seeds = (0..<120).map { UInt64($0) &* 7_919 &+ 2026 }

    @Test(arguments: seeds) func nobodyGetsWhatThePolicyForbids(seed: UInt64) throws {
        let trial = try DeliveryTrial(seed: seed)
        let told = try Driver(rules: trial.rules).run(trial.lines, until: trial.end)
        #expect(trial.violations(told) == [], "seed \(seed)")
    }

    @Test(arguments: seeds.prefix(60)) func stateWithHoldsSurvivesEveryRestart(seed: UInt64) throws {
        let trial = try DeliveryTrial(seed: seed)
        var generator = Seeded(state: seed)
        let cuts = PropertyTests.cuts(trial.lines, &generator)
        let whole = try Driver(rules: trial.rules).run(trial.lines, until: trial.end)
        for mode in Driver.Mode.allCases {
            let parts = try Driver(rules: trial.rules, mode: mode).run(trial.lines, until: trial.end, cuts: cuts)
            #expect(parts.messages == whole.messages, "seed \(seed), \(mode)")
            #expect(parts.decisions == whole.decisions, "seed \(seed), \(mode)")
        }
    }

    /// The random trials do come to every verdict that delivery has.
    @Test func trialsReachEveryVerdict() throws {
        var verdicts: Set<Substring> = []
        for seed in Self.seeds.prefix(60) {
            let trial = try DeliveryTrial(seed: seed)
            for decision in try Driver(rules: trial.rules).run(trial.lines, until: trial.end).decisions {
                verdicts.insert(decision.split(separator: " ")[4])
            }
        }
        for verdict in ["published", "cooldown", "no_consent", "suppressed", "holdout", "capped", "expired", "cancelled"] {
            #expect(verdicts.contains(Substring(verdict)), "no trial ends \(verdict)")
        }
    }
}

/// A random configuration and log.
struct DeliveryTrial {
    static let hour: Milliseconds = 3_600_000
    static let start: Instant = 1_772_323_200_000  // 2026-03-01T00:00:00Z
    /// Minutes east of UTC; what isn't listed is unknown and counts as the configured zone.
    static let zones = ["+03:00": 180, "-05:00": -300, "+05:30": 330]

    var definitions = Definitions(instance: "shop")
    let rules: RuleSet
    let lines: [OrderedLine]
    let end: Instant

    init(seed: UInt64) throws {
        var generator = Seeded(state: seed)
        let hour = Self.hour
        var delivery = DeliveryDefinition()
        let channels = generator.chance(70) ? ["email", "push"] : []
        delivery.channels = channels.map { ChannelDefinition(name: .here($0)) }
        for channel in channels { delivery.consent[channel] = generator.chance(50) ? .granted : .denied }
        delivery.timezone = generator.pick(["+03:00", "+05:30"])
        if generator.chance(70) {
            delivery.quietHours = DeliveryDefinition.QuietHours(from: generator.below(24) * 60, to: generator.below(48) * 30)
        }
        for _ in 0..<generator.below(4) {
            delivery.caps.append(
                CapDefinition(
                    atMost: 1 + generator.below(3), per: Int64(1 + generator.below(40)) * hour,
                    tag: generator.chance(40) ? "offer" : nil,
                    channel: !channels.isEmpty && generator.chance(30) ? "email" : nil))
        }
        if generator.chance(30) { delivery.holdout = Share(millionths: 300_000) }
        delivery.salt = "salt\(generator.below(3))"
        if generator.chance(30) { delivery.sendTime = .best }
        definitions.delivery = delivery
        for name in ["a", "b", "c"] {
            var rule = RuleDefinition(name: .here(name))
            rule.start = [.event(name: .here("E\(generator.below(3))"), condition: nil)]
            if generator.chance(50) { rule.cancel = [.event(name: .here("Stop"), condition: nil)] }
            rule.wait = Int64(generator.below(4)) * hour
            rule.restart = generator.chance(50)
            rule.cooldown = generator.chance(40) ? Int64(generator.below(20)) * hour : 0
            rule.expires = Int64(1 + generator.below(60)) * hour
            rule.priority = generator.below(2)
            rule.delivery.topic = generator.chance(40) ? "news" : nil
            rule.delivery.tags = generator.chance(60) ? ["offer"] : []
            rule.delivery.exempt = generator.chance(20)
            rule.delivery.uncounted = rule.delivery.exempt && generator.chance(50)
            rule.delivery.onCap = generator.chance(30) ? .drop : .postpone
            if generator.chance(30) { rule.delivery.holdout = Share(millionths: 400_000) }
            if generator.chance(30) { rule.delivery.variants = [.init(name: "A", weight: 1), .init(name: "B", weight: 2)] }
            if !channels.isEmpty, generator.chance(30) { rule.delivery.channels = [generator.pick(channels)] }
            definitions.rules.append(rule)
        }
        let (compiled, issues) = RuleSet.compile(definitions) { TimeZone(fixed: $0) }
        rules = try #require(compiled, "\(issues)")
        (lines, end) = Self.log(&generator)
    }

    /// `u…` are never linked; `v…` are, each with the visitor of its number.
    private static func log(_ generator: inout Seeded) -> ([OrderedLine], Instant) {
        var time = start
        var log: [LogLine] = []
        for number in 0..<150 {
            time += Int64(generator.below(5400)) * 1000
            let lateBy = generator.chance(15) ? Int64(generator.below(20_000)) * 1000 : 0
            var line = LogLine(time - lateBy, "E\(generator.below(3))", id: "m\(number)")
            let index = generator.below(3)
            switch generator.below(4) {
            case 0: line.user = "v\(generator.below(2))"
            case 1: line.anonymous = "w\(generator.below(2))"
            default: line.user = "u\(index)"
            }
            if line.user?.hasPrefix("v") ?? false, generator.chance(8), let user = line.user {
                line.anonymous = "w" + user.dropFirst()
            }
            if line.user?.hasPrefix("u") ?? false {
                if generator.chance(8) { line.traits = ["preferred_channel": .text(generator.pick(["email", "push", "fax"]))] }
                if generator.chance(8) { line.timezone = generator.pick(Array(zones.keys).sorted() + ["Mars/Olympus"]) }
                switch generator.below(20) {
                case 0, 1:
                    line.name = "Consent Changed"
                    line.properties = Self.statement(&generator, granted: generator.chance(60))
                case 2 where generator.chance(30): line.name = "Unsubscribed"
                case 3 where generator.chance(20): line.name = "Email Bounced"
                case 4, 5: line.name = "Stop"
                default: break
                }
            } else if generator.chance(10) {
                line.name = "Stop"
            }
            log.append(line)
        }
        return (OrderedLine.sorted(log, lateness: 10_000), time + 100 * hour)
    }

    private static func statement(_ generator: inout Seeded, granted: Bool) -> J {
        var keys = ["granted"]
        var values: [J] = [.bool(granted)]
        if generator.chance(60) {
            keys.append("channel")
            values.append(.text(generator.pick(["email", "push"])))
        }
        if generator.chance(40) {
            keys.append("topic")
            values.append("news")
        }
        return .object(keys, values)
    }

    // MARK: Claims

    struct Sent {
        var at: Instant
        var rule: RuleDefinition
        var customer: String
        var channel: String?
        var variant: String?
        var isPublished: Bool
    }

    func violations(_ told: Told) -> [String] {
        var sent: [Sent] = []
        var found: [String] = []
        for message in told.messages {
            guard let packed = JSONText.pack(Array(message.utf8)) else { continue }
            let view = JSONView(bytes: packed, offset: 0)
            guard let time = view["time"]?.string, let at = Instant.parse(rfc3339: Array(time.utf8)),
                let customer = view["subject"]?.string,
                let data = view["data"], let name = data["rule"]?.string,
                let rule = definitions.rules.first(where: { $0.name.value == name })
            else {
                found.append("unreadable: \(message)")
                continue
            }
            sent.append(
                Sent(
                    at: at, rule: rule, customer: customer, channel: data["channel"]?.string, variant: data["variant"]?.string,
                    isPublished: true))
        }
        for decision in told.decisions {
            let words = decision.split(separator: " ")
            guard words[4] == "holdout", let at = Instant(words[0]),
                let rule = definitions.rules.first(where: { $0.name.value == words[1] })
            else { continue }
            sent.append(Sent(at: at, rule: rule, customer: String(words[2]), channel: nil, isPublished: false))
        }
        for message in sent {
            if !message.rule.delivery.exempt { found += tooMany(message, sent) }
            found += wrongSide(message)
            if message.customer.hasPrefix("u"), isTooSoon(message, sent) {
                found.append("\(message.customer) got \(message.rule.name.value) within its cooldown at \(message.at)")
            }
            if isNight(message) { found.append("\(message.customer) at night: \(message.at)") }
            if message.isPublished, message.customer.hasPrefix("u"), let reason = forbidden(message) { found.append(reason) }
        }
        return found
    }

    private func isTooSoon(_ message: Sent, _ all: [Sent]) -> Bool {
        all.contains {
            $0.rule.name.value == message.rule.name.value && $0.customer == message.customer && $0.at < message.at
                && $0.at > message.at - message.rule.cooldown
        }
    }

    /// Holdout and variant by the hash of `docs/delivery.md`.
    private func wrongSide(_ message: Sent) -> [String] {
        let delivery = message.rule.delivery
        func point(_ kind: String, _ scope: String, of total: Int) -> Int {
            ExperimentHash(
                salt: definitions.delivery.salt, kind: kind, scope: scope, customer: message.customer, sha256: SHA256.hash
            ).scaled(to: total)
        }
        var found: [String] = []
        let share = delivery.holdout ?? definitions.delivery.holdout
        let scope = delivery.holdout == nil ? "" : message.rule.name.value
        let isHeldOut = share.map { point("holdout", scope, of: 1_000_000) < $0.millionths } ?? false
        if isHeldOut == message.isPublished { found.append("\(message.customer) is on the wrong side of the holdout") }
        if message.isPublished {
            // The trials' only experiment: A has one part of three, B two.
            let side = delivery.variants.isEmpty ? nil : point("variant", message.rule.name.value, of: 3) == 0 ? "A" : "B"
            if message.variant != side { found.append("\(message.customer) is on the wrong side of the experiment") }
        }
        return found
    }

    private func tooMany(_ message: Sent, _ all: [Sent]) -> [String] {
        definitions.delivery.caps.compactMap { cap in
            func isMeant(_ other: Sent) -> Bool {
                if other.rule.delivery.uncounted { return false }
                if let tag = cap.tag, !other.rule.delivery.tags.contains(tag) { return false }
                if let channel = cap.channel { return other.channel == channel }
                return true
            }
            guard isMeant(message) else { return nil }
            let mine = all.filter {
                isMeant($0) && $0.at <= message.at && $0.at > message.at - cap.per
                    && isSame($0.customer, message.customer, at: message.at)
                    && ($0.at < message.at || !$0.rule.delivery.exempt)
            }
            return mine.count > cap.atMost ? "\(message.customer) got \(mine.count) of \(cap) at \(message.at)" : nil
        }
    }

    /// Whether two are the same customer at a time, by the links of the log so far.
    private func isSame(_ one: String, _ other: String, at time: Instant) -> Bool {
        if one == other { return true }
        guard other.hasPrefix("v"), one.hasPrefix("anonymous:w"), one.dropFirst(11) == other.dropFirst(1) else { return false }
        return lines.contains { $0.order <= time && $0.line.user == other && $0.line.anonymous == String(one.dropFirst(10)) }
    }

    private func isNight(_ message: Sent) -> Bool {
        guard let quiet = definitions.delivery.quietHours, quiet.from != quiet.to else { return false }
        var zone: (name: String, at: Instant)?
        for line in lines where line.order <= message.at && line.line.user == message.customer {
            if let name = line.line.timezone, zone.map({ $0.at <= line.line.time }) ?? true { zone = (name, line.line.time) }
        }
        let offset = zone.flatMap { Self.zones[$0.name] } ?? Self.zones[definitions.delivery.timezone ?? ""] ?? 0
        let minute = Int((message.at / 60_000 + Int64(offset)) % 1440)
        return quiet.from < quiet.to ? quiet.from <= minute && minute < quiet.to : minute >= quiet.from || minute < quiet.to
    }

    /// Why the message should not have been sent: what the customer had said by then.
    private func forbidden(_ message: Sent) -> String? {
        struct Word {
            var granted: Bool
            var at: Instant
        }
        var said: [String: Word] = [:]
        var bounced: Instant?
        for ordered in lines where ordered.order <= message.at && ordered.line.user == message.customer {
            let line = ordered.line
            var granted = false
            switch line.name {
            case "Consent Changed": if case .bool(let value)? = line.properties["granted"] { granted = value }
            case "Unsubscribed": break
            case "Email Bounced":
                bounced = max(bounced ?? line.time, line.time)
                continue
            default: continue
            }
            let key = (line.properties["channel"]?.text ?? "*") + "/" + (line.properties["topic"]?.text ?? "*")
            if said[key].map({ $0.at <= line.time }) ?? true { said[key] = Word(granted: granted, at: line.time) }
        }
        if let bounced, !["*/*", "email/*"].contains(where: { said[$0].map { $0.granted && $0.at > bounced } ?? false }) {
            return "\(message.customer) bounced, and got one at \(message.at)"
        }
        // From the widest to the narrowest: each withdrawal must be answered by a later grant that names as much.
        let channels = ["*"] + (message.channel.map { [$0] } ?? [])
        let topics = ["*"] + (message.rule.delivery.topic.map { [$0] } ?? [])
        var isGranted = message.channel.map { definitions.delivery.consent[$0] == .granted } ?? true
        for channel in channels {
            for topic in topics {
                guard let word = said[channel + "/" + topic] else { continue }
                if word.granted {
                    isGranted = true
                    continue
                }
                let narrower = channels.filter { channel == "*" || $0 == channel }.flatMap { c in
                    topics.filter { topic == "*" || $0 == topic }.map { c + "/" + $0 }
                }
                guard narrower.contains(where: { said[$0].map { $0.granted && $0.at > word.at } ?? false }) else {
                    return "\(message.customer) withdrew \(channel)/\(topic), and got one at \(message.at)"
                }
            }
        }
        return isGranted ? nil : "\(message.customer) never granted \(message.channel ?? "-"), and got one at \(message.at)"
    }
}
