/// Timers of one moment are taken in order of (priority, higher first; rule; place in the audience; customer; key).
struct DueTimer: Sendable {
    enum What: Sendable {
        case instance(customer: Int64, rule: Int, key: String)
        case line(product: ProductKey, rule: Int)
    }

    var priority: Int
    var rank: Int
    var place: Int
    var customer: String
    var key: String
    var what: What

    static func precedes(_ left: DueTimer, _ right: DueTimer) -> Bool {
        if left.priority != right.priority { return left.priority > right.priority }
        if left.rank != right.rank { return left.rank < right.rank }
        if left.place != right.place { return left.place < right.place }
        if !left.customer.same(as: right.customer) { return left.customer.precedes(right.customer) }
        return left.key.precedes(right.key)
    }
}

/// What is due at one moment, the next first: a binary heap, because a price may wake a hundred thousand at once.
struct DueQueue: Sendable {
    private var heap: [DueTimer] = []

    var first: DueTimer? { heap.first }

    mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

    func contains(where isWanted: (DueTimer) -> Bool) -> Bool { heap.contains(where: isWanted) }

    mutating func push(_ timer: DueTimer) {
        heap.append(timer)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard DueTimer.precedes(heap[child], heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, DueTimer.precedes(heap[child + 1], heap[child]) { child += 1 }
            guard DueTimer.precedes(heap[child], heap[parent]) else { break }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}
