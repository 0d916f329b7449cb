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
package struct FilePosition: Sendable {
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
}

/// Reads all sources as one stream: picks the file that holds the watermark back, decodes its next lines, and knows each file's
/// watermark (`time.md`). The sequencer inside gives the events out in order.
package struct LogReader: ~Copyable {
    private struct FileState {
        var number: Int
        var source: Int
        /// The largest event time delivered.
        var newest: Instant?
        var backlog: Bool
        var isEnded = false
        var head = ContentSample.none
        /// By which heads the control log knows this file; nil before that was looked up.
        var notedHeads: [ContentSample]?
    }

    package let sources: [LogSource]
    private let lateFor: Milliseconds
    private var tailer: Tailer
    /// The source that each of the tailer's patterns belongs to.
    private let sourceOfTailed: [Int]
    private let maxLineBytes: Int
    private let decoders: [DecoderCell]
    private var buffer = LineBuffer()
    private var states: [FileID: FileState] = [:]
    private var nextNumber = 1
    package private(set) var sequencer = Sequencer()
    package private(set) var warnings: [TailWarning] = []
    package private(set) var losses: [ScanReport.PossibleLoss] = []
    /// Whether something waits for a second look before a run may call itself complete.
    package var needsAnotherScan: Bool { tailer.needsAnotherScan }
    /// Whether waiting events keep their lines, so that they can be made durable.
    private let keepsLines: Bool
    /// Decisions that a control log prescribes.
    package var prescribed: [ReadingNote.Place: ReadingNote] = [:] {
        didSet { prescribedHeads = Set(prescribed.keys.map(\.head)) }
    }
    private var prescribedHeads: Set<ContentSample> = []

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
        let tailed = sorted.enumerated().flatMap { index, source in
            source.patterns.map { (index, TailedSource(name: source.name, pattern: $0, maxLineBytes: maxLineBytes)) }
        }
        sourceOfTailed = tailed.map(\.0)
        tailer = Tailer(sources: tailed.map(\.1), resuming: positions.map(\.checkpoint))
        decoders = sorted.map { DecoderCell(vocabulary: vocabulary, source: $0) }
        nextNumber = (positions.map(\.number).max() ?? 0) + 1
        // The tailer's ids of resumed files are in the order of its checkpoints, of sources that still exist.
        let resumed = positions.filter { position in sorted.contains { $0.name == position.checkpoint.source } }
        for (file, position) in zip(tailer.files, resumed) {
            states[file.id] = FileState(
                number: position.number, source: sourceOfTailed[file.source], newest: position.newest, backlog: false,
                isEnded: position.isEnded,
                head: file.fingerprint.head)
            tailer.setNumber(position.number, of: file.id)
            // What has gone has no last line that could still be read.
            if position.checkpoint.isGone { finals.insert(file.id) }
        }
    }

    /// Directories to watch for changes.
    package var directories: Set<String> { tailer.directories }

    /// Looks for new, rotated and vanished files, and numbers the new ones.
    package mutating func scan() {
        let report = tailer.scan()
        warnings += report.warnings
        losses += report.possibleLosses
        driveComparisons()
        number()
        for id in tailer.files.map(\.id) where states[id] != nil { refresh(id) }
        for id in report.ended { states[id]?.isEnded = true }
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

    private mutating func refresh(_ id: FileID) {
        guard let file = tailer.file(id) else {
            states[id] = nil
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
                first = firstLine(peeked, offset: offset, count: count, source: sourceOfTailed[file.source])
            }
            found.append((id, first.time, first.digest))
        }
        found.sort { $0.time != $1.time ? $0.time < $1.time : $0.digest != $1.digest ? $0.digest < $1.digest : $0.id < $1.id }
        for entry in found {
            guard let file = tailer.file(entry.id) else { continue }
            tailer.setNumber(nextNumber, of: entry.id)
            states[entry.id] = FileState(
                number: nextNumber, source: sourceOfTailed[file.source], newest: nil, backlog: true, head: file.fingerprint.head)
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

    private func watermark(_ state: FileState) -> Instant {
        state.newest.map { $0 - sources[state.source].lateness } ?? .min
    }

    /// Whether every file's complete lines have been read.
    package var isCaughtUp: Bool { !states.contains { $0.value.backlog || $0.value.isEnded && !finals.contains($0.key) } }

    /// The smallest watermark over the files that have complete unread lines; nil when all are caught up.
    package var backlogWatermark: Instant? {
        var smallest: Instant?
        for state in states.values where state.backlog { smallest = min(smallest ?? .max, watermark(state)) }
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

    // MARK: Reading

    /// Reads the next lines of the file that holds the watermark back, and hands the events to the sequencer. Nil when all are caught up.
    ///
    /// - Parameters:
    ///   - maxBytes: about how much to read at once.
    ///   - wallLimit: wall clock plus `max_future`; nil where no clock counts.
    ///   - engineNow: how far the engine is: a line whose order time lies before it was overtaken and is taken now.
    ///   - final: also take a last line without its newline (the end of a replay, and files that can't grow).
    package mutating func read(upTo maxBytes: Int, wallLimit: Instant?, engineNow: Instant, final: Bool = false) -> ReadChunk? {
        guard let id = next(final: final), let state = states[id] else { return nil }
        var chunk = ReadChunk()
        buffer.removeAll()
        let outcome =
            final && !state.backlog || state.isEnded
            ? tailer.readUnterminated(id, upTo: maxBytes, into: &buffer) : tailer.read(id, upTo: maxBytes, into: &buffer)
        switch outcome {
        case .lines(let offset, let count):
            chunk.byteCount = count
            decode(id, offset: offset, count: count, wallLimit: wallLimit, engineNow: engineNow, into: &chunk)
        case .tooLong(let line):
            chunk.byteCount = line.end - line.offset
            var letter = line.head.withUnsafeBytes { head in
                DeadLetter(
                    reason: .tooLong, message: Self.tooLongMessage, line: head, source: UInt32(state.source),
                    file: UInt32(state.number),
                    offset: UInt64(line.offset), length: UInt32(clamping: line.length))
            }
            letter.sourceName = sources[state.source].name
            chunk.deadLetters.append(letter)
        case .working, .copy: break
        case .caughtUp, .ended, .truncated, .unavailable:
            states[id]?.backlog = false
            if final || state.isEnded { finals.insert(id) }
            return ReadChunk()
        }
        refresh(id)
        if states[id]?.backlog == false, outcome == .working { states[id]?.backlog = true }
        return chunk
    }

    private static let tooLongMessage = "the line is longer than `max_line_bytes`"

    /// Files whose last line without a newline has been asked for.
    private var finals: Set<FileID> = []

    private func next(final: Bool) -> FileID? {
        var best: (id: FileID, watermark: Instant, number: Int)?
        for (id, state) in states where state.backlog {
            let entry = (id, watermark(state), state.number)
            if best.map({ entry.1 != $0.watermark ? entry.1 < $0.watermark : entry.2 < $0.number }) ?? true { best = entry }
        }
        if let best { return best.id }
        // Only when nothing else is left: what was written last, without its newline.
        return states.filter { (final || $0.value.isEnded) && !finals.contains($0.key) }.keys.sorted().first
    }

    private mutating func decode(
        _ id: FileID, offset: Int, count: Int, wallLimit: Instant?, engineNow: Instant, into chunk: inout ReadChunk
    ) {
        guard var state = states[id] else { return }
        if !prescribed.isEmpty, state.notedHeads == nil {
            let noted = tailer.heads(of: id, among: prescribedHeads)
            state.notedHeads = noted
            states[id]?.notedHeads = noted
        }
        var splitter = LineSplitter(range: 0..<count, offset: offset, maxLineBytes: maxLineBytes)
        var batch = EventBatch()
        batch.events.reserveCapacity(count / 256)
        let lateness = sources[state.source].lateness
        let name = sources[state.source].name
        buffer.withBytes { bytes in
            while let line = splitter.next(in: bytes) {
                chunk.lineCount += 1
                if line.isTooLong {
                    var letter = DeadLetter(
                        reason: .tooLong, message: Self.tooLongMessage, line: UnsafeRawBufferPointer(rebasing: bytes[line.bytes]),
                        source: UInt32(state.source), file: UInt32(state.number), offset: UInt64(line.offset),
                        length: UInt32(clamping: line.length))
                    letter.sourceName = name
                    chunk.deadLetters.append(letter)
                    continue
                }
                var note: ReadingNote?
                for head in state.notedHeads ?? [] where note == nil {
                    note = prescribed[ReadingNote.Place(source: name, head: head, offset: UInt64(line.offset))]
                }
                let text = UnsafeRawBufferPointer(rebasing: bytes[line.bytes])
                let limit = note?.kind == .future ? Instant.min : note == nil ? wallLimit : nil
                let first = batch.events.count
                switch decoders[state.source].decoder.decode(
                    line: text, source: UInt32(state.source), file: UInt32(state.number), offset: UInt64(line.offset),
                    length: UInt32(clamping: line.length), receivedBefore: limit, into: &batch)
                {
                case .event:
                    // All events of a line have one time.
                    let time = batch.events[first].time
                    var order = state.newest.map { max(time, $0 - lateness) } ?? time
                    if order - time > lateFor {
                        batch.events.removeSubrange(first...)
                        var letter = DeadLetter(
                            reason: .tooLate, message: "the line is later than `late_for`", line: text,
                            source: UInt32(state.source),
                            file: UInt32(state.number), offset: UInt64(line.offset), length: UInt32(clamping: line.length))
                        letter.sourceName = name
                        chunk.deadLetters.append(letter)
                        continue
                    }
                    // What was taken later moved no watermark.
                    if note?.kind != .retried { state.newest = max(state.newest ?? time, time) }
                    if let note, note.kind == .overtaken {
                        order = max(order, note.at)
                    } else if let note, note.kind == .retried {
                        order = max(time, note.at)
                    } else if order < engineNow {
                        order = engineNow
                        chunk.notes.append(
                            ReadingNote(
                                kind: .overtaken, source: name, head: state.head, offset: UInt64(line.offset), at: engineNow))
                    }
                    for index in first..<batch.events.count {
                        batch.events[index].order = order
                        // Copied out again only for the few that will have to wait; see `Sequencer.take`.
                        if keepsLines {
                            batch.events[index].raw = ArenaText(
                                offset: UInt32(line.bytes.lowerBound), length: UInt32(line.bytes.count))
                        }
                    }
                case .deadLetter(var letter):
                    letter.sourceName = name
                    if letter.reason == .future {
                        chunk.notes.append(
                            ReadingNote(kind: .future, source: name, head: state.head, offset: UInt64(line.offset), at: engineNow)
                        )
                    }
                    chunk.deadLetters.append(letter)
                case .ignored: break
                }
            }
            if keepsLines { Self.keepLines(&batch, bytes) }
        }
        states[id]?.newest = state.newest
        sequencer.add(batch)
    }

    /// Copies the lines into the arena, where they stay with the events that have to wait.
    private static func keepLines(_ batch: inout EventBatch, _ bytes: UnsafeRawBufferPointer) {
        for index in batch.events.indices {
            let raw = batch.events[index].raw
            batch.events[index].raw = batch.add(bytes[Int(raw.offset)..<Int(raw.offset + raw.length)])
        }
    }

    /// Events whose turn is before the watermark, in order.
    package mutating func take(below watermark: Instant) -> EventBatch { sequencer.take(below: watermark) }

    // MARK: Dead letters

    /// What became of a dead letter that was tried again.
    package enum Retry: Sendable {
        /// It waits for its turn now; the note is for the control log, nil where its file is not known any more.
        case taken(ReadingNote?)
        case refused(DeadLetter)
        case noSource
    }

    /// Decodes a kept line again, under the formats of now; its turn is `now`, or its own time if that is later.
    package mutating func retry(_ line: [UInt8], source name: String, file: Int, offset: UInt64, length: UInt32, at now: Instant)
        -> Retry
    {
        guard let source = sources.firstIndex(where: { $0.name == name }) else { return .noSource }
        var batch = EventBatch()
        let padded = line + [UInt8](repeating: 0x20, count: LineBuffer.padding)
        let result = padded.withUnsafeBytes { bytes in
            decoders[source].decoder.decode(
                line: UnsafeRawBufferPointer(rebasing: bytes[..<line.count]), source: UInt32(source),
                file: UInt32(clamping: file), offset: offset,
                length: length, receivedBefore: nil, into: &batch)
        }
        if case .deadLetter(let letter) = result { return .refused(letter) }
        for index in batch.events.indices {
            let order = max(batch.events[index].time, now)
            if order - batch.events[index].time > lateFor {
                return .refused(
                    padded.withUnsafeBytes { bytes in
                        DeadLetter(
                            reason: .tooLate, message: "the line is later than `late_for`",
                            line: UnsafeRawBufferPointer(rebasing: bytes[..<line.count]), source: UInt32(source),
                            file: UInt32(clamping: file),
                            offset: offset, length: length)
                    })
            }
            batch.events[index].order = order
            batch.events[index].raw = batch.add(line)
        }
        sequencer.add(batch)
        let head = states.values.first { $0.number == file }?.head
        return .taken(head.map { ReadingNote(kind: .retried, source: name, head: $0, offset: offset, at: now) })
    }

    // MARK: Checkpoint

    /// Where every file stands; what was read before is applied, waits (and is kept), or is a dead letter.
    package func positions() -> [FilePosition] {
        states.compactMap { id, state in
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
            let source = sourceOfTailed[file.source]
            result[source].files += 1
            if !file.isFinished { result[source].unreadBytes += max(0, file.size - file.offset) }
            guard let state = states[file.id], let newest = state.newest else { continue }
            result[source].newest = max(result[source].newest ?? newest, newest)
            if state.backlog { result[source].reached = min(result[source].reached ?? newest, newest) }
        }
        return result
    }

    /// Bytes on disk and bytes read of plain files, for a progress bar. Of compressed files the content may be longer than the file.
    package var progress: (read: Int, total: Int) {
        tailer.files.reduce(into: (read: 0, total: 0)) { sum, file in
            sum.read += min(file.offset, file.size)
            sum.total += file.size
        }
    }

    // MARK: Waiting lines

    /// The lines that wait and are not durable yet, packed for the store, and the largest order time among them.
    package mutating func unkeptLines() -> (lines: [UInt8], lastOrder: Instant)? {
        var bytes: [UInt8] = []
        var last = Instant.min
        var previous: (source: UInt32, file: UInt32, offset: UInt64)?
        sequencer.forEachUnkept { event, batch in
            last = max(last, event.order)
            // Events of one line stand together, and come back together from it.
            if let previous, previous == (event.source, event.file, event.offset) { return }
            previous = (event.source, event.file, event.offset)
            let name = Array(sources[Int(event.source)].name.utf8)
            let line = batch.bytes(event.raw)
            bytes.appendLittle(UInt32(name.count))
            bytes.append(contentsOf: name)
            bytes.appendLittle(UInt64(event.file))
            bytes.appendLittle(event.offset)
            bytes.appendLittle(UInt64(bitPattern: event.order))
            bytes.appendLittle(UInt64(event.length))
            bytes.appendLittle(UInt32(line.count))
            bytes.append(contentsOf: line)
        }
        return bytes.isEmpty ? nil : (bytes, last)
    }

    /// Takes waiting lines back in that a store kept, but for those whose turn was before `now`: they have been applied.
    package mutating func restore(_ lines: [UInt8], appliedBefore now: Instant) {
        var position = 0
        var batch = EventBatch()
        while position + 4 <= lines.count {
            let nameLength = lines.littleUInt32(at: position)
            guard position + 4 + nameLength + 36 <= lines.count else { break }
            let name = String(decoding: lines[(position + 4)..<(position + 4 + nameLength)], as: UTF8.self)
            position += 4 + nameLength
            let file = lines.littleUInt64(at: position)
            let offset = lines.littleUInt64(at: position + 8)
            let order = Instant(bitPattern: lines.littleUInt64(at: position + 16))
            let length = lines.littleUInt64(at: position + 24)
            let count = lines.littleUInt32(at: position + 32)
            position += 36
            guard position + count <= lines.count else { break }
            let line = lines[position..<(position + count)]
            position += count
            guard order >= now, let source = sources.firstIndex(where: { $0.name == name }) else { continue }
            let padded = Array(line) + [UInt8](repeating: 0x20, count: LineBuffer.padding)
            padded.withUnsafeBytes { bytes in
                let first = batch.events.count
                let result = decoders[source].decoder.decode(
                    line: UnsafeRawBufferPointer(rebasing: bytes[..<count]), source: UInt32(source), file: UInt32(file),
                    offset: offset,
                    length: UInt32(clamping: length), receivedBefore: nil, into: &batch)
                guard case .event = result else { return }
                let raw = batch.add(line)
                for index in first..<batch.events.count {
                    batch.events[index].order = order
                    batch.events[index].raw = raw
                    batch.events[index].isKept = true
                }
            }
        }
        sequencer.add(batch)
    }
}

/// Holds the decoder of one source: a decoder owns a parser and can't be copied, so it can't be in an array by itself.
private final class DecoderCell {
    var decoder: Decoder

    init(vocabulary: Vocabulary, source: LogSource) {
        decoder = Decoder(vocabulary: vocabulary, format: source.format, identity: source.identity)
    }
}
