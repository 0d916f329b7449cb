import Engine

extension LogReader {
    // MARK: Dead letters

    /// What became of a dead letter that was tried again.
    package enum Retry: Sendable {
        /// It waits for its turn now; the note is for the control log, nil where its file is not known any more.
        case taken(ReadingNote?)
        case refused(DeadLetter)
        case noSource
    }

    /// Decodes a kept line again, under the formats of now; its turn is `now`, or its own time if that is later.
    package mutating func retry(
        _ line: [UInt8], source name: String, file: Int, offset: UInt64, length: UInt32, at now: Instant,
        wallLimit: Instant? = nil
    ) -> Retry {
        guard let source = sources.firstIndex(where: { $0.name == name }) else { return .noSource }
        var batch = EventBatch()
        let result = decoders[source].decoder.decode(
            alone: line, source: UInt32(source), file: UInt32(clamping: file), offset: offset, length: length, into: &batch)
        if case .deadLetter(let letter) = result { return .refused(letter) }
        func refused(_ reason: DeadLetter.Reason, _ message: String) -> Retry {
            .refused(
                line.withUnsafeBytes { bytes in
                    DeadLetter(
                        reason: reason, message: message, line: bytes, source: UInt32(source), file: UInt32(clamping: file),
                        offset: offset, length: length)
                })
        }
        for index in batch.events.indices {
            let order = max(batch.events[index].time, now)
            if order - batch.events[index].time > lateFor { return refused(.tooLate, Self.tooLateMessage) }
            if let wallLimit, batch.events[index].time > wallLimit { return refused(.future, Decoder.futureMessage) }
            batch.events[index].order = order
            batch.events[index].raw = batch.add(line: line[...])
        }
        sequencer.add(batch)
        let head = states.values.first { $0.number == file }?.head
        return .taken(head.map { ReadingNote(kind: .retried, source: name, head: $0, offset: offset, at: now) })
    }

    // MARK: Waiting lines

    /// Forgets events that wait, with their lines; those of the others are to be kept anew.
    package mutating func forgetWaiting(where isGone: (Event, EventBatch) -> Bool) {
        sequencer.forget(where: isGone)
        keepsAnew = true
    }

    /// What a store has to write so that it keeps the lines that wait; they count as kept from here on.
    package mutating func takeUnkeptLines() -> WaitingLines {
        var result = WaitingLines(replacesKept: keepsAnew)
        keepsAnew = false
        var previous: (source: UInt32, file: UInt32, offset: UInt64)?
        sequencer.forEachUnkept { event, batch in
            result.lastOrder = max(result.lastOrder, event.order)
            // Events of one line stand together, and come back together from it.
            if let previous, previous == (event.source, event.file, event.offset) { return }
            previous = (event.source, event.file, event.offset)
            let line = KeptLine(
                source: sources[Int(event.source)].name, file: event.file, offset: event.offset, order: event.order,
                length: event.length, text: batch.line(of: event))
            line.pack(into: &result.bytes)
        }
        return result
    }

    /// Takes waiting lines back in that a store kept, but for those whose turn was before `now`: they have been applied.
    ///
    /// - Returns: those that are no events under the formats of now; what the store keeps is then replaced by the next commit, so that they
    ///   are refused once.
    package mutating func restore(_ chunks: [[UInt8]], appliedBefore now: Instant) -> [DeadLetter] {
        var refused: [DeadLetter] = []
        for chunk in chunks {
            var batch = EventBatch()
            var position = 0
            while let line = KeptLine(in: chunk, at: &position) {
                guard line.order >= now, let letter = restore(line, into: &batch) else { continue }
                refused.append(letter)
            }
            sequencer.add(batch)
        }
        if !refused.isEmpty { forgetWaiting { _, _ in false } }
        return refused
    }

    /// Decodes a kept line; what it gives if it is no event.
    private func restore(_ line: KeptLine, into batch: inout EventBatch) -> DeadLetter? {
        guard let source = sources.firstIndex(where: { $0.name == line.source }) else { return nil }
        let first = batch.events.count
        switch decoders[source].decoder.decode(
            alone: line.text, source: UInt32(source), file: line.file, offset: line.offset, length: line.length, into: &batch)
        {
        case .event: break
        case .ignored: return nil
        case .deadLetter(var letter):
            letter.sourceName = line.source
            return letter
        }
        let raw = batch.add(line: line.text)
        for index in first..<batch.events.count {
            batch.events[index].order = line.order
            batch.events[index].raw = raw
            batch.events[index].isKept = true
        }
        return nil
    }
}
