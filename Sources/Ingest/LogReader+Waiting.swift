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
    package mutating func retry(_ line: [UInt8], source name: String, file: Int, offset: UInt64, length: UInt32, at now: Instant)
        -> Retry
    {
        guard let source = sources.firstIndex(where: { $0.name == name }) else { return .noSource }
        var batch = EventBatch()
        let result = decoders[source].decoder.decode(
            alone: line, source: UInt32(source), file: UInt32(clamping: file), offset: offset, length: length, into: &batch)
        if case .deadLetter(let letter) = result { return .refused(letter) }
        for index in batch.events.indices {
            let order = max(batch.events[index].time, now)
            if order - batch.events[index].time > lateFor {
                return .refused(
                    line.withUnsafeBytes { bytes in
                        DeadLetter(
                            reason: .tooLate, message: Self.tooLateMessage, line: bytes, source: UInt32(source),
                            file: UInt32(clamping: file), offset: offset, length: length)
                    })
            }
            batch.events[index].order = order
            batch.events[index].raw = batch.add(line: line[...])
        }
        sequencer.add(batch)
        let head = states.values.first { $0.number == file }?.head
        return .taken(head.map { ReadingNote(kind: .retried, source: name, head: $0, offset: offset, at: now) })
    }

    // MARK: Waiting lines

    /// Forgets events that wait, with their lines; those of the others are to be kept anew.
    package mutating func forgetWaiting(where isGone: (Event, EventBatch) -> Bool) { sequencer.forget(where: isGone) }

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
            let line = batch.line(of: event)
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
            let first = batch.events.count
            let result = decoders[source].decoder.decode(
                alone: line, source: UInt32(source), file: UInt32(file), offset: offset, length: UInt32(clamping: length),
                into: &batch)
            guard case .event = result else { continue }
            let raw = batch.add(line: line)
            for index in first..<batch.events.count {
                batch.events[index].order = order
                batch.events[index].raw = raw
                batch.events[index].isKept = true
            }
        }
        sequencer.add(batch)
    }
}
