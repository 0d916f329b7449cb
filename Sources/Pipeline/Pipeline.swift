import Engine
import Ingest
import Outbox
import Storage

/// Where messages go.
package enum MessageDestination {
    /// One line each, in order of decision: a replay to standard output.
    case lines((ArraySlice<UInt8>) throws -> Void)
    case outboxes(OutboxSet)
    /// Everything that was decided, messages and verdicts, to whoever compares.
    case output((Output) throws -> Void)
    /// Nowhere: only counted.
    case none
}

/// What a run has done so far.
package struct Tally: Sendable {
    package var lines = 0
    package var bytes = 0
    package var messages = 0
    package var deadLetters: [String: Int] = [:]
    package var verdicts: [String: Int] = [:]
    package var messagesByRule: [String: Int] = [:]
    package var messagesByOutbox: [TallyKey: Int] = [:]
    package var verdictsByRule: [TallyKey: Int] = [:]
    package var commits = 0
    package var losses = 0
    package var overtaken = 0
    package var commitSeconds = Histogram(bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])
    /// Lines a commit.
    package var batchLines = Histogram(bounds: [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000])
}

/// What is counted by rule and something else.
package struct TallyKey: Hashable, Sendable {
    package var rule: String
    package var other: String
}

/// What a step asks of whoever runs it. Nothing that is decided depends on the answers.
package struct StepHooks {
    /// Asked between pieces of work, so that it also tells of progress: whether the step should end early. What is left stays for the next.
    package var endsEarly: () -> Bool = { false }
    /// A clock for measuring.
    package var seconds: @Sendable () -> Double = { 0 }

    package init() {}
}

/// The whole path of an event, one batch at a time: read, decode, order, load, apply, stage, commit, publish. Replay and daemon run the
/// same one; they differ in the clock, the store and where messages go.
///
/// One thread of control owns everything here. `step` never waits and reads no clock: time comes in.
package struct Pipeline: ~Copyable {
    package let settings: Settings
    package internal(set) var reader: LogReader
    package internal(set) var engine: Engine
    package internal(set) var store: Store?
    /// Whether the store outlives the run.
    let isDurable: Bool
    package internal(set) var destination: MessageDestination
    package internal(set) var tally = Tally()
    package internal(set) var warnings: [String] = []
    package var hooks = StepHooks()

    /// The wall clock at the last commit.
    var committedAt = Instant.min
    /// Where the transaction of the batch has begun; nil: it has not.
    var transaction: Place?
    /// Who writes and publishes while the engine goes on; nil: every commit is waited for.
    let committer: Committer?
    /// The commit that is being written or published meanwhile.
    var flight: Flight?
    /// Lines as of the last commit.
    var committedLines = 0
    var deadLetters: [DeadLetter] = []
    var notes: [ReadingNote] = []
    var hourly = HourlyInput()
    /// Files' positions as of the last commit, so that only what moved is written.
    var written: [Int: FilePosition] = [:]
    var isChanged = false
    /// The control log as a source: followed by a daemon, repeated by a replay.
    var control: ControlTail?
    let isFollowing: Bool
    var work = ControlWork()
    /// Up to here the control log is older than the backup's restoring, whose pause stands (`Store.controlBeforeRestore`).
    var controlBeforeRestore = 0
    /// For each erasure since the last commit, in order, the byte of the control log from which on lines stand after it; of the last ones it may not
    /// be known yet.
    var erasurePlaces: [Int] = []
    /// Erasures that the control log has and the state, which was restored from a backup, has not: hashes of ids, and until when.
    var missedErasures: [String: Instant] = [:]
    /// Who is stored and due before this has been brought in.
    var wakesTaken = Instant.min {
        didSet { if wakesTaken != oldValue { storedWake = nil } }
    }
    /// When the next of those who are stored is due; nil: not known, nil inside: never.
    var storedWake: Instant??
    /// The last customer that retention looked at.
    var retentionCursor: Int64 = 0
    /// How far changed segments or calendars have been judged; nil when they have been on everybody.
    var adoption: Adoption?
    /// Told of the notes before the commit that relies on them.
    let controlLog: ControlLog?

    /// - Parameters:
    ///   - store: the state to go on from; nil for a replay, which then keeps its state in memory and spills what is too much.
    ///   - follows: what is appended to the control log is obeyed (a daemon); else what it holds is repeated (a replay).
    ///   - committer: commits or publishes a batch, when behind, while the next one is begun; nil: every commit is waited for. Whoever looks at the
    ///     state or the outboxes between two steps calls `finishCommit` first.
    package init(
        settings: Settings, rules: RuleSet, store: Store?, destination: MessageDestination, controlLog: ControlLog? = nil,
        publishFrom: Instant? = nil, follows: Bool = false, committer: Committer? = nil
    ) throws {
        self.settings = settings
        self.committer = committer
        self.store = store
        isDurable = store?.directory != nil
        self.destination = destination
        self.controlLog = controlLog
        isFollowing = follows
        control = try controlLog.map { log throws in
            try ControlTail(log, from: follows ? Int(store?.metaNumber("control") ?? 0) : 0)
        }
        controlBeforeRestore = follows ? try store?.controlBeforeRestore(size: controlLog?.size ?? 0) ?? 0 : 0
        var positions: [FilePosition] = []
        for row in try store?.sourceFiles() ?? [] {
            guard let position = FileRecord.position(row) else {
                throw StoreError(
                    .corrupt, "the state's record of \(row.path) can't be read; restore a backup, or replay the logs")
            }
            positions.append(position)
            written[position.number] = position
        }
        let clock = try store?.engineClock() ?? EngineClock()
        let tombstones = try Self.tombstones(settings, store, controlLog, follows: follows)
        if follows { missedErasures = try controlLog?.erasures(missingIn: tombstones) ?? [:] }
        let prescribed = try controlLog?.prescriptions() ?? [:]
        let waiting = try store?.waiting() ?? []
        // As long as nothing that is stored has left the memory, nobody has to be looked for.
        let isEmpty = try store?.isEmpty() ?? true
        if let store, store.directory != nil { adoption = try Self.adopt(rules, store, clock.now) }
        reader = LogReader(
            sources: settings.sources, vocabulary: rules.vocabulary, lateFor: rules.definitions.lateFor,
            maxLineBytes: settings.maxLineBytes,
            resuming: positions, keepsLines: store?.directory != nil)
        engine = Engine(
            rules: rules, clock: clock, publishFrom: publishFrom, hasStore: !isEmpty, hashSeed: .random(in: .min ... .max),
            sha256: Digest.sha256)
        engine.explainsDecisions = store != nil
        engine.movesIDs = store != nil
        engine.isAdopting = adoption != nil
        reader.prescribed = prescribed
        engine.tombstones = tombstones
        refuse(reader.restore(waiting, appliedBefore: clock.now))
    }

    // MARK: Reading

    /// Looks for new, rotated and vanished files.
    package mutating func scan() {
        reader.scan()
        // What a file is known by can change without a line: who is renamed or cut now may be gone at the next start.
        if isDurable, !isChanged, !reader.isAhead { isChanged = reader.positions().contains { written[$0.number] != $0 } }
        let found = reader.takeWarnings()
        for warning in found.warnings { warnings.append(warning.message) }
        for loss in found.losses where !loss.continues {
            tally.losses += 1
            warnings.append(
                "\(loss.path): \(loss.reason.rawValue) at byte \(loss.offset); lines may have been lost, check what writes this log"
            )
        }
    }

    package mutating func takeWarnings() -> [String] {
        defer { warnings = [] }
        return warnings
    }

    /// A step has failed, and nothing of this pipeline is to be written any more: what another core has begun is over when this returns.
    package mutating func abandon() {
        flight = nil
        try? committer?.wait()
    }

    /// Ends it before its last reference goes: what a batch changed since the last commit is not kept.
    package func close() {
        committer?.close()
        store?.close()
    }

    /// Whether something was read or decided that the next commit is to write.
    package var hasUncommitted: Bool { isChanged }
    package var isCaughtUp: Bool { reader.isCaughtUp && adoption == nil }
    package var directories: Set<String> { reader.directories }
    /// Takes the hint that nothing but these files has changed, by being written to; false: a scan is needed.
    package mutating func hear(ofChangesAt paths: Set<String>) -> Bool { reader.hear(ofChangesAt: paths) }
    /// Whether only looking again tells what changes in some files, and no watch does.
    package var needsLooks: Bool { reader.needsLooks }
    package var needsAnotherScan: Bool { reader.needsAnotherScan }

    /// Reads, applies and commits one batch.
    ///
    /// - Parameters:
    ///   - wallNow: the wall clock, where it counts (`clock: wall`).
    ///   - until: the engine goes no further than this time.
    ///   - hasLooked: the files were looked at after `wallNow` was measured, so that this step need not.
    ///   - lingers: what causes nothing that anybody outside could see may be committed up to a second later, together; the caller sees to that
    ///     (`commitsBy`).
    /// - Returns: whether anything was read or done; false means: wait for news.
    @discardableResult
    package mutating func step(wallNow: Instant?, until: Instant? = nil, hasLooked: Bool = false, lingers: Bool = false) throws
        -> Bool
    {
        // Whatever ends the step early, nothing is being written afterwards.
        defer { if case .outboxes(let set) = destination { set.finishStaging() } }
        let lines = tally.lines
        let events = engine.counters.events
        try obey(wallNow: wallNow)
        guard adoption == nil else {
            try adoptMore(wallNow: wallNow)
            return true
        }
        var isEnding = false
        repeat {
            // Applied chunk by chunk, while it is in the caches; committed together.
            let (read, bytes) = (tally.lines, tally.bytes)
            repeat {
                guard self.read(wallNow: wallNow, readsAhead: !isEnding) else { break }
            } while (isEnding ? reader.isAhead : !reader.isCaughtUp) && tally.bytes - bytes <= settings.readBytes / 4
            // What this reading and the wall clock say holds only for lines that were seen: while one file was read another may have grown,
            // with lines older than that. So a look at all of them comes between the measuring of time and its use; what it finds holds
            // time back.
            let reached = self.watermark(wallNow: wallNow)
            if !hasLooked || settings.clock == .log { scan() }
            let watermark = min(reached, self.watermark(wallNow: wallNow), until.map { $0 + 1 } ?? .max)
            // What it wrote may leave the memory.
            if flight?.hasLanded ?? false { try finishCommit() }
            if watermark > engine.clock.now { try advance(below: watermark, wallNow: wallNow) }
            stageAhead()
            // While the store moves its log, or is read, nothing is written early, so that the log can begin anew with the batch's transaction.
            let isWaiting = transaction == nil && (store?.isMoving ?? false || place == .beside)
            if engine.output.decisions.count >= (isWaiting ? 10 : 1) * Self.keptDecisions {
                if store == nil { try commit(wallNow: wallNow, isWhole: false) } else if isDurable { try writeDecisions() }
            }
            if tally.lines / Self.movedLines > read / Self.movedLines { engine.moveIDs() }
            if tally.lines / Self.measuredLines > read / Self.measuredLines { engine.measureChanged(limit: settings.memory) }
            if engine.output.movedIDs.count >= (isWaiting ? 10 : 1) * Self.keptIDs { try writeMovedIDs() }
            // What has been read ahead belongs to this batch; else its lines would have to be kept.
            if !isEnding, !reader.isCaughtUp {
                isEnding =
                    tally.lines - lines >= settings.batchEvents
                    || mustWrite
                    || engine.output.messages.count >= Self.batchMessages || hooks.endsEarly()
            }
        } while isEnding ? reader.isAhead : !reader.isCaughtUp
        if !(lingers && mayLinger(wallNow)) { try commit(wallNow: wallNow) }
        if reader.isCaughtUp { try finishCommit() }
        return tally.lines > lines || engine.counters.events > events
    }

    /// About how many messages one commit takes: each is a file, and a daemon that is told to end has to be through with them soon.
    private static let batchMessages = 8000
    /// How many decisions are held before they are passed on: by a replay to whoever wants them, else into the batch's transaction.
    private static let keptDecisions = 500
    /// After how many lines of a long batch the ids of those who have not come again are moved.
    private static let movedLines = 32_768
    /// After how many lines of a long batch it is seen what those who have changed take in memory.
    private static let measuredLines = 262_144
    /// How many pieces of moved ids are held before they are written.
    private static let keptIDs = 500
    /// How many customers for whom something is due are worked off between two commits.
    static let batchWakes = 4000

    mutating func read(wallNow: Instant?, final: Bool = false, readsAhead: Bool = false) -> Bool {
        guard
            let chunk = reader.read(
                upTo: settings.readBytes, wallLimit: wallNow.map { $0 + settings.maxFuture }, engineNow: engine.clock.now,
                final: final, readsAhead: readsAhead)
        else { return false }
        tally.lines += chunk.lineCount
        tally.bytes += chunk.byteCount
        tally.overtaken += chunk.notes.count { $0.kind == .overtaken }
        refuse(chunk.deadLetters)
        notes += chunk.notes
        isChanged = true
        return true
    }

    private mutating func refuse(_ letters: [DeadLetter]) {
        let letters = letters.filter { !isErased($0) }
        guard !letters.isEmpty else { return }
        for letter in letters { tally.deadLetters[letter.reason.rawValue, default: 0] += 1 }
        deadLetters += letters
        isChanged = true
    }

    /// Below which time no more events are expected (`time.md`, Watermark).
    func watermark(wallNow: Instant?) -> Instant {
        if let backlog = reader.backlogWatermark { return backlog }
        switch settings.clock {
        case .log: return reader.newestWatermark ?? .min
        case .wall: return wallNow.map { $0 - reader.largestLateness } ?? .min
        }
    }

    /// Applies everything below the watermark, in steps that keep what is resident within bounds. What a step does not reach stays in the
    /// sequencer, so that a commit in between keeps those lines too.
    mutating func advance(below watermark: Instant, wallNow: Instant?) throws {
        while let (line, turn) = nextControlTurn(below: watermark) {
            if turn > engine.clock.now { try applyAll(below: turn, wallNow: wallNow) }
            // The step ends early, and this is still to come.
            guard turn <= engine.clock.now else { return }
            try apply(line, at: turn, wallNow: wallNow)
        }
        try applyAll(below: watermark, wallNow: wallNow)
    }

    private mutating func applyAll(below watermark: Instant, wallNow: Instant?) throws {
        while true {
            let bound: Instant
            let batch: EventBatch
            do {
                let reads = engine.hasStore && transaction != .here
                if reads { try store?.beginRead() }
                defer { if reads { store?.endRead() } }
                bound = try wake(below: watermark)
                batch = reader.take(below: bound)
                if engine.hasStore { try bringIn(customers: engine.missing(in: batch, from: 0)) }
                if isDurable { hourly.add(batch) }
                _ = try advance(batch, from: 0, below: bound)
            }
            if !batch.events.isEmpty || engine.dirtyCount > 0 { isChanged = true }
            reader.recycle(batch)
            if bound == watermark { break }
            try commit(wallNow: wallNow, keeping: true)
            if hooks.endsEarly() { break }
        }
        if !isDurable { try spill() }
    }

    mutating func advance(_ batch: EventBatch, from start: Int, below bound: Instant) throws -> Int {
        var next = start
        while true {
            switch engine.advance(batch, from: next, below: bound) {
            case .done(let reached): return reached
            case .missing(let missing, let reached):
                next = reached
                try bringIn(missing)
            }
        }
    }
}
