import CLinux
import Glibc

/// What a read came to.
package enum ReadOutcome: Hashable, Sendable {
    /// So many bytes of whole lines were appended to the buffer; `offset` is that of the first one in the file. There may
    /// be more.
    case lines(offset: Int, byteCount: Int)
    /// A line above the limit was passed over; nothing was appended. There may be more.
    case tooLong(TooLongLine)
    /// Progress without a line: decoding on the way to the offset, a long line, a copy being compared. Read again.
    case working
    /// No complete line is there at present.
    case caughtUp
    /// No complete line is there and none can come any more (see `TailedFile.isFinished`).
    case ended
    /// The content was replaced. What was given out before is whole; the next scan starts the new content.
    case truncated
    /// The file turned out to be a copy of another one; its id is void and nothing of it was given out.
    case copy(of: FileID)
    /// It can't be read now (an error number): not found, unreadable. The next scan tries again.
    case unavailable(Int32)
}

extension Tailer {
    /// Appends whole lines of `id` to `buffer`, the last one ended by `\n`, and moves the file's offset behind them.
    ///
    /// About `maxBytes` at most; more where a line within the limit of the source needs it, and never less than 4 KiB at a time.
    package mutating func read(_ id: FileID, upTo maxBytes: Int, into buffer: inout LineBuffer) -> ReadOutcome {
        take(id, upTo: maxBytes, into: &buffer, consuming: true)
    }

    /// As `read`, without moving on: for the event time of the first line.
    package mutating func peek(_ id: FileID, upTo maxBytes: Int, into buffer: inout LineBuffer) -> ReadOutcome {
        take(id, upTo: maxBytes, into: &buffer, consuming: false)
    }

    /// Whether a complete line waits to be read: settles a backlog that is `unknown`. Looks no further than a line within
    /// the limit reaches; true also where that does not tell (a longer line, decoding yet to be done).
    package mutating func hasCompleteLine(_ id: FileID) -> Bool {
        guard let file = tracked[id], file.claim == nil else { return false }
        switch file.listing.backlog {
        case .none: return false
        case .lines: return true
        case .unknown: break
        }
        guard file.overlong == nil else { return true }
        guard case .success(let open) = opened(id) else { return false }
        let end = file.offset + sources[file.source].maxLineBytes + Tailer.lineSlack
        let found: Bool? = withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 8) { room in
            var position = file.offset
            // Most lines are short.
            var wanted = 1 << 12
            while position < end {
                let part = UnsafeMutableRawBufferPointer(rebasing: room[..<wanted])
                switch open.read(at: position, into: part) {
                case .working: return true
                case .failed: return nil
                case .bytes(let count):
                    if nudged_last_newline(part.baseAddress, count) >= 0 { return true }
                    if count < wanted { return false }
                    position += count
                }
                wanted = room.count
            }
            return true
        }
        tracked[id]?.hasKnownLine = found == true
        if found == false, var file = tracked[id] {
            _ = atEnd(&file, open)
            tracked[id] = file
        }
        return found ?? false
    }

    /// The next block of a file that is read one block after the other and has at least two more, to be read by another core before `read` asks for it;
    /// nil where nothing is to be read ahead.
    ///
    /// - Parameter count: how much `read` will ask for.
    mutating func readAhead(_ id: FileID, count: Int) -> ReadAhead? {
        let isStreak = streak == id
        streak = id
        guard isStreak, let file = tracked[id], let open = file.open, !file.isCompressed, file.claim == nil,
            file.presence == .present, file.overlong == nil, file.offset >= Fingerprint.sampleBytes,
            file.size - file.offset >= 2 * count
        else { return nil }
        let block = ReadAhead(open.file, at: file.offset, count: count, into: spare ?? LineBuffer())
        spare = nil
        ahead = (id, block)
        return block
    }

    /// Gives an empty buffer the block that was read ahead, and keeps its memory for the next one.
    private mutating func takeAhead(_ file: TrackedFile, count: Int, into buffer: inout LineBuffer) -> Bool {
        guard let ahead, ahead.id == file.id else { return false }
        self.ahead = nil
        guard buffer.count == 0, ahead.block.offset == file.offset, ahead.block.count == count, let block = ahead.block.take()
        else { return false }
        spare = buffer
        buffer = block
        return true
    }

    /// Reads what is there and, at the end of the file, also a last line without `\n`, which is appended without one.
    ///
    /// For files that will not grow: finished ones, and all at the end of a replay. When such a line is continued later, the
    /// rest comes out as a line of its own.
    package mutating func readUnterminated(_ id: FileID, upTo maxBytes: Int, into buffer: inout LineBuffer) -> ReadOutcome {
        let outcome = read(id, upTo: maxBytes, into: &buffer)
        guard outcome == .caughtUp || outcome == .ended, var file = tracked[id], file.claim == nil,
            case .success(let open) = opened(id)
        else { return outcome }
        file.open = open
        if let overlong = file.overlong, !overlong.isHole {
            let line = finished(overlong, end: overlong.scanned, length: overlong.scanned - overlong.start)
            advance(&file, open, to: overlong.scanned)
            tracked[id] = file
            return .tooLong(line)
        }
        let limit = sources[file.source].maxLineBytes + Tailer.lineSlack
        var count = 0
        buffer.append(room: limit) { room in
            guard case .bytes(let found) = open.read(at: file.offset, into: room) else { return 0 }
            // What was written since is for the next read.
            count = nudged_last_newline(room.baseAddress, found) < 0 ? found : 0
            if count == nudged_leading_nuls(room.baseAddress, count) { count = 0 }
            return count
        }
        guard count > 0 else { return outcome }
        let offset = file.offset
        advance(&file, open, to: offset + count)
        tracked[id] = file
        return .lines(offset: offset, byteCount: count)
    }

    /// A byte-order mark, `\r\n`, and one more: beyond the limit and this, a line without an end is too long for certain.
    private static var lineSlack: Int { 6 }

    private mutating func take(
        _ id: FileID, upTo maxBytes: Int, into buffer: inout LineBuffer, consuming: Bool
    ) -> ReadOutcome {
        guard let listed = tracked[id] else { return .unavailable(ENOENT) }
        if listed.claim != nil { return settleClaim(id) }
        if listed.presence == .superseded { return .truncated }
        if listed.isComplete { return .ended }
        let open: OpenFile
        switch opened(id) {
        case .success(let held): open = held
        case .failure(let error): return .unavailable(error.code)
        }
        guard var file = tracked[id] else { return .unavailable(ENOENT) }
        if file.overlong != nil { return passOver(&file, open) }

        let limit = sources[file.source].maxLineBytes + Tailer.lineSlack
        var want = max(maxBytes, Fingerprint.sampleBytes)  // the head is compared with the first chunk
        var outcome = ReadOutcome.working
        var isTruncated = false
        var isTooShort = false
        func fill(_ room: UnsafeMutableRawBufferPointer) -> Int {
            let count: Int
            switch open.read(at: file.offset, into: room) {
            case .working: return 0
            case .failed(let code):
                outcome = .unavailable(code)
                return 0
            case .bytes(let found): count = found
            }
            return consider(UnsafeRawBufferPointer(rebasing: room[..<count]))
        }
        /// How many of the bytes that were read are taken.
        func consider(_ bytes: UnsafeRawBufferPointer) -> Int {
            let count = bytes.count
            guard isStill(&file, open, bytes) else {
                isTruncated = true
                return 0
            }
            let last = nudged_last_newline(bytes.baseAddress, count)
            if last >= 0 {
                outcome = .lines(offset: file.offset, byteCount: last + 1)
                if consuming {
                    advance(&file, open, to: file.offset + last + 1, behind: UnsafeRawBufferPointer(rebasing: bytes[...last]))
                } else {
                    file.hasKnownLine = true
                }
                return last + 1
            }
            isTooShort = count == want && want < limit
            if !isTooShort { outcome = withoutNewline(&file, open, bytes, limit: limit, isEnd: count < want) }
            return 0
        }
        if consuming, takeAhead(file, count: want, into: &buffer) {
            buffer.truncate(to: buffer.withBytes(consider))
        } else {
            buffer.append(room: want, fill)
        }
        if isTooShort {
            want = limit
            buffer.append(room: want, fill)
        }
        if isTruncated {
            supersede(id)
            return .truncated
        }
        if case .unavailable(let code) = outcome {
            tracked[id]?.unreadableCode = code
            tracked[id]?.stamp = nil
            return outcome
        }
        noteDamage(&file, open)
        tracked[id] = file
        return outcome
    }

    /// A chunk without any line end: the partial last line, a hole, or a line beyond the limit.
    private mutating func withoutNewline(
        _ file: inout TrackedFile, _ open: OpenFile, _ bytes: UnsafeRawBufferPointer, limit: Int, isEnd: Bool
    ) -> ReadOutcome {
        let nuls = nudged_leading_nuls(bytes.baseAddress, bytes.count)
        if nuls > 0, nuls < bytes.count {
            skipHole(&file, open, to: file.offset + nuls)
            return .working
        }
        if nuls == bytes.count || bytes.count < limit {
            if isEnd { return atEnd(&file, open) }
            file.overlong = TrackedFile.Overlong(
                start: file.offset, scanned: file.offset + nuls, head: [], lastByte: 0, isHole: true)
            return .working
        }
        let hasMark = file.offset == 0 && bytes.starts(with: byteOrderMark)
        let content = UnsafeRawBufferPointer(rebasing: bytes[(hasMark ? byteOrderMark.count : 0)...])
        file.overlong = TrackedFile.Overlong(
            start: file.offset + bytes.count - content.count, scanned: file.offset + bytes.count,
            head: Array(content.prefix(LineSplitter.keptBytes)), lastByte: content.last ?? 0, isHole: false)
        return .working
    }

    /// One more chunk of a line (or hole) without an end in sight.
    private mutating func passOver(_ file: inout TrackedFile, _ open: OpenFile) -> ReadOutcome {
        guard var overlong = file.overlong else { return .working }
        let chunkBytes = 1 << 18
        var outcome = ReadOutcome.working
        var isTruncated = false
        withUnsafeTemporaryAllocation(byteCount: chunkBytes, alignment: 8) { room in
            let count: Int
            switch open.read(at: overlong.scanned, into: room) {
            case .working: return
            case .failed(let code):
                outcome = .unavailable(code)
                return
            case .bytes(let found): count = found
            }
            let bytes = UnsafeRawBufferPointer(rebasing: room[..<count])
            guard isStill(&file, open, nil) else {
                isTruncated = true
                return
            }
            if overlong.isHole {
                let nuls = nudged_leading_nuls(bytes.baseAddress, count)
                overlong.scanned += nuls
                file.overlong = overlong
                if nuls < count {
                    file.overlong = nil
                    skipHole(&file, open, to: overlong.scanned)
                } else if count < chunkBytes {
                    file.overlong = nil  // it may still be filled: looked at again from its start when the file changes
                    outcome = atEnd(&file, open)
                }
            } else if count > 0, let base = bytes.baseAddress, let found = memchr(base, 0x0A, count) {
                let index = UnsafeRawPointer(found) - base
                let before = index > 0 ? bytes[index - 1] : overlong.lastByte
                let end = overlong.scanned + index
                overlong.keep(UnsafeRawBufferPointer(rebasing: bytes[..<index]))
                let line = finished(overlong, end: end + 1, length: end - overlong.start - (before == 0x0D ? 1 : 0))
                outcome = .tooLong(line)
                file.overlong = nil
                advance(&file, open, to: end + 1)
            } else {
                overlong.scanned += count
                overlong.keep(bytes)
                if let last = bytes.last { overlong.lastByte = last }
                file.overlong = overlong
                if count < chunkBytes { outcome = atEnd(&file, open) }
            }
        }
        if isTruncated {
            supersede(file.id)
            return .truncated
        }
        tracked[file.id] = file
        return outcome
    }

    private func finished(_ overlong: TrackedFile.Overlong, end: Int, length: Int) -> TooLongLine {
        TooLongLine(offset: overlong.start, end: end, length: length, head: Array(overlong.head.prefix(length)))
    }

    /// Nothing more at present, or for good.
    private func atEnd(_ file: inout TrackedFile, _ open: OpenFile) -> ReadOutcome {
        file.isIdle = true
        file.isCutShort = open.isCompressed && open.isCutShort
        let isWhole = open.isCompressed ? open.ending != .open || file.isStalled : file.presence == .deleted
        if isWhole { file.isComplete = !file.isStalled }
        return isWhole ? .ended : .caughtUp
    }

    /// Whether the file still holds what was read before `bytes`, which were read at its offset; lets the head grow.
    private func isStill(_ file: inout TrackedFile, _ open: OpenFile, _ bytes: UnsafeRawBufferPointer?) -> Bool {
        if file.isCompressed { return true }
        if case .other = compareMark(file, open) { return false }
        guard file.offset == 0, let bytes else { return true }
        if !file.head.matchesStart(of: bytes) { return false }
        if file.head.length < Fingerprint.sampleBytes, bytes.count > file.head.length {
            file.keep(head: open.lasting(UnsafeRawBufferPointer(rebasing: bytes.prefix(Fingerprint.sampleBytes))))
        }
        return true
    }

    private mutating func skipHole(_ file: inout TrackedFile, _ open: OpenFile, to offset: Int) {
        ledger.happened(
            warning(
                .nulBytes, source: file.source, path: file.path,
                "\(file.path) has \(offset - file.offset) NUL bytes at byte \(file.offset), as after a crash; they are skipped"))
        advance(&file, open, to: offset)
    }

    /// Moves the offset, and the mark with it; `bytes` are those before the new offset where they are at hand.
    private func advance(_ file: inout TrackedFile, _ open: OpenFile, to offset: Int, behind bytes: UnsafeRawBufferPointer? = nil)
    {
        file.offset = offset
        file.overlong = nil
        file.hasKnownLine = false
        file.isIdle = false
        let length = min(offset, Fingerprint.sampleBytes)
        if let bytes, bytes.count >= length {
            file.keep(tail: UnsafeRawBufferPointer(rebasing: bytes[(bytes.count - length)...]))
        } else {
            file.mark = open.sample(endingAt: offset, length: length) ?? .none
        }
    }

    private mutating func noteDamage(_ file: inout TrackedFile, _ open: OpenFile) {
        guard open.ending == .corrupt else { return }
        ledger.happened(
            warning(
                .corrupt, source: file.source, path: file.path,
                "\(file.path) does not decode beyond byte \(open.contentEnd) of its content; what came before is read: compress "
                    + "it again from its original"), oncePerPath: true)
    }
}
