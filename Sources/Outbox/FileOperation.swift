import CLinux
import Glibc

/// The places of an outbox: its own directory and the five below it.
package enum Folder: Int, CaseIterable, Sendable {
    case tmp, new, cur, done, failed

    package var name: String {
        switch self {
        case .tmp: "tmp"
        case .new: "new"
        case .cur: "cur"
        case .done: "done"
        case .failed: "failed"
        }
    }
}

/// Every change that an outbox makes on its file system, told to the observer just before it is made.
///
/// There are no others: a test that records these knows what a power loss can take, and one that throws from the
/// observer stops the program, or fails the call, at exactly that place.
package enum FileOperation: Equatable, Sendable {
    /// A new, empty file.
    case create(Folder, String)
    /// All of a new file's bytes.
    case write(Folder, String, [UInt8])
    /// fsync of a file.
    case syncFile(Folder, String)
    /// fsync of a directory: the names in it are durable.
    case syncFolder(Folder)
    /// syncfs: everything is durable.
    case syncAll
    case rename(Folder, String, Folder, String)
    /// A second name of a file, where the file system has no rename that does not replace.
    case link(Folder, String, Folder, String)
    case remove(Folder, String)
}

/// The system calls on held directory descriptors. Nothing else in this target changes a file.
extension OutboxDirectory {
    func descriptor(_ folder: Folder) -> Int32 { folders[folder.rawValue].number }

    func place(_ folder: Folder, _ name: String = "") -> String {
        name.isEmpty ? "\(path)/\(folder.name)" : "\(path)/\(folder.name)/\(name)"
    }

    func failure(_ operation: String, _ folder: Folder, _ name: String = "", code: Int32 = errno) -> OutboxError {
        OutboxError(operation: operation, path: place(folder, name), code: code)
    }

    /// A new file; what is left of that name is removed rather than truncated, because it may have another name by which it is published.
    mutating func create(_ folder: Folder, _ name: String) throws(OutboxError) -> Descriptor {
        try observer?(.create(folder, name))
        var number = createExclusively(folder, name)
        if number < 0, errno == EEXIST {
            try remove(folder, name)
            try observer?(.create(folder, name))
            number = createExclusively(folder, name)
        }
        guard number >= 0 else { throw failure("create", folder, name) }
        let file = Descriptor(owning: number)
        // The umask may have taken the group's right to read, and the senders are the group. One file tells for all.
        if !keepsMode { keepsMode = file.status.map { $0.st_mode & 0o777 == Self.fileMode } ?? false }
        if !keepsMode, fchmod(number, Self.fileMode) != 0 { throw failure("set the mode of", folder, name) }
        return file
    }

    private static let fileMode: mode_t = 0o640

    private func createExclusively(_ folder: Folder, _ name: String) -> Int32 {
        retrying { openat(descriptor(folder), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, Self.fileMode) }
    }

    func write(_ bytes: [UInt8], to file: Descriptor, _ folder: Folder, _ name: String) throws(OutboxError) {
        try observer?(.write(folder, name, bytes))
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                retrying { Glibc.write(file.number, buffer.baseAddress.map { $0 + written }, buffer.count - written) }
            }
            guard count > 0 else { throw failure("write", folder, name, code: count == 0 ? ENOSPC : errno) }
            written += count
        }
    }

    func sync(_ file: Descriptor, _ folder: Folder, _ name: String) throws(OutboxError) {
        try observer?(.syncFile(folder, name))
        guard retrying({ fsync(file.number) }) == 0 else { throw failure("fsync", folder, name) }
    }

    func sync(_ folder: Folder) throws(OutboxError) {
        try observer?(.syncFolder(folder))
        guard retrying({ fsync(descriptor(folder)) }) == 0 else { throw failure("fsync", folder) }
    }

    func syncAll() throws(OutboxError) {
        try observer?(.syncAll)
        guard retrying({ nudged_syncfs(root.number) }) == 0 else {
            throw OutboxError(operation: "syncfs", path: path, code: errno)
        }
    }

    /// Removes a file; false if there was none.
    @discardableResult
    func remove(_ folder: Folder, _ name: String) throws(OutboxError) -> Bool {
        guard status(folder, name) != nil else {
            guard errno == ENOENT else { throw failure("look at", folder, name) }
            return false
        }
        try observer?(.remove(folder, name))
        guard unlinkat(descriptor(folder), name, 0) == 0 else {
            guard errno == ENOENT else { throw failure("remove", folder, name) }
            return false
        }
        return true
    }

    /// What became of a rename that never replaces.
    enum Move { case moved, taken, absent }

    /// How to rename without replacing where the file system has no such rename.
    enum Fallback {
        /// `link`, which never replaces, then the removal of the old name; in between the file has both, which `isLinked`
        /// tells afterwards. For `new/`, where anything may turn up at any time.
        case link
        /// A look whether the name is free, then a rename. For names that nothing but this daemon makes at that moment.
        case look
    }

    /// Renames by the call that never replaces a file; nil where the file system has none.
    func rename(_ from: Folder, _ name: String, to: Folder, _ newName: String) throws(OutboxError) -> Move? {
        guard renamesWithoutReplacing else { return nil }
        try observer?(.rename(from, name, to, newName))
        if nudged_rename_noreplace(descriptor(from), name, descriptor(to), newName) == 0 { return .moved }
        let code = errno
        if code == EINVAL || code == ENOSYS || code == EOPNOTSUPP { return nil }
        return try moveFailed(from, name, to, newName, code: code)
    }

    /// Renames without ever replacing a file.
    func move(
        _ from: Folder, _ name: String, to: Folder, _ newName: String, fallback: Fallback
    ) throws(OutboxError) -> Move {
        if let moved = try rename(from, name, to: to, newName) { return moved }
        return try moveOtherwise(from, name, to: to, newName, fallback: fallback)
    }

    /// Where there is no call that never replaces.
    func moveOtherwise(
        _ from: Folder, _ name: String, to: Folder, _ newName: String, fallback: Fallback
    ) throws(OutboxError) -> Move {
        switch fallback {
        case .link:
            try observer?(.link(from, name, to, newName))
            guard linkat(descriptor(from), name, descriptor(to), newName, 0) == 0 else {
                return try moveFailed(from, name, to, newName, code: errno)
            }
            // Nothing is known about the order in which such a file system writes names: the new one first.
            try sync(to)
            try remove(from, name)
        case .look:
            if status(to, newName) != nil { return .taken }
            try observer?(.rename(from, name, to, newName))
            guard renameat(descriptor(from), name, descriptor(to), newName) == 0 else {
                return try moveFailed(from, name, to, newName, code: errno)
            }
        }
        return .moved
    }

    private func moveFailed(
        _ from: Folder, _ name: String, _ to: Folder, _ newName: String, code: Int32
    ) throws(OutboxError) -> Move {
        switch code {
        case EEXIST: return .taken
        // ENOENT is also what a directory gives that was removed while open: only if the file is really gone is it absent.
        case ENOENT where status(from, name) == nil && errno == ENOENT: return .absent
        default: throw failure("rename to \(to.name)/", from, name, code: code)
        }
    }

    /// The status of a file, not following links, or nil with errno.
    func status(_ folder: Folder, _ name: String) -> stat? {
        var status = stat()
        return fstatat(descriptor(folder), name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    /// Whether the file has its message's name in one of the senders' directories too, left by a `link` whose old name
    /// was not removed any more. It is published then.
    func isLinked(_ name: String) -> Bool {
        guard let own = status(.tmp, name), own.st_nlink > 1 else { return false }
        return [Folder.new, .cur, .done, .failed].contains { folder in
            status(folder, name).map { Identity($0) == Identity(own) } ?? false
        }
    }

    /// Every name in a folder, in no order.
    func entries(_ folder: Folder) throws(OutboxError) -> [String] {
        var names: [String] = []
        try visit(folder) { names.append($0) }
        return names
    }

    /// Calls `body` with every name in a folder, in no order.
    func visit(_ folder: Folder, _ body: (String) -> Void) throws(OutboxError) {
        let number = retrying { openat(descriptor(folder), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard number >= 0 else { throw failure("list", folder) }
        guard let stream = fdopendir(number) else {
            let code = errno
            close(number)
            throw failure("list", folder, code: code)
        }
        defer { closedir(stream) }
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw failure("list", folder) }
                return
            }
            // Read in place: an entry is shorter than its type says.
            guard let start = MemoryLayout<dirent>.offset(of: \.d_name) else { return }
            let name = String(cString: (UnsafeRawPointer(entry) + start).assumingMemoryBound(to: CChar.self))
            if name != "." && name != ".." { body(name) }
        }
    }
}
