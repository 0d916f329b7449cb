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
            file.keep(head: open.lasting(bytes))
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
    mutating func adopt(_ unknown: [Sighting], _ seen: inout Set<FileID>, _ report: inout ScanReport) {
        let firstNew = FileID(rawValue: nextID)
        var opened: [(sighting: Sighting, open: OpenFile, status: FileStatus)] = []
        var waiting: [InodeKey: FileStatus] = [:]
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
                    hasUndecided = true
                } else {
                    unreadable(sighting, error.code)
                }
            case .success(let open):
                guard let status = open.status, status.key == sighting.key else {
                    hasUndecided = true
                    continue
                }
                let isUnchanged = pending[sighting.key] == status
                if open.isCompressed
                    ? adoptCompressed(sighting, open, status, isUnchanged, &seen, &report, dryRun: true)
                    : mayBecomeCompressed(open)
                {
                    waiting[sighting.key] = status
                    hasUndecided = hasUndecided || !isUnchanged
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
    }

    /// Which of `samples` the content of a file begins with.
    package mutating func heads(of id: FileID, among samples: Set<ContentSample>) -> [ContentSample] {
        guard case .success(let open) = opened(id), let head = open.headBytes() else { return [] }
        return head.withUnsafeBytes { bytes in samples.filter { $0.length > 0 && $0.matchesStart(of: bytes) } }
            .sorted { $0.length < $1.length }
    }

    /// Whether the few bytes of a file could become the magic of a compressed one. A hole at its start that is as old as what comes behind it stays one.
    private func mayBecomeCompressed(_ open: OpenFile) -> Bool {
        guard let bytes = open.headBytes() else { return true }
        let magics: [[UInt8]] = [[0x1F, 0x8B], [0x28, 0xB5, 0x2F, 0xFD]]
        return bytes.withUnsafeBytes { bytes in
            let head = open.lasting(bytes)
            return head.isEmpty || magics.contains { head.count < $0.count && $0.starts(with: head) }
        }
    }

    mutating func start(_ sighting: Sighting, _ open: OpenFile, _ status: FileStatus, _ head: [UInt8]) -> FileID {
        var file = TrackedFile(id: makeID(), source: sighting.source, match: sighting.match, open: open)
        head.withUnsafeBytes { file.keep(head: open.lasting($0)) }
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
        if goesOn(sighting, open, status, head, &seen, &report) { return }
        var isAnyCut = false
        for id in plainOriginals(of: head, source: sighting.source) where id < firstNew {
            // Less than that is not a copy in the making: logs may have their first lines in common.
            guard status.size >= min(tracked[id]?.listedSize ?? 0, Fingerprint.sampleBytes) else { continue }
            switch repeats(open, status.size, id, &seen) {
            case .same:
                return keepCopy(
                    TrackedFile.Copy(
                        match: sighting.match, inode: open.inode, isCompressed: false, lastSeen: scans, compared: status,
                        isSettled: isSettled(status)), of: id)
            case .other: isAnyCut = isAnyCut || tracked[id]?.presence == .superseded
            case .unreadable(let code) where code == ENOENT || code == ESTALE:
                // Renamed just now: the next scan tells.
                hasUndecided = true
                return
            case .unreadable: break
            }
        }
        if isAnyCut, goesOn(sighting, open, status, head, &seen, &report) { return }
        let id = start(sighting, open, status, head)
        seen.insert(id)
        report.found.append(id)
        warnSameHead(id)
    }

    /// Whether a new plain file carries on what is known, from where nothing else does, or is to be compared with a compressed one.
    private mutating func goesOn(
        _ sighting: Sighting, _ open: OpenFile, _ status: FileStatus, _ head: [UInt8], _ seen: inout Set<FileID>,
        _ report: inout ScanReport
    ) -> Bool {
        let originals = sameHead(head, source: sighting.source) { file in
            let isMoved =
                (file.presence == .resumed || file.presence == .gone) && file.inode.number == open.inode.number
                && file.inode.generation == open.inode.generation
            return file.isCompressed || file.presence == .superseded || isMoved
        }
        for id in originals {
            guard let file = tracked[id] else { continue }
            if file.isCompressed, file.hasBacking {
                let plain = start(sighting, open, status, head)
                seen.insert(plain)
                if file.offset == 0 {
                    // Nothing was read of the compressed file yet: it is the one to be compared.
                    report.found.append(plain)
                    tracked[id]?.claim = TrackedFile.Claim(original: plain)
                    tracked[id]?.isIdle = false
                } else {
                    tracked[plain]?.claim = TrackedFile.Claim(original: id)
                }
                return true
            }
            guard file.offset <= status.size, open.sample(endingAt: file.offset, length: file.mark.length) == file.mark else {
                continue
            }
            move(
                id, to: TrackedFile.Copy(match: sighting.match, inode: open.inode, isCompressed: false, lastSeen: scans), open)
            seen.insert(id)
            return true
        }
        return false
    }

    /// Plain files that can be read and may begin with all of a file that begins with `head`.
    mutating func plainOriginals(of head: [UInt8], source: Int) -> [FileID] {
        var found = sameHead(head, source: source) { !$0.isCompressed && $0.hasBacking }
        guard head.count < Fingerprint.sampleBytes, !head.isEmpty else { return found }
        // A file of less than that may have grown since it was copied: then its head is longer.
        let own = head.withUnsafeBytes { ContentSample($0) }
        for id in tracked.keys.sorted() {
            guard let file = tracked[id], file.source == source, file.claim == nil, !file.isCompressed, file.hasBacking,
                file.head.length > head.count, zip(file.beginning, head).allSatisfy(==),
                case .success(let plain) = opened(id), let bytes = plain.headBytes()
            else { continue }
            if bytes.withUnsafeBytes(own.matchesStart) { found.append(id) }
        }
        return found
    }

    /// Whether a plain file of `size` bytes ends as the plain file `id` goes at the same place; finds out if that one was cut since this scan looked
    /// at it.
    private mutating func repeats(_ open: OpenFile, _ size: Int, _ id: FileID, _ seen: inout Set<FileID>) -> Comparison {
        let other: OpenFile
        switch opened(id) {
        case .success(let original): other = original
        case .failure(let error): return .unreadable(error.code)
        }
        let length = min(size, Fingerprint.sampleBytes)
        let own = open.sample(endingAt: size, length: length)
        let isAlike = size > 0 && own != nil && own == other.sample(endingAt: size, length: length)
        if let original = tracked[id], case .other = compareMark(original, other) {
            supersede(id)
            seen.remove(id)
            return .other
        }
        return isAlike ? .same : .other
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

    /// The best first: those of which most content is known.
    func ranked(_ ids: [FileID]) -> [FileID] {
        ids.compactMap { tracked[$0] }.map { file in
            let known = file.hasBacking && !file.isCompressed ? max(file.offset, file.size) : file.offset
            return (id: file.id, rank: (-known, file.hasBacking ? 1 : 0, file.copies.count, file.id.rawValue))
        }
        .sorted { $0.rank < $1.rank }.map(\.id)
    }

    /// Tracked files of a source whose known head is how `head` begins, the best first.
    func sameHead(_ head: [UInt8], source: Int, where isCandidate: (TrackedFile) -> Bool) -> [FileID] {
        var samples: [Int: ContentSample] = [:]  // by length: thousands of files share a few
        let found = head.withUnsafeBytes { bytes in
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
        return ranked(found.map(\.id))
    }

    // MARK: Copies

    mutating func keepCopy(_ copy: TrackedFile.Copy, of id: FileID) {
        tracked[id]?.copies[copy.inode.key] = copy
        copied[copy.inode.key] = id
    }

    private mutating func dropCopy(_ key: InodeKey) {
        guard let id = copied.removeValue(forKey: key) else { return }
        tracked[id]?.copies[key] = nil
    }

    /// Whether the sighted file is a copy of a known one and still holds nothing that this one does not hold; brings its path
    /// and status up to date.
    mutating func recogniseCopy(_ sighting: Sighting, _ seen: inout Set<FileID>) -> Bool {
        let key = sighting.key
        let status = sighting.match.status
        guard let id = copied[key], let original = tracked[id], var copy = original.copies[key] else { return false }
        let isUnchanged =
            copy.isCompressed ? copy.compared?.size == status.size : copy.compared == status && copy.isSettled
        if !isUnchanged, original.hasBacking {
            guard !copy.isCompressed, !original.isCompressed else {
                dropCopy(key)
                return false
            }
            // One that can't be opened now is compared by a later scan.
            if case .success(let open) = openDescriptor(sighting.match.target), let now = open.status {
                let comparison = open.inode == copy.inode ? repeats(open, now.size, id, &seen) : .other
                switch comparison {
                case .same:
                    copy.compared = now
                    copy.isSettled = isSettled(now)
                case .other where tracked[id]?.presence != .superseded:
                    dropCopy(key)
                    return false
                case .other, .unreadable: break
                }
            }
        }
        copy.match = sighting.match
        copy.lastSeen = scans
        keepCopy(copy, of: id)
        return true
    }

    /// Lets another file carry the content of `id` from now on.
    mutating func move(_ id: FileID, to copy: TrackedFile.Copy, _ open: OpenFile?) {
        guard var file = tracked[id], let match = copy.match else { return }
        uncarry(file.inode.key, id)
        file.moveBacking(to: copy, at: match)
        copied[copy.inode.key] = nil
        carry(copy.inode.key, id)
        tracked[id] = file
        if let open { keepOpen(open, id) }
    }

    /// Goes on in a copy where there is one.
    mutating func switchToCopy(_ id: FileID) {
        let copies = tracked[id]?.copies.values.sorted { ($0.match?.path ?? "") < ($1.match?.path ?? "") } ?? []
        for copy in copies where copy.match != nil {
            if copy.isCompressed { return move(id, to: copy, nil) }
            if goOn(id, in: copy) { return }
        }
    }

    /// Goes on in a plain copy where reading stood, or at its end if that comes before; false where that is not possible.
    private mutating func goOn(_ id: FileID, in copy: TrackedFile.Copy) -> Bool {
        guard var file = tracked[id], let match = copy.match, case .success(let open) = openDescriptor(match.target),
            let now = open.status, let head = open.headBytes()
        else { return false }
        let isCopy: Bool
        if now.size >= file.offset {
            isCopy = open.sample(endingAt: file.offset, length: file.mark.length) == file.mark
        } else {
            isCopy = copy.compared == now || head.withUnsafeBytes(file.head.matchesStart)
        }
        guard isCopy, open.inode == copy.inode else {
            dropCopy(copy.inode.key)
            hasUndecided = true
            return false
        }
        if file.presence == .gone, !file.isIdle, file.size > now.size { loseUnread(file) }
        if now.size < file.offset {
            file.offset = now.size
            file.mark = open.sample(endingAt: now.size, length: min(now.size, Fingerprint.sampleBytes)) ?? .none
        }
        head.withUnsafeBytes { file.replace(head: open.lasting($0)) }
        tracked[id] = file
        move(id, to: copy, open)
        return true
    }
}
