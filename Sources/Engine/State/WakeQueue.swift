/// Moments at which something resident may be due: a binary heap with entries that may have become stale.
struct WakeQueue: Sendable {
    struct Entry: Prioritized, Sendable {
        var at: Instant
        /// A profile's slot, or -1 - product slot.
        var slot: Int

        static func precedes(_ left: Entry, _ right: Entry) -> Bool { left.at < right.at }
    }

    private var heap = Heap<Entry>()

    var first: Entry? { heap.first }
    var count: Int { heap.count }

    mutating func push(_ at: Instant, _ slot: Int) { heap.push(Entry(at: at, slot: slot)) }

    mutating func pop() -> Entry? { heap.pop() }

    /// Drops every entry that no longer counts, and all but one of the same.
    mutating func keep(_ counts: (Entry) -> Bool) {
        var kept: [Entry] = []
        for entry in heap.elements.filter(counts).sorted(by: { ($0.at, $0.slot) < ($1.at, $1.slot) })
        where kept.last.map({ $0.at != entry.at || $0.slot != entry.slot }) ?? true { kept.append(entry) }
        heap = Heap(sorted: kept)
    }
}
