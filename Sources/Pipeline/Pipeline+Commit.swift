import Engine
import Ingest
import Outbox
import Storage

/// The transaction of a batch, and its files.
extension Pipeline {
    /// When at the latest that has to be committed which has been done since the last commit; nil if nothing has.
    package func commitsBy(_ wallNow: Instant) -> Instant? {
        guard isChanged || isWriting || engine.dirtyCount > 0 else { return nil }
        let output = engine.output
        let isSeen =
            !output.messages.isEmpty || !output.withdrawals.isEmpty || !output.erasures.isEmpty || !notes.isEmpty || !work.isEmpty
            || isWriting || committedAt > wallNow || tally.lines - committedLines > Self.lingeringLines
        return isSeen ? wallNow : committedAt + Self.lingering
    }

    func mayLinger(_ wallNow: Instant?) -> Bool {
        guard let wallNow, let due = commitsBy(wallNow) else { return false }
        return wallNow < due
    }

    /// How long what nobody sees may wait for its commit, in milliseconds, and of how many lines at most.
    private static let lingering: Milliseconds = 1000
    private static let lingeringLines = 20_000

    /// Writes what has changed in one transaction, then publishes.
    ///
    /// - Parameter isWhole: false without a store, for the messages and decisions of a part of a batch: nothing has to be together.
    mutating func commit(wallNow: Instant?, keeping: Bool = false, isWhole: Bool = true) throws {
        guard isChanged || keeping || isWriting || !engine.output.decisions.isEmpty || !engine.output.messages.isEmpty else {
            return
        }
        isChanged = false
        // What has been read is applied, or its lines are kept: a position lies behind both.
        if isDurable { while reader.isAhead { guard read(wallNow: wallNow) else { break } } }
        let began = hooks.seconds()
        var changes = isWhole ? engine.takeChanges(records: store != nil) : engine.takeOutput()
        let written = settledStaging()
        if let render = settings.render {
            let sequences = changes.output.messages.map(\.sequence)
            changes.output.render { Rendering.all($0, render, except: sequences.map { written[$0]?.json }) }
        }
        tally.messages += changes.output.messages.count
        for message in changes.output.messages { tally.messagesByRule[message.rule, default: 0] += 1 }
        count(changes.output.decisions)
        if !notes.isEmpty {
            try controlLog?.append(notes)
            notes.removeAll()
        }
        if isFollowing {
            let forgotten = changes.output.erasures.filter(\.isForgotten)
            work.notes += forgotten.map { ControlLog.erased($0, at: engine.clock.now) }
        }
        committedAt = wallNow ?? .min
        if !work.notes.isEmpty { try controlLog?.append(lines: work.notes) }
        var rows: [MessageRow] = []
        switch destination {
        case .lines(let write):
            for message in changes.output.messages { try write((message.json + [0x0A])[...]) }
        case .outboxes(var set):
            destination = .none
            // What was decided for somebody who was erased before the commit is never written.
            let erased = Set(changes.output.erasures.compactMap(\.customer))
            if !erased.isEmpty { changes.output.messages.removeAll { erased.contains($0.customer) } }
            rows = set.stage(
                changes.output.messages, withdrawals: changes.output.withdrawals, written: written, wallNow: wallNow)
            // The rows have all of them.
            changes.output.messages = []
            for row in rows { tally.messagesByOutbox[TallyKey(rule: row.rule, other: row.outbox), default: 0] += 1 }
            destination = .outboxes(set)
        case .output(let take): try take(changes.output)
        case .none: break
        }
        guard let store else { return }
        if !isWriting { try store.begin() }
        isWriting = false
        do throws(StoreError) {
            try write(changes, to: store)
            try store.write(rows)
            try store.moveHistory(changes.output.merged)
            try writeErasures(changes.output.erasures, store)
            if isDurable {
                if changes.output.erasures.contains(where: \.isForgotten) {
                    // Lines that wait are kept anew, without those that are dropped from now on.
                    let engine = engine
                    reader.forgetWaiting { engine.drops($0, of: $1) }
                    try store.dropWaiting(before: .max)
                }
                try store.write(hourly.take(deadLetters: deadLetters.count, now: engine.clock.now, wallNow: wallNow))
                try writePositions(store)
            }
            try writeControl(store)
            try writeAdoption(store)
            if case .outboxes(let set) = destination { try set.markPublished(store) }
            if !changes.output.withdrawals.isEmpty { try store.intendWithdrawal(of: changes.output.withdrawals) }
        } catch {
            store.rollback()
            throw error
        }
        try store.commit()
        tally.commits += 1
        work = ControlWork()
        try publish(rows)
        if !changes.output.withdrawals.isEmpty { try takeBack(store, wallNow: wallNow) }
        tally.commitSeconds.observe(hooks.seconds() - began)
        tally.batchLines.observe(Double(tally.lines - committedLines))
        committedLines = tally.lines
        storedWake = nil
        if engine.residentBytes > settings.memory { engine.hasStore = true }
        engine.shrink(toBytes: settings.memory)
        if !changes.output.erasures.isEmpty { try finishErasures(changes.output.erasures) }
    }

    private func write(_ changes: Changes, to store: Store) throws(StoreError) {
        var records = RecordStripes(changes.slots, of: engine)
        try store.write(changes, rules: engine.rules) { records.take() }
    }

    private mutating func writePositions(_ store: Store) throws(StoreError) {
        var moved: [SourceFileRow] = []
        for position in reader.positions() {
            // An ended file's offset is what matters; of the others also the head, which grows with the file.
            if let known = written[Int64(position.number)], known == (Int64(position.checkpoint.offset), position.isEnded) {
                continue
            }
            moved.append(FileRecord.row(position))
        }
        try store.write(moved)
        for row in moved { written[row.number] = (row.offset, row.isEnded) }
        if let unkept = reader.unkeptLines() { try store.addWaiting(unkept.lines, lastOrder: unkept.lastOrder) }
        try store.dropWaiting(before: engine.clock.now)
        let now = engine.clock.now
        try store.write(
            deadLetters.map { letter in
                DeadLetterRow(
                    source: letter.sourceName, file: String(letter.file), offset: Int64(letter.offset),
                    length: Int64(letter.length),
                    reason: letter.reason.rawValue, message: letter.message, place: letter.column.map { Int64($0) }, at: now,
                    head: letter.head)
            })
        // As many as came go in the same transaction, and some more of those that were there before the bound was lowered.
        if !deadLetters.isEmpty {
            try store.keepDeadLetters(settings.retention.maxDeadLetters, removing: deadLetters.count + Self.batchWakes)
        }
        deadLetters.removeAll()
    }

    /// Writes the decisions so far, into the transaction of the batch, which begins with it.
    mutating func writeDecisions() throws {
        guard let store else { return }
        var output = Output()
        output.decisions = engine.takeDecisions()
        if let render = settings.render { output.render { Rendering.all($0, render, except: []) } }
        count(output.decisions)
        try beginWriting(store)
        try store.write(output.decisions)
    }

    /// Writes the ids that were moved so far, likewise.
    mutating func writeMovedIDs() throws {
        guard let store else { return }
        try beginWriting(store)
        try store.write(engine.takeMovedIDs(), engine.rules.definitions, now: engine.clock.now)
    }

    private mutating func beginWriting(_ store: Store) throws {
        if !isWriting { try store.begin() }
        isWriting = true
    }

    mutating func count(_ decisions: [Decision]) {
        for decision in decisions {
            tally.verdicts[decision.verdict.rawValue, default: 0] += 1
            tally.verdictsByRule[TallyKey(rule: decision.rule, other: decision.verdict.rawValue), default: 0] += 1
            // It takes the place of the verdict that was counted before.
            if decision.verdict == .withdrawn { tally.verdicts[Verdict.published.rawValue, default: 0] -= 1 }
        }
    }

    // MARK: Staging ahead

    /// Has the files of new messages written while the batch goes on.
    mutating func stageAhead() {
        guard isDurable, case .outboxes(var set) = destination else { return }
        destination = .none
        defer { destination = .outboxes(set) }
        set.stageAhead(engine.output.messages, atLeast: settings.stagedAhead, settings.render)
    }

    private func settledStaging() -> [Int64: StagingAhead.Written] {
        guard case .outboxes(let set) = destination else { return [:] }
        return set.stagedAhead()
    }

    mutating func publish(_ rows: [MessageRow]) throws {
        guard case .outboxes(var set) = destination else { return }
        destination = .none
        defer { destination = .outboxes(set) }
        set.committed(rows)
        try set.publish()
    }

    private mutating func takeBack(_ store: Store, wallNow: Instant?) throws {
        guard case .outboxes(var set) = destination else { return }
        destination = .none
        defer { destination = .outboxes(set) }
        try set.takeBack(store)
        if set.pendingCount > 0 { try set.retry(store, wallNow: wallNow) }
    }
}
