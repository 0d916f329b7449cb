import Engine

/// A queue by time, a binary heap; what was added first comes first among equal times, so the order never depends on chance.
struct TimeQueue<Element> {
    private struct Entry {
        let time: Instant
        let sequence: UInt64
        let element: Element

        func precedes(_ other: Entry) -> Bool { time != other.time ? time < other.time : sequence < other.sequence }
    }

    private var entries: [Entry] = []
    private var added: UInt64 = 0

    init() {}

    var count: Int { entries.count }
    var nextTime: Instant? { entries.first?.time }

    mutating func add(_ element: Element, at time: Instant) {
        added &+= 1
        let entry = Entry(time: time, sequence: added, element: element)
        var hole = entries.count
        entries.append(entry)
        while hole > 0 {
            let parent = (hole - 1) / 2
            guard entry.precedes(entries[parent]) else { break }
            entries[hole] = entries[parent]
            hole = parent
        }
        entries[hole] = entry
    }

    mutating func popFirst() -> (time: Instant, element: Element)? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        if entries.isEmpty { return (first.time, first.element) }
        var hole = 0
        while true {
            var child = hole * 2 + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].precedes(entries[child]) { child += 1 }
            guard entries[child].precedes(last) else { break }
            entries[hole] = entries[child]
            hole = child
        }
        entries[hole] = last
        return (first.time, first.element)
    }
}
