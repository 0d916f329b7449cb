import Engine
import Ingest
import Storage

/// What lines of the control log changed since the last commit, to be written with it.
struct ControlWork: Sendable {
    var notes: [CanonicalJSON] = []
    var pauses: [Pause] = []
    /// Nil inside: all of them.
    var resumed: [String?] = []
    /// Dead letters that became events.
    var retried: [Int64] = []
    /// Dead letters that can't become events yet, with what is wrong now.
    var refused: [(number: Int64, letter: DeadLetter)] = []

    var isEmpty: Bool { notes.isEmpty && pauses.isEmpty && resumed.isEmpty && retried.isEmpty && refused.isEmpty }
}

/// The control log as a source (`operations.md`): lines are applied in order at engine time, each once, and never move the watermark.
extension Pipeline {
    /// Looks for new lines of the control log and applies those whose turn it is.
    package mutating func obey(wallNow: Instant?) throws {
        guard isFollowing else { return }
        try eraseAgain()
        try control?.poll()
        while let (line, turn) = control?.next(now: engine.clock.now), turn <= engine.clock.now {
            try apply(line, at: turn, wallNow: wallNow)
        }
    }

    /// Notes that another configuration decides from here on.
    mutating func noteReload() throws { try controlLog?.append(lines: [ControlLog.reloaded(at: engine.clock.now)]) }

    /// The next turn below `bound` of a line that waits for it: after a crash, and in a replay.
    func nextControlTurn(below bound: Instant) -> (line: ControlLine, turn: Instant)? {
        guard let (line, turn) = isFollowing ? control?.next(now: engine.clock.now) : control?.nextInReplay(), turn < bound else {
            return nil
        }
        return (line, turn)
    }

    /// Applies one line, now that everything before `turn` has been applied.
    mutating func apply(_ line: ControlLine, at turn: Instant, wallNow: Instant?) throws {
        try finishCommit()
        notePlace(of: line)
        defer { notePlace(of: line) }
        // Before its first event the engine has no time yet.
        let now = max(turn, engine.clock.now) == .min ? line.at : max(turn, engine.clock.now)
        if isFollowing, control?.isNoted == false { work.notes.append(ControlLine.applied(line, at: now)) }
        switch line.order {
        // The pause of a restored backup stands until somebody ends it who knows of it; others are as they were said.
        case .pause(nil) where line.start < controlBeforeRestore: break
        case .resume(nil) where line.start < controlBeforeRestore: for rule in pausedRules { resume(rule) }
        case .pause(let rule): pause(Pause(rule: rule, since: now, reason: Pause.asked))
        case .resume(let rule): resume(rule)
        case .event(let text): try applyByHand(text, at: now)
        case .forget(let order): try forget(order, givenAt: line.at)
        case .retry(let number): if isFollowing { try retry(number, at: now, wallNow: wallNow) }
        }
        control?.removeFirst()
        isChanged = true
    }

    private mutating func pause(_ pause: Pause) {
        // A replay publishes nothing that could wait.
        guard isFollowing else { return }
        work.resumed.removeAll { $0 == pause.rule }
        work.pauses.append(pause)
        changeOutboxes { $0.pause(pause) }
    }

    private mutating func resume(_ rule: String?) {
        work.pauses.removeAll { rule == nil || $0.rule == rule }
        work.resumed.append(rule)
        changeOutboxes { $0.resume(rule) }
    }

    private var pausedRules: [String] {
        guard case .outboxes(let set) = destination else { return [] }
        return set.pauses.compactMap(\.rule)
    }

    private mutating func applyByHand(_ text: [UInt8], at now: Instant) throws {
        var decoder = Decoder(vocabulary: engine.rules.vocabulary, format: .segment)
        var batch = EventBatch()
        _ = decoder.decode(alone: text, source: .max, file: 0, offset: 0, into: &batch)
        for var event in batch.events {
            event.time = now
            event.order = now
            while let missing = engine.intervene(event, of: batch) { try bringIn(missing) }
        }
    }

    private mutating func retry(_ number: Int64, at now: Instant, wallNow: Instant?) throws {
        // Asked for twice before it was committed, it is taken once.
        guard !work.retried.contains(number) else { return }
        guard let row = try store?.deadLetter(number) else {
            warnings.append("dead letter \(number) can't be retried: there is none of that number any more")
            return
        }
        guard row.isWhole else {
            warnings.append("dead letter \(number) can't be retried: only the first \(row.head.count) bytes of its line are kept")
            return
        }
        switch reader.retry(
            row.head, source: row.source, file: Int(row.file) ?? 0, offset: UInt64(row.offset),
            length: UInt32(clamping: row.length), at: now, wallLimit: wallNow.map { $0 + settings.maxFuture })
        {
        case .taken(let note):
            if let note { notes.append(note) }
            work.retried.append(number)
        case .refused(let letter):
            work.refused.append((number, letter))
            warnings.append("dead letter \(number) was retried and is one still: \(letter.message)")
        case .noSource:
            warnings.append("dead letter \(number) can't be retried: the configuration has no source \(row.source) any more")
        }
    }
}
