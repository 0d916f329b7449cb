import Engine
import Outbox
import Storage

/// The configured outboxes, and the messages that are on their way into them (`outbox.md`, Exactly once).
///
/// This file: what is known of them, pauses and the valve. `+Opening`: what a crash left. `+Staging`: step 1, and files that are written ahead.
/// `+Publishing`: steps 3 and 4, taking back, and trying again. `+Erasure`: files of
/// erased customers.
package struct OutboxSet {
    struct Box {
        let settings: Settings.OutboxSettings
        var directory: OutboxDirectory?
        /// Why nothing is published there at present.
        var trouble: String?
        /// Files that nobody but a person can settle, by what was found last.
        var unexplained: [String] = []
        var foreignClaims: [String] = []
        var claims = ClaimTable()

        /// What to do about each kind of file that is left alone, of which the first is named.
        var alarms: [String] {
            func alarm(_ folder: String, _ names: [String], _ text: String) -> [String] {
                guard let first = names.first else { return [] }
                let others = names.count == 1 ? "" : " (and \(names.count - 1) more)"
                return ["\(settings.path)/\(folder)/\(first)\(others): \(text)"]
            }
            return alarm(
                "tmp", unexplained,
                "no crash leaves this file here, as after a restored backup or from a disk that lost a rename; see whether it was sent, then move it to new/ or delete it"
            )
                + alarm(
                    "cur", foreignClaims,
                    "the claim has timed out, and a file of this name is in new/ already; remove the one that is not nudged's")
        }
    }

    var boxes: [Box] = []
    /// Published, and to be marked so with the next transaction.
    var published: [Int64] = []
    /// Committed as staged, and not renamed yet.
    var staged: [(sequence: Int64, box: Int, file: String)] = []
    /// How many messages have no file yet, by outbox.
    var pending: [String: Int] = [:]
    package var pendingCount: Int { pending.values.reduce(0, +) }
    /// How many of them wait for the end of their rule's pause and for nothing else.
    var pausedCount = 0
    /// Messages whose withdrawal is committed as an intent, because their outbox can't be used.
    var withdrawingCount = 0
    /// Why nothing, or nothing of a rule, is staged: its rows stay `pending`.
    var pauses: [Pause] = []
    /// The valve, and when the last messages were decided, in order: so many as it lets through.
    var safety: (atMost: Int, per: Milliseconds)?
    var recent: [Instant] = []
    /// The valve's pause, to be written with the next transaction.
    var tripped: Pause?
    /// What was decided before this was published before a backup was restored.
    var restored: Instant?
    /// Why directories that are no outboxes any more can't be rid of the files of erased customers.
    var unreached: [String] = []
    /// Told of every change in an outbox's directories.
    var observer: OutboxDirectory.Observer?
    let ahead = StagingAhead()
    /// The last message that was given to be written ahead.
    var lastAhead = Int64.min

    package init() {}

    func box(of message: Message) -> Int {
        boxes.firstIndex { $0.settings.name == message.outbox } ?? 0
    }

    package func name(of message: Message) -> String { boxes.isEmpty ? "" : boxes[box(of: message)].settings.name }

    // MARK: What is kept of them

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
    mutating func count(_ decided: Instant) {
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

    var isPaused: Bool { pauses.contains { $0.rule == nil } }

    func isPaused(_ rule: String) -> Bool { pauses.contains { $0.rule == nil || $0.rule == rule } }

    // MARK: What is on its way

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
        boxes.compactMap(\.trouble) + boxes.flatMap(\.alarms)
            + pauses.filter { $0.reason.hasPrefix("safety") }.map { "paused by \($0.reason)" }
            + Self.unclaimed(pending, boxes.map(\.settings.name)) + unreached
    }

    /// What waits for outboxes that the configuration has no more.
    static func unclaimed(_ pending: [String: Int], _ names: [String]) -> [String] {
        pending.filter { $0.value > 0 && !names.contains($0.key) }.sorted { $0.key < $1.key }.map { name, count in
            (count == 1 ? "1 message waits" : "\(count) messages wait")
                + " for the outbox \(name), which the configuration has no more: name it again, with the path that it had"
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
