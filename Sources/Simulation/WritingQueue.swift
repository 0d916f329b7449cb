import Engine

/// Lines that have happened but are not written yet, by the time of writing. Their memory is used again, so in the steady state no
/// line allocates; the queue is as long as the events of `disorder` milliseconds.
struct WritingQueue {
    private var order = TimeQueue<Int>()
    private var slots: [[UInt8]] = []
    private var free: [Int] = []

    init() {}

    var count: Int { order.count }
    var nextTime: Instant? { order.nextTime }

    mutating func add(_ line: UnsafeRawBufferPointer, at time: Instant) {
        let slot: Int
        if let used = free.popLast() {
            slot = used
            slots[slot].removeAll(keepingCapacity: true)
        } else {
            slot = slots.count
            slots.append([])
        }
        slots[slot].append(contentsOf: line)
        order.add(slot, at: time)
    }

    mutating func popFirst(into bytes: inout [UInt8]) -> Instant? {
        guard let (time, slot) = order.popFirst() else { return nil }
        bytes.append(contentsOf: slots[slot])
        free.append(slot)
        return time
    }
}
