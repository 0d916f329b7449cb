import Engine
import Outbox
import Storage

/// The configured outboxes, and the messages that are on their way into them (`outbox.md`, Exactly once).
package struct OutboxSet {
    private struct Box {
        let settings: Settings.OutboxSettings
        var directory: OutboxDirectory?
        /// Why nothing is published there at present.
        var trouble: String?
        var claims = ClaimTable()
    }

    private var boxes: [Box] = []
    /// Published, and to be marked so with the next transaction.
    private var published: [Int64] = []
    /// Committed as staged, and not renamed yet.
    private var staged: [(sequence: Int64, box: Int, file: String)] = []
    /// How many messages have no file yet, by outbox.
    private var pending: [String: Int] = [:]
    package var pendingCount: Int { pending.values.reduce(0, +) }
    /// How many of them wait for the end of their rule's pause and for nothing else.
    private var pausedCount = 0
    /// Messages whose withdrawal is committed as an intent, because their outbox can't be used.
    private var withdrawingCount = 0
    package private(set) var publishedCount = 0
    /// Why nothing, or nothing of a rule, is staged: its rows stay `pending`.
    private var pauses: [Pause] = []
    /// The valve, and when the last messages were decided, in order: so many as it lets through.
    private var safety: (atMost: Int, per: Milliseconds)?
    private var recent: [Instant] = []
    /// The valve's pause, to be written with the next transaction.
    private var tripped: Pause?
    /// What was decided before this was published before a backup was restored.
    private var restored: Instant?
    /// Told of every change in an outbox's directories.
    private var observer: OutboxDirectory.Observer?
    private let ahead = StagingAhead()
    /// The last message that was given to be written ahead.
    private var lastAhead = Int64.min

    package init() {}

    /// Opens every outbox, creating those the database has never known, and settles what a crash left.
    ///
    /// - Parameter observer: told of every change in an outbox's directories just before it is made; for tests of crashes and faults.
    package static func open(
        _ settings: [Settings.OutboxSettings], store: Store, safety: (atMost: Int, per: Milliseconds)? = nil,
        restored: Instant? = nil, observer: OutboxDirectory.Observer? = nil
    ) throws -> OutboxSet {
        var set = OutboxSet()
        set.observer = observer
        set.safety = safety
        if let restored {
            // A restored state goes on, and remembers what it takes as published when it meets it again.
            try store.begin()
            try store.setMeta("restored", String(restored))
            try store.endPause(of: nil)
            try store.commit()
        }
        set.restored = try store.metaNumber("restored")
        if let safety {
            set.recent = try store.lastDecided(safety.atMost, since: store.metaNumber("resumed") ?? 0)
        }
        for box in settings { set.boxes.append(Box(settings: box, directory: nil, trouble: nil)) }
        for index in set.boxes.indices { try set.attach(index, store) }
        set.pauses = try store.pauses()
        try set.recount(store)
        set.withdrawingCount = try store.count(.withdrawing)
        if set.withdrawingCount > 0 { try set.takeBack(store) }
        return set
    }

    /// Opens one outbox if it is there; if not, says why.
    private mutating func attach(_ index: Int, _ store: Store) throws {
        let settings = boxes[index].settings
        let key = "outbox.\(settings.name)"
        do {
            var directory: OutboxDirectory
            if let known = try store.meta(key), known.hasPrefix("open "), known.hasSuffix(" " + settings.path) {
                let id = known.split(separator: " ")[1]
                directory = try OutboxDirectory.open(path: settings.path, expecting: String(id), observer: observer)
            } else if let (id, moved) = moved(try store.meta(key), to: settings.path) {
                directory = moved
                try store.begin()
                try store.setMeta(key, "open \(id) \(settings.path)")
                try store.commit()
            } else {
                if let known = try store.meta(key), known.hasPrefix("open ") { try settle(known, index, store) }
                // Its id is committed before it is created, so that a crash in between leads back here with the same id.
                let known = try store.meta(key).flatMap { text in
                    text.hasPrefix("new ") && text.hasSuffix(" " + settings.path) ? String(text.split(separator: " ")[1]) : nil
                }
                let id = known ?? Digest.randomID()
                try store.begin()
                try store.setMeta(key, "new \(id) \(settings.path)")
                try store.commit()
                directory = try OutboxDirectory.create(path: settings.path, id: id, observer: observer)
                try store.begin()
                try store.setMeta(key, "open \(id) \(settings.path)")
                try store.commit()
            }
            try recover(index, &directory, store)
            boxes[index].directory = directory
            boxes[index].trouble = nil
        } catch let error as OutboxError {
            boxes[index].directory = nil
            boxes[index].trouble = "\(error)"
        }
    }

    /// The directory that the database knows under another path, if somebody has moved it here with all it holds.
    private func moved(_ known: String?, to path: String) -> (id: String, directory: OutboxDirectory)? {
        guard let parts = known?.split(separator: " ", maxSplits: 2), parts.count == 3, parts[0] == "open" else { return nil }
        do {
            return (String(parts[1]), try OutboxDirectory.open(path: path, expecting: String(parts[1]), observer: observer))
        } catch { return nil }
    }

    /// The outbox has another path now: what is staged at the old one is published there first, because only that directory can tell what of it
    /// was renamed already.
    private mutating func settle(_ known: String, _ index: Int, _ store: Store) throws {
        let name = boxes[index].settings.name
        guard try store.messages(in: .staged).contains(where: { $0.outbox == name }) else { return }
        let parts = known.split(separator: " ", maxSplits: 2)
        guard parts.count == 3 else { return }
        var old = try OutboxDirectory.open(path: String(parts[2]), expecting: String(parts[1]), observer: observer)
        try recover(index, &old, store)
    }

    private mutating func recover(_ index: Int, _ directory: inout OutboxDirectory, _ store: Store) throws {
        let name = boxes[index].settings.name
        let recovery = try directory.recover { file in
            try store.state(ofFile: file, outbox: name).map { RowState(rawValue: $0.rawValue) ?? .pending }
        }
        let rows = try store.messages(in: .staged).filter { $0.outbox == name }
        let settled = rows.filter { recovery.waiting[$0.file] == nil }.map(\.sequence)
        try store.begin()
        try store.setState(.published, of: settled)
        try store.commit()
        publishedCount += recovery.renamed.count
        staged.removeAll { $0.box == index }
        for row in rows where recovery.waiting[row.file] != nil { staged.append((row.sequence, index, row.file)) }
    }

    private func box(of message: Message) -> Int {
        boxes.firstIndex { $0.settings.name == message.outbox } ?? 0
    }

    package func name(of message: Message) -> String { boxes.isEmpty ? "" : boxes[box(of: message)].settings.name }

    // MARK: Erasure

    /// Removes messages' files wherever they are; gives those that are gone. What was on its way is not published any more.
    package mutating func erase(_ files: [MessageFile]) -> [MessageFile] {
        var gone: [MessageFile] = []
        for index in boxes.indices {
            let mine = files.filter { $0.outbox == boxes[index].settings.name }
            staged.removeAll { entry in entry.box == index && mine.contains { $0.file == entry.file } }
            do {
                guard try boxes[index].directory?.erase(mine.map(\.file)) != nil else { continue }
                gone += mine
            } catch {
                boxes[index].trouble = "\(error)"
            }
        }
        // An outbox that is not configured any more is out of reach.
        return gone + files.filter { file in !boxes.contains { $0.settings.name == file.outbox } }
    }

    /// After rows were deleted.
    package mutating func recount(_ store: Store) throws(StoreError) {
        pending = try store.pendingCounts()
        pausedCount = try store.pendingCount(of: pauses.compactMap(\.rule))
    }

    // MARK: Pauses

    package mutating func pause(_ pause: Pause) {
        pauses.removeAll { $0.rule == pause.rule }
        pauses.append(pause)
    }

    /// Ends the pause of a rule; nil: all of them.
    package mutating func resume(_ rule: String?) {
        pausedCount = 0
        pauses.removeAll { rule == nil || $0.rule == rule }
        if rule == nil { recent.removeAll() }
    }

    /// Counts a message that is about to be decided upon; more than the valve lets through pause everything. Time is that of the decisions, so that
    /// a backlog after an outage does not look like a flood.
    private mutating func count(_ decided: Instant) {
        guard let safety, !isPaused else { return }
        if recent.count >= safety.atMost, let first = recent.first {
            if decided - first < safety.per {
                let pause = Pause(
                    rule: nil, since: decided,
                    reason:
                        "safety: more than \(safety.atMost) messages in \(DurationLiteral.text(safety.per)); look at the rules, then `nudged resume`"
                )
                pauses.append(pause)
                tripped = pause
                return
            }
            recent.removeFirst()
        }
        recent.append(decided)
    }

    private var isPaused: Bool { pauses.contains { $0.rule == nil } }

    private func isPaused(_ rule: String) -> Bool { pauses.contains { $0.rule == nil || $0.rule == rule } }

    // MARK: Steps

    /// Step 1: writes the files of new messages. What can't be written stays `pending`; what expired by the wall clock is `stale`.
    /// What is withdrawn in the same batch gets no file, nor does its retraction; any other retraction waits for what becomes of the original.
    ///
    /// - Parameter written: files of the batch that were written ahead. What is not staged after all is removed.
    mutating func stage(
        _ messages: [Message], withdrawals: [Int64], written: [Int64: StagingAhead.Written] = [:], wallNow: Instant?
    ) -> [MessageRow] {
        var rows = messages.map { message in
            MessageRow(
                message, outbox: name(of: message), file: MessageName.file(time: message.time, id: message.id), state: .pending)
        }
        if !withdrawals.isEmpty {
            let gone = Set(withdrawals).intersection(rows.map(\.sequence))
            for place in rows.indices where gone.contains(rows[place].retracts ?? rows[place].sequence) {
                rows[place].state = .withdrawn
            }
        }
        // The one that is too many stays, and all after it; those before it go on.
        var allowed = rows.count
        let before = pauses
        for index in rows.indices where safety != nil && !isPaused {
            count(rows[index].decidedAt)
            if isPaused { allowed = index }
        }
        let held = Array(rows[allowed...])
        rows.removeLast(held.count)
        let after = pauses
        pauses = before
        stage(&rows, written: written, wallNow: wallNow) { $0.retracts == nil }
        pauses = after
        rows += held
        for row in rows where row.state == .pending { pending[row.outbox, default: 0] += 1 }
        pausedCount += rows.count { $0.state == .pending && isPaused($0.rule) }
        return rows
    }

    // MARK: Staging ahead

    /// Has the files of messages written that will most likely be staged with the batch at hand.
    ///
    /// - Parameter messages: all of the batch, in order; those that have been given before are passed over.
    mutating func stageAhead(
        _ messages: [Message], atLeast few: Int, _ render: (@Sendable (_ rule: String, _ json: [UInt8]) -> [UInt8])?
    ) {
        // Where something may hold them back, the commit decides.
        guard let last = messages.last, safety == nil, restored == nil, pauses.isEmpty else { return }
        let first = (messages.lastIndex { $0.sequence <= lastAhead } ?? -1) + 1
        guard messages.count - first >= few else { return }
        lastAhead = last.sequence
        var jobs: [[StagingAhead.Job]] = boxes.map { _ in [] }
        for message in messages[first...] where message.retracts == nil {
            jobs[box(of: message)].append(
                .init(
                    sequence: message.sequence, rule: message.rule, file: MessageName.file(time: message.time, id: message.id),
                    json: message.json))
        }
        for index in boxes.indices where !jobs[index].isEmpty {
            guard let directory = boxes[index].directory, (try? directory.check()) != nil else { continue }
            ahead.submit(jobs[index], to: directory, box: index, render)
        }
    }

    /// Waits until no file is being written.
    func finishStaging() { ahead.finish() }

    /// What has been written ahead since the last call.
    func stagedAhead() -> [Int64: StagingAhead.Written] { ahead.take() }

    private mutating func stage(
        _ rows: inout [MessageRow], written: [Int64: StagingAhead.Written] = [:], wallNow: Instant?,
        where isReady: (MessageRow) -> Bool = { _ in true }
    ) {
        guard !boxes.isEmpty else { return }
        var unused = written
        defer {
            for index in boxes.indices {
                boxes[index].directory?.drop(written: unused.values.filter { $0.box == index }.map(\.file).sorted())
            }
        }
        for index in boxes.indices {
            guard boxes[index].directory != nil else { continue }
            let mine = rows.indices.filter {
                rows[$0].outbox == boxes[index].settings.name && rows[$0].state == .pending && isReady(rows[$0])
                    && !isPaused(rows[$0].rule)
            }
            for place in mine {
                if let restored, rows[place].decidedAt < restored {
                    rows[place].state = .published
                    continue
                }
                if let wallNow, rows[place].expiresAt <= wallNow {
                    rows[place].state = .stale
                    continue
                }
                if let file = unused.removeValue(forKey: rows[place].sequence), boxes[index].directory?.isBroken == false {
                    boxes[index].directory?.take(written: file.file)
                    rows[place].state = .staged
                    continue
                }
                do {
                    try boxes[index].directory?.stage(rows[place].file, rows[place].json + [0x0A])
                    rows[place].state = .staged
                } catch {
                    boxes[index].trouble = "\(error)"
                    break
                }
            }
            do { try boxes[index].directory?.sync() } catch {
                boxes[index].trouble = "\(error)"
                for place in mine where rows[place].state == .staged { rows[place].state = .pending }
            }
        }
    }

    /// Within the transaction of step 2 (and as step 4): marks what was published before.
    package func markPublished(_ store: Store) throws(StoreError) {
        try store.markPublished(published)
        if let tripped { try store.set(tripped) }
    }

    /// After the commit: what it marked is done with, and its rows are to be renamed.
    package mutating func committed(_ rows: [MessageRow]) {
        published.removeAll()
        tripped = nil
        for row in rows where row.state == .staged {
            staged.append((row.sequence, boxes.firstIndex { $0.settings.name == row.outbox } ?? 0, row.file))
        }
    }

    /// Takes back what is committed to be (`outbox.md`, "Taking a message back"): renames, commits the outcome, deletes. A sender that has claimed
    /// a message keeps it; then its retraction, if there is one, goes out.
    package mutating func takeBack(_ store: Store) throws {
        let rows = try store.messages(in: .withdrawing)
        staged.removeAll { entry in rows.contains { $0.sequence == entry.sequence } }
        for index in boxes.indices where boxes[index].directory != nil {
            let mine = rows.filter { $0.outbox == boxes[index].settings.name }
            guard !mine.isEmpty else { continue }
            do {
                let outcomes = try boxes[index].directory?.withdraw(mine.map(\.file)) ?? []
                let takenBack = zip(mine, outcomes).filter { $0.1 == .takenBack }.map(\.0)
                try store.begin()
                try store.settleWithdrawal(of: mine.map(\.sequence), takenBack: takenBack.map(\.sequence))
                try store.commit()
                try boxes[index].directory?.discard(takenBack.map(\.file))
            } catch let error as OutboxError {
                if error.kind == .inputOutput { throw error }
                boxes[index].trouble = "\(error)"
            }
        }
        try recount(store)
        withdrawingCount = try store.count(.withdrawing)
    }

    /// Step 3: renames everything staged. A foreign file of the same name is an alarm, and the message waits.
    package mutating func publish() throws {
        guard !staged.isEmpty else { return }
        var waiting: [(sequence: Int64, box: Int, file: String)] = []
        for index in boxes.indices {
            let mine = staged.filter { $0.box == index }
            guard !mine.isEmpty else { continue }
            do {
                guard let outcomes = try boxes[index].directory?.publish(mine.map(\.file)) else {
                    waiting += mine
                    continue
                }
                for (entry, outcome) in zip(mine, outcomes) {
                    switch outcome {
                    case .published, .missing:
                        published.append(entry.sequence)
                        publishedCount += 1
                    case .foreign:
                        boxes[index].trouble =
                            "\(boxes[index].settings.path): new/\(entry.file) is a foreign file; move it away, and the message is published"
                        waiting.append(entry)
                    case .failed(let error):
                        boxes[index].trouble = "\(error)"
                        waiting.append(entry)
                    }
                }
            } catch {
                if error.kind == .inputOutput { throw error }
                boxes[index].trouble = "\(error)"
                waiting += mine
            }
        }
        staged = waiting
    }

    /// Whether rows wait to be marked or files to be renamed.
    package var hasUnfinished: Bool { !published.isEmpty || !staged.isEmpty }
    /// Committed as staged: to be renamed, or to be marked as published.
    package var stagedCount: Int { staged.count + published.count }
    package var hasUnmarked: Bool { !published.isEmpty }
    package var isWaiting: Bool {
        pendingCount > pausedCount && !isPaused || withdrawingCount > 0 || !staged.isEmpty
            || boxes.contains { $0.directory == nil }
    }

    /// Why reading pauses: an outbox holds as many undelivered rows as it may.
    package var isFull: Bool { boxes.contains { pending[$0.settings.name] ?? 0 >= $0.settings.maxPending } }

    package var troubles: [String] {
        boxes.compactMap(\.trouble) + pauses.filter { $0.reason.hasPrefix("safety") }.map { "paused by \($0.reason)" }
    }

    /// How many pending rows go through the steps at a time.
    private static let retried = 1000

    /// Takes pending rows through all the steps, once their outbox can be written again.
    package mutating func retry(_ store: Store, wallNow: Instant?) throws {
        for index in boxes.indices where boxes[index].directory?.isBroken ?? true { try attach(index, store) }
        for index in boxes.indices where boxes[index].directory != nil { boxes[index].trouble = nil }
        if withdrawingCount > 0 { try takeBack(store) }
        // One by one, so that what waits for an outbox that is away keeps nobody else's back.
        for index in boxes.indices where boxes[index].directory != nil { try retry(index, store, wallNow: wallNow) }
        try publish()
    }

    private mutating func retry(_ index: Int, _ store: Store, wallNow: Instant?) throws {
        let name = boxes[index].settings.name
        while pending[name] ?? 0 > 0, !isPaused {
            var rows = try store.pendingMessages(of: name, except: pauses.compactMap(\.rule), limit: Self.retried)
            stage(&rows, wallNow: wallNow)
            let done = rows.filter { $0.state != .pending }
            guard !done.isEmpty else { break }
            try store.begin()
            try store.setState(.staged, of: rows.filter { $0.state == .staged }.map(\.sequence))
            try store.setState(.stale, of: rows.filter { $0.state == .stale }.map(\.sequence))
            try store.setState(.published, of: rows.filter { $0.state == .published }.map(\.sequence))
            try markPublished(store)
            try store.commit()
            pending[name, default: 0] -= done.count
            committed(done)
            try publish()
            guard done.count == rows.count else { break }
        }
        try recount(store)
    }

    /// Gives back claims of dead senders, and prunes what senders are through with.
    package mutating func maintain(_ store: Store, wallNow: Instant) throws {
        for index in boxes.indices {
            guard let directory = boxes[index].directory else { continue }
            let settings = boxes[index].settings
            do {
                _ = try directory.reclaim(now: wallNow, firstSeen: &boxes[index].claims, timeout: settings.claimTimeout) { file in
                    try store.state(ofFile: file, outbox: settings.name) == .withdrawn
                }
                _ = try directory.prune(now: wallNow, keep: settings.keep)
            } catch let error as OutboxError {
                boxes[index].trouble = "\(error)"
            }
        }
    }

    /// When the first of the claims that were seen times out; nil if there are none.
    package var nextTimeout: Instant? {
        boxes.compactMap { box in box.claims.oldest.map { $0 + box.settings.claimTimeout } }.min()
    }

    /// The outboxes' directories that can be used.
    package var paths: Set<String> { Set(boxes.filter { $0.directory != nil }.map(\.settings.path)) }

    /// Whether the directories still are the ones the database knows; one that is not is left alone until it is back.
    package mutating func check() {
        for index in boxes.indices {
            do { try boxes[index].directory?.check() } catch {
                boxes[index].trouble = "\(error)"
                boxes[index].directory = nil
            }
        }
    }
}
