import Engine

extension LogReader {
    /// How many stretches are read ahead of the one whose events are taken.
    private static let depth = 3
    /// The size of a stretch where several are read ahead: as much as stays in a core's cache from decoding to applying.
    private static let stretchBytes = 1 << 19
    /// Less than this is decoded at once: a live log's few lines are done before another core has woken up.
    private static let smallBytes = 1 << 15

    static let tooLongMessage = "the line is longer than `max_line_bytes`"
    static let tooLateMessage = "the line is later than `late_for`"

    /// Whether something has been read that is not among the events yet.
    package var isAhead: Bool { !jobs.isEmpty }

    /// Reads the next lines of the file that holds the watermark back, and hands the events to the sequencer. Nil when all are caught up.
    ///
    /// - Parameters:
    ///   - maxBytes: about how much to read at once.
    ///   - wallLimit: wall clock plus `max_future`; nil where no clock counts.
    ///   - engineNow: how far the engine is: a line whose order time lies before it was overtaken and is taken now.
    ///   - final: also take a last line without its newline (the end of a replay, and files that can't grow).
    ///   - readsAhead: also read what comes after, for another core to decode while these events are applied. Reading ahead changes
    ///     nothing that is decided: only what has come out here moves watermarks.
    package mutating func read(
        upTo maxBytes: Int, wallLimit: Instant?, engineNow: Instant, final: Bool = false, readsAhead: Bool = false
    ) -> ReadChunk? {
        var chunk = ReadChunk()
        let depth = readsAhead ? Self.depth : 1
        for _ in 0..<depth where jobs.count < depth {
            guard let id = next(final: final) else { break }
            fetch(id, upTo: readsAhead ? min(maxBytes, Self.stretchBytes) : maxBytes, final: final, into: &chunk)
        }
        guard let job = jobs.first else { return chunk.isIdle ? nil : chunk }
        jobs.removeFirst()
        take(job, wallLimit: wallLimit, engineNow: engineNow, into: &chunk)
        return chunk
    }

    private func next(final: Bool) -> FileID? {
        var best: (id: FileID, watermark: Instant, number: Int)?
        for (id, state) in states where state.backlog {
            let entry = (id, watermark(state), state.number)
            if best.map({ entry.1 != $0.watermark ? entry.1 < $0.watermark : entry.2 < $0.number }) ?? true { best = entry }
        }
        if let best { return best.id }
        // Only when nothing else is left: what was written last, without its newline.
        guard jobs.isEmpty else { return nil }
        return states.filter { (final || $0.value.isEnded) && !finals.contains($0.key) }.keys.sorted().first
    }

    /// Reads the next lines of a file and gives them to be decoded.
    private mutating func fetch(_ id: FileID, upTo maxBytes: Int, final: Bool, into chunk: inout ReadChunk) {
        guard let state = states[id] else { return }
        chunk.isIdle = false
        var buffer = spareBuffers.popLast() ?? LineBuffer()
        buffer.removeAll()
        let outcome =
            final && !state.backlog || state.isEnded
            ? tailer.readUnterminated(id, upTo: maxBytes, into: &buffer) : tailer.read(id, upTo: maxBytes, into: &buffer)
        switch outcome {
        case .lines(let offset, let count):
            let lines = RawLines(
                text: buffer, count: count, offset: offset, source: state.source, sourceName: sources[state.source].name,
                file: state.number, maxLineBytes: maxLineBytes, batch: spareBatches.popLast() ?? EventBatch())
            let job = DecodingJob(lines, of: id)
            states[id]?.jobs += 1
            jobs.append(job)
            if count >= Self.smallBytes { ahead.submit(job, reading: tailer.readAhead(id, count: maxBytes)) }
        case .tooLong(let line):
            chunk.byteCount += line.end - line.offset
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
            return
        }
        refresh(id)
        if states[id]?.backlog == false, outcome == .working { states[id]?.backlog = true }
    }

    /// Waits for a stretch to be decoded, decoding meanwhile what no other core has begun, and hands its events to the sequencer.
    private mutating func take(_ job: DecodingJob, wallLimit: Instant?, engineNow: Instant, into chunk: inout ReadChunk) {
        if var lines = job.work.take() {
            job.work.finish(lines.decoded(by: decoders[lines.source]))
        } else {
            for other in jobs where !job.work.isDone {
                if var lines = other.work.take() { other.work.finish(lines.decoded(by: decoders[lines.source])) }
            }
        }
        guard var lines = job.work.wait(), let state = states[job.file] else { return }
        states[job.file]?.jobs -= 1
        order(&lines, of: state, id: job.file, wallLimit: wallLimit, engineNow: engineNow, into: &chunk)
        if states[job.file]?.jobs == 0, tailer.file(job.file) == nil { states[job.file] = nil }
    }

    /// Gives decoded events their turn by the file's watermark, in the order of its lines, and refuses what is too late or too early.
    private mutating func order(
        _ lines: inout DecodedLines, of state: FileState, id: FileID, wallLimit: Instant?, engineNow: Instant,
        into chunk: inout ReadChunk
    ) {
        var notedHeads = state.notedHeads
        if !prescribed.isEmpty, notedHeads == nil {
            notedHeads = tailer.heads(of: id, among: prescribedHeads)
            states[id]?.notedHeads = notedHeads
        }
        chunk.lineCount += lines.lineCount
        chunk.byteCount += lines.text.count
        let lateness = sources[state.source].lateness
        let latest = wallLimit ?? .max
        let name = sources[state.source].name
        var newest = state.newest
        var refused: [(letter: DeadLetter, event: Event)] = []
        var batch = EventBatch()
        swap(&batch, &lines.batch)
        let text = lines.text
        let count = batch.events.count
        var kept = 0
        var next = 0
        batch.events.withUnsafeMutableBufferPointer { events in
            while next < count {
                // All events of a line have one time.
                let (first, time, offset) = (next, events[next].time, events[next].offset)
                repeat { next += 1 } while next < count && events[next].offset == offset
                func keep(_ order: Instant) {
                    for index in first..<next {
                        if kept != index { events[kept] = events[index] }
                        events[kept].order = order
                        if !keepsLines { events[kept].raw = .none }
                        kept += 1
                    }
                }
                let usual = newest.map { max(time, $0 - lateness) } ?? time
                // Nearly every line: nothing is prescribed of it, and it is in time.
                if notedHeads == nil, time <= latest, usual - time <= lateFor, usual >= engineNow {
                    newest = max(newest ?? time, time)
                    keep(usual)
                    continue
                }
                var note: ReadingNote?
                if let notedHeads {
                    for head in notedHeads where note == nil {
                        note = prescribed[ReadingNote.Place(source: name, head: head, offset: offset)]
                    }
                }
                let (outcome, noted) = turn(of: time, usual: usual, note, latest: latest, engineNow: engineNow)
                if let noted {
                    chunk.notes.append(
                        ReadingNote(kind: noted, source: name, head: state.head, offset: offset, at: engineNow))
                }
                switch outcome {
                case .at(let order):
                    // What was taken later moved no watermark.
                    if note?.kind != .retried { newest = max(newest ?? time, time) }
                    keep(order)
                case .refused(let reason, let message):
                    refused.append((deadLetter(reason, message, events[first], in: text, of: state), events[first]))
                }
            }
        }
        batch.events.removeLast(count - kept)
        chunk.deadLetters += lines.deadLetters
        if !refused.isEmpty {
            for index in refused.indices { refused[index].letter.customers = batch.customers(of: refused[index].event) }
            chunk.deadLetters = (chunk.deadLetters + refused.map(\.letter)).sorted { ($0.file, $0.offset) < ($1.file, $1.offset) }
        }
        states[id]?.newest = newest
        if keepsLines {
            batch.lines = text.bytes
        } else if spareBuffers.count < Self.depth {
            spareBuffers.append(text)
        }
        // Given away whole: a second owner would make the sequencer copy the events to sort them.
        var ordered = EventBatch()
        swap(&ordered, &batch)
        sequencer.add(consume ordered)
    }

    private enum Turn {
        case at(Instant)
        case refused(DeadLetter.Reason, String)
    }

    /// When it is the turn of a line that is not in time, or of which something is prescribed, and what is to be noted of it.
    ///
    /// - Parameters:
    ///   - usual: its turn by its file's watermark.
    ///   - note: what is prescribed.
    ///   - latest: what is later is of the future.
    private func turn(
        of time: Instant, usual: Instant, _ note: ReadingNote?, latest: Instant, engineNow: Instant
    ) -> (turn: Turn, noted: ReadingNote.Kind?) {
        if note?.kind == .future || note == nil && time > latest {
            return (.refused(.future, Decoder.futureMessage), note == nil ? .future : nil)
        }
        if usual - time > lateFor { return (.refused(.tooLate, Self.tooLateMessage), nil) }
        switch note?.kind {
        case .overtaken: return (.at(max(usual, note?.at ?? usual)), nil)
        case .retried: return (.at(max(time, note?.at ?? time)), nil)
        case .future, nil: return usual < engineNow ? (.at(engineNow), .overtaken) : (.at(usual), nil)
        }
    }

    private func deadLetter(
        _ reason: DeadLetter.Reason, _ message: String, _ event: Event, in text: LineBuffer, of state: FileState
    ) -> DeadLetter {
        text.withBytes { bytes in
            var letter = DeadLetter(
                reason: reason, message: message,
                line: UnsafeRawBufferPointer(rebasing: bytes[Int(event.raw.offset)..<Int(event.raw.offset + event.raw.length)]),
                source: UInt32(state.source), file: UInt32(state.number), offset: event.offset, length: event.length)
            letter.sourceName = sources[state.source].name
            letter.time = event.time
            return letter
        }
    }

    /// Takes a batch back whose events have been applied: the next stretches are read and decoded into its memory.
    package mutating func recycle(_ batch: consuming EventBatch) {
        let isUsual = batch.arena.capacity <= Self.spareBytes && batch.lines.capacity <= Self.spareBytes
        guard isUsual, spareBatches.count < Self.depth else { return }
        if !batch.lines.isEmpty, spareBuffers.count < Self.depth {
            var lines: [UInt8] = []
            swap(&lines, &batch.lines)
            spareBuffers.append(LineBuffer(reusing: lines))
        }
        batch.removeAll()
        spareBatches.append(batch)
    }

    /// What is larger than this is not kept for the next.
    private static let spareBytes = 4 * stretchBytes

    /// Events whose turn is before the watermark, in order.
    package mutating func take(below watermark: Instant) -> EventBatch { sequencer.take(below: watermark) }
}
