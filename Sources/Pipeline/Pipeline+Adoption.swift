import Engine
import Storage

/// How far a changed configuration has been applied to everybody.
struct Adoption: Equatable, Sendable {
    /// The last customer to whom it has been.
    var cursor: Int64
    var isComplete = false
}

/// A changed configuration is applied to everybody once, as of the engine's time at the start, before anything else happens: changed segments and
/// calendars are judged, quietly; instances of removed rules end; what no condition mentions any more is forgotten. A piece a step, each committed
/// with how far it went, so that a start takes no longer with ten million customers than with ten.
extension Pipeline {
    /// At most so many customers a piece.
    private static let adoptedAtOnce = 4000

    /// Compares the rules by which the state was made with those of now. What a new condition keeps starts empty, and the state remembers since when
    /// it is kept.
    ///
    /// - Returns: how far it has come, if they are still to be applied to somebody.
    static func adopt(_ rules: RuleSet, _ store: Store, _ now: Instant) throws -> Adoption? {
        let known = try store.meta("judgement")
        let current = String(rules.judgement)
        let kept = try store.keptSince()
        let names = rules.series.map(\.name) + rules.marks.map { "mark|\($0)" }
        let isFirst = try store.meta("clock") == nil
        let under = try store.judgedUpTo().map { Adoption(cursor: $0) }
        let forgotten = kept.keys.filter { !names.contains($0) }
        let ruleNames = rules.rules.map(\.name).sorted()
        let knownRules = try store.meta("rules")?.split(separator: "\n").map(String.init)
        // A rule that has no audience any more has no line either.
        let lines = rules.rules.filter(\.hasAudience).map(\.name).sorted()
        let knownLines = try store.meta("lines")?.split(separator: "\n").map(String.init)
        // What has left the longest window of before is gone, so that a longer one begins anew.
        let windows = zip(rules.series, rules.longest).filter { $0.0.width != .lifetime }.map { (name: $0.0.name, length: $0.1) }
        let keptFor = try store.keptFor()
        let widened = windows.filter { window in keptFor[window.name].map { $0 < window.length } ?? false }.map(\.name)
        let removesRules =
            knownRules?.contains { !ruleNames.contains($0) } ?? false || knownLines?.contains { !lines.contains($0) } ?? false
        guard
            known != current || knownRules != ruleNames || knownLines != lines || names.contains(where: { kept[$0] == nil })
                || !forgotten.isEmpty || windows.contains(where: { keptFor[$0.name] != $0.length })
        else { return under }
        try store.begin()
        // Who had been judged by a set that has changed again meanwhile is judged anew as well.
        let concernsAll = known != current || removesRules || !forgotten.isEmpty
        let adoption = concernsAll && !isFirst ? Adoption(cursor: 0) : under
        if let adoption { try store.setJudgedUpTo(adoption.cursor) }
        try store.setMeta("judgement", current)
        try store.setMeta("rules", ruleNames.joined(separator: "\n"))
        try store.setMeta("lines", lines.joined(separator: "\n"))
        for name in names where kept[name] == nil || widened.contains(name) {
            try store.setKept(name, since: isFirst ? nil : now)
        }
        for window in windows where keptFor[window.name] != window.length { try store.setKept(window.name, for: window.length) }
        for name in forgotten { try store.dropKept(name) }
        try store.dropMemberships(except: rules.segments.map(\.name))
        try store.commit()
        return adoption
    }

    /// Applies them to the next piece, and commits it.
    mutating func adoptMore(wallNow: Instant?) throws {
        guard let store, let cursor = adoption?.cursor else { return }
        let numbers = try store.customerNumbers(after: cursor, limit: max(4, min(Self.adoptedAtOnce, profileLimit / 4)))
        // To be brought in is to be judged, and to lose what is gone.
        if cursor == 0 { for key in try store.productsWithLines() where !engine.isResident(key) { try bringIn(product: key) } }
        for number in numbers where !engine.isResident(number) && !engine.isGone(number) { try bringIn(number: number) }
        adoption = Adoption(cursor: numbers.last ?? cursor, isComplete: numbers.isEmpty)
        try commit(wallNow: wallNow, keeping: true)
        // None of them is more likely to be needed soon than any other.
        engine.shrink(toBytes: 0)
        guard numbers.isEmpty else { return }
        adoption = nil
        engine.isAdopting = false
    }

    /// To how many of a hundred customers the changed configuration has been applied; nil when to all.
    package var adoptedPercent: Int? { adoption.map { Int(100 * $0.cursor / max(1, engine.clock.nextCustomer)) } }
}
