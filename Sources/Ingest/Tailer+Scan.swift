import Glibc

extension Tailer {
    /// A regular file that a pattern matches, seen in this scan.
    struct Sighting {
        var source: Int
        var match: Glob.Match
        var key: InodeKey { match.status.key }
    }

    /// Finds out what is there: new files, renamed, grown, truncated, compressed and vanished ones. Reads only samples of
    /// the content; never throws for trouble with one file or directory.
    package mutating func scan() -> ScanReport {
        scans += 1
        forgetPaths()
        ledger.beginRound()
        var report = ScanReport()
        let (sightings, failed) = look()
        newestChange = [:]
        for sighting in sightings {
            newestChange[sighting.key.device] = max(newestChange[sighting.key.device] ?? .min, sighting.match.status.changed)
        }

        var seen = Set<FileID>()
        var unknown: [Sighting] = []
        for sighting in sightings {
            if let id = recognise(sighting) { seen.insert(id) } else { unknown.append(sighting) }
        }
        hasUndecided = false
        // Whether a copy still is one is told by the original, which may have been cut as well.
        unknown.removeAll { recogniseCopy($0, &seen) }
        // Before anything new is looked at: what was renamed out of the pattern may have been cut there, and what is new may be its copy.
        settleUnseen(seen, failed)
        adopt(unknown, &seen, &report)

        let originals = Set(tracked.values.compactMap { $0.claim?.original })
        for id in tracked.keys.sorted() {
            tracked[id]?.noteListing()
            guard let file = tracked[id], !file.isReportedEnded, file.copies.isEmpty, file.claim == nil,
                !originals.contains(id)
            else { continue }
            let isEnded = file.presence == .gone || file.presence == .superseded || (file.presence == .deleted && file.isComplete)
            guard isEnded else { continue }
            tracked[id]?.isReportedEnded = true
            report.ended.append(id)
        }
        report.possibleLosses = losses.map { loss in
            var loss = loss
            loss.continues = tracked[loss.file].map { $0.presence == .present } ?? false
            return loss
        }
        losses = []
        needsLooks =
            !failed.isEmpty || sightings.contains { $0.match.status.links > 1 }
            || tracked.values.contains { file in
                file.unreadableCode != nil
                    || file.open != nil && !file.isReportedEnded && (file.presence == .deleted || file.presence == .outside)
            }
        report.warnings = ledger.endRound()
        return report
    }

    /// Walks the patterns: each inode once, and the sources for which something could not be listed.
    private mutating func look() -> (sightings: [Sighting], failed: Set<Int>) {
        var sightings: [Sighting] = []
        var failed = Set<Int>()
        var first: [InodeKey: Sighting] = [:]
        directories = []
        for (index, glob) in globs.enumerated().flatMap({ index, globs in globs.map { (index, $0) } }) {
            let walk = glob.walk()
            directories.formUnion(walk.directories)
            for match in walk.matches {
                let sighting = Sighting(source: index, match: match)
                guard let earlier = first[sighting.key] else {
                    first[sighting.key] = sighting
                    sightings.append(sighting)
                    continue
                }
                // A file renamed during the walk is seen twice as well; then it has one link and one source.
                if earlier.source != index || match.status.links > 1 || match.path != match.target {
                    ledger.condition(
                        warning(
                            .matchedTwice, source: index, path: match.path,
                            "\(match.path) is the same file as \(earlier.match.path) (source \(sources[earlier.source].name)); "
                                + "it is read once, for the latter: narrow one of the patterns"))
                }
            }
            for failure in walk.failures {
                failed.insert(index)
                ledger.condition(
                    warning(
                        failure.isDirectory ? .directoryUnreadable : .unreadable, source: index, path: failure.path,
                        "\(failure.path) can't be looked at: \(SystemError.text(failure.errno)); it is tried again at every "
                            + "scan, check its permissions"))
            }
            for path in walk.irregular {
                ledger.condition(
                    warning(
                        .notRegular, source: index, path: path,
                        "\(path) matches the pattern but is no regular file; it is skipped"))
            }
        }
        return (sightings, failed)
    }

    /// The tracked file that the sighted inode carries, updated; nil when the inode is not known, or carries something new.
    private mutating func recognise(_ sighting: Sighting) -> FileID? {
        for id in carried[sighting.key] ?? [] where recheck(id, sighting) { return id }
        return nil
    }

    /// Whether the sighted inode still carries the content of `id`; brings its path and status up to date.
    private mutating func recheck(_ id: FileID, _ sighting: Sighting) -> Bool {
        guard var file = tracked[id] else { return false }
        let status = sighting.match.status
        let wasResumed = file.presence == .resumed
        if file.stamp == status, file.isSettled, !file.isCutShort || file.isStalled {
            if file.isStalled, file.isCompressed { warnCutShort(file) }
            tracked[id]?.isReportedEnded = false
            tracked[id]?.path = sighting.match.path
            tracked[id]?.target = sighting.match.target
            tracked[id]?.presence = .present
            tracked[id]?.missedScans = 0
            return true
        }
        let wasClosed = file.open == nil
        let open: OpenFile
        if let held = file.open {
            open = held
        } else {
            switch openDescriptor(sighting.match.target) {
            case .success(let fresh): open = fresh
            case .failure(let error):
                if error.code == ENOENT || error.code == ESTALE { return true }  // renamed just now: the next scan tells
                unreadable(sighting, error.code)
                tracked[id]?.unreadableCode = error.code
                tracked[id]?.missedScans = 0
                return true
            }
        }
        guard open.inode == file.inode, let now = open.status else {
            // The inode number was reused: this is another file, and the old one has no backing.
            uncarry(sighting.key, id)
            tracked[id]?.presence = wasResumed ? .resumed : file.presence == .gone ? .gone : .missing
            tracked[id]?.open = nil
            return false
        }
        file.path = sighting.match.path
        file.target = sighting.match.target
        switch compare(&file, open, now, wholeHead: wasClosed) {
        case .same: break
        case .other:
            supersede(id)
            return false
        case .unreadable(let code):
            unreadable(sighting, code)
            tracked[id]?.unreadableCode = code
            return true
        }
        if now.size < file.size, !wasResumed {
            lose(file, .shrunk)
            ledger.happened(
                warning(
                    .unreadLost, source: file.source, path: file.path,
                    "\(file.path) got shorter by \(file.size - now.size) bytes beyond what had been read; lines may be lost"))
        }
        if file.stamp != now { file.isIdle = file.isIdle && file.stamp?.size == now.size && file.stamp?.modified == now.modified }
        let isStalled = file.isCutShort && file.stamp == now
        if isStalled {
            warnCutShort(file)
        } else if file.stamp != now {
            file.isCutShort = false
        }
        file.isStalled = isStalled
        if file.isCompressed, !wasResumed, now.size > file.size { file.isComplete = false }
        file.isReportedEnded = false
        file.isSettled = isSettled(now)
        file.stamp = now
        file.size = now.size
        file.presence = .present
        file.missedScans = 0
        file.unreadableCode = nil
        if file.isComplete && !file.isCompressed { file.isComplete = false }
        tracked[id] = file
        carry(sighting.key, id)
        if wasClosed { keepOpen(open, id) }
        return true
    }

    /// Whether any later change of the file is sure to show in its status: a timestamp of the kernel stands for some
    /// milliseconds, and on that device they are over.
    func isSettled(_ status: FileStatus) -> Bool { status.changed < newestChange[status.key.device] ?? .min }

    mutating func warnCutShort(_ file: TrackedFile) {
        ledger.condition(
            warning(
                .cutShort, source: file.source, path: file.path,
                "\(file.path) ends in the middle of compressed data; what is there is read, the rest when it comes"))
    }

    mutating func unreadable(_ sighting: Sighting, _ code: Int32) {
        ledger.condition(
            warning(
                .unreadable, source: sighting.source, path: sighting.match.path,
                "\(sighting.match.path) can't be opened or read: \(SystemError.text(code)); it is tried again at every scan, "
                    + "check its permissions and the limit of open files"))
    }

    mutating func lose(_ file: TrackedFile, _ reason: ScanReport.PossibleLoss.Reason) {
        losses.append(
            ScanReport.PossibleLoss(file: file.id, path: file.path, offset: file.offset, reason: reason, continues: false))
    }

    /// The inode of `id` holds other content now.
    mutating func supersede(_ id: FileID) {
        guard let file = tracked[id], file.presence != .superseded else { return }
        hasUndecided = true
        uncarry(file.inode.key, id)
        tracked[id]?.presence = .superseded
        tracked[id]?.open = nil
        tracked[id]?.overlong = nil
        lose(file, .truncated)
        ledger.happened(
            warning(
                .truncated, source: file.source, path: file.path,
                "\(file.path) was truncated or rewritten after \(file.offset) bytes had been read; the new content is read from "
                    + "its start, what stood unread in the old one may be lost: rotate by renaming instead"))
    }

    /// What became of the files that no pattern showed in this scan.
    private mutating func settleUnseen(_ seen: Set<FileID>, _ failed: Set<Int>) {
        for (id, file) in tracked where !file.copies.isEmpty && !failed.contains(file.source) {
            for (key, copy) in file.copies where copy.lastSeen < scans - 1 {
                tracked[id]?.copies[key] = nil
                copied[key] = nil
            }
        }
        for id in tracked.keys.sorted() where !seen.contains(id) {
            guard var file = tracked[id] else { continue }
            if failed.contains(file.source) {
                // A failed listing is not a deletion; what is open is read on.
                if let now = file.open?.status, now != file.stamp {
                    tracked[id]?.isIdle = false
                    tracked[id]?.size = now.size
                }
                continue
            }
            if let open = file.open, file.presence != .superseded {
                guard let now = open.status else { continue }
                let presence: TrackedFile.Presence = now.links == 0 ? .deleted : .outside
                if presence != file.presence || now != file.stamp { file.isIdle = false }
                file.presence = presence
                file.stamp = now
                file.size = now.size
                file.isSettled = false
                if file.isComplete, !file.isCompressed, presence == .outside { file.isComplete = false }
            } else if file.presence != .superseded, file.presence != .gone {
                file.missedScans += 1
                if file.missedScans == 1, let found = findByInode(file) {
                    tracked[id] = file
                    if recheck(id, found) {
                        tracked[id]?.missedScans = 1
                        continue
                    }
                    if let left = tracked[id] { file = left }
                }
                if file.presence != .superseded {
                    vanish(&file)
                }
            }
            tracked[id] = file
            let carriesOn =
                file.presence == .superseded || file.presence == .gone || (file.presence == .deleted && file.isComplete)
            if carriesOn { switchToCopy(id) }
        }
    }

    /// One more complete listing without a file that is not open.
    private mutating func vanish(_ file: inout TrackedFile) {
        let isKnown = file.presence != .resumed
        if file.missedScans == 1 {
            if isKnown { file.presence = .missing }
            return
        }
        file.presence = .gone
        guard file.copies.isEmpty, !isHeldCopyWaiting(file.id), !file.isComplete else { return }
        if !isKnown {
            ledger.happened(
                warning(
                    .notFoundAgain, source: file.source, path: file.path,
                    "\(file.path), read up to byte \(file.offset) before the last stop, is not there any more, neither renamed nor "
                        + "compressed; what was written to it after that is lost"))
        } else if !file.isIdle, file.size > 0 {
            loseUnread(file)
        }
    }

    /// A file vanished of which something had not been read.
    mutating func loseUnread(_ file: TrackedFile) {
        lose(file, .vanished)
        ledger.happened(
            warning(
                .unreadLost, source: file.source, path: file.path,
                "\(file.path) vanished after \(file.offset) bytes had been read and before the rest was; lines may be lost"))
    }

    private func isHeldCopyWaiting(_ id: FileID) -> Bool { tracked.values.contains { $0.claim?.original == id } }

    /// Looks for a file that no pattern shows any more in the directory where it was, and where a link to it led: rotation
    /// may give it a name that does not match, and the link may lead to the next one.
    private func findByInode(_ file: TrackedFile) -> Sighting? {
        for directory in Set([file.target, file.path].map(Glob.parent)).sorted() {
            guard case .success(let names) = DirectoryListing.names(in: directory) else { continue }
            for name in names {
                let path = (directory == "/" ? "" : directory) + "/" + name
                guard let status = FileStatus(linkAt: path), status.key == file.inode.key, status.isRegular else { continue }
                return Sighting(source: file.source, match: Glob.Match(path: path, target: path, status: status))
            }
        }
        return nil
    }
}
