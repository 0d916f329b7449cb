import Engine
import Ingest
import Outbox
import Storage

/// The end of a replay, and what the service asks of the outboxes.
extension Pipeline {
    /// Ends a replay, or a run that drains: reads also last lines without a newline, applies every event up to `until`, and fires the
    /// timers due up to it (nil: the last event time, or the last turn of an event that was taken later than its time).
    package mutating func finish(until: Instant?, wallNow: Instant?) throws {
        while adoption != nil { try adoptMore(wallNow: wallNow) }
        while read(wallNow: wallNow, final: true) {}
        let end = until ?? [reader.newestEvent, reader.sequencer.latest].compactMap { $0 }.max()
        if let end, end + 1 > engine.clock.now { try advance(below: end + 1, wallNow: wallNow) }
        try commit(wallNow: wallNow)
        try settle()
    }

    /// Marks what has been published, so that nothing is left to do when the process ends.
    package mutating func settle() throws {
        try finishCommit()
        guard let store, hasUnmarked else { return }
        try store.begin()
        try changeOutboxes { try $0.takeMarks().write(to: store) }
        try store.commit()
    }

    /// As `settle`, and notes what the next run has to know of the outboxes.
    package mutating func end() throws {
        try settle()
        if let store { try changeOutboxes { try $0.keepClaims(store) } }
    }

    /// After rows were deleted.
    mutating func recountOutboxes(_ store: Store) throws {
        try changeOutboxes { try $0.recount(store) }
    }

    mutating func changeOutboxes(_ change: (inout OutboxSet) throws -> Void) rethrows {
        guard case .outboxes(var set) = destination else { return }
        destination = .none
        defer { destination = .outboxes(set) }
        try change(&set)
    }

    /// Commits what lingers.
    package mutating func commitAll(wallNow: Instant?) throws {
        try commit(wallNow: wallNow)
        try finishCommit()
    }

    /// Obeys the control log alone, while reading pauses.
    package mutating func commitOrders(wallNow: Instant?) throws {
        try obey(wallNow: wallNow)
        try commitAll(wallNow: wallNow)
    }

    /// Tries again what could not be published, and looks after the outbox directories.
    package mutating func tendOutboxes(wallNow: Instant, clockIsWall: Bool) throws {
        try finishCommit()
        guard let store else { return }
        let endsEarly = hooks.endsEarly
        try changeOutboxes { set in
            set.check()
            if set.isWaiting { try set.retry(store, wallNow: clockIsWall ? wallNow : nil, endsEarly: endsEarly) }
            try set.maintain(store, wallNow: wallNow)
        }
    }

    /// When the first claim of a sender times out; nil if there is none.
    package var nextTimeout: Instant? { if case .outboxes(let set) = destination { set.nextTimeout } else { nil } }
    /// The directories of the outboxes that can be used.
    package var outboxPaths: Set<String> { if case .outboxes(let set) = destination { set.paths } else { [] } }

    package var troubles: [String] { if case .outboxes(let set) = destination { set.troubles } else { [] } }
    /// Whether reading has to pause because nothing can be delivered.
    package var isBlocked: Bool { if case .outboxes(let set) = destination { set.isFull } else { false } }
    package var pendingMessages: Int { if case .outboxes(let set) = destination { set.pendingCount } else { 0 } }

    /// What somebody, or the safety valve, has paused; nil: nothing.
    package var pausedByHand: String? {
        guard case .outboxes(let set) = destination, !set.pauses.isEmpty else { return nil }
        let rules = set.pauses.compactMap(\.rule)
        let what = rules.count < set.pauses.count ? "publishing" : "publishing of " + rules.sorted().joined(separator: ", ")
        return what + " is paused until `nudged resume`"
    }

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
