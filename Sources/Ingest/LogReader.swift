import Engine

/// A source as the reader takes it.
package struct LogSource: Sendable {
    package var name: String
    /// Globs of its files, absolute; usually one.
    package var patterns: [String]
    package var format: Format
    /// How far out of order its events may come, in milliseconds.
    package var lateness: Milliseconds
    /// The id that names its customers, if not the format's own.
    package var identity: IdentityKey?

    package init(name: String, patterns: [String], format: Format, lateness: Milliseconds, identity: IdentityKey? = nil) {
        self.identity = identity
        self.name = name
        self.patterns = patterns
        self.format = format
        self.lateness = lateness
    }
}

/// Where reading of one file stands, for a checkpoint.
package struct FilePosition: Equatable, Sendable {
    package var number: Int
    package var checkpoint: FileCheckpoint
    /// The largest event time it has delivered; nil before its first event.
    package var newest: Instant?
    package var isEnded: Bool

    package init(number: Int, checkpoint: FileCheckpoint, newest: Instant?, isEnded: Bool) {
        self.number = number
        self.checkpoint = checkpoint
        self.newest = newest
        self.isEnded = isEnded
    }
}

/// How far one source has been read.
package struct SourceLag: Sendable {
    package var name: String
    package var files = 0
    /// Of files as large as they were when last looked at; of compressed ones only what is certain.
    package var unreadBytes = 0
    /// The largest event time read.
    package var newest: Instant?
    /// The event time reached in the file that is furthest behind, among those with complete lines unread; nil if there is none.
    package var reached: Instant?
}

/// A line that was taken at another time than its own file says, because the watermark had already passed it; or refused as `future`.
package struct ReadingNote: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case overtaken, future
        /// A dead letter that was taken later, after a fix.
        case retried
    }

    package var kind: Kind
    package var source: String
    /// Of the file's head as it was then: a small file's head grows, and is known later by its first `head.length` bytes.
    package var head: ContentSample
    package var offset: UInt64
    /// Engine time at the decision.
    package var at: Instant

    package init(kind: Kind, source: String, head: ContentSample, offset: UInt64, at: Instant) {
        self.kind = kind
        self.source = source
        self.head = head
        self.offset = offset
        self.at = at
    }

    /// What a line is looked up by.
    package struct Place: Hashable, Sendable {
        package var source: String
        package var head: ContentSample
        package var offset: UInt64
    }

    package var place: Place { Place(source: source, head: head, offset: offset) }
}

/// What one read of one file gave.
package struct ReadChunk: Sendable {
    package var deadLetters: [DeadLetter] = []
    package var notes: [ReadingNote] = []
    package var byteCount = 0
    package var lineCount = 0
    /// Whether no file was even looked at.
    var isIdle = true
}

/// Reads all sources as one stream: picks the file that holds the watermark back, decodes its next lines, and knows each file's
/// watermark (`time.md`). The sequencer inside gives the events out in order.
package struct LogReader: ~Copyable {
    struct FileState {
        var number: Int
        var source: Int
        /// The largest event time delivered.
        var newest: Instant?
        var backlog: Bool
        var isEnded = false
        var head = ContentSample.none
        /// By which heads the control log knows this file; nil before that was looked up.
        var notedHeads: [ContentSample]?
        /// How many stretches of it have been read and are not among the events yet.
        var jobs = 0

        /// Whether complete lines of it are still to come.
        var isBehind: Bool { backlog || jobs > 0 }
    }

    package let sources: [LogSource]
    let lateFor: Milliseconds
    var tailer: Tailer
    let maxLineBytes: Int
    let decoders: [DecoderCell]
    /// What has been read and is being decoded, in the order of reading.
    var jobs: [DecodingJob] = []
    let ahead: DecodingQueue
    /// Buffers to be filled again.
    var spareBuffers: [LineBuffer] = []
    /// Batches to be filled again.
    var spareBatches: [EventBatch] = []
    /// Files whose last line without a newline has been asked for.
    var finals: Set<FileID> = []
    var states: [FileID: FileState] = [:]
    var nextNumber = 1
    package internal(set) var sequencer = Sequencer()
    package internal(set) var warnings: [TailWarning] = []
    package internal(set) var losses: [ScanReport.PossibleLoss] = []
    /// Whether something waits for a second look before a run may call itself complete.
    package var needsAnotherScan: Bool { tailer.needsAnotherScan }
    /// Whether waiting events keep their lines, so that they can be made durable.
    let keepsLines: Bool
    /// Whether those that a store keeps have to be replaced by those that wait.
    var keepsAnew = false
    /// Decisions that a control log prescribes.
    package var prescribed: [ReadingNote.Place: ReadingNote] = [:] {
        didSet { prescribedHeads = Set(prescribed.keys.map(\.head)) }
    }
    var prescribedHeads: Set<ContentSample> = []

    /// - Parameter sources: in any order; positions follow the order of their names.
    package init(
        sources: [LogSource], vocabulary: Vocabulary, lateFor: Milliseconds, maxLineBytes: Int,
        resuming positions: [FilePosition] = [],
        keepsLines: Bool
    ) {
        let sorted = sources.sorted { $0.name.precedes($1.name) }
        self.sources = sorted
        self.lateFor = lateFor
        self.keepsLines = keepsLines
        self.maxLineBytes = maxLineBytes
        tailer = Tailer(
            sources: sorted.map { TailedSource(name: $0.name, patterns: $0.patterns, maxLineBytes: maxLineBytes) },
            resuming: positions.map(\.checkpoint))
        decoders = sorted.map { DecoderCell(vocabulary: vocabulary, source: $0) }
        ahead = DecodingQueue(sources: sorted, vocabulary: vocabulary)
        nextNumber = (positions.map(\.number).max() ?? 0) + 1
        // The tailer's ids of resumed files are in the order of its checkpoints, of sources that still exist.
        let resumed = positions.filter { position in sorted.contains { $0.name == position.checkpoint.source } }
        for (file, position) in zip(tailer.files, resumed) {
            states[file.id] = FileState(
                number: position.number, source: file.source, newest: position.newest, backlog: false,
                isEnded: position.isEnded,
                head: file.fingerprint.head)
            tailer.setNumber(position.number, of: file.id)
            // What has gone has no last line that could still be read.
            if position.checkpoint.isGone { finals.insert(file.id) }
        }
    }

    /// Directories to watch for changes.
    package var directories: Set<String> { tailer.directories }

    /// Whether only looking again tells what changes in some of them, and no watch does.
    package var needsLooks: Bool { tailer.needsLooks }

    /// Looks for new, rotated and vanished files, and numbers the new ones.
    package mutating func scan() {
        let report = tailer.scan()
        warnings += report.warnings
        losses += report.possibleLosses
        driveComparisons()
        number()
        for file in tailer.files where states[file.id] != nil {
            if !file.isFinished, states[file.id]?.isEnded == true {
                // It has come back, and its last line may be finished yet.
                states[file.id]?.isEnded = false
                finals.remove(file.id)
            }
            refresh(file.id)
        }
        for id in report.ended { states[id]?.isEnded = true }
    }

    /// Takes the hint that nothing but these files has changed, by being written to; false: only a scan tells what became of them.
    package mutating func hear(ofChangesAt paths: Set<String>) -> Bool {
        var ids: [FileID] = []
        for path in paths {
            guard let id = tailer.hear(ofChangeAt: path), states[id] != nil else { return false }
            ids.append(id)
        }
        for id in ids { refresh(id) }
        return true
    }

    /// Files that may be compressed copies of others are compared by reading them; that gives no lines.
    private mutating func driveComparisons() {
        var scratch = LineBuffer()
        for file in tailer.files where file.isHeld {
            while tailer.file(file.id)?.isHeld ?? false {
                guard case .working = tailer.read(file.id, upTo: 1 << 20, into: &scratch) else { break }
            }
        }
    }

    mutating func refresh(_ id: FileID) {
        guard let file = tailer.file(id) else {
            // What was read of it is still to come.
            if states[id]?.jobs ?? 0 == 0 { states[id] = nil } else { states[id]?.backlog = false }
            return
        }
        states[id]?.head = file.fingerprint.head
        switch file.backlog {
        case .none: states[id]?.backlog = false
        case .lines: states[id]?.backlog = true
        case .unknown: states[id]?.backlog = tailer.hasCompleteLine(id)
        }
    }

    /// Files found together are numbered by the event time of their first line, then by its hash. Only the first line counts, because it is
    /// all that a file that is just being written and the same file in a replay have in common; one that is no event comes first.
    private mutating func number() {
        var found: [(id: FileID, time: Instant, digest: ContentDigest)] = []
        for id in tailer.unnumbered {
            guard let file = tailer.file(id), tailer.hasCompleteLine(id) else { continue }
            var peeked = LineBuffer()
            // A first line that can't be shown yet (a long one, a copy being compared) is read first, with the lowest time there is.
            var first = (time: Instant.min, digest: ContentSample.none.digest)
            if case .lines(let offset, let count) = tailer.peek(id, upTo: 1 << 16, into: &peeked) {
                first = firstLine(peeked, offset: offset, count: count, source: file.source)
            }
            found.append((id, first.time, first.digest))
        }
        found.sort { $0.time != $1.time ? $0.time < $1.time : $0.digest != $1.digest ? $0.digest < $1.digest : $0.id < $1.id }
        for entry in found {
            guard let file = tailer.file(entry.id) else { continue }
            tailer.setNumber(nextNumber, of: entry.id)
            states[entry.id] = FileState(
                number: nextNumber, source: file.source, newest: nil, backlog: true, head: file.fingerprint.head)
            nextNumber += 1
        }
    }

    /// The event time of the first line (the lowest there is, if it is no event), and the digest of its bytes.
    private mutating func firstLine(
        _ buffer: borrowing LineBuffer, offset: Int, count: Int, source: Int
    ) -> (time: Instant, digest: ContentDigest) {
        var splitter = LineSplitter(range: 0..<count, offset: offset, maxLineBytes: maxLineBytes)
        var scratch = EventBatch()
        return buffer.withBytes { bytes in
            guard let line = splitter.next(in: bytes) else { return (.min, ContentSample.none.digest) }
            let text = UnsafeRawBufferPointer(rebasing: bytes[line.bytes])
            let result = decoders[source].decoder.decode(
                line: text, source: 0, file: 0, offset: UInt64(line.offset), length: UInt32(clamping: line.length),
                receivedBefore: nil,
                into: &scratch)
            guard case .event = result, let event = scratch.events.first else { return (.min, ContentDigest(text)) }
            return (event.time, ContentDigest(text))
        }
    }

    // MARK: Watermarks

    func watermark(_ state: FileState) -> Instant {
        state.newest.map { $0 - sources[state.source].lateness } ?? .min
    }

    /// Whether every file's complete lines have been read.
    package var isCaughtUp: Bool {
        jobs.isEmpty && !states.contains { $0.value.backlog || $0.value.isEnded && !finals.contains($0.key) }
    }

    /// The smallest watermark over the files that have complete unread lines; nil when all are caught up.
    package var backlogWatermark: Instant? {
        var smallest: Instant?
        for state in states.values where state.isBehind { smallest = min(smallest ?? .max, watermark(state)) }
        return smallest
    }

    /// The largest of the files' watermarks; nil before the first event.
    package var newestWatermark: Instant? {
        states.values.compactMap { $0.newest == nil ? nil : watermark($0) }.max()
    }

    /// The largest event time read.
    package var newestEvent: Instant? { states.values.compactMap(\.newest).max() }

    /// The lateness that wall time has to keep to: the largest of all sources.
    package var largestLateness: Milliseconds { sources.map(\.lateness).max() ?? 0 }

    // MARK: Checkpoint

    /// Where every file stands; what was read before is applied, waits (and is kept), or is a dead letter. Nothing may be on its way (`isAhead`).
    package mutating func positions() -> [FilePosition] {
        tailer.settleMarks()
        return states.compactMap { id, state in
            guard let file = tailer.file(id), let checkpoint = tailer.checkpoint(of: id, at: file.offset) else { return nil }
            return FilePosition(
                number: state.number, checkpoint: checkpoint, newest: state.newest, isEnded: state.isEnded || file.isFinished)
        }.sorted { $0.number < $1.number }
    }

    package mutating func takeWarnings() -> (warnings: [TailWarning], losses: [ScanReport.PossibleLoss]) {
        defer {
            warnings = []
            losses = []
        }
        return (warnings, losses)
    }

    /// What each file looks like, for `status`.
    package var listing: [(file: TailedFile, newest: Instant?, number: Int)] {
        tailer.files.compactMap { file in states[file.id].map { (file, $0.newest, $0.number) } }
    }

    /// How far behind every source is, in the order of their names.
    package var lags: [SourceLag] {
        var result = sources.map { SourceLag(name: $0.name) }
        for file in tailer.files where !file.isHeld {
            result[file.source].files += 1
            if !file.isFinished { result[file.source].unreadBytes += max(0, file.size - file.offset) }
            guard let state = states[file.id], let newest = state.newest else { continue }
            result[file.source].newest = max(result[file.source].newest ?? newest, newest)
            if state.isBehind { result[file.source].reached = min(result[file.source].reached ?? newest, newest) }
        }
        return result
    }

    /// What matches a pattern and can't be read now.
    package var unreadable: [String] { tailer.ledger.messages(of: [.unreadable, .directoryUnreadable]) }

    /// The sources of which no pattern matches a file, not even an empty one.
    package var sourcesWithoutFiles: [LogSource] {
        zip(sources, lags).filter { source, lag in
            lag.files == 0 && source.patterns.allSatisfy { Glob(pattern: $0).walk().matches.isEmpty }
        }.map(\.0)
    }

    /// Bytes on disk and bytes read of plain files, for a progress bar. Of compressed files the content may be longer than the file.
    package var progress: (read: Int, total: Int) {
        tailer.files.reduce(into: (read: 0, total: 0)) { sum, file in
            sum.read += min(file.offset, file.size)
            sum.total += file.size
        }
    }
}
