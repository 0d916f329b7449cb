import Glibc

/// One outbox: a directory on one file system, into which messages are put as files exactly once.
///
/// # The directories
///
/// `tmp/` holds what is not published yet, `new/` what a sender may claim, `cur/` what a sender has claimed, `done/` and
/// `failed/` what senders are through with. `.nudged-outbox` holds an id that the database knows too: where it is missing or
/// another one, as when the disk is not mounted, nothing at all is done.
///
/// # Exactly once
///
/// 1. `stage` writes `tmp/NAME` completely; `sync` makes all files of a batch and their names durable.
/// 2. The caller commits the rows as `staged`, together with everything else of the batch.
/// 3. `publish` renames `tmp/NAME` to `new/NAME`, never over a file, and makes the renames durable.
/// 4. The caller marks the rows `published` with its next transaction.
///
/// `tmp/` is the witness. After a crash anywhere, the row and `tmp/` together tell what happened:
///
/// | row | `tmp/NAME` | so |
/// | --- | --- | --- |
/// | none, or `pending` | there | the crash came before the commit of step 2: the file is deleted (`pending` is staged anew) |
/// | `staged` | there | the crash came before step 3: it is renamed now |
/// | `staged` | gone | it was renamed, whatever a sender has done with it since: the row becomes `published` |
///
/// A file that cannot be written leaves its row `pending`, and it goes through the same steps later. If the caller's commit
/// fails, its outcome is unknown: the process ends without publishing, and the next start decides from the database.
///
/// To take a message back the caller commits the intent; `withdraw` renames `new/NAME` to `tmp/NAME.withdrawn`, the witness;
/// the caller commits the outcome; `discard` deletes the witness. A sender's claim is a rename too, so exactly one wins.
///
/// # What is where
///
/// This file: opening and creating. `Staging`: steps 1 and 3. `Recovery`: the table above, and taking back. `Claims`: files
/// that dead senders left in `cur/`. `Pruning`: what leaves the outbox. `FileOperation`: the system calls, all of them.
///
/// Invariants: every path below the outbox is reached through a held directory descriptor; only names of a message's shape are
/// touched; no clock is read. A value of this type has one owner, who is the only one to stage with it.
package struct OutboxDirectory: Sendable {
    /// Told of every change just before it is made; throwing prevents it and fails the call. For tests of crashes and faults.
    package typealias Observer = @Sendable (FileOperation) throws(OutboxError) -> Void

    /// The path it was opened by.
    package let path: String
    /// The id in its marker.
    package let id: String

    let root: Descriptor
    /// One for each `Folder`, in order.
    let folders: [Descriptor]
    private let rootIdentity: Identity
    private let folderIdentities: [Identity]
    /// The marker's file as it was when it was read.
    private let markerStamp: MarkerStamp?

    let observer: Observer?
    /// Whether the file system has renames that never replace; tests switch it off to go the other way.
    var renamesWithoutReplacing = true
    /// Whether a file in `tmp/` may have a second name by which it is published: until `recover` has settled those of other processes, and
    /// where the file system has no such renames.
    var mayHaveLinks = true
    /// Whether new files keep the mode they are created with.
    var keepsMode = false
    /// What `stage` wrote since the last `sync`.
    var unsynced = Unsynced()
    /// The error after which what is on the disk is unknown. Nothing more is staged or published by this value.
    var broken: OutboxError?

    static let markerName = ".nudged-outbox"
    private static let directoryMode: mode_t = 0o2770

    /// Opens the outbox at `path`.
    ///
    /// - Parameter id: the id that the database knows for it.
    /// - Throws: `markerMissing`, `markerDiffers` or `missing` (all `isAbsent`) if this is not the outbox that the database
    ///   knows, for example because its disk is not mounted; `unsupported` if its directories lie on several file systems.
    ///   Nothing is created or changed.
    package static func open(path: String, expecting id: String, observer: Observer? = nil) throws(OutboxError) -> Self {
        let root = try openDirectory(path, at: AT_FDCWD, of: nil)
        try compareMarker(root, path: path, id: id)
        return try OutboxDirectory(path: path, id: id, root: root, observer: observer)
    }

    /// Creates an outbox at `path` with the marker `id`, all of it durable when this returns; parents are made as needed.
    ///
    /// Only for an outbox that has never been there. The marker is written last, and an outbox that already holds this very
    /// `id` is just opened: so a caller commits the id as "being created", calls this, and commits that it is, and may crash
    /// anywhere in between.
    ///
    /// - Parameter id: a random id, not empty, without line breaks, at most 200 bytes.
    /// - Throws: `markerDiffers` if there is another outbox at `path`; `occupied` if one of the five directories is there and
    ///   not empty while no marker is.
    package static func create(path: String, id: String, observer: Observer? = nil) throws(OutboxError) -> Self {
        try makeDirectories(path)
        let root = try openDirectory(path, at: AT_FDCWD, of: nil)
        do throws(OutboxError) {
            try compareMarker(root, path: path, id: id)
        } catch  where error.kind == .markerMissing {
            for folder in Folder.allCases { try makeDirectory(folder.name, in: root, path: path) }
            let created = try OutboxDirectory(path: path, id: id, root: root, observer: observer)
            for folder in Folder.allCases where try !created.entries(folder).isEmpty {
                throw OutboxError(kind: .occupied, operation: "create an outbox at", path: path)
            }
            for folder in created.folders { try syncDirectory(folder, path: path) }
            try syncDirectory(root, path: path)
            try writeMarker(id, root: root, path: path)
            return created
        }
        return try OutboxDirectory(path: path, id: id, root: root, observer: observer)
    }

    private init(path: String, id: String, root: Descriptor, observer: Observer?) throws(OutboxError) {
        guard let status = root.status else { throw OutboxError(operation: "look at", path: path, code: errno) }
        var folders: [Descriptor] = []
        var identities: [Identity] = []
        for folder in Folder.allCases {
            let opened = try Self.openDirectory(folder.name, at: root.number, of: path)
            guard let own = opened.status else {
                throw OutboxError(operation: "look at", path: "\(path)/\(folder.name)", code: errno)
            }
            guard own.st_dev == status.st_dev else {
                throw OutboxError(operation: "rename into", path: "\(path)/\(folder.name)", code: EXDEV)
            }
            folders.append(opened)
            identities.append(Identity(own))
        }
        self.path = path
        self.id = id
        self.root = root
        self.folders = folders
        self.rootIdentity = Identity(status)
        self.folderIdentities = identities
        markerStamp = MarkerStamp(root)
        self.observer = observer
    }

    /// Checks that this still is the outbox that was opened: marker, device and directories. Seven system calls without
    /// any disk access, cheap enough for every batch and every poll; whatever changes files begins with it.
    ///
    /// - Throws: an error that `isAbsent` if not.
    package func check() throws(OutboxError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw OutboxError(operation: "reach", path: path, code: errno) }
        guard Identity(status) == rootIdentity else {
            // Another directory lies there now: most often the bare mount point, so the marker tells more.
            try Self.compareMarker(Self.openDirectory(path, at: AT_FDCWD, of: nil), path: path, id: id)
            throw OutboxError(kind: .replaced, operation: "use", path: path)
        }
        // What has not been touched since it was opened needs not be read again.
        if markerStamp == nil || MarkerStamp(root) != markerStamp { try Self.compareMarker(root, path: path, id: id) }
        for folder in Folder.allCases {
            guard fstatat(root.number, folder.name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw failure("reach", folder) }
            guard Identity(status) == folderIdentities[folder.rawValue] else {
                throw OutboxError(kind: .replaced, operation: "use", path: place(folder))
            }
        }
    }

    /// What a change of the marker changes; the kernel's clock of changes is coarse, but nobody marks an outbox twice within its tick.
    private struct MarkerStamp: Equatable {
        let identity: Identity
        let size: Int
        let seconds: Int
        let nanoseconds: Int

        /// Nil if there is none.
        init?(_ root: Descriptor) {
            var status = stat()
            guard fstatat(root.number, OutboxDirectory.markerName, &status, AT_SYMLINK_NOFOLLOW) == 0, status.isRegular else {
                return nil
            }
            identity = Identity(status)
            size = Int(status.st_size)
            seconds = status.st_ctim.tv_sec
            nanoseconds = status.st_ctim.tv_nsec
        }
    }

    private static func openDirectory(_ name: String, at parent: Int32, of path: String?) throws(OutboxError) -> Descriptor {
        // The outbox itself may be reached through a symbolic link, what is in it may not.
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (path == nil ? 0 : O_NOFOLLOW)
        let number = retrying { openat(parent, name, flags) }
        guard number >= 0 else {
            throw OutboxError(operation: "open", path: path.map { "\($0)/\(name)" } ?? name, code: errno)
        }
        return Descriptor(owning: number)
    }

    /// Throws unless the marker is there and holds `id`.
    private static func compareMarker(_ root: Descriptor, path: String, id: String) throws(OutboxError) {
        let file = "\(path)/\(markerName)"
        let number = retrying { openat(root.number, markerName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
        guard number >= 0 else {
            if errno == ENOENT { throw OutboxError(kind: .markerMissing, operation: "use", path: path, code: 0) }
            throw OutboxError(operation: "read", path: file, code: errno)
        }
        let marker = Descriptor(owning: number)
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = retrying { read(marker.number, &bytes, bytes.count) }
        guard count >= 0 else { throw OutboxError(operation: "read", path: file, code: errno) }
        guard bytes[..<count].elementsEqual((id + "\n").utf8) || bytes[..<count].elementsEqual(id.utf8) else {
            throw OutboxError(kind: .markerDiffers, operation: "use", path: path)
        }
    }

    /// Writes the marker under another name and renames it, so that it is never there in part.
    private static func writeMarker(_ id: String, root: Descriptor, path: String) throws(OutboxError) {
        let temporary = markerName + ".new"
        let file = "\(path)/\(temporary)"
        unlinkat(root.number, temporary, 0)
        let number = retrying { openat(root.number, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640 as mode_t) }
        guard number >= 0 else { throw OutboxError(operation: "create", path: file, code: errno) }
        let marker = Descriptor(owning: number)
        let bytes = Array((id + "\n").utf8)
        let count = retrying { Glibc.write(marker.number, bytes, bytes.count) }
        guard count == bytes.count else { throw OutboxError(operation: "write", path: file, code: count < 0 ? errno : ENOSPC) }
        guard retrying({ fsync(marker.number) }) == 0 else { throw OutboxError(operation: "fsync", path: file, code: errno) }
        guard renameat(root.number, temporary, root.number, markerName) == 0 else {
            throw OutboxError(operation: "rename", path: file, code: errno)
        }
        try syncDirectory(root, path: path)
    }

    /// Makes `path` and its missing parents, each durable in its own parent.
    private static func makeDirectories(_ path: String) throws(OutboxError) {
        var status = stat()
        if stat(path, &status) == 0 { return }
        guard errno == ENOENT else { throw OutboxError(operation: "reach", path: path, code: errno) }
        let trimmed = path.last == "/" ? String(path.dropLast()) : path
        guard !trimmed.isEmpty else { throw OutboxError(operation: "create", path: path, code: ENOENT) }
        let slash = trimmed.lastIndex(of: "/")
        let parent = slash.map { $0 == trimmed.startIndex ? "/" : String(trimmed[..<$0]) } ?? "."
        try makeDirectories(parent)
        let opened = try openDirectory(parent, at: AT_FDCWD, of: nil)
        try makeDirectory(slash.map { String(trimmed[trimmed.index(after: $0)...]) } ?? trimmed, in: opened, path: parent)
        try syncDirectory(opened, path: parent)
    }

    /// Makes one directory, mode 2770; one that is there already is left as it is.
    private static func makeDirectory(_ name: String, in parent: Descriptor, path: String) throws(OutboxError) {
        if name.isEmpty || name == "." || name == ".." { return }
        guard mkdirat(parent.number, name, 0o770) == 0 else {
            if errno == EEXIST { return }
            throw OutboxError(operation: "create", path: "\(path)/\(name)", code: errno)
        }
        let made = try openDirectory(name, at: parent.number, of: path)
        // A hardened service may not set the group bit (RestrictSUIDSGID); it is inherited then from a parent that has it.
        if fchmod(made.number, directoryMode) == 0 { return }
        let refusal = errno
        let inherits = made.status.map { $0.st_mode & S_ISGID != 0 } ?? false
        guard refusal == EPERM, inherits || fchmod(made.number, 0o770) == 0 else {
            throw OutboxError(operation: "set the mode of", path: "\(path)/\(name)", code: refusal)
        }
    }

    private static func syncDirectory(_ directory: Descriptor, path: String) throws(OutboxError) {
        guard retrying({ fsync(directory.number) }) == 0 else { throw OutboxError(operation: "fsync", path: path, code: errno) }
    }
}
