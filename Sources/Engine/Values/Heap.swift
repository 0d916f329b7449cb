/// What a heap gives in an order.
protocol Prioritized {
    static func precedes(_ left: Self, _ right: Self) -> Bool
}

/// A binary heap: the element that precedes all others is at hand, and each push and pop takes steps by the logarithm.
struct Heap<Element: Prioritized & Sendable>: Sendable {
    private(set) var elements: [Element] = []

    init() {}

    /// - Parameter sorted: what is sorted is a heap.
    init(sorted: [Element]) { elements = sorted }

    var first: Element? { elements.first }
    var count: Int { elements.count }

    mutating func removeAll() { elements.removeAll(keepingCapacity: true) }

    mutating func push(_ new: Element) {
        elements.append(new)
        elements.withUnsafeMutableBufferPointer { elements in
            var child = elements.count - 1
            while child > 0 {
                let parent = (child - 1) / 2
                guard Element.precedes(new, elements[parent]) else { break }
                elements[child] = elements[parent]
                child = parent
            }
            elements[child] = new
        }
    }

    @discardableResult
    mutating func pop() -> Element? {
        guard let first = elements.first else { return nil }
        let last = elements.removeLast()
        guard !elements.isEmpty else { return first }
        elements.withUnsafeMutableBufferPointer { elements in
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < elements.count else { break }
                if child + 1 < elements.count, Element.precedes(elements[child + 1], elements[child]) { child += 1 }
                guard Element.precedes(elements[child], last) else { break }
                elements[parent] = elements[child]
                parent = child
            }
            elements[parent] = last
        }
        return first
    }
}
