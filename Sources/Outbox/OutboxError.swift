import Glibc

/// Why an outbox could not do what was asked: which path, which operation, what the kernel said, and what to do about it.
package struct OutboxError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The causes that a caller handles differently.
    package enum Kind: Equatable, Sendable {
        /// ENOSPC or EDQUOT: messages wait and go on by themselves when there is room.
        case diskFull
        /// EIO: what reached the disk is unknown; leave the process without publishing, the next start decides.
        case inputOutput
        /// EACCES or EPERM.
        case permission
        /// EROFS.
        case readOnly
        /// ENOENT or ENOTDIR: a directory of the outbox, or a file in it, is not there.
        case missing
        /// The outbox's directory is there but holds no marker: most likely its disk is not mounted.
        case markerMissing
        /// The marker holds another id than the database knows: another disk, or another daemon's outbox.
        case markerDiffers
        /// The path or one of the five directories is no longer the one that was opened (mounted over, moved, made anew).
        case replaced
        /// A new outbox was to be created where files already lie.
        case occupied
        /// A name that no message can have; the caller's mistake, nothing was touched.
        case invalidName
        /// The file system lacks what the protocol needs (renames that do not replace, links, one device).
        case unsupported
        /// Any other errno.
        case other
    }

    package let kind: Kind
    /// What was tried, as a verb: `write`, `rename`, `fsync`.
    package let operation: String
    /// The file or directory it was tried on.
    package let path: String
    /// The errno, or 0 where no system call failed.
    package let code: Int32

    package init(kind: Kind, operation: String, path: String, code: Int32 = 0) {
        self.kind = kind
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// An error of a system call, its kind read from `code` (an errno).
    package init(operation: String, path: String, code: Int32) {
        self.init(kind: Self.kind(of: code), operation: operation, path: path, code: code)
    }

    /// Whether the outbox as a whole is not there (not mounted, another one, moved), so that nothing may be done in it
    /// until a check passes again. Messages wait.
    package var isAbsent: Bool {
        switch kind {
        case .missing, .markerMissing, .markerDiffers, .replaced: true
        default: false
        }
    }

    /// What happened, in one line, and what to do.
    package var description: String {
        let cause = code == 0 ? "" : " (\(String(cString: strerror(code))))"
        return "cannot \(operation) \(path)\(cause): \(advice)"
    }

    /// One sentence on what to do.
    package var advice: String {
        switch kind {
        case .diskFull:
            "the disk or its quota is full; free some space or prune done/ and failed/, the messages wait and go on by themselves"
        case .inputOutput: "the disk reports an error; check it (dmesg, smartctl) before starting again"
        case .permission: "give the daemon's user and group write access to the outbox (directories mode 2770)"
        case .readOnly: "the file system is mounted read-only; mount it read-write"
        case .missing: "it is not there; mount the outbox's disk or bring the directory back"
        case .markerMissing: "the file .nudged-outbox is missing; mount the outbox's disk, nothing is written here until then"
        case .markerDiffers:
            "its .nudged-outbox is not the one that the database knows; mount the right disk or correct the path in the configuration"
        case .replaced: "it is not the directory that was opened; mount the outbox's disk again or restart the daemon"
        case .occupied:
            "there are files but no marker of this daemon; choose an empty directory, or bring back the .nudged-outbox that belongs here"
        case .invalidName: "this is not a message's file name (TIME-ID.json)"
        case .unsupported:
            "keep the outbox on one local file system with links or non-replacing renames (ext4, XFS, Btrfs, tmpfs)"
        case .other: "check the outbox's directory and its file system"
        }
    }

    private static func kind(of code: Int32) -> Kind {
        switch code {
        case ENOSPC, EDQUOT: .diskFull
        case EIO: .inputOutput
        case EACCES, EPERM: .permission
        case EROFS: .readOnly
        case ENOENT, ENOTDIR: .missing
        case EXDEV, EOPNOTSUPP, ENOSYS: .unsupported
        default: .other
        }
    }
}
