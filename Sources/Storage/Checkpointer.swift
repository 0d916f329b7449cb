import CSQLite
import Dispatch
import Synchronization

/// Moves changes from their log into the database on another core, so that no commit waits for it (a *checkpoint*, as SQLite has it).
///
/// It has a connection of its own. SQLite lets one connection write the log while another moves what was committed before; the log begins anew with
/// the first transaction that finds all of it moved. While commits follow one another closely that may never be: so what little came in
/// during a move is moved by the one who commits (`Store.commit`).
///
/// SQLite before 3.51.3 can lose what is written while a log that has been moved completely is moved again by somebody else (the *WAL-reset bug*). Only
/// this moves it, once at a time, and begins only while some of it is left to move, so that nobody can begin it anew meanwhile. (`Store.scrub` waits
/// until nothing is being moved.)
final class Checkpointer: Sendable {
    private struct Progress {
        var isRunning = false
        /// Pages of the log at the last commit, and how many of them are known to be moved.
        var pages = 0
        var moved = 0
    }

    private let database: Mutex<Database>
    private let progress = Mutex(Progress())
    private let queue = DispatchQueue(label: "nudged.checkpoint")
    /// A log of so many pages is moved.
    private let many: Int
    /// Beyond so many nobody adds more before they are moved.
    private let most: Int
    /// So few are moved by the one who commits.
    private let few: Int

    /// - Parameters:
    ///   - path: of a database whose log is in use.
    ///   - bytes: how long the log may become before it is moved: what is written often meanwhile is moved once.
    init(path: String, bytes: Int) throws(StoreError) {
        let database = try Database(path: path, flags: SQLITE_OPEN_READWRITE)
        try database.execute("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=FULL", doing: "open the database")
        try database.zeroUnusedBytes()
        many = bytes / Int(try database.integer("PRAGMA page_size") ?? 4096)
        most = many * 4
        few = many / 64
        self.database = Mutex(database)
    }

    var isRunning: Bool { progress.withLock(\.isRunning) }

    /// After a commit.
    ///
    /// - Parameter pages: of the log, those that were moved included.
    func committed(_ pages: Int) {
        let left: Int? = progress.withLock { progress in
            // It has begun anew.
            if pages < progress.pages { progress.moved = 0 }
            progress.pages = pages
            return progress.isRunning || pages <= many ? nil : pages - progress.moved
        }
        guard let left, left > 0 else { return }
        guard left > few else { return move() }
        progress.withLock { $0.isRunning = true }
        queue.async { [self] in move() }
    }

    /// Before a transaction begins.
    func waitIfLong() { if progress.withLock({ $0.pages > most }) { finish() } }

    /// Before a transaction of somebody who may wait, while nobody reads: moves what a reader kept from being moved, so that a long log begins anew.
    func moveRest() {
        guard progress.withLock({ $0.pages > many }) else { return }
        finish()
        if progress.withLock({ $0.moved < $0.pages }) { move() }
    }

    /// Waits until nothing is being moved.
    func finish() { queue.sync {} }

    func close() {
        finish()
        database.withLock { $0.close() }
    }

    /// Like SQLite's own checkpoints, which a commit begins, it says nothing of a failure: the changes are safe in their log, and the next one
    /// tries again.
    private func move() {
        let pages = progress.withLock(\.pages)
        let moved = database.withLock { $0.checkpoint() }
        progress.withLock { progress in
            progress.isRunning = false
            // Another commit may have begun the log anew as soon as all was moved.
            progress.moved = progress.pages < pages ? 0 : moved
        }
    }
}
