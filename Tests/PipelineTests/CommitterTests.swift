import Dispatch
import Engine
import Ingest
import Synchronization
import Testing

@testable import Pipeline
@testable import Storage

/// Writing beside the engine: in order, seen by whoever asks, and nothing more after a failure.
@Suite struct CommitterTests {
    @Test func whatIsWrittenIsSeenByWhoAsksAndCommittedInOrder() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path)
        let committer = try #require(try Committer(beside: store))
        committer.perform { store throws(StoreError) in
            try store.begin()
            try store.setMeta("a", "1")
        }
        for value in 2...50 {
            committer.perform { store throws(StoreError) in
                #expect(try store.metaNumber("a") == Int64(value - 1))
                try store.setMeta("a", String(value))
            }
        }
        // Not committed: asked through the writer it is there, read beside it it is not.
        #expect(try committer.ask { store throws(StoreError) in try store.metaNumber("a") } == 50)
        #expect(try store.metaNumber("a") == nil)
        committer.perform { store throws(StoreError) in try store.commit() }
        try committer.wait()
        #expect(try store.metaNumber("a") == 50)
        // And the other way round.
        try store.begin()
        try store.setMeta("a", "51")
        try store.commit()
        #expect(try committer.ask { store throws(StoreError) in try store.metaNumber("a") } == 51)
    }

    @Test func afterAFailureNothingMoreIsWritten() throws {
        let scratch = Scratch()
        let store = try Store.open(directory: scratch.path)
        let committer = try #require(try Committer(beside: store))
        let ended = Atomic(0)
        let isAtWork = Atomic(false)
        committer.perform { store throws(StoreError) in
            try store.begin()
            try store.setMeta("a", "1")
            throw StoreError(.full, "no room")
        } finally: {
            ended.wrappingAdd(1, ordering: .relaxed)
        }
        committer.perform { _ in
            isAtWork.store(true, ordering: .relaxed)
        } finally: {
            ended.wrappingAdd(1, ordering: .relaxed)
        }
        for _ in 0..<2 {
            let error = #expect(throws: StoreError.self) { try committer.wait() }
            #expect(error?.kind == .full)
        }
        #expect(throws: StoreError.self) { try committer.ask { store throws(StoreError) in try store.metaNumber("a") } }
        let (ends, worked) = (ended.load(ordering: .relaxed), isAtWork.load(ordering: .relaxed))
        #expect(ends == 2)
        #expect(!worked)
        // What had begun is taken back, and the other connection can write.
        try store.begin()
        #expect(try store.metaNumber("a") == nil)
        try store.commit()
    }

    /// A state of which there can be no second connection has no committer.
    @Test func aTemporaryStoreHasNone() throws {
        #expect(try Committer(beside: try Store.temporary()) == nil)
    }

    // MARK: Records

    private func engine(_ customers: Int) throws -> (engine: Engine, slots: [Int]) {
        let rules = try #require(ShopLog.compiled)
        var engine = Engine(rules: rules, hasStore: false, sha256: Digest.sha256)
        for number in 1...customers {
            engine.insert(
                CustomerRecord(
                    number: Int64(number), isAnonymous: false, id: Array("c\(number)".utf8), firstSeen: 0, lastSeen: 0,
                    locale: nil,
                    timezone: nil, wake: nil, judgedBy: 0), links: [])
        }
        engine.touchEverything()
        return (engine, engine.takeChanges().slots)
    }

    @Test(arguments: [1, 256, 257, 3000], [true, false]) func recordsComeInOrder(customers: Int, sparing: Bool) throws {
        let (engine, slots) = try engine(customers)
        // Made by one, taken by the other.
        let made = RecordStripes(slots, sparingMemory: sparing)
        let taken = Mutex<[Int64]>([])
        let queue = DispatchQueue(label: "taker")
        queue.async { while let records = made.take() { taken.withLock { $0 += records.map(\.number) } } }
        made.make(with: engine)
        queue.sync {}
        #expect(taken.withLock { $0 } == (1...Int64(customers)).map { $0 })
        // Made by the taker himself where nobody does.
        let own = RecordStripes(slots, sparingMemory: sparing)
        var found: [Int64] = []
        while let records = own.take(with: engine) { found += records.map(\.number) }
        #expect(found == (1...Int64(customers)).map { $0 })
    }

    @Test func whoMakesThemIsNotKeptByATakerThatGivesUp() throws {
        let (engine, slots) = try engine(3000)
        let stripes = RecordStripes(slots, sparingMemory: true)
        let queue = DispatchQueue(label: "taker")
        queue.async {
            _ = stripes.take()
            stripes.abandon()
        }
        stripes.make(with: engine)
        queue.sync {}
    }
}
