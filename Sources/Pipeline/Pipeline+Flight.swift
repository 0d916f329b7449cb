import Dispatch
import Engine
import Outbox
import Storage
import Synchronization

/// Committing and publishing while the next batch is begun.
extension Pipeline {
    /// Where a transaction is written.
    enum Place {
        /// By whoever owns the engine, who waits for it.
        case here
        /// By the committer, while the engine goes on.
        case beside
    }

    /// Where the next transaction is written: beside the engine only if the state does not fit into the memory. One that does is kept small, and two
    /// batches would be in it; then only publishing goes on beside.
    var place: Place { committer != nil && engine.hasStore ? .beside : .here }

    /// A commit that is being written or published, and what came of it.
    final class Flight: Sendable {
        struct Landing: Sendable {
            var publishing: OutboxSet.Publishing?
            var seconds: Double
        }

        let lines: Int
        private let publishing: Mutex<OutboxSet.Publishing?>
        private let began: Double
        private let seconds: @Sendable () -> Double
        private let landing = Mutex<Landing?>(nil)
        private let isSynced = DispatchSemaphore(value: 0)
        private let isOver = DispatchSemaphore(value: 0)

        /// - Parameters:
        ///   - publishing: nil: there are no outboxes.
        ///   - lines: how many of the logs it commits.
        ///   - began: when, by `seconds`.
        init(_ publishing: OutboxSet.Publishing?, lines: Int, began: Double, _ seconds: @escaping @Sendable () -> Double) {
            self.publishing = Mutex(publishing)
            self.lines = lines
            self.began = began
            self.seconds = seconds
        }

        /// Makes its messages' files durable, while its transaction is written or before that.
        func sync() {
            publishing.withLock { $0?.sync() }
            isSynced.signal()
        }

        /// Commits what has been written, once the files are durable; the messages of those that can't be made so wait. To be called once.
        func commit(_ store: Store) throws(StoreError) {
            isSynced.wait()
            let undurable = publishing.withLock { $0?.undurable ?? [] }
            if !undurable.isEmpty { try store.setState(.pending, of: undurable) }
            try store.commit()
        }

        /// Its last step, after its transaction.
        func publish() {
            let published = publishing.withLock { publishing in
                publishing?.rename()
                return publishing
            }
            let result = Landing(publishing: published, seconds: seconds() - began)
            landing.withLock { $0 = result }
        }

        /// It has landed, or never will.
        func end() { isOver.signal() }

        /// What came of it; nil if it failed. To be called once.
        func wait() -> Landing? {
            isOver.wait()
            return landing.withLock { $0 }
        }

        var hasLanded: Bool { landing.withLock { $0 != nil } }
    }

    /// Has a transaction written and its messages published beside the engine, which goes on as soon as the records are made.
    mutating func write(_ contents: Transaction, by committer: Committer, in flight: Flight) {
        let records = RecordStripes(contents.changes.slots, sparingMemory: false)
        let begins = transaction == nil
        transaction = nil
        committer.perform { store throws(StoreError) in
            if begins { try store.begin(movesLog: true) }
            try contents.write(to: store) { records.take() }
            try flight.commit(store)
            flight.publish()
        } finally: {
            records.abandon()
            flight.end()
        }
        records.make(with: engine)
    }

    /// Has the files of a transaction's messages made durable.
    ///
    /// - Parameter waits: before anything else is done.
    func sync(_ flight: Flight, waits: Bool) {
        guard let committer, !waits else { return flight.sync() }
        committer.sync { flight.sync() }
    }

    /// Publishes what has been committed here.
    ///
    /// - Parameter waits: it is needed at once.
    func publish(_ flight: Flight, waits: Bool) {
        guard let committer, !waits else {
            flight.publish()
            return flight.end()
        }
        committer.perform { _ in
            flight.publish()
        } finally: {
            flight.end()
        }
    }

    /// Waits for the commit that is being written or published, if there is one, and takes in what came of it.
    package mutating func finishCommit() throws {
        guard let flight else { return }
        self.flight = nil
        guard let landing = flight.wait() else { return try committer?.wait() ?? () }
        tally.commits += 1
        tally.commitSeconds.observe(landing.seconds)
        tally.batchLines.observe(Double(flight.lines))
        storedWake = nil
        if let publishing = landing.publishing { try changeOutboxes { try $0.take(publishing) } }
        if engine.residentBytes > settings.memory { engine.hasStore = true }
        engine.committed()
        engine.shrink(toBytes: roomAfterCommit)
    }
}
