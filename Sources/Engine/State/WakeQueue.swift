/// Moments at which something resident may be due: a binary heap with entries that may have become stale.
struct WakeQueue: Sendable {
    struct Entry: Sendable {
        var at: Instant
        /// A profile's slot, or -1 - product slot.
        var slot: Int
    }

    private var heap: [Entry] = []

    var first: Entry? { heap.first }
    var count: Int { heap.count }

    mutating func push(_ at: Instant, _ slot: Int) {
        let new = Entry(at: at, slot: slot)
        heap.append(new)
        heap.withUnsafeMutableBufferPointer { heap in
            var child = heap.count - 1
            while child > 0 {
                let parent = (child - 1) / 2
                guard at < heap[parent].at else { break }
                heap[child] = heap[parent]
                child = parent
            }
            heap[child] = new
        }
    }

    mutating func pop() -> Entry? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        heap.withUnsafeMutableBufferPointer { heap in
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count, heap[child + 1].at < heap[child].at { child += 1 }
                guard heap[child].at < last.at else { break }
                heap[parent] = heap[child]
                parent = child
            }
            heap[parent] = last
        }
        return first
    }

    /// Drops every entry that no longer counts, and all but one of the same.
    mutating func keep(_ counts: (Entry) -> Bool) {
        // What is sorted is a heap.
        let sorted = heap.filter(counts).sorted { ($0.at, $0.slot) < ($1.at, $1.slot) }
        heap.removeAll(keepingCapacity: false)
        for entry in sorted where heap.last.map({ $0.at != entry.at || $0.slot != entry.slot }) ?? true { heap.append(entry) }
    }
}
