import Dispatch
import Engine
import Ingest
import Outbox
import Storage

/// The transaction of a batch, and its files.
extension Pipeline {
    /// When at the latest that has to be committed which has been done since the last commit; nil if nothing has.
    package func commitsBy(_ wallNow: Instant) -> Instant? {
        guard isChanged || transaction != nil || engine.dirtyCount > 0 else { return nil }
        let output = engine.output
        let isSeen =
            !output.messages.isEmpty || !output.withdrawals.isEmpty || !output.erasures.isEmpty || !notes.isEmpty || !work.isEmpty
            || transaction != nil || committedAt > wallNow || tally.lines - committedLines > Self.lingeringLines
        return isSeen ? wallNow : committedAt + Self.lingering
    }

    func mayLinger(_ wallNow: Instant?) -> Bool {
        guard let wallNow, let due = commitsBy(wallNow) else { return false }
        return wallNow < due
    }

    /// How long what nobody sees may wait for its commit, in milliseconds, and of how many lines at most.
    private static let lingering: Milliseconds = 1000
    private static let lingeringLines = 20_000

    /// Writes what has changed in one transaction, then publishes; when behind, some of it on another core, while the next batch is begun
    /// (`finishCommit`).
    ///
    /// - Parameter isWhole: false without a store, for the messages and decisions of a part of a batch: nothing has to be together.
    mutating func commit(wallNow: Instant?, keeping: Bool = false, isWhole: Bool = true) throws {
        guard isChanged || keeping || transaction != nil || !engine.output.decisions.isEmpty || !engine.output.messages.isEmpty
        else {
            return
        }
        try finishCommit()
        isChanged = false
        // What has been read is applied, or its lines are kept: a position lies behind both.
        if isDurable { while reader.isAhead { guard read(wallNow: wallNow) else { break } } }
        let began = hooks.seconds()
        try completeErasures()
        var changes = isWhole ? engine.takeChanges(records: store != nil) : engine.takeOutput()
        let written = settledStaging()
        if let render = settings.render {
            let sequences = changes.output.messages.map(\.sequence)
            changes.output.render { Rendering.all($0, render, except: sequences.map { written[$0]?.json }) }
        }
        tally.messages += changes.output.messages.count
        for message in changes.output.messages { tally.messagesByRule[message.rule, default: 0] += 1 }
        count(changes.output.decisions)
        try note(changes)
        committedAt = wallNow ?? .min
        let rows = try deliver(&changes, written: written, wallNow: wallNow)
        guard let store else { return }
        // The rows have all of them.
        changes.output.messages = []
        let contents = takeContents(changes, rows, wallNow: wallNow)
        let lines = tally.lines - committedLines
        committedLines = tally.lines
        var publishing: OutboxSet.Publishing?
        changeOutboxes { publishing = $0.takePublishing(rows) }
        let (erasures, withdrawals) = (changes.output.erasures, changes.output.withdrawals)
        // Whoever is erased is out of everything at once; so are messages that are taken back, and a state that is judged anew knows how far.
        let isAlone = !erasures.isEmpty || !withdrawals.isEmpty || adoption != nil || reader.isCaughtUp
        let flight = Flight(publishing, lines: lines, began: began, hooks.seconds)
        sync(flight, waits: isAlone)
        let place = transaction ?? (isAlone ? .here : self.place)
        if place == .beside, let committer {
            write(contents, by: committer, in: flight)
        } else {
            try write(contents, in: flight, to: store)
            publish(flight, waits: isAlone)
        }
        self.flight = flight
        if isAlone { try finishCommit() }
        if !withdrawals.isEmpty { try takeBack(store, wallNow: wallNow) }
        if erasures.contains(where: \.isForgotten) { try finishErasures() }
    }

    /// Notes in the control log what a replay could not know: when lines had their turn, and who was erased.
    private mutating func note(_ changes: Changes) throws {
        if !notes.isEmpty {
            // A replay obeys what the daemon noted, and adds nothing to it.
            if isFollowing { try controlLog?.append(notes) }
            notes.removeAll()
        }
        guard isFollowing else { return }
        work.notes += erasureNotes(changes.output.erasures)
        if !work.notes.isEmpty { try controlLog?.append(lines: work.notes) }
    }

    /// Hands over what was decided, as the destination wants it; gives the rows of outboxes' messages.
    private mutating func deliver(
        _ changes: inout Changes, written: [Int64: StagingAhead.Written], wallNow: Instant?
    ) throws -> [MessageRow] {
        var rows: [MessageRow] = []
        switch destination {
        case .lines(let write):
            for message in changes.output.messages { try write((message.json + [0x0A])[...]) }
        case .outboxes:
            // What was decided for somebody who was erased before the commit is never written.
            let erased = Set(changes.output.erasures.compactMap(\.customer))
            if !erased.isEmpty { changes.output.messages.removeAll { erased.contains($0.customer) } }
            changeOutboxes { set in
                rows = set.stage(
                    changes.output.messages, withdrawals: changes.output.withdrawals, written: written, wallNow: wallNow)
            }
            for row in rows { tally.messagesByOutbox[TallyKey(rule: row.rule, other: row.outbox), default: 0] += 1 }
        case .output(let take): try take(changes.output)
        case .none: break
        }
        return rows
    }

    /// All that the transaction of a commit writes. What it holds counts as written from here on; if that fails, the run ends.
    private mutating func takeContents(_ changes: Changes, _ rows: [MessageRow], wallNow: Instant?) -> Transaction {
        var contents = Transaction(changes: changes, messages: rows, rules: engine.rules, adoption: adoption)
        if isDurable {
            if changes.output.erasures.contains(where: \.isForgotten) {
                // Lines that wait are kept anew, without those that are dropped from now on.
                let engine = engine
                reader.forgetWaiting { engine.drops($0, of: $1) }
            }
            contents.input = takeInput(wallNow: wallNow)
        }
        if isFollowing, let control { contents.control = .init(applied: control.applied, work: work) }
        work = ControlWork()
        changeOutboxes { contents.marks = $0.takeMarks() }
        return contents
    }

    private mutating func takeInput(wallNow: Instant?) -> Transaction.Input {
        let now = engine.clock.now
        let hours = hourly.take(deadLetters: deadLetters.count, now: now, wallNow: wallNow)
        var moved: [SourceFileRow] = []
        for position in reader.positions() where written[position.number] != position {
            moved.append(FileRecord.row(position))
            written[position.number] = position
        }
        defer { deadLetters.removeAll() }
        return Transaction.Input(
            files: moved, waiting: reader.takeUnkeptLines(), hours: hours,
            deadLetters: deadLetters.map { letter in
                DeadLetterRow(
                    source: letter.sourceName, file: String(letter.file), offset: Int64(letter.offset),
                    length: Int64(letter.length),
                    reason: letter.reason.rawValue, message: letter.message, place: letter.column.map { Int64($0) }, at: now,
                    head: letter.head)
            },
            // As many as came go in the same transaction, and some more of those that were there before the bound was lowered.
            deadLetterLimit: (settings.retention.maxDeadLetters, deadLetters.count + Self.batchWakes))
    }

    /// Writes and commits a transaction here and now.
    private mutating func write(_ contents: Transaction, in flight: Flight, to store: Store) throws {
        let records = RecordStripes(contents.changes.slots, sparingMemory: true)
        let queue = DispatchQueue(label: "nudged.records")
        let engine = engine
        if !records.isSmall { queue.async { records.make(with: engine) } }
        // The engine's owner gets it back for itself: else its next change would copy everything.
        defer {
            records.abandon()
            queue.sync {}
        }
        if transaction == nil { try store.begin() }
        transaction = nil
        do throws(StoreError) { try contents.write(to: store) { records.take(with: engine) } } catch {
            store.rollback()
            throw error
        }
        try flight.commit(store)
    }

    /// Writes the decisions so far, into the transaction of the batch, which begins with it.
    mutating func writeDecisions() throws {
        var output = Output()
        output.decisions = engine.takeDecisions()
        if let render = settings.render { output.render { Rendering.all($0, render, except: []) } }
        count(output.decisions)
        let (decisions, merged) = (output.decisions, engine.output.merged)
        try writeEarly { store throws(StoreError) in try store.write(decisions, merged: merged) }
    }

    /// Writes the ids that were moved so far, likewise.
    mutating func writeMovedIDs() throws {
        let (ids, definitions, now) = (engine.takeMovedIDs(), engine.rules.definitions, engine.clock.now)
        try writeEarly { store throws(StoreError) in try store.write(ids, definitions, now: now) }
    }

    private mutating func writeEarly(_ write: @escaping @Sendable (Store) throws(StoreError) -> Void) throws {
        guard let store else { return }
        let begins = transaction == nil
        let place = transaction ?? self.place
        transaction = place
        let work: @Sendable (Store) throws(StoreError) -> Void = { store throws(StoreError) in
            if begins { try store.begin() }
            try write(store)
        }
        if place == .beside, let committer { committer.perform(work) } else { try work(store) }
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
        guard isDurable else { return }
        let (messages, few, render) = (engine.output.messages, settings.stagedAhead, settings.render)
        changeOutboxes { $0.stageAhead(messages, atLeast: few, render) }
    }

    private func settledStaging() -> [Int64: StagingAhead.Written] {
        guard case .outboxes(let set) = destination else { return [:] }
        return set.stagedAhead()
    }

    private mutating func takeBack(_ store: Store, wallNow: Instant?) throws {
        let endsEarly = hooks.endsEarly
        try changeOutboxes { set in
            try set.takeBack(store)
            if set.pendingCount > 0 { try set.retry(store, wallNow: wallNow, endsEarly: endsEarly) }
        }
    }
}
