import CLinux
import Glibc

// Compressed files: whether one is a copy of a known file, or a plain one that of a compressed one, is told by the decoded head first, and then,
// while it is held, by decoding up to a place where both can be compared. That takes as many reads as it needs, so that no scan is held up by a
// large file.
extension Tailer {
    /// Starts or holds a compressed file. Returns true where too little of it is there: with `dryRun` only that is found out.
    mutating func adoptCompressed(
        _ sighting: Sighting, _ open: OpenFile, _ status: FileStatus, _ isUnchanged: Bool, _ seen: inout Set<FileID>,
        _ report: inout ScanReport, dryRun: Bool
    ) -> Bool {
        guard let head = open.headBytes() else {
            unreadable(sighting, EIO)
            return true
        }
        if dryRun {
            let isWholeHead = head.count == Fingerprint.sampleBytes || open.ending != .open
            if !isWholeHead, !isUnchanged { return true }
            guard head.isEmpty else { return false }
            if open.ending != .whole {
                ledger.condition(
                    warning(
                        .corrupt, source: sighting.source, path: sighting.match.path,
                        "\(sighting.match.path) begins like a compressed file and nothing of it decodes; it is skipped until it "
                            + "changes"))
            }
            rejected.insert(sighting.key)
            return true
        }
        let originals = originals(of: head, isCompressed: true, source: sighting.source)
        let id = start(sighting, open, status, head)
        seen.insert(id)
        if let original = originals.first {
            tracked[id]?.claim = TrackedFile.Claim(original: original)
        } else {
            report.found.append(id)
            warnSameHead(id)
        }
        return false
    }

    /// What a file that begins with `head` may be a copy of, with one of the two compressed. Two compressed files can only be told apart where one has
    /// been read to its end.
    private mutating func originals(of head: [UInt8], isCompressed: Bool, source: Int) -> [FileID] {
        guard isCompressed else { return sameHead(head, source: source) { $0.isCompressed && $0.hasBacking } }
        let read = sameHead(head, source: source) { !$0.hasBacking || ($0.isCompressed && $0.isComplete) }
        return ranked(plainOriginals(of: head, source: source) + read)
    }

    /// Compares a held file with what it may be a copy of, as far as one call goes.
    mutating func settleClaim(_ id: FileID) -> ReadOutcome {
        guard let file = tracked[id], let claim = file.claim else { return .working }
        guard let original = tracked[claim.original], original.claim == nil else { return refute(id) }
        let open: OpenFile
        switch opened(id) {
        case .success(let own): open = own
        case .failure(let error): return .unavailable(error.code)
        }
        guard original.hasBacking, open.isCompressed != original.isCompressed else {
            return settleClaim(of: file, open, byMarkOf: original)
        }
        let other: OpenFile
        switch opened(original.id) {
        case .success(let found): other = found
        case .failure(let error): return .unavailable(error.code)
        }
        let (compressed, plain) = open.isCompressed ? (open, other) : (other, open)
        guard let size = plain.status?.size else { return .unavailable(EIO) }
        switch compressed.isAlike(plain, ofSize: size) {
        case .failure(let error): return .unavailable(error.code)
        case .success(nil): return .working
        case .success(true) where !file.isCompressed: return compressed.contentEnd < size ? refute(id) : confirm(id)
        case .success(true) where compressed.contentEnd <= size:
            return isWhole(file, open) ? confirm(id) : wait(id)
        case .success:
            // Compared after the bytes were read: the original may have been cut since the last scan.
            if !original.isCompressed, case .other = compareMark(original, other) {
                supersede(original.id)
                return .working
            }
            return refute(id)
        }
    }

    /// As `settleClaim` where only what was read of the original can be compared: nothing carries it any more, or another copy that is compressed as
    /// well, which is waited for until all of it has been read.
    private mutating func settleClaim(of file: TrackedFile, _ open: OpenFile, byMarkOf original: TrackedFile) -> ReadOutcome {
        guard !original.hasBacking || original.isIdle || original.isComplete else { return .caughtUp }
        let length = original.mark.length
        guard original.offset > 0 else { return confirm(file.id) }
        var sample = ContentSample.none
        let outcome = withUnsafeTemporaryAllocation(byteCount: max(1, length), alignment: 8) { room in
            let bytes = UnsafeMutableRawBufferPointer(rebasing: room[..<length])
            let outcome = open.read(at: original.offset - length, into: bytes)
            sample = ContentSample(UnsafeRawBufferPointer(bytes))
            return outcome
        }
        switch outcome {
        case .working: return .working
        case .failed(let code): return .unavailable(code)
        case .bytes(length):
            guard sample == original.mark else { return refute(file.id) }
            return original.hasBacking && holdsLine(open, at: original.offset) ? refute(file.id) : confirm(file.id)
        case .bytes: return file.isCompressed && !isWhole(file, open) ? wait(file.id) : refute(file.id)
        }
    }

    /// Whether a line begins here and ends somewhere, as far as a few bytes tell.
    private func holdsLine(_ open: OpenFile, at offset: Int) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 8) { room in
            guard case .bytes(let count) = open.read(at: offset, into: room) else { return true }
            return count == room.count || nudged_last_newline(room.baseAddress, count) >= 0
        }
    }

    /// Whether nothing can follow what was decoded of a held compressed file. Of one that is cut short within a member that can't be said: a
    /// few bytes that agree prove nothing about those that may come.
    private func isWhole(_ file: TrackedFile, _ open: OpenFile) -> Bool {
        open.ending != .open || !file.hasBacking || file.presence == .deleted
    }

    /// A held compressed file is still being written: it gives nothing until it has grown or is gone.
    private mutating func wait(_ id: FileID) -> ReadOutcome {
        tracked[id]?.isIdle = true
        tracked[id]?.isCutShort = true
        return .caughtUp
    }

    private mutating func confirm(_ id: FileID) -> ReadOutcome {
        guard let file = tracked[id], let claim = file.claim, let original = tracked[claim.original] else { return .working }
        tracked[id] = nil
        uncarry(file.inode.key, id)
        guard let status = file.stamp else { return .copy(of: original.id) }
        let match = Glob.Match(path: file.path, target: file.target, status: status)
        let copy = TrackedFile.Copy(
            match: match, inode: file.inode, isCompressed: file.isCompressed, lastSeen: scans, compared: status,
            isSettled: file.isSettled)
        let needsBacking = !original.hasBacking || (original.presence == .deleted && original.isComplete)
        if needsBacking {
            move(original.id, to: copy, file.open)
        } else {
            keepCopy(copy, of: original.id)
        }
        return .copy(of: original.id)
    }

    private mutating func refute(_ id: FileID) -> ReadOutcome {
        guard var claim = tracked[id]?.claim, let file = tracked[id] else { return .working }
        claim.refuted.insert(claim.original)
        tracked[id]?.claim = nil
        tracked[id]?.isIdle = false
        guard let open = file.open, let head = open.headBytes() else { return .working }
        if let next = originals(of: head, isCompressed: open.isCompressed, source: file.source).first(where: {
            $0 != id && !claim.refuted.contains($0)
        }) {
            claim.original = next
            tracked[id]?.claim = claim
        } else {
            warnSameHead(id)
        }
        return .working
    }
}
