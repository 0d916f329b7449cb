import Testing

@testable import Engine

@Suite struct WakeQueueTests {
    /// What is kept comes out in order, each once, whatever was dropped in between.
    @Test(arguments: UInt64(1)...5) func keepsWhatCountsInOrder(seed: UInt64) {
        var state = seed
        func next(_ bound: UInt64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64((state >> 33) % bound)
        }
        var queue = WakeQueue()
        var entries: Set<[Int64]> = []
        for _ in 0..<500 {
            let (at, slot) = (next(40), next(20))
            queue.push(at, Int(slot))
            entries.insert([at, slot])
        }
        queue.keep { $0.slot % 3 != 0 }
        let kept = entries.filter { $0[1] % 3 != 0 }
        #expect(queue.count == kept.count && kept.count < entries.count, "seed \(seed)")
        queue.push(-1, 7)
        var popped: [[Int64]] = []
        while let entry = queue.pop() { popped.append([entry.at, Int64(entry.slot)]) }
        #expect(popped.map { $0[0] } == popped.map { $0[0] }.sorted(), "seed \(seed)")
        #expect(popped.first == [-1, 7] && Set(popped.dropFirst()) == kept, "seed \(seed)")
    }
}
