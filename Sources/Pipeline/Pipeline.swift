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
    package var seconds: () -> Double = { 0 }

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
    package private(set) var store: Store?
    /// Whether the store outlives the run.
    let isDurable: Bool
    package private(set) var destination: MessageDestination
    package private(set) var tally = Tally()
    package internal(set) var warnings: [String] = []
    package var hooks = StepHooks()

    /// The wall clock at the last commit.
    private var committedAt = Instant.min
    /// Whether the transaction of the batch has begun.
    private var isWriting = false
    /// Lines as of the last commit.
    private var committedLines = 0
    private var deadLetters: [DeadLetter] = []
    var notes: [ReadingNote] = []
    private var hourly = HourlyInput()
    /// Files' positions as of the last commit, so that only what moved is written.
    private var written: [Int64: (offset: Int64, isEnded: Bool)] = [:]
    var isChanged = false
    /// The control log as a source: followed by a daemon, repeated by a replay.
    var control: ControlTail?
    let isFollowing: Bool
    var work = ControlWork()
    /// Who is stored and due before this has been brought in.
    private var wakesTaken = Instant.min {
        didSet { if wakesTaken != oldValue { storedWake = nil } }
    }
    /// When the next of those who are stored is due; nil: not known, nil inside: never.
    private var storedWake: Instant??
    /// The last customer that retention looked at.
    var retentionCursor: Int64 = 0
    /// How far changed segments or calendars have been judged; nil when they have been on everybody.
    var adoption: Adoption?
    /// Told of the notes before the commit that relies on them.
    let controlLog: ControlLog?

    /// - Parameters:
    ///   - store: the state to go on from; nil for a replay, which then keeps its state in memory and spills what is too much.
    ///   - follows: what is appended to the control log is obeyed (a daemon); else what it holds is repeated (a replay).
    package init(
        settings: Settings, rules: RuleSet, store: Store?, destination: MessageDestination, controlLog: ControlLog? = nil,
        publishFrom: Instant? = nil, follows: Bool = false
    ) throws {
        self.settings = settings
        self.store = store
        isDurable = store?.directory != nil
        self.destination = destination
        self.controlLog = controlLog
        isFollowing = follows
        control = try controlLog.map { log throws in
            try ControlTail(log, from: follows ? Int(store?.metaNumber("control") ?? 0) : 0)
        }
        var positions: [FilePosition] = []
        for row in try store?.sourceFiles() ?? [] {
            guard let position = FileRecord.position(row) else {
                throw StoreError(
                    .corrupt, "the state's record of \(row.path) can't be read; restore a backup, or replay the logs")
            }
            positions.append(position)
            written[row.number] = (row.offset, row.isEnded)
        }
        let clock = try store?.engineClock() ?? EngineClock()
        let tombstones = try Self.tombstones(settings, store, controlLog, follows: follows)
        let prescribed = try controlLog?.prescriptions() ?? [:]
        let waiting = try store?.waiting() ?? []
        // As long as nothing that is stored has left the memory, nobody has to be looked for.
        let isEmpty = try store?.isEmpty() ?? true
        if let store, store.directory != nil { adoption = try Self.adopt(rules, store, clock.now) }
        reader = LogReader(
            sources: settings.sources, vocabulary: rules.vocabulary, lateFor: rules.definitions.lateFor,
            maxLineBytes: settings.maxLineBytes,
            resuming: positions, keepsLines: store?.directory != nil)
        engine = Engine(rules: rules, clock: clock, publishFrom: publishFrom, hasStore: !isEmpty, sha256: Digest.sha256)
        engine.identifiesDecisions = store != nil
        engine.isAdopting = adoption != nil
        reader.prescribed = prescribed
        engine.tombstones = tombstones
        for chunk in waiting { reader.restore(chunk, appliedBefore: clock.now) }
    }

    // MARK: Reading

    /// Looks for new, rotated and vanished files.
    package mutating func scan() {
        reader.scan()
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

    package var isCaughtUp: Bool { reader.isCaughtUp && adoption == nil }
    package var directories: Set<String> { reader.directories }
    /// Takes the hint that nothing but these files has changed, by being written to; false: a scan is needed.
    package mutating func hear(ofChangesAt paths: Set<String>) -> Bool { reader.hear(ofChangesAt: paths) }
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
        try obey()
        guard adoption == nil else {
            try adoptMore(wallNow: wallNow)
            return true
        }
        var isEnding = false
        repeat {
            // Applied chunk by chunk, while it is in the caches; committed together.
            let bytes = tally.bytes
            repeat {
                guard read(wallNow: wallNow, readsAhead: !isEnding) else { break }
            } while (isEnding ? reader.isAhead : !reader.isCaughtUp) && tally.bytes - bytes <= settings.readBytes / 4
            // What this reading and the wall clock say holds only for lines that were seen: while one file was read another may have grown,
            // with lines older than that. So a look at all of them comes between the measuring of time and its use; what it finds holds
            // time back.
            let reached = self.watermark(wallNow: wallNow)
            if !hasLooked || settings.clock == .log { scan() }
            let watermark = min(reached, self.watermark(wallNow: wallNow), until.map { $0 + 1 } ?? .max)
            if watermark > engine.clock.now { try advance(below: watermark, wallNow: wallNow) }
            stageAhead()
            if engine.output.decisions.count >= Self.keptDecisions {
                // Without a store nothing has to be together.
                if store == nil { try commit(wallNow: wallNow) } else if isDurable { try writeDecisions() }
            }
            // What has been read ahead belongs to this batch; else its lines would have to be kept.
            if !isEnding, !reader.isCaughtUp {
                isEnding =
                    tally.lines - lines >= settings.batchEvents || engine.dirtyCount >= settings.profileLimit / 2
                    || engine.output.messages.count >= Self.batchMessages || hooks.endsEarly()
            }
        } while isEnding ? reader.isAhead : !reader.isCaughtUp
        if !(lingers && mayLinger(wallNow)) { try commit(wallNow: wallNow) }
        return tally.lines > lines || engine.counters.events > events
    }

    /// About how many messages one commit takes: each is a file, and a daemon that is told to end has to be through with them soon.
    private static let batchMessages = 8000
    /// How many decisions are held before they are passed on: by a replay to whoever wants them, else into the batch's transaction.
    private static let keptDecisions = 500
    /// How many customers for whom something is due are worked off between two commits.
    private static let batchWakes = 4000

    private mutating func read(wallNow: Instant?, final: Bool = false, readsAhead: Bool = false) -> Bool {
        guard
            let chunk = reader.read(
                upTo: settings.readBytes, wallLimit: wallNow.map { $0 + settings.maxFuture }, engineNow: engine.clock.now,
                final: final, readsAhead: readsAhead)
        else { return false }
        tally.lines += chunk.lineCount
        tally.bytes += chunk.byteCount
        tally.overtaken += chunk.notes.count { $0.kind == .overtaken }
        for letter in chunk.deadLetters { tally.deadLetters[letter.reason.rawValue, default: 0] += 1 }
        deadLetters += chunk.deadLetters
        notes += chunk.notes
        isChanged = true
        return true
    }

    /// Below which time no more events are expected (`time.md`, Watermark).
    private func watermark(wallNow: Instant?) -> Instant {
        if let backlog = reader.backlogWatermark { return backlog }
        switch settings.clock {
        case .log: return reader.newestWatermark ?? .min
        case .wall: return wallNow.map { $0 - reader.largestLateness } ?? .min
        }
    }

    /// Applies everything below the watermark, in steps that keep what is resident within bounds. What a step does not reach stays in the
    /// sequencer, so that a commit in between keeps those lines too.
    private mutating func advance(below watermark: Instant, wallNow: Instant?) throws {
        while let (line, turn) = nextControlTurn(below: watermark) {
            if turn > engine.clock.now { try applyAll(below: turn, wallNow: wallNow) }
            // The step ends early, and this is still to come.
            guard turn <= engine.clock.now else { return }
            try apply(line, at: turn)
        }
        try applyAll(below: watermark, wallNow: wallNow)
    }

    private mutating func applyAll(below watermark: Instant, wallNow: Instant?) throws {
        while true {
            let bound: Instant
            var batch: EventBatch
            do {
                let reads = engine.hasStore && !isWriting
                if reads { try store?.beginRead() }
                defer { if reads { store?.endRead() } }
                bound = try wake(below: watermark)
                batch = reader.take(below: bound)
                if engine.hasStore { try bringIn(customers: engine.missing(in: batch, from: 0)) }
                if isDurable { hourly.add(batch) }
                _ = try advance(batch, from: 0, below: bound)
            }
            if !batch.events.isEmpty || engine.dirtyCount > 0 { isChanged = true }
            batch.events.removeAll()
            if bound == watermark { break }
            try commit(wallNow: wallNow, keeping: true)
            if hooks.endsEarly() { break }
        }
        if !isDurable { try spill() }
    }

    private mutating func advance(_ batch: EventBatch, from start: Int, below bound: Instant) throws -> Int {
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

    // MARK: State

    /// Brings in those for whom something is due before the watermark; gives how far the engine may go with what is resident.
    private mutating func wake(below watermark: Instant) throws -> Instant {
        guard let store, engine.hasStore, let next = try nextStoredWake(), next < watermark else { return watermark }
        for key in try store.productWakes(before: watermark) where !engine.isResident(key) { try bringIn(product: key) }
        let limit = max(4, min(Self.batchWakes, settings.profileLimit / 4))
        // Who is resident is in the engine's own queue; the stored wake may be long out of date.
        let wakes = try store.wakes(from: wakesTaken, before: watermark, limit: limit) {
            engine.isResident($0) || engine.isGone($0)
        }
        var numbers = wakes.map(\.number)
        var bound = watermark
        if wakes.count == limit, let first = wakes.first, let last = wakes.last {
            if first.at == last.at {
                // More than fit wake in one millisecond: that millisecond is taken whole.
                let whole = try store.wakes(from: wakesTaken, before: last.at + 1, limit: .max) {
                    engine.isResident($0) || engine.isGone($0)
                }
                numbers = whole.map(\.number)
                bound = min(watermark, max(last.at, engine.clock.now) + 1)
            } else {
                bound = min(watermark, max(last.at, engine.clock.now + 1))
            }
        }
        for number in numbers { try bringIn(number: number) }
        // Those before it are resident from now on, or have been; a profile that is released is due later than the engine's time.
        wakesTaken = wakes.count == limit ? min(bound, wakes.last?.at ?? bound) : watermark
        return bound
    }

    mutating func bringIn(_ missing: Missing) throws {
        try bringIn(customers: missing.customers)
        for number in missing.numbers where !engine.isResident(number) { try bringIn(number: number) }
        for product in missing.products where !engine.isResident(product) { try bringIn(product: product) }
        for segment in missing.members { try provideMembers(of: segment) }
    }

    private mutating func bringIn(customers keys: [CustomerKey]) throws {
        guard let store, !keys.isEmpty else { return }
        var absent: [CustomerKey] = []
        var numbers: [Int64] = []
        for key in keys {
            if let number = try store.number(of: key) { numbers.append(number) } else { absent.append(key) }
        }
        engine.markAbsent(absent, [])
        // In key order: neighbours share pages.
        for number in numbers.sorted() where !engine.isResident(number) { try bringIn(number: number) }
    }

    mutating func bringIn(number: Int64) throws {
        guard let store, let record = try store.customer(number) else {
            throw StoreError(.corrupt, "the state refers to customer number \(number), which it does not hold; restore a backup")
        }
        engine.insert(record, links: try store.links(of: number))
    }

    private mutating func bringIn(product key: ProductKey) throws {
        guard let store else { return }
        if let record = try store.product(key) {
            engine.insert(record, followers: try store.followers(of: key))
        } else {
            engine.markAbsent([], [key])
        }
    }

    /// The members of a segment: those committed, changed by what has happened since.
    private mutating func provideMembers(of segment: Int) throws {
        guard let store else { return }
        var members = Dictionary(
            try store.members(of: engine.rules.segments[segment].name).map { ($0.customer, $0.enteredAt) },
            uniquingKeysWith: { $1 })
        for change in engine.output.memberships where change.segment == segment { members[change.customer] = change.enteredAt }
        engine.provide(
            members: members.map { (customer: $0.key, enteredAt: $0.value) }.sorted { $0.customer < $1.customer }, of: segment)
    }

    /// A replay whose state outgrows its memory goes on with a temporary store.
    private mutating func spill() throws {
        guard store == nil, engine.residentCustomers > settings.profileLimit else { return }
        store = try Store.temporary()
        engine.identifiesDecisions = true
    }

    /// When the next of those who are stored and have not been brought in is due; the stored time of whoever is resident may be out of date.
    private mutating func nextStoredWake() throws -> Instant? {
        guard let store, engine.hasStore else { return nil }
        if let storedWake { return storedWake }
        let next = try store.nextWake(from: wakesTaken)
        storedWake = .some(next)
        return next
    }

    // MARK: Commit

    /// When at the latest that has to be committed which has been done since the last commit; nil if nothing has.
    package func commitsBy(_ wallNow: Instant) -> Instant? {
        guard isChanged || isWriting || engine.dirtyCount > 0 else { return nil }
        let output = engine.output
        let isSeen =
            !output.messages.isEmpty || !output.withdrawals.isEmpty || !output.erasures.isEmpty || !notes.isEmpty || !work.isEmpty
            || isWriting || committedAt > wallNow || tally.lines - committedLines > Self.lingeringLines
        return isSeen ? wallNow : committedAt + Self.lingering
    }

    private func mayLinger(_ wallNow: Instant?) -> Bool {
        guard let wallNow, let due = commitsBy(wallNow) else { return false }
        return wallNow < due
    }

    /// How long what nobody sees may wait for its commit, in milliseconds, and of how many lines at most.
    private static let lingering: Milliseconds = 1000
    private static let lingeringLines = 20_000

    /// Writes what has changed in one transaction, then publishes.
    mutating func commit(wallNow: Instant?, keeping: Bool = false) throws {
        guard isChanged || keeping || isWriting || !engine.output.decisions.isEmpty || !engine.output.messages.isEmpty else {
            return
        }
        isChanged = false
        // What has been read is applied, or its lines are kept: a position lies behind both.
        if isDurable { while reader.isAhead { guard read(wallNow: wallNow) else { break } } }
        let began = hooks.seconds()
        var changes = engine.takeChanges(records: store != nil)
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
            rows = set.stage(
                changes.output.messages.filter { !erased.contains($0.customer) }, withdrawals: changes.output.withdrawals,
                written: written, wallNow: wallNow)
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
        if engine.residentCustomers > settings.profileLimit { engine.hasStore = true }
        engine.shrink(to: settings.profileLimit)
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
    private mutating func writeDecisions() throws {
        guard let store else { return }
        var output = Output()
        output.decisions = engine.takeDecisions()
        if let render = settings.render { output.render { Rendering.all($0, render, except: []) } }
        count(output.decisions)
        if !isWriting { try store.begin() }
        isWriting = true
        try store.write(output.decisions)
    }

    private mutating func count(_ decisions: [Decision]) {
        for decision in decisions {
            tally.verdicts[decision.verdict.rawValue, default: 0] += 1
            tally.verdictsByRule[TallyKey(rule: decision.rule, other: decision.verdict.rawValue), default: 0] += 1
            // It takes the place of the verdict that was counted before.
            if decision.verdict == .withdrawn { tally.verdicts[Verdict.published.rawValue, default: 0] -= 1 }
        }
    }

    // MARK: Staging ahead

    /// Has the files of new messages written while the batch goes on.
    private mutating func stageAhead() {
        guard isDurable, case .outboxes(var set) = destination else { return }
        destination = .none
        defer { destination = .outboxes(set) }
        set.stageAhead(engine.output.messages, atLeast: settings.stagedAhead, settings.render)
    }

    private func settledStaging() -> [Int64: StagingAhead.Written] {
        guard case .outboxes(let set) = destination else { return [:] }
        return set.stagedAhead()
    }

    private mutating func publish(_ rows: [MessageRow]) throws {
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

    // MARK: The ends

    /// Ends a replay, or a run that drains: reads also last lines without a newline, applies every event up to `until`, and fires the
    /// timers due up to it (nil: the last event time).
    package mutating func finish(until: Instant?, wallNow: Instant?) throws {
        while adoption != nil { try adoptMore(wallNow: wallNow) }
        while read(wallNow: wallNow, final: true) {}
        let end = until ?? reader.newestEvent
        if let end, end + 1 > engine.clock.now { try advance(below: end + 1, wallNow: wallNow) }
        try commit(wallNow: wallNow)
        try settle()
    }

    /// Marks what has been published, so that nothing is left to do when the process ends.
    package mutating func settle() throws {
        guard let store, case .outboxes(var set) = destination, set.hasUnmarked else { return }
        destination = .none
        defer { destination = .outboxes(set) }
        try store.begin()
        try set.markPublished(store)
        try store.commit()
        set.committed([])
    }

    /// After rows were deleted.
    mutating func recountOutboxes(_ store: Store) throws {
        guard case .outboxes(var set) = destination else { return }
        destination = .none
        defer { destination = .outboxes(set) }
        try set.recount(store)
    }

    mutating func changeOutboxes(_ change: (inout OutboxSet) -> Void) {
        guard case .outboxes(var set) = destination else { return }
        destination = .none
        change(&set)
        destination = .outboxes(set)
    }

    /// Commits what lingers.
    package mutating func commitAll(wallNow: Instant?) throws { try commit(wallNow: wallNow) }

    /// Obeys the control log alone, while reading pauses.
    package mutating func commitOrders(wallNow: Instant?) throws {
        try obey()
        try commit(wallNow: wallNow)
    }

    /// Tries again what could not be published, and looks after the outbox directories.
    package mutating func tendOutboxes(wallNow: Instant, clockIsWall: Bool) throws {
        guard let store, case .outboxes(var set) = destination else { return }
        destination = .none
        defer { destination = .outboxes(set) }
        set.check()
        if set.isWaiting { try set.retry(store, wallNow: clockIsWall ? wallNow : nil) }
        try set.maintain(store, wallNow: wallNow)
    }

    package var troubles: [String] { if case .outboxes(let set) = destination { set.troubles } else { [] } }
    /// Whether reading has to pause because nothing can be delivered.
    package var isBlocked: Bool { if case .outboxes(let set) = destination { set.isFull } else { false } }
    package var pendingMessages: Int { if case .outboxes(let set) = destination { set.pendingCount } else { 0 } }

    /// Messages that are committed and whose file is not in place, or not known to be.
    package var stagedMessages: Int { if case .outboxes(let set) = destination { set.stagedCount } else { 0 } }

    package var hasUnmarked: Bool { if case .outboxes(let set) = destination { set.hasUnmarked } else { false } }
    /// Whether something waits for an outbox to be usable again.
    package var isTroubled: Bool { if case .outboxes(let set) = destination { set.isWaiting } else { false } }

    /// How many stored customers have something due before `time` that has not been worked off; at most `limit`.
    package func dueCustomers(before time: Instant, limit: Int) throws -> Int {
        try store?.countWakes(before: time, limit: limit) ?? 0
    }

    /// The next moment at which a waiting event or a timer, resident or stored, has its turn; nil if nothing waits.
    package mutating func nextMoment() throws -> Instant? {
        let resident = engine.nextWake()
        // Who was due before has been brought in; the stored wake is out of date until the next commit.
        let stored = try nextStoredWake()
        return [resident, stored, reader.sequencer.earliest].compactMap { $0 }.min()
    }
}
