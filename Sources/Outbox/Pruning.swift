import Engine
import Glibc

extension OutboxDirectory {
    /// Deletes what has been in `done/` and `failed/` for longer than `keep`.
    ///
    /// A file's age counts from its last modification. A message in `failed/` and its `.reason` count as one, as old as the
    /// younger of them, because the reason was written when it was given up; they go together.
    ///
    /// - Parameters:
    ///   - now: milliseconds since 1970 UTC.
    ///   - keep: milliseconds; files of exactly this age are kept.
    /// - Returns: how many files were deleted, reasons included. No fsync: what a power loss brings back is pruned again.
    @discardableResult
    package func prune(now: Int64, keep: Int64) throws(OutboxError) -> Int {
        try check()
        var deleted = 0
        for name in try entries(.done) where MessageName.isMessage(name) {
            if let status = status(.done, name), now - status.modified > keep, try remove(.done, name) { deleted += 1 }
        }
        // For each message the time of the younger of its two files, and which there are.
        var failed: [String: (modified: Int64, names: [String])] = [:]
        for name in try entries(.failed) {
            guard let message = MessageName.isMessage(name) ? name : MessageName.failed(by: name),
                let status = status(.failed, name)
            else { continue }
            let known = failed[message] ?? (.min, [])
            failed[message] = (max(known.modified, status.modified), known.names + [name])
        }
        for (modified, names) in failed.values where now - modified > keep {
            // The reason last: one without its message would tell nobody anything.
            for name in names.sorted() where try remove(.failed, name) { deleted += 1 }
        }
        return deleted
    }

    /// Removes every file of these messages from all five directories, reasons and witnesses too, durably (erasure).
    ///
    /// A sender may hold one of them at this moment: it can still send what it has read, and finds the file gone afterwards.
    ///
    /// - Returns: how many files were removed. None is no error.
    @discardableResult
    package func erase(_ names: [String]) throws(OutboxError) -> Int {
        try check()
        var removed = 0
        var touched: Set<Folder> = []
        for name in names where MessageName.isMessage(name) {
            // A sender may move it while we look, also back to where we have looked: again until there is nothing.
            var found = 1
            for _ in 0..<Self.erasurePasses where found > 0 {
                found = 0
                for (folder, file) in Self.filesOfMessage(name) where try remove(folder, file) {
                    found += 1
                    touched.insert(folder)
                }
                removed += found
            }
        }
        for folder in Folder.allCases where touched.contains(folder) { try sync(folder) }
        return removed
    }

    /// The messages of erased customers in all five directories, of which the database knows no more (its rows have a retention of their own). Each
    /// file is opened for it.
    ///
    /// - Parameters:
    ///   - isErased: asked of the customer as messages name it, and of the message's sequence number.
    ///   - isKnown: whether there is a row of a file's name.
    package func strays(isErased: (String, Int64) -> Bool, isKnown: (String) throws -> Bool) throws -> [String] {
        try check()
        var found: Set<String> = []
        for folder in Folder.allCases {
            for name in try entries(folder) where MessageName.isMessage(name) && !found.contains(name) {
                guard try !isKnown(name), let bytes = contents(folder, name), let packed = JSONText.pack(bytes) else { continue }
                let message = JSONView(bytes: packed, offset: 0)
                guard let subject = message["subject"]?.string, let sequence = message["sequence"]?.string.flatMap({ Int64($0) }),
                    isErased(subject, sequence)
                else { continue }
                found.insert(name)
            }
        }
        return found.sorted()
    }

    /// Nil for what has gone meanwhile, or is no message of ours.
    private func contents(_ folder: Folder, _ name: String) -> [UInt8]? {
        let file = openat(descriptor(folder), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return nil }
        let descriptor = Descriptor(owning: file)
        guard let status = descriptor.status, status.isRegular, status.st_size < 16 << 20 else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = retrying { read(descriptor.number, &bytes, bytes.count) }
        return count == bytes.count ? bytes : nil
    }

    /// A message has at most two files and a sender moves it at most three times, so a third pass finds nothing.
    private static let erasurePasses = 4

    /// In the order in which a message goes through the directories.
    private static func filesOfMessage(_ name: String) -> [(Folder, String)] {
        [
            (.tmp, name), (.tmp, MessageName.witness(of: name)), (.new, name), (.cur, name), (.done, name), (.failed, name),
            (.failed, MessageName.reason(of: name)),
        ]
    }
}
