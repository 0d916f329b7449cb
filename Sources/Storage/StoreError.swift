import CSQLite

/// Why the state database cannot be used, in words for the person who has to act.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// Another daemon holds the state directory.
        case held
        /// Written by a newer program.
        case newer
        /// Not a database, or damaged.
        case corrupt
        /// May not be written or created.
        case readOnly
        /// The disk is full: goes away by itself once there is room.
        case full
        /// The disk failed.
        case io
        /// There is no state here.
        case missing
        case other
    }

    package let kind: Kind
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }

    /// From SQLite's extended result code.
    init(code: Int32, doing what: String, path: String, detail: String) {
        let kind: Kind
        let advice: String
        // The index of the log could not grow: SQLite calls that an input or output error, and only a full disk does it.
        let shmSize = SQLITE_IOERR | 19 << 8
        switch code == shmSize ? SQLITE_FULL : code & 0xFF {
        case SQLITE_FULL:
            kind = .full
            advice = "the disk is full; free some space, the daemon goes on by itself"
        case SQLITE_IOERR:
            kind = .io
            advice = "the disk failed (\(detail)); check it, then restart"
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            kind = .corrupt
            advice = "the database is damaged or is none (\(detail)); restore a backup, or move it away and replay the logs"
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_CANTOPEN, SQLITE_AUTH:
            kind = .readOnly
            advice = "it can't be opened for writing (\(detail)); check owner and mode of the directory and its files"
        case SQLITE_BUSY, SQLITE_LOCKED:
            kind = .held
            advice = "another program holds it; end that one first"
        default:
            kind = .other
            advice = detail
        }
        self.init(kind, "\(path): could not \(what): \(advice)")
    }
}
