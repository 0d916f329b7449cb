import Engine
import Storage

/// What became of a message between two rule sets.
enum BacktestChange: String, CaseIterable {
    case same, moved, lost, gained
}

/// Counts of a comparison, by rule, variant, segment and day, and some of the messages behind them. Its size depends on the rules and the days of
/// the history alone.
struct BacktestSummary {
    struct Counts {
        var before = 0
        var after = 0
        var same = 0
        var moved = 0
        var lost = 0
        var gained = 0

        /// - Parameters:
        ///   - wasBefore, isAfter: whether it is counted here of what each side sent: one may have sent it in another variant.
        mutating func add(_ change: BacktestChange, wasBefore: Bool, isAfter: Bool) {
            before += wasBefore ? 1 : 0
            after += isAfter ? 1 : 0
            switch change {
            case .same: same += 1
            case .moved: moved += 1
            case .lost: lost += 1
            case .gained: gained += 1
            }
        }
    }

    struct Part: Hashable, Comparable {
        let rule: String
        let name: String

        static func < (left: Part, right: Part) -> Bool { (left.rule, left.name) < (right.rule, right.name) }
    }

    struct Example {
        let instance: ComparedInstance
        let change: BacktestChange
        let what: String
    }

    let before: String
    let after: String
    let exampleLimit: Int
    private(set) var total = Counts()
    private(set) var rules: [String: Counts] = [:]
    private(set) var variants: [Part: Counts] = [:]
    private(set) var segments: [Part: Counts] = [:]
    /// Why: of lost and gained messages the other side's verdict, of moved ones what is different.
    private(set) var reasons: [Part: (change: BacktestChange, count: Int)] = [:]
    /// By day since 1970: messages before and after.
    private(set) var days: [Int64: (before: Int, after: Int)] = [:]
    private(set) var examples: [Example] = []
    private var shown: [Part: Int] = [:]

    init(before: String, after: String, examples: Int) {
        self.before = before
        self.after = after
        exampleLimit = examples
    }

    static func change(_ instance: ComparedInstance) -> BacktestChange {
        switch (sent(instance.before), sent(instance.after)) {
        case (let before?, let after?): before == after || differences(before, after).isEmpty ? .same : .moved
        case (_?, nil): .lost
        default: .gained
        }
    }

    private static func sent(_ judged: Judged?) -> Judged? { judged?.verdict == .published ? judged : nil }

    private static func differences(_ before: Judged, _ after: Judged) -> [String] {
        [
            before.at != after.at ? (after.at < before.at ? "earlier" : "later") : nil,
            before.channel != after.channel ? "channel" : nil, before.variant != after.variant ? "variant" : nil,
            before.content != after.content ? "content" : nil,
        ].compactMap { $0 }
    }

    /// In words: what the other side did instead, or what is different.
    static func reason(_ instance: ComparedInstance, _ change: BacktestChange) -> String {
        switch change {
        case .same: return ""
        case .moved:
            guard let before = instance.before, let after = instance.after else { return "" }
            return differences(before, after).joined(separator: ", ")
        case .lost: return instance.after?.verdict.rawValue ?? "not started, or not ended"
        case .gained: return instance.before?.verdict.rawValue ?? "not started, or not ended"
        }
    }

    @discardableResult
    mutating func add(_ instance: ComparedInstance) -> BacktestChange {
        let change = Self.change(instance)
        let (old, new) = (Self.sent(instance.before), Self.sent(instance.after))
        total.add(change, wasBefore: old != nil, isAfter: new != nil)
        rules[instance.rule, default: Counts()].add(change, wasBefore: old != nil, isAfter: new != nil)
        func count(_ change: BacktestChange, in parts: inout [Part: Counts], _ old: [String], _ new: [String]) {
            for name in Set(old + new) {
                parts[Part(rule: instance.rule, name: name), default: Counts()].add(
                    change, wasBefore: old.contains(name), isAfter: new.contains(name))
            }
        }
        func variant(_ judged: Judged?) -> [String] { judged?.variant.map { [$0] } ?? [] }
        count(change, in: &variants, variant(old), variant(new))
        count(change, in: &segments, old?.segments ?? [], new?.segments ?? [])
        if let old { days[Self.day(old.at), default: (0, 0)].before += 1 }
        if let new { days[Self.day(new.at), default: (0, 0)].after += 1 }
        guard change != .same else { return change }
        let reason = Self.reason(instance, change)
        reasons[Part(rule: instance.rule, name: "\(change.rawValue) \(reason)"), default: (change, 0)].count += 1
        let kind = Part(rule: instance.rule, name: change.rawValue)
        if shown[kind, default: 0] < exampleLimit {
            shown[kind, default: 0] += 1
            examples.append(Example(instance: instance, change: change, what: reason))
        }
        return change
    }

    private static func day(_ time: Instant) -> Int64 { Int64((Double(time) / 86_400_000).rounded(.down)) }
}
