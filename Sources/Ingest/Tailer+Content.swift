import Glibc

// Comparing content: whether a file is still the one it was, and whether a new one repeats a known one.
extension Tailer {
    enum Comparison {
        case same
        case other
        case unreadable(Int32)
    }

    /// Whether `open`, of status `now`, still holds what was read of `file`; lets the head grow with the file.
    func compare(_ file: inout TrackedFile, _ open: OpenFile, _ now: FileStatus, wholeHead: Bool) -> Comparison {
        if open.isCompressed != file.isCompressed { return .other }
        if file.isCompressed {
            if now.size < open.inputOffset { return .other }
            guard wholeHead, file.head.length > 0 else { return .same }
            guard let head = open.headBytes() else { return .unreadable(EIO) }
            return head.withUnsafeBytes(file.head.matchesStart) ? .same : .other
        }
        let marked = compareMark(file, open)
        guard case .same = marked else { return marked }
        let grows = file.head.length < Fingerprint.sampleBytes && now.size > file.head.length
        guard grows || wholeHead || file.offset == 0 || file.markLength == 0 else { return .same }
        guard let head = open.headBytes() else { return .unreadable(EIO) }
        return head.withUnsafeBytes { bytes in
            guard file.head.matchesStart(of: bytes) else { return .other }
            if grows { file.head = ContentSample(bytes) }
            return .same
        }
    }

    /// Whether the bytes before the offset of a plain file are still the ones that were read.
    func compareMark(_ file: TrackedFile, _ open: OpenFile) -> Comparison {
        if let tail = file.tail, !tail.isEmpty, let isSame = open.holds(tail, endingAt: file.offset) {
            return isSame ? .same : .other
        }
        if file.mark.length > 0, let sample = open.sample(endingAt: file.offset, length: file.mark.length) {
            return sample == file.mark ? .same : .other
        }
        guard let now = open.status else { return .unreadable(errno) }
        if now.size < file.offset { return .other }
        return file.mark.length > 0 ? .unreadable(EIO) : .same
    }

    /// Gives every inode that carries nothing known a tracked file: a new one, or one that lost its backing, or as a copy.
    /// Returns whether there are any of which too little is there to tell.
    mutating func adopt(
        _ unknown: [Sighting], _ seen: inout Set<FileID>, _ report: inout ScanReport
    ) -> Bool {
        let firstNew = FileID(rawValue: nextID)
        var opened: [(sighting: Sighting, open: OpenFile, status: FileStatus)] = []
        var waiting: [InodeKey: FileStatus] = [:]
        var isAnyUndecided = false
        for sighting in unknown where sighting.match.status.size > 0 {
            // Wholly undecodable files are not opened again before they change.
            if let before = pending[sighting.key], before == sighting.match.status, rejected.contains(sighting.key) {
                waiting[sighting.key] = before
                continue
            }
            rejected.remove(sighting.key)
            switch openDescriptor(sighting.match.target) {
            case .failure(let error):
                if error.code == ENOENT || error.code == ESTALE {
                    isAnyUndecided = true
                } else {
                    unreadable(sighting, error.code)
                }
            case .success(let open):
                guard let status = open.status, status.key == sighting.key else {
                    isAnyUndecided = true
                    continue
                }
                let isUnchanged = pending[sighting.key] == status
                if open.isCompressed
                    ? adoptCompressed(sighting, open, status, isUnchanged, &seen, &report, dryRun: true)
                    : mayBecomeCompressed(open, status)
                {
                    waiting[sighting.key] = status
                    isAnyUndecided = isAnyUndecided || !isUnchanged
                } else if open.isCompressed {
                    opened.append((sighting, open, status))
                } else {
                    adoptPlain(sighting, open, status, firstNew, &seen, &report)
                }
            }
        }
        for (sighting, open, status) in opened {
            _ = adoptCompressed(sighting, open, status, true, &seen, &report, dryRun: false)
        }
        pending = waiting
        rejected.formIntersection(waiting.keys)
        return isAnyUndecided
    }

    /// Which of `samples` the content of a file begins with.
    package mutating func heads(of id: FileID, among samples: Set<ContentSample>) -> [ContentSample] {
        guard case .success(let open) = opened(id), let head = open.headBytes() else { return [] }
        return head.withUnsafeBytes { bytes in samples.filter { $0.length > 0 && $0.matchesStart(of: bytes) } }
            .sorted { $0.length < $1.length }
    }

    /// Whether the few bytes of a file could become the magic of a compressed one. A hole at its start that is as old as what comes behind it stays one.
    private func mayBecomeCompressed(_ open: OpenFile, _ status: FileStatus) -> Bool {
        guard let head = open.headBytes() else { return true }
        if head.isEmpty, status.size > Fingerprint.sampleBytes, open.holds([0], endingAt: status.size) == false { return false }
        let magics: [[UInt8]] = [[0x1F, 0x8B], [0x28, 0xB5, 0x2F, 0xFD]]
        return head.isEmpty || magics.contains { head.count < $0.count && $0.starts(with: head) }
    }

    mutating func start(_ sighting: Sighting, _ open: OpenFile, _ status: FileStatus, _ head: [UInt8]) -> FileID {
        var file = TrackedFile(id: makeID(), source: sighting.source, match: sighting.match, open: open)
        file.head = head.withUnsafeBytes { ContentSample($0) }
        file.size = status.size
        file.stamp = status
        file.isSettled = isSettled(status)
        tracked[file.id] = file
        carry(sighting.key, file.id)
        keepOpen(open, file.id)
        return file.id
    }

    // MARK: Plain files

    private mutating func adoptPlain(
        _ sighting: Sighting, _ open: OpenFile, _ status: FileStatus, _ firstNew: FileID, _ seen: inout Set<FileID>,
        _ report: inout ScanReport
    ) {
        guard let head = open.headBytes() else { return unreadable(sighting, EIO) }
        let copy = TrackedFile.Copy(match: sighting.match, inode: open.inode, isCompressed: false, lastSeen: scans)
        let originals = sameHead(head, source: sighting.source) {
            $0.isCompressed || $0.presence == .superseded
                || (($0.presence == .resumed || $0.presence == .gone) && $0.inode.number == open.inode.number)
        }
        for id in originals {
            guard let file = tracked[id], file.offset <= status.size else { continue }
            let mark = open.sample(endingAt: file.offset, length: file.mark.length)
            guard mark == file.mark else { continue }
            let isMoved =
                (file.presence == .resumed || file.presence == .gone) && file.inode.number == open.inode.number
                && file.inode.generation == open.inode.generation
            let isCopyOfTruncated = file.presence == .superseded
            if isMoved || isCopyOfTruncated || (file.isCompressed && !file.hasBacking && file.presence != .superseded) {
                move(id, to: copy, open)
                seen.insert(id)
                return
            }
            if file.isCompressed, file.hasBacking, file.offset == 0 {
                // Nothing was read of the compressed file yet: it is the one to be compared.
                let plain = start(sighting, open, status, head)
                seen.insert(plain)
                report.found.append(plain)
                tracked[id]?.claim = TrackedFile.Claim(original: plain, position: status.size)
                tracked[id]?.isIdle = false
                return
            }
            if file.isCompressed, file.hasBacking {
                tracked[id]?.copies[copy.inode.key] = copy
                copied[copy.inode.key] = id
                return
            }
        }
        let known = sameHead(head, source: sighting.source) {
            !$0.isCompressed && $0.hasBacking && $0.head.length == head.count && $0.size >= status.size && $0.id < firstNew
        }
        let id = start(sighting, open, status, head)
        seen.insert(id)
        if let original = known.first(where: { repeats(open, status.size, $0) }) {
            tracked[id]?.claim = TrackedFile.Claim(original: original, position: status.size)
            return
        }
        report.found.append(id)
        warnSameHead(id)
    }

    /// Whether the last bytes before `size` of a plain file are those of `id` at the same place.
    private mutating func repeats(_ open: OpenFile, _ size: Int, _ id: FileID) -> Bool {
        guard case .success(let other) = opened(id) else { return false }
        let length = min(size, Fingerprint.sampleBytes)
        let own = open.sample(endingAt: size, length: length)
        return own != nil && own == other.sample(endingAt: size, length: length)
    }

    /// Decides about plain files that repeated another one at the last scan.
    mutating func settlePlainClaims(_ seen: inout Set<FileID>, _ report: inout ScanReport) {
        for id in tracked.keys.sorted() {
            guard let file = tracked[id], let claim = file.claim, !file.isCompressed else { continue }
            let original = tracked[claim.original]
            guard case .success(let open) = opened(id), let original, seen.contains(id) else {
                release(id, &report)
                continue
            }
            if original.presence == .superseded {
                guard file.size >= original.offset,
                    open.sample(endingAt: original.offset, length: original.mark.length) == original.mark, let status = file.stamp
                else {
                    release(id, &report)
                    continue
                }
                tracked[id] = nil
                uncarry(file.inode.key, id)
                let match = Glob.Match(path: file.path, target: file.target, status: status)
                move(
                    original.id, to: TrackedFile.Copy(match: match, inode: file.inode, isCompressed: false, lastSeen: scans), open
                )
                seen.insert(original.id)
            } else if file.isStalled || !original.hasBacking || file.size > original.size
                || !repeats(open, file.size, original.id)
            {
                release(id, &report)
            }
        }
    }

    /// A held plain file is one of its own.
    private mutating func release(_ id: FileID, _ report: inout ScanReport) {
        tracked[id]?.claim = nil
        tracked[id]?.isStalled = false
        tracked[id]?.isIdle = false
        report.found.append(id)
        warnSameHead(id)
    }

    mutating func warnSameHead(_ id: FileID) {
        guard let file = tracked[id], file.head.length == Fingerprint.sampleBytes else { return }
        for other in tracked.values where other.id != id && other.head == file.head && other.source == file.source {
            ledger.happened(
                warning(
                    .sameHead, source: file.source, path: file.path,
                    "\(file.path) begins with the same 4 KiB as \(other.path); both are read: keep copies out of the "
                        + "pattern"), oncePerPath: true)
            break
        }
    }

    /// Tracked files of a source whose known head is how `head` begins, the best first: without a backing, read furthest.
    func sameHead(_ head: [UInt8], source: Int, where isCandidate: (TrackedFile) -> Bool) -> [FileID] {
        var samples: [Int: ContentSample] = [:]  // by length: thousands of files share a few
        return head.withUnsafeBytes { bytes in
            tracked.values.filter { file in
                let length = file.head.length
                guard file.source == source, file.claim == nil, length > 0, length <= bytes.count, isCandidate(file) else {
                    return false
                }
                let sample = samples[length] ?? ContentSample(UnsafeRawBufferPointer(rebasing: bytes[..<length]))
                samples[length] = sample
                return sample == file.head
            }
        }
        .sorted {
            ($0.hasBacking ? 1 : 0, $0.copies.count, -$0.offset, $0.id.rawValue)
                < ($1.hasBacking ? 1 : 0, $1.copies.count, -$1.offset, $1.id.rawValue)
        }
        .map(\.id)
    }

    /// Lets another file carry the content of `id` from now on.
    mutating func move(_ id: FileID, to copy: TrackedFile.Copy, _ open: OpenFile?) {
        guard var file = tracked[id] else { return }
        uncarry(file.inode.key, id)
        file.moveBacking(to: copy, open: nil)
        copied[copy.inode.key] = nil
        carry(copy.inode.key, id)
        tracked[id] = file
        if let open { keepOpen(open, id) }
    }

    /// Goes on in a copy where there is one.
    mutating func switchToCopy(_ id: FileID) -> Bool {
        guard let file = tracked[id] else { return false }
        let copies = file.copies.values.sorted { $0.match.path < $1.match.path }
        guard let copy = copies.first else { return false }
        move(id, to: copy, nil)
        return true
    }
}
