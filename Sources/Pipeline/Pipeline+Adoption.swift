import Engine
import Storage

/// How far a changed set of segments or calendars has been judged.
struct Adoption: Equatable, Sendable {
    /// The last customer that has been.
    var cursor: Int64
    var isComplete = false
}

/// A changed set of segments or calendars is judged on everybody once, quietly, as of the engine's time at the start, before anything else happens:
/// a piece a step, each committed with how far it went, so that a start takes no longer with ten million customers than with ten.
extension Pipeline {
    /// At most so many customers a piece.
    private static let adoptedAtOnce = 4000

    /// Compares what the state was judged by with the rules of now. What a new condition keeps starts empty, and the state remembers since when it
    /// is kept.
    ///
    /// - Returns: how far it has come, if somebody is still to be judged.
    static func adopt(_ rules: RuleSet, _ store: Store, _ now: Instant) throws -> Adoption? {
        let known = try store.meta("judgement")
        let current = String(rules.judgement)
        let kept = try store.keptSince()
        let names = rules.series.map(\.name) + rules.marks.map { "mark|\($0)" }
        let isFirst = try store.meta("clock") == nil
        let under = try store.judgedUpTo().map { Adoption(cursor: $0) }
        guard known != current || names.contains(where: { kept[$0] == nil }) || kept.keys.contains(where: { !names.contains($0) })
        else { return under }
        try store.begin()
        // Who had been judged by a set that has changed again meanwhile is judged anew as well.
        let adoption = known != current && !isFirst ? Adoption(cursor: 0) : under
        if let adoption { try store.setJudgedUpTo(adoption.cursor) }
        try store.setMeta("judgement", current)
        for name in names where kept[name] == nil { try store.setKept(name, since: isFirst ? nil : now) }
        for name in kept.keys where !names.contains(name) { try store.dropKept(name) }
        try store.commit()
        return adoption
    }

    /// Judges the next piece, and commits it.
    mutating func adoptMore(wallNow: Instant?) throws {
        guard let store, let cursor = adoption?.cursor else { return }
        let numbers = try store.customerNumbers(after: cursor, limit: max(4, min(Self.adoptedAtOnce, profileLimit / 4)))
        // To be brought in is to be judged.
        for number in numbers where !engine.isResident(number) && !engine.isGone(number) { try bringIn(number: number) }
        adoption = Adoption(cursor: numbers.last ?? cursor, isComplete: numbers.isEmpty)
        try commit(wallNow: wallNow, keeping: true)
        // None of them is more likely to be needed soon than any other.
        engine.shrink(toBytes: 0)
        guard numbers.isEmpty else { return }
        adoption = nil
        engine.isAdopting = false
    }

    /// How many of a hundred customers have been judged by the changed set; nil when all have been.
    package var adoptedPercent: Int? { adoption.map { Int(100 * $0.cursor / max(1, engine.clock.nextCustomer)) } }
}
