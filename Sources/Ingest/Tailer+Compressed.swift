import Glibc

// Compressed files: whether one is a copy of a known file is told by its decoded head first, and then, while it is held, by
// decoding it up to a place where both can be compared. That takes as many reads as it needs, so that no scan is held up by a
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
        let originals = originals(of: head, open, source: sighting.source)
        let id = start(sighting, open, status, head)
        seen.insert(id)
        if let original = originals.first {
            let position = tracked[original]?.size ?? 0
            tracked[id]?.claim = TrackedFile.Claim(original: original, position: position)
        } else {
            report.found.append(id)
            warnSameHead(id)
        }
        return false
    }

    /// What a compressed file that begins with `head` may be a copy of.
    private mutating func originals(of head: [UInt8], _ open: OpenFile, source: Int) -> [FileID] {
        // Of two compressed files that begin alike neither is taken for a copy: nothing could tell them apart cheaply.
        var found = sameHead(head, source: source) { !$0.isCompressed || !$0.hasBacking }
        guard head.count < Fingerprint.sampleBytes, !head.isEmpty else { return found }
        // The plain file may have grown since it was compressed: then its head is longer.
        let own = head.withUnsafeBytes { ContentSample($0) }
        for id in tracked.keys.sorted() where !found.contains(id) {
            guard let file = tracked[id], file.source == source, file.claim == nil, !file.isCompressed, file.hasBacking,
                file.head.length > head.count, case .success(let plain) = opened(id), let bytes = plain.headBytes()
            else { continue }
            if bytes.withUnsafeBytes(own.matchesStart) { found.append(id) }
        }
        return found
    }

    /// Compares a held file with what it may be a copy of, as far as one call goes.
    mutating func settleClaim(_ id: FileID) -> ReadOutcome {
        guard let file = tracked[id], let claim = file.claim else { return .working }
        let open: OpenFile
        switch opened(id) {
        case .success(let own): open = own
        case .failure(let error): return .unavailable(error.code)
        }
        guard let original = tracked[claim.original], original.claim == nil else { return refute(id) }
        var position = original.offset
        var plain: OpenFile?
        if !original.isCompressed, original.hasBacking, case .success(let other) = opened(original.id) {
            plain = other
            position = max(claim.position, original.offset)
        }
        if position == 0 { return confirm(id, isShorter: false) }

        let length = plain == nil ? original.mark.length : min(position, Fingerprint.sampleBytes)
        var expected = plain == nil ? original.mark : plain?.sample(endingAt: position, length: length)
        var sample = ContentSample.none
        let outcome = withUnsafeTemporaryAllocation(byteCount: max(1, length), alignment: 8) { room in
            let bytes = UnsafeMutableRawBufferPointer(rebasing: room[..<length])
            let outcome = open.read(at: position - length, into: bytes)
            sample = ContentSample(UnsafeRawBufferPointer(bytes))
            return outcome
        }
        switch outcome {
        case .working: return .working
        case .failed(let code): return .unavailable(code)
        case .bytes(length): return sample == expected ? confirm(id, isShorter: false) : refute(id)
        case .bytes: break
        }
        guard open.ending != .open || file.isStalled || !file.hasBacking || file.presence == .deleted else {
            tracked[id]?.isIdle = true  // still being written
            tracked[id]?.isCutShort = true
            return .caughtUp
        }
        // It ends before the place to compare.
        let end = open.contentEnd
        let tail = min(end, Fingerprint.sampleBytes)
        expected = plain?.sample(endingAt: end, length: tail)
        if plain != nil, open.sample(endingAt: end, length: tail) != expected { return refute(id) }
        if open.ending == .open, file.hasBacking, file.presence != .deleted {
            // Cut short within a member: a few bytes that agree prove nothing about those that may come. It stays held, and gives nothing,
            // until it has grown or is gone.
            tracked[id]?.isIdle = true
            tracked[id]?.isCutShort = true
            return .caughtUp
        }
        return confirm(id, isShorter: plain == nil)
    }

    private mutating func confirm(_ id: FileID, isShorter: Bool) -> ReadOutcome {
        guard let file = tracked[id], let claim = file.claim, let original = tracked[claim.original] else { return .working }
        if isShorter {
            ledger.happened(
                warning(
                    .shorterCopy, source: file.source, path: file.path,
                    "\(file.path) begins like \(original.path) and ends before byte \(original.offset), up to which that one was "
                        + "read; it is taken for a copy and not read"))
        }
        tracked[id] = nil
        uncarry(file.inode.key, id)
        guard let status = file.stamp else { return .copy(of: original.id) }
        let match = Glob.Match(path: file.path, target: file.target, status: status)
        let copy = TrackedFile.Copy(match: match, inode: file.inode, isCompressed: true, lastSeen: scans)
        let needsBacking = !original.hasBacking || (original.presence == .deleted && original.isComplete)
        if needsBacking {
            move(original.id, to: copy, file.open)
        } else {
            tracked[original.id]?.copies[copy.inode.key] = copy
            copied[copy.inode.key] = original.id
        }
        return .copy(of: original.id)
    }

    private mutating func refute(_ id: FileID) -> ReadOutcome {
        guard var claim = tracked[id]?.claim, let file = tracked[id] else { return .working }
        claim.refuted.insert(claim.original)
        tracked[id]?.claim = nil
        guard let open = file.open, let head = open.headBytes() else { return .working }
        if let next = originals(of: head, open, source: file.source).first(where: { $0 != id && !claim.refuted.contains($0) }) {
            claim.original = next
            claim.position = tracked[next]?.size ?? 0
            tracked[id]?.claim = claim
        }
        return .working
    }
}
