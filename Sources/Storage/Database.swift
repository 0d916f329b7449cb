import CLogBuffer
import CSQLite
import CUnusedBytes

/// One connection to SQLite, and the statements prepared on it. Owned by one thread of control.
///
/// Raw C calls, because a bound row costs a fifth of what an object mapper takes and this is where a batch's time goes.
final class Database {
    let path: String
    /// Nil once it is closed: SQLite refuses everything then.
    private var handle: OpaquePointer?
    private var statements: [String: Statement] = [:]
    private let logCount = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    private static let isSetUp = nudged_sqlite_counts_no_memory() == SQLITE_OK

    /// - Parameters:
    ///   - flags: `SQLITE_OPEN_…`
    ///   - vfs: the name of a registered VFS; nil: the system's.
    init(path: String, flags: Int32, vfs: String? = nil) throws(StoreError) {
        _ = Self.isSetUp
        var handle: OpaquePointer?
        let code = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs)
        guard code == SQLITE_OK, let handle else {
            let detail = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
            sqlite3_close_v2(handle)
            throw StoreError(code: code, doing: "open the database", path: path, detail: detail)
        }
        self.path = path
        self.handle = handle
        logCount.initialize(to: 0)
    }

    deinit {
        close()
        logCount.deallocate()
    }

    /// Ends the connection; the last one moves the log into the database and removes it.
    func close() {
        statements.removeAll()
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// Whatever is written to the file from now on has zeros where no row is: `secure_delete` alone leaves copies of deleted rows in pages that
    /// were balanced.
    func zeroUnusedBytes() throws(StoreError) {
        try execute("PRAGMA max_page_count=\(NUDGED_MOST_PAGES)", doing: "open the database")
        let code = nudged_zero_unused_bytes(handle)
        guard code == SQLITE_OK else { throw error(code, doing: "open the database") }
    }

    /// From now on what is written to the log of changes goes to its file in large pieces.
    func gatherLog() throws(StoreError) {
        let code = nudged_gather_log(handle)
        guard code == SQLITE_OK else { throw error(code, doing: "open the database") }
    }

    /// From now on the caller sees to checkpoints; `logPages` says how long the log has become.
    func countLog() {
        sqlite3_wal_hook(
            handle,
            { context, _, _, pages in
                context?.assumingMemoryBound(to: Int.self).pointee = Int(pages)
                return SQLITE_OK
            }, logCount)
    }

    /// Pages of the log after the last commit, those before it that were moved included; 0 before the first.
    var logPages: Int { logCount.pointee }

    /// Moves what is committed from the log into the database, without keeping anybody waiting; gives how many pages of the log are moved by now.
    func checkpoint() -> Int {
        var moved: Int32 = 0
        sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, &moved)
        return Int(max(0, moved))
    }

    /// Runs SQL that gives no rows.
    func execute(_ sql: String, doing what: String = "write the state") throws(StoreError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error(code, doing: what) }
    }

    /// Rows that the last statement inserted, changed or deleted.
    var changes: Int { Int(sqlite3_changes(handle)) }

    func error(_ code: Int32, doing what: String) -> StoreError {
        StoreError(code: code, doing: what, path: path, detail: String(cString: sqlite3_errmsg(handle)))
    }

    /// A statement, prepared once and kept.
    func statement(_ sql: String) throws(StoreError) -> Statement {
        if let known = statements[sql] { return known }
        let statement = try Statement(sql, on: self)
        statements[sql] = statement
        return statement
    }

    /// Reads one integer; nil if there is no row or it is NULL.
    func integer(_ sql: String) throws(StoreError) -> Int64? {
        let statement = try statement(sql)
        defer { statement.reset() }
        return try statement.step() ? statement.optionalInteger(0) : nil
    }

    func text(_ sql: String) throws(StoreError) -> String? {
        let statement = try statement(sql)
        defer { statement.reset() }
        return try statement.step() ? statement.text(0) : nil
    }

    fileprivate func prepare(_ sql: String) throws(StoreError) -> OpaquePointer {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw error(code, doing: "read the state") }
        return statement
    }
}

/// A prepared statement. Values are bound from 1; columns are read from 0 and are valid until the next step.
final class Statement {
    private let handle: OpaquePointer
    private unowned let database: Database

    init(_ sql: String, on database: Database) throws(StoreError) {
        handle = try database.prepare(sql)
        self.database = database
    }

    deinit { sqlite3_finalize(handle) }

    /// The first of the values bound lately that SQLite did not take, because it is too large or there is no memory.
    private var refusal = SQLITE_OK
    private func note(_ code: Int32) { if code != SQLITE_OK, refusal == SQLITE_OK { refusal = code } }

    func bind(_ index: Int32, _ value: Int64) { note(sqlite3_bind_int64(handle, index, value)) }
    func bind(_ index: Int32, _ value: Int64?) {
        note(value.map { sqlite3_bind_int64(handle, index, $0) } ?? sqlite3_bind_null(handle, index))
    }
    func bind(_ index: Int32, _ value: String?) {
        guard var value else { return note(sqlite3_bind_null(handle, index)) }
        value.withUTF8 { bind(index, text: UnsafeRawBufferPointer($0)) }
    }
    func bind(_ index: Int32, text value: [UInt8]?) {
        guard let value else { return note(sqlite3_bind_null(handle, index)) }
        value.withUnsafeBytes { bind(index, text: $0) }
    }
    func bind(_ index: Int32, blob value: [UInt8]?) {
        guard let value else { return note(sqlite3_bind_null(handle, index)) }
        value.withUnsafeBytes { bytes in
            note(
                bytes.isEmpty
                    ? sqlite3_bind_zeroblob(handle, index, 0)
                    : sqlite3_bind_blob64(handle, index, bytes.baseAddress, UInt64(bytes.count), Self.transient))
        }
    }

    /// Binds bytes without a copy, null if there are none: they have to stay where they are until the statement has run, and it is bound anew or
    /// cleared before it runs again.
    func bind(_ index: Int32, lent bytes: UnsafeRawBufferPointer, isText: Bool) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return note(sqlite3_bind_null(handle, index)) }
        note(
            isText
                ? sqlite3_bind_text64(
                    handle, index, start.assumingMemoryBound(to: CChar.self), UInt64(bytes.count), nil, UInt8(SQLITE_UTF8))
                : sqlite3_bind_blob64(handle, index, start, UInt64(bytes.count), nil))
    }

    /// Forgets all that is bound.
    func clear() { sqlite3_clear_bindings(handle) }

    private func bind(_ index: Int32, text bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else {
            return note(sqlite3_bind_text(handle, index, "", 0, Self.transient))
        }
        note(
            sqlite3_bind_text64(
                handle, index, start.assumingMemoryBound(to: CChar.self), UInt64(bytes.count), Self.transient, UInt8(SQLITE_UTF8))
        )
    }

    /// SQLite copies what is bound, so that no pointer outlives its call.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    /// Advances to the next row; false when there is none.
    ///
    /// It runs only if all values that were bound have been taken.
    func step() throws(StoreError) -> Bool {
        guard refusal == SQLITE_OK else {
            defer { refusal = SQLITE_OK }
            throw database.error(refusal, doing: "write the state")
        }
        let code = sqlite3_step(handle)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let error = database.error(code, doing: sqlite3_stmt_readonly(handle) != 0 ? "read the state" : "write the state")
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs a statement that gives no rows, and makes it ready for the next values.
    func run() throws(StoreError) {
        _ = try step()
        sqlite3_reset(handle)
    }

    func reset() { sqlite3_reset(handle) }

    var columns: Int { Int(sqlite3_column_count(handle)) }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }
    func optionalInteger(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : sqlite3_column_int64(handle, column)
    }
    func bytes(_ column: Int32) -> [UInt8]? {
        guard sqlite3_column_type(handle, column) != SQLITE_NULL else { return nil }
        let count = Int(sqlite3_column_bytes(handle, column))
        guard count > 0, let start = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }
    /// The bytes of a column where SQLite has them; none if it is NULL.
    func withBytes(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> Void) {
        let start = sqlite3_column_blob(handle, column)
        body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column))))
    }
    func text(_ column: Int32) -> String? { bytes(column).map { String(decoding: $0, as: UTF8.self) } }
}
