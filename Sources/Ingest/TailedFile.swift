/// A file within one run of the tailer; a later run gives other ids.
package struct FileID: Hashable, Comparable, Sendable {
    package let rawValue: Int
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// What to tail.
package struct TailedSource: Hashable, Sendable {
    /// Unique among the sources.
    package var name: String
    /// Absolute globs: `*`, `?`, `[…]` within a name, `**` for any number of directories.
    package var patterns: [String]
    /// The longest line, in bytes without its ending; longer ones come out as too long.
    package var maxLineBytes: Int

    package init(name: String, patterns: [String], maxLineBytes: Int = 1 << 20) {
        self.name = name
        self.patterns = patterns
        self.maxLineBytes = maxLineBytes
    }
}

/// A file as the tailer knows it at the moment.
package struct TailedFile: Sendable {
    /// Whether complete unread lines are there: such a file holds the watermark.
    package enum Backlog: Sendable {
        /// None, as of the last scan; an unfinished last line may be there. Also of a file that can't be read at present.
        case none
        /// Bytes that have not been looked at: `Tailer.hasCompleteLine` or a read tells.
        case unknown
        /// There is at least one.
        case lines
    }

    package var id: FileID
    /// Index into the sources.
    package var source: Int
    /// Where it was last seen.
    package var path: String
    package var fingerprint: Fingerprint
    /// The first byte that was not read, in uncompressed content.
    package var offset: Int
    package var number: Int?
    package var backlog: Backlog
    /// Whether it may be a copy of another file, one of the two compressed, and is being compared; reading it drives that on.
    package var isHeld: Bool
    /// Whether nothing can come any more: a compressed file at its end, or one that is gone and was read to its end.
    package var isFinished: Bool
    /// Whether there is no way to read it at present: not found, unreadable, replaced.
    package var isReadable: Bool
    /// Bytes on disk at the last scan, compressed or not; with `offset` the lag of a plain file.
    package var size: Int
}

/// What is kept of one logical file: one sequence of content, whichever inode or compressed copy carries it.
struct TrackedFile {
    enum Presence {
        /// From a checkpoint, not found yet.
        case resumed
        /// Found by the last complete scan.
        case present
        /// Open, but no name of it matches any more.
        case outside
        /// Open, and without any name: read to the end, then finished.
        case deleted
        /// Not open and not found, once: a listing can miss a file that is being renamed.
        case missing
        /// Not open and not found twice.
        case gone
        /// Its inode holds other content.
        case superseded
    }

    /// Another file on disk that holds the same content, or a beginning of it.
    struct Copy {
        /// Where it was seen last; nil if that was before a restart.
        var match: Glob.Match?
        var inode: InodeIdentity
        var isCompressed: Bool
        var lastSeen: Int
        /// The status when it was last compared; nil if that was before a restart.
        var compared: FileStatus?
        /// As of a tracked file.
        var isSettled = false
    }

    /// A suspicion that this new file repeats another one.
    struct Claim {
        var original: FileID
        var refuted: Set<FileID> = []
    }

    /// A line without an end in sight, passed over in bounded memory.
    struct Overlong {
        /// Offset of its first byte.
        var start: Int
        /// There is no `\n` before this offset.
        var scanned: Int
        var head: [UInt8]
        var lastByte: UInt8
        /// Only NULs so far.
        var isHole: Bool

        /// Takes what still fits into the head.
        mutating func keep(_ bytes: UnsafeRawBufferPointer) {
            let room = LineSplitter.keptBytes - head.count
            if room > 0 { head.append(contentsOf: bytes.prefix(room)) }
        }
    }

    let id: FileID
    let source: Int
    var path: String
    var target: String
    var inode: InodeIdentity
    var isCompressed: Bool
    private(set) var head = ContentSample.none
    /// The first bytes of the head, at hand once the file was opened: what is enough to tell most files apart.
    private(set) var beginning: [UInt8] = []
    var offset = 0
    /// The bytes before the offset, if they were at hand when it moved; what they are compared by while it is open.
    private(set) var tail: [UInt8]?
    private var knownMark: ContentSample? = ContentSample.none
    /// Of the bytes before the offset. A digest costs more than reading a few lines, so it is made when it is asked for.
    var mark: ContentSample {
        get { knownMark ?? (tail ?? []).withUnsafeBytes { ContentSample($0) } }
        set {
            knownMark = newValue
            tail = nil
        }
    }
    /// How many bytes the mark covers, without making it.
    var markLength: Int { knownMark?.length ?? tail?.count ?? 0 }
    var number: Int?
    var presence: Presence
    var size = 0
    /// As of the last complete scan: what a copy that was made since holds at least.
    var listedSize = 0
    /// The status when the content was last compared with `head` and `mark`.
    var stamp: FileStatus?
    /// Whether a later change is sure to give another stamp (see `Tailer.recheck`).
    var isSettled = false
    /// No complete line was there at the last look, and nothing changed since.
    var isIdle = false
    var hasKnownLine = false
    var isComplete = false
    /// A compressed file was read to where it ends, inside a member.
    var isCutShort = false
    /// And it did not change between two scans.
    var isStalled = false
    var isReportedEnded = false
    var unreadableCode: Int32?
    var missedScans = 0
    var overlong: Overlong?
    var open: OpenFile?
    var lastUse = 0
    var copies: [InodeKey: Copy] = [:]
    var claim: Claim?

    init(id: FileID, source: Int, match: Glob.Match, open: OpenFile) {
        self.id = id
        self.source = source
        path = match.path
        target = match.target
        inode = open.inode
        isCompressed = open.isCompressed
        presence = .present
        self.open = open
    }

    init(id: FileID, source: Int, resuming checkpoint: FileCheckpoint) {
        self.id = id
        self.source = source
        path = checkpoint.path
        target = checkpoint.target
        inode = checkpoint.fingerprint.inode
        head = checkpoint.fingerprint.head
        isCompressed = checkpoint.isCompressed
        offset = checkpoint.offset
        listedSize = checkpoint.offset
        knownMark = checkpoint.mark
        number = checkpoint.number
        isComplete = checkpoint.isComplete
        presence = checkpoint.isSuperseded ? .superseded : checkpoint.isGone ? .gone : .resumed
        isReportedEnded = checkpoint.isGone
        for inode in checkpoint.copies { copies[inode.key] = Copy(inode: inode, isCompressed: false, lastSeen: 0) }
    }

    /// Whether some inode on disk or a descriptor still carries the content.
    var hasBacking: Bool {
        switch presence {
        case .present, .outside, .deleted: true
        case .resumed, .missing, .gone, .superseded: false
        }
    }

    /// Whether its descriptor can be closed and opened again by path.
    var isClosable: Bool { open != nil && presence == .present }

    var listing: TailedFile {
        let isReadable = hasBacking && unreadableCode == nil
        let backlog: TailedFile.Backlog =
            !isReadable || isIdle || isComplete ? .none : hasKnownLine ? .lines : .unknown
        return TailedFile(
            id: id, source: source, path: path, fingerprint: Fingerprint(inode: inode, head: head), offset: offset,
            number: number, backlog: backlog, isHeld: claim != nil,
            isFinished: isComplete || presence == .gone || presence == .superseded, isReadable: isReadable, size: size)
    }

    /// A scan is over.
    mutating func noteListing() { listedSize = size }

    /// Takes the first bytes of the content, of which the file can be known by `lasting`.
    mutating func keep(head lasting: UnsafeRawBufferPointer) {
        if lasting.count > head.length { head = ContentSample(lasting) }
        beginning = Array(lasting.prefix(64))
    }

    /// As `keep`, where less of the content is there than was known of it.
    mutating func replace(head lasting: UnsafeRawBufferPointer) {
        head = .none
        keep(head: lasting)
    }

    /// Takes the bytes before the offset.
    mutating func keep(tail bytes: UnsafeRawBufferPointer) {
        tail = Array(bytes)
        knownMark = nil
    }

    /// Makes the digest of the mark, for all who ask from now on.
    mutating func settleMark() { if knownMark == nil { knownMark = mark } }

    /// The same sequence of content, carried by another file from now on.
    mutating func moveBacking(to copy: Copy, at match: Glob.Match) {
        path = match.path
        target = match.target
        inode = copy.inode
        isCompressed = copy.isCompressed
        presence = .present
        open = nil
        size = match.status.size
        stamp = nil
        isSettled = false
        isIdle = isComplete
        hasKnownLine = false
        overlong = nil
        missedScans = 0
        isReportedEnded = false
        isStalled = false
        copies[copy.inode.key] = nil
    }
}
