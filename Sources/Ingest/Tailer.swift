import Glibc

// How the tailer knows files
//
// A *tracked file* is one sequence of content with one offset and one number. It is carried by its backing: an inode, plain or
// compressed. `scan` lists what the patterns match and pairs inodes with tracked files:
//
// 1. By inode (device, number, generation), however the file is called now. While a descriptor is open the inode number can't be
//    reused; after it was closed, or after a restart, the generation and the content (the head, and the *mark*: up to 4 KiB
//    before the offset) have to agree as well.
// 2. Where the inode agrees and the content does not, the file was truncated and written anew: the tracked file is
//    *superseded* (a possible loss, counted), and the inode starts a new one at offset 0. A plain copy of the old content,
//    which copytruncate makes, takes the superseded file over at its offset when head and mark agree.
// 3. A new plain file that holds nothing but a beginning of a plain one known before, and all of it or 4 KiB, is remembered as its *copy* and not
//    read, as when a scan comes between the copying and the cutting. It takes over when that one is cut or goes away, and is a
//    file of its own, read from 0, once it goes on differently.
// 4. A new compressed file whose decoded head equals that of a tracked file is *held*: reading it decodes it as far as
//    the other can be compared, gives nothing, and ends with an answer: it holds nothing that the other does not hold,
//    then it is remembered as a copy and takes over, at the offset reached, when the backing goes away; or more or something
//    else, then it is read from 0. So is a new plain file that begins like a compressed one.
//
// A file that is not found is gone only after two listings without it, none of which failed; one that is open is read to
// its end first. Content is compared after bytes were read, not before, so that bytes of a file that was truncated in between
// are never given out.
//
// A scan skips comparing a file whose status did not change. Timestamps of the kernel are coarse, so an unchanged one is
// trusted only if some file on that device had a later change when the comparison was made ("settled"), as git does for its
// index; so no clock is needed.

/// Yields the lines of log files exactly once, over rotation, truncation, compression and restarts.
///
/// A pull model for one thread: `scan` finds files, `read` gives whole lines, `checkpoint` says what to store. It never
/// waits, reads no clock and keeps nothing durable itself.
package struct Tailer: ~Copyable {
    /// What may be held open at once.
    package struct Limits: Sendable {
        /// Open files; the longest unused are closed and found again by identity. Files without a matching name can't be
        /// opened again and are kept beyond it.
        package var descriptors = 512
        /// Open compressed files among them: each costs some 100 KiB to a few MiB, and decoding from its start when it is
        /// opened again.
        package var decompressors = 32

        package init() {}
    }

    package let sources: [TailedSource]
    /// By source.
    let globs: [[Glob]]
    private var limits: Limits
    /// Files that were opened; some may have been closed since.
    private var openIDs: Set<FileID> = []
    var tracked: [FileID: TrackedFile] = [:]
    /// Which tracked file an inode carries; several only after a restart, until one is found to agree.
    var carried: [InodeKey: [FileID]] = [:]
    /// Which tracked file an inode is a further copy of.
    var copied: [InodeKey: FileID] = [:]
    /// New files of which too little is there to tell what they are, with the status they had.
    var pending: [InodeKey: FileStatus] = [:]
    /// Those of them of which nothing can be decoded: left alone until they change.
    var rejected: Set<InodeKey> = []
    /// Whether something was left for the next scan: some of them, or the new content of a file that was found cut.
    var hasUndecided = false
    var ledger = WarningLedger()
    var losses: [ScanReport.PossibleLoss] = []
    var scans = 0
    /// The latest change among the files of a device that the last scan saw.
    var newestChange: [UInt64: Int64] = [:]
    var uses = 0
    /// What is being read beyond the offset of one file; of others nothing is, so that thousands of files take no more memory than one.
    var ahead: (id: FileID, block: ReadAhead)?
    /// The file of the last block that was asked for.
    var streak: FileID?
    /// To be filled with the next block that is read ahead.
    var spare: LineBuffer?
    private(set) var nextID = 0
    /// Which file the last scan found under a path; made when it is asked for.
    private var idsByPath: [String: FileID]?

    /// The directories that the last scan listed or looked for: what to give to `FileWatch`.
    package internal(set) var directories: Set<String> = []

    /// Whether only another scan can tell what changes, because no watch does: something could not be listed or read, a file has other names, or one
    /// that is still open has left the watched directories.
    package internal(set) var needsLooks = false

    /// Nothing is opened before the first scan. Checkpoints of sources that are not in `sources` are left aside.
    package init(sources: [TailedSource], resuming checkpoints: [FileCheckpoint] = [], limits: Limits = Limits()) {
        self.sources = sources
        self.limits = limits
        globs = sources.map { $0.patterns.map { Glob(pattern: $0) } }
        for checkpoint in checkpoints {
            guard let source = sources.firstIndex(where: { $0.name == checkpoint.source }) else { continue }
            let file = TrackedFile(id: makeID(), source: source, resuming: checkpoint)
            tracked[file.id] = file
            if !checkpoint.isSuperseded { carried[file.inode.key, default: []].append(file.id) }
            for key in file.copies.keys { copied[key] = file.id }
        }
    }

    /// All files known, in order of id.
    package var files: [TailedFile] { tracked.values.map(\.listing).sorted { $0.id < $1.id } }

    /// One file; nil when it was forgotten or found to be a copy.
    package func file(_ id: FileID) -> TailedFile? { tracked[id]?.listing }

    /// Files that wait for a number, in order of id: those whose first line `peek` can show are to be numbered by its event
    /// time and then by the digest of the head; the others later.
    package var unnumbered: [FileID] {
        tracked.values.filter { $0.number == nil && $0.claim == nil && $0.hasBacking }.map(\.id).sorted()
    }

    /// Whether something waits for a second look: a file that was not found once, a compressed one that may be still being
    /// written. Before a run is complete, scan and read until this is false and nothing was left to read.
    package var needsAnotherScan: Bool {
        hasUndecided
            || tracked.values.contains { file in
                let isMissedOnce = file.missedScans == 1 && (file.presence == .resumed || file.presence == .missing)
                return isMissedOnce || isDecidable(file) || (file.isCutShort && !file.isStalled && file.hasBacking)
            }
    }

    /// Whether a held compressed file can be compared now with another one that had to be read before.
    private func isDecidable(_ file: TrackedFile) -> Bool {
        guard let claim = file.claim, file.isCompressed, !file.isCutShort, let original = tracked[claim.original] else {
            return false
        }
        return original.isCompressed && original.hasBacking && (original.isIdle || original.isComplete)
    }

    /// Takes a hint that a file was written to, which spares a scan; nil where only a scan tells what became of it.
    ///
    /// What was read of it before is compared when it is read, as always.
    package mutating func hear(ofChangeAt path: String) -> FileID? {
        let ids =
            idsByPath
            ?? Dictionary(
                tracked.values.filter { $0.presence == .present }.map { ($0.path, $0.id) }, uniquingKeysWith: { min($0, $1) })
        idsByPath = ids
        guard let id = ids[path], let file = tracked[id], file.presence == .present, file.path == path, file.target == path,
            !file.isCompressed, file.claim == nil, file.number != nil, file.unreadableCode == nil, let now = file.open?.status,
            now.links > 0, now.size >= file.size, now.size >= file.offset
        else { return nil }
        tracked[id]?.size = now.size
        tracked[id]?.isIdle = false
        tracked[id]?.isSettled = false
        return id
    }

    /// A scan may find other files under the same paths.
    mutating func forgetPaths() { idsByPath = nil }

    /// Gives a file its number, which its checkpoints carry from then on.
    package mutating func setNumber(_ number: Int, of id: FileID) { tracked[id]?.number = number }

    /// To be called before `checkpoint` is asked for many files, and again and again.
    package mutating func settleMarks() { for id in tracked.keys { tracked[id]?.settleMark() } }

    /// What to store once everything before `offset` is durable. `offset` lies between the last one stored and the read
    /// position; nil for an unknown file. The mark is left out where the bytes before `offset` can't be read any more.
    package func checkpoint(of id: FileID, at offset: Int) -> FileCheckpoint? {
        guard let file = tracked[id] else { return nil }
        precondition(offset >= 0 && offset <= file.offset, "a checkpoint beyond what was read")
        var mark = ContentSample.none
        if offset == file.offset {
            mark = file.mark
        } else if file.presence != .superseded, let open = file.open,
            let sample = open.sample(endingAt: offset, length: min(offset, Fingerprint.sampleBytes)),
            file.isCompressed || open.sample(endingAt: file.offset, length: file.mark.length) == file.mark
        {
            mark = sample
        }
        return FileCheckpoint(
            source: sources[file.source].name, fingerprint: Fingerprint(inode: file.inode, head: file.head),
            path: file.path, target: file.target, offset: offset, mark: mark, number: file.number,
            isCompressed: file.isCompressed,
            isComplete: file.isComplete && offset == file.offset, isSuperseded: file.presence == .superseded,
            isGone: file.presence == .gone,
            copies: file.copies.values.filter { !$0.isCompressed }.map(\.inode).sorted { $0.number < $1.number })
    }

    /// Drops a file that `ScanReport.ended` named. Not forgetting at once costs little memory, and lets a file be known again
    /// that comes back, as from a directory that was unmounted; once forgotten it would be read anew.
    package mutating func forget(_ id: FileID) {
        guard let file = tracked.removeValue(forKey: id) else { return }
        uncarry(file.inode.key, id)
        for key in file.copies.keys { copied[key] = nil }
    }

    mutating func makeID() -> FileID {
        defer { nextID += 1 }
        return FileID(rawValue: nextID)
    }

    mutating func carry(_ key: InodeKey, _ id: FileID) { carried[key] = [id] }

    mutating func uncarry(_ key: InodeKey, _ id: FileID) {
        carried[key]?.removeAll { $0 == id }
        if carried[key]?.isEmpty == true { carried[key] = nil }
    }

    func warning(_ kind: TailWarning.Kind, source: Int, path: String, _ message: String) -> TailWarning {
        TailWarning(kind: kind, source: sources[source].name, path: path, message: message)
    }

    // MARK: Descriptors

    /// The open file of `id`, opened again if need be and only if its path still leads to its inode.
    mutating func opened(_ id: FileID) -> Result<OpenFile, SystemError> {
        uses += 1
        tracked[id]?.lastUse = uses
        guard let file = tracked[id] else { return .failure(SystemError(code: ENOENT)) }
        if let open = file.open { return .success(open) }
        guard file.presence == .present else { return .failure(SystemError(code: ENOENT)) }
        let result = openDescriptor(file.target)
        guard case .success(let open) = result else { return result }
        guard open.inode == file.inode else { return .failure(SystemError(code: ESTALE)) }
        keepOpen(open, id)
        return .success(open)
    }

    /// Opens a regular file; closes idle ones when the process has no descriptor left.
    mutating func openDescriptor(_ path: String) -> Result<OpenFile, SystemError> {
        while true {
            // O_NONBLOCK: a FIFO that took the path's place must not block.
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY)
            if descriptor >= 0 {
                guard let status = FileStatus(descriptor: descriptor), status.isRegular else {
                    close(descriptor)
                    return .failure(SystemError(code: ESTALE))
                }
                return .success(OpenFile(owning: descriptor, status: status))
            }
            let code = errno
            if code == EINTR { continue }
            guard code == EMFILE || code == ENFILE, makeRoom() else { return .failure(SystemError(code: code)) }
        }
    }

    /// Hands an open file to `id` and closes others beyond the limits.
    mutating func keepOpen(_ open: OpenFile, _ id: FileID) {
        uses += 1
        tracked[id]?.open = open
        tracked[id]?.lastUse = uses
        openIDs.insert(id)
        if open.isCompressed {
            dropClosed()
            if openIDs.count(where: { tracked[$0]?.open?.isCompressed == true }) > limits.decompressors {
                closeLongestUnused(1, compressed: true, except: id)
            }
        }
        guard openIDs.count > limits.descriptors else { return }
        dropClosed()
        // Several at a time, so that going through thousands of files does not sort the open ones for each.
        let excess = openIDs.count - limits.descriptors
        if excess > 0 { closeLongestUnused(excess + limits.descriptors / 4, compressed: nil, except: id) }
    }

    private mutating func dropClosed() { openIDs = openIDs.filter { tracked[$0]?.open != nil } }

    /// The process is out of descriptors: closes a quarter of the open files and keeps to the rest from now on, so that
    /// directories can be listed and other parts of the program can open theirs. False when nothing could be closed.
    private mutating func makeRoom() -> Bool {
        dropClosed()
        let before = openIDs.count
        limits.descriptors = max(1, before * 3 / 4)
        closeLongestUnused(before - limits.descriptors, compressed: nil, except: nil)
        return openIDs.count < before
    }

    /// Closes `count` open files that were not used for longest, those without unread lines first, out of those that can be
    /// opened again.
    private mutating func closeLongestUnused(_ count: Int, compressed: Bool?, except kept: FileID?) {
        var closable: [(rank: Int, lastUse: Int, id: FileID)] = []
        for id in openIDs where id != kept {
            guard let file = tracked[id], file.isClosable, let open = file.open,
                compressed == nil || open.isCompressed == compressed
            else { continue }
            closable.append((file.isIdle ? 0 : 1, file.lastUse, id))
        }
        var left = count
        for victim in closable.sorted(by: { ($0.rank, $0.lastUse) < ($1.rank, $1.lastUse) }) where left > 0 {
            // One that was deleted since the last scan must stay open.
            guard let links = tracked[victim.id]?.open?.status?.links, links > 0 else { continue }
            tracked[victim.id]?.open = nil
            openIDs.remove(victim.id)
            left -= 1
        }
    }
}
