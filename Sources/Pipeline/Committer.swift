import Dispatch
import Storage
import Synchronization

/// Writes to the store on another core, in order, by a connection of its own, while the engine goes on.
///
/// After a failure nothing more is written: what was committed is whole, and whoever waits is told.
package final class Committer: Sendable {
    /// What the queue's thread uses. Whatever waits in the queue holds this and not the committer, so that its owner's thread waits for the end.
    private final class Connection: Sendable {
        let store: Mutex<Store>
        let failure = Mutex<StoreError?>(nil)

        init(_ store: sending Store) { self.store = Mutex(store) }

        func perform(_ work: @Sendable (Store) throws(StoreError) -> Void) {
            guard failure.withLock({ $0 == nil }) else { return }
            do throws(StoreError) {
                try store.withLock { store throws(StoreError) in try work(store) }
            } catch {
                store.withLock { $0.rollback() }
                failure.withLock { $0 = error }
            }
        }
    }

    private let connection: Connection
    private let queue = DispatchQueue(label: "nudged.commit")
    private let syncing = DispatchQueue(label: "nudged.sync")

    /// Nil where the store can have no second connection.
    package init?(beside store: Store) throws(StoreError) {
        guard let second = try store.second() else { return nil }
        connection = Connection(second)
    }

    deinit { queue.sync {} }

    /// - Parameter last: is called after it, also if it failed or was not even begun.
    func perform(
        _ work: @escaping @Sendable (Store) throws(StoreError) -> Void, finally last: @escaping @Sendable () -> Void = {}
    ) {
        queue.async { [connection] in
            connection.perform(work)
            last()
        }
    }

    /// Waits for the disk on a thread of its own, while a transaction is written.
    func sync(_ work: @escaping @Sendable () -> Void) { syncing.async(execute: work) }

    /// Waits until all of it is written.
    func wait() throws(StoreError) {
        queue.sync {}
        if let failure = connection.failure.withLock({ $0 }) { throw failure }
    }

    /// Reads what has been written, committed or not.
    func ask<Answer: Sendable>(_ question: (Store) throws(StoreError) -> Answer) throws(StoreError) -> Answer {
        try wait()
        return try connection.store.withLock { store throws(StoreError) in try question(store) }
    }

    /// Ends the connection. Nothing may be asked of it any more.
    func close() {
        queue.sync {}
        connection.store.withLock { $0.close() }
    }
}
