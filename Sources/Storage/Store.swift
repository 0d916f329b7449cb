import CSQLite
import Engine
import Glibc

/// The state directory: one SQLite database with one writer at a time.
///
/// WAL with `synchronous=FULL`, because a commit is a promise to senders; `secure_delete`, because erased means gone; pages of 4 KiB, which is
/// about one customer, and sorted batches, because writing pages is what a commit costs. Readers open it read-only and are never in its way.
package final class Store {
    let database: Database
    /// The state directory; nil for the temporary store of a replay.
    package let directory: String?
    private let lock: Int32?
    /// Nil: whoever commits moves the log into the database himself.
    let checkpointer: Checkpointer?

    private init(_ database: Database, directory: String?, lock: Int32?, checkpointer: Checkpointer? = nil) {
        self.database = database
        self.directory = directory
        self.lock = lock
        self.checkpointer = checkpointer
    }

    deinit {
        checkpointer?.finish()
        if let lock { Glibc.close(lock) }
    }

    /// Ends it before its last reference goes: nothing can be asked of it any more.
    package func close() {
        if lock != nil { checkpointer?.close() }
        database.close()
    }

    package static let fileName = "nudged.db"

    /// Opens the state for the one daemon that may write it; creates it if there is none.
    ///
    /// - Parameter vfs: the name of a registered SQLite VFS, for tests of crashes and faults; nil: the system's.
    package static func open(directory: String, vfs: String? = nil) throws(StoreError) -> Store {
        try makeDirectory(directory)
        let lockPath = directory + "/lock"
        let lock = Glibc.open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            throw StoreError(
                errno == ENOSPC ? .full : .readOnly,
                "\(lockPath): can't create the lock (\(String(cString: strerror(errno)))); check owner and mode of \(directory)")
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(lock)
            throw StoreError(
                .held, "\(directory): another daemon holds this state; end it first, or give this one a `state` of its own")
        }
        do {
            let path = directory + "/" + fileName
            try refuseEmpty(path, in: directory)
            let isNew = access(path, F_OK) != 0
            let database = try Database(path: path, flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs: vfs)
            if isNew { chmod(path, 0o600) }
            try database.execute("PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE", doing: "open the database")
            try configure(database, durable: true)
            if vfs == nil { try database.zeroUnusedBytes() }
            try migrate(database)
            try database.gatherLog()
            // A simulated disk has one thread, and so has an SQLite that was built for one.
            let checkpointer =
                vfs == nil && sqlite3_threadsafe() != 0 ? try Checkpointer(path: path, bytes: Int(checkpointBytes)) : nil
            if checkpointer != nil { database.countLog() }
            return Store(database, directory: directory, lock: lock, checkpointer: checkpointer)
        } catch {
            Glibc.close(lock)
            throw error
        }
    }

    /// Whether a daemon holds the lock of a state, as the kernel tells. To try the lock would be in the way of a daemon that starts. Nil: it does not tell.
    package static func isHeld(directory: String) -> Bool? {
        var status = stat()
        guard stat(directory + "/lock", &status) == 0 else { return errno == ENOENT ? false : nil }
        guard let locks = fopen("/proc/locks", "re") else { return nil }
        defer { fclose(locks) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, locks) > 0, let text = line.map({ String(cString: $0) }) {
            // 1: FLOCK  ADVISORY  WRITE 708 fd:01:131 0 EOF
            let fields = text.split(separator: " ")
            guard fields.count > 5, fields[1] == "FLOCK", fields[3] == "WRITE" else { continue }
            // Of the device and the inode the latter: some file systems give the former another number.
            if fields[5].split(separator: ":").last.flatMap({ UInt64($0) }) == UInt64(status.st_ino) { return true }
        }
        return false
    }

    /// A second connection, for another thread to write by; nil where there can be none. Only one of the two may write at a time. What this one reads
    /// meanwhile is what was committed before its read began.
    package func second() throws(StoreError) -> sending Store? {
        guard let checkpointer else { return nil }
        let database = try Database(path: database.path, flags: SQLITE_OPEN_READWRITE)
        try Self.configure(database, durable: true)
        try database.zeroUnusedBytes()
        try database.gatherLog()
        database.countLog()
        return Store(database, directory: directory, lock: nil, checkpointer: checkpointer)
    }

    /// A database that has lost all it had is not begun anew, as an empty one would be: who was erased would come back. What lies beside it tells that it
    /// was used.
    private static func refuseEmpty(_ path: String, in directory: String) throws(StoreError) {
        func size(_ path: String) -> Int {
            var status = stat()
            return stat(path, &status) == 0 ? Int(status.st_size) : 0
        }
        guard access(path, F_OK) == 0, size(path) == 0,
            let witness = ["nudged.db-wal", "control.ndjson", "secret"].first(where: { size(directory + "/" + $0) > 0 })
        else { return }
        throw StoreError(
            .corrupt,
            "\(path): the database is empty, but the state has been used (there is \(witness)); restore a backup, or remove the empty file and replay the logs"
        )
    }

    /// Makes the state directory, durably: whatever is committed in it is promised to senders.
    private static func makeDirectory(_ directory: String) throws(StoreError) {
        guard mkdir(directory, 0o700) != 0 else {
            let parent = Glibc.open(directory + "/..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { if parent >= 0 { Glibc.close(parent) } }
            guard parent >= 0, fsync(parent) == 0 else {
                let reason = String(cString: strerror(errno))
                // The next start makes it anew, and syncs it then.
                rmdir(directory)
                throw StoreError(
                    .io, "\(directory): can't make the state directory durable (\(reason)); check the disk, then restart")
            }
            return
        }
        guard errno != EEXIST else { return }
        throw StoreError(.readOnly, "\(directory): can't create the state directory (\(String(cString: strerror(errno))))")
    }

    /// A store that vanishes with the process: what a replay spills to when its state outgrows the cache.
    package static func temporary() throws(StoreError) -> Store {
        let database = try Database(path: "", flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
        try database.execute(
            "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE")
        try migrate(database)
        return Store(database, directory: nil, lock: nil)
    }

    /// Opens the state for reading only, beside a running daemon or without one.
    package static func reader(directory: String) throws(StoreError) -> Store {
        let path = directory + "/" + fileName
        guard access(path, F_OK) == 0 else {
            throw StoreError(.missing, "\(path): there is no state here yet; has the daemon run with this `state` directory?")
        }
        try refuseEmpty(path, in: directory)
        let database = try Database(path: path, flags: SQLITE_OPEN_READONLY)
        try database.execute("PRAGMA busy_timeout=2000", doing: "open the database")
        let version = try database.integer("PRAGMA user_version") ?? 0
        guard version > 0, try database.integer("PRAGMA application_id") == Int64(Schema.applicationID) else {
            throw foreign(path)
        }
        guard version <= Int64(Schema.migrations.count) else { throw newer(path, version) }
        return Store(database, directory: directory, lock: nil)
    }

    private static func configure(_ database: Database, durable: Bool) throws(StoreError) {
        try database.execute(
            """
            PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;
            PRAGMA wal_autocheckpoint=\(Self.checkpointBytes / (try database.integer("PRAGMA page_size") ?? 4096));
            PRAGMA cache_size=-2048; PRAGMA temp_store=MEMORY
            """, doing: "open the database")
    }

    /// The log of changes is moved into the database when it is about so long: what is written often meanwhile is moved once.
    private static let checkpointBytes: Int64 = 64 << 20

    private static func newer(_ path: String, _ version: Int64) -> StoreError {
        StoreError(
            .newer,
            "\(path): written by a newer nudged (schema \(version), this one knows \(Schema.migrations.count)); install that version, or use "
                + "another `state` directory")
    }

    private static func foreign(_ path: String) -> StoreError {
        StoreError(
            .corrupt, "\(path): empty, or a database of another program; give nudged a `state` directory of its own")
    }

    private static func migrate(_ database: Database) throws(StoreError) {
        let version = try database.integer("PRAGMA user_version") ?? 0
        let application = try database.integer("PRAGMA application_id") ?? 0
        guard version <= Int64(Schema.migrations.count) else { throw newer(database.path, version) }
        if version == 0 {
            let tables = try database.integer("SELECT count(*) FROM sqlite_master") ?? 0
            guard tables == 0 else { throw foreign(database.path) }
        } else if application != Int64(Schema.applicationID) {
            throw foreign(database.path)
        }
        for (index, migration) in Schema.migrations.enumerated() where index >= Int(version) {
            try database.execute("BEGIN IMMEDIATE")
            try database.execute(migration, doing: "create the tables")
            try database.execute("PRAGMA application_id=\(Schema.applicationID); PRAGMA user_version=\(index + 1)")
            try database.execute("COMMIT")
        }
    }

    // MARK: Transactions

    /// - Parameter movesLog: the caller may wait, and nobody reads: a long log begins anew with this transaction.
    package func begin(movesLog: Bool = false) throws(StoreError) {
        if movesLog { checkpointer?.moveRest() } else { checkpointer?.waitIfLong() }
        try database.execute("BEGIN IMMEDIATE")
    }

    /// After an error here the outcome is unknown: the caller has to stop, and the next start decides from the database.
    package func commit() throws(StoreError) {
        try database.execute("COMMIT", doing: "commit")
        checkpointer?.committed(database.logPages)
    }

    /// Whether a transaction that begins now would keep the log from beginning anew with the next.
    package var isMoving: Bool { checkpointer?.isRunning ?? false }

    /// Begins a read: what is looked up until `endRead` needs no lock of its own each.
    package func beginRead() throws(StoreError) { try database.execute("BEGIN", doing: "read the state") }
    package func endRead() { try? database.execute("COMMIT") }

    package func rollback() { try? database.execute("ROLLBACK") }

    package func integer(_ sql: String) throws(StoreError) -> Int64? { try database.integer(sql) }

    // MARK: Meta

    package func meta(_ key: String) throws(StoreError) -> String? {
        let statement = try database.statement("SELECT value FROM meta WHERE key=?")
        defer { statement.reset() }
        statement.bind(1, key)
        return try statement.step() ? statement.text(0) : nil
    }

    /// As `meta`, of what is a whole number; nil if there is none.
    package func metaNumber(_ key: String) throws(StoreError) -> Int64? {
        guard let text = try meta(key) else { return nil }
        guard let number = Int64(text) else { throw damaged(key) }
        return number
    }

    /// Those whose keys begin so.
    package func metaEntries(prefix: String) throws(StoreError) -> [(key: String, value: String)] {
        let statement = try database.statement("SELECT key, value FROM meta WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key")
        defer { statement.reset() }
        statement.bind(1, prefix)
        var result: [(key: String, value: String)] = []
        while try statement.step() { result.append((statement.text(0) ?? "", statement.text(1) ?? "")) }
        return result
    }

    /// What `meta` holds under a key can't be what the program wrote.
    func damaged(_ key: String) -> StoreError {
        StoreError(
            .corrupt,
            "\(database.path): the entry `\(key)` of its table meta is damaged; restore a backup, or move the state away and replay the logs"
        )
    }

    package func setMeta(_ key: String, _ value: String) throws(StoreError) {
        let statement = try database.statement(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value")
        statement.bind(1, key)
        statement.bind(2, value)
        try statement.run()
    }

    package func dropMeta(_ key: String) throws(StoreError) {
        let statement = try database.statement("DELETE FROM meta WHERE key=?")
        statement.bind(1, key)
        try statement.run()
    }

    // MARK: What is kept since when

    /// By name of a series: the longest window for which it is kept, in milliseconds; nothing of those from before this was noted.
    package func keptFor() throws(StoreError) -> [String: Milliseconds] {
        var result: [String: Milliseconds] = [:]
        for (key, text) in try metaEntries(prefix: "kept_for|") { result[String(key.dropFirst(9))] = Milliseconds(text) }
        return result
    }

    package func setKept(_ name: String, for window: Milliseconds) throws(StoreError) {
        try setMeta("kept_for|" + name, String(window))
    }

    /// By name of a series or mark: the engine time from which it is kept; nil inside: from the very beginning.
    package func keptSince() throws(StoreError) -> [String: Instant?] {
        var result: [String: Instant?] = [:]
        for (key, text) in try metaEntries(prefix: "kept|") {
            let since = Instant(text)
            guard since != nil || text.isEmpty else { throw damaged(key) }
            result[String(key.dropFirst(5))] = .some(since)
        }
        return result
    }

    package func setKept(_ name: String, since: Instant?) throws(StoreError) {
        try setMeta("kept|" + name, since.map { String($0) } ?? "")
    }

    package func dropKept(_ name: String) throws(StoreError) {
        try dropMeta("kept|" + name)
        try dropMeta("kept_for|" + name)
    }
}
