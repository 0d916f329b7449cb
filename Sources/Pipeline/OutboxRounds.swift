import Engine

/// When the daemon goes round its outboxes: gives back claims that have timed out, deletes what was kept long enough, and tries again what could not be
/// published. A round costs a listing of their directories, and wakes an idle machine; so it is made only when there may be something to do.
struct OutboxRounds: Sendable {
    /// While something happens, and where nothing tells of what happens.
    static let usual: Milliseconds = 30_000
    /// While something can't be published.
    static let troubled: Milliseconds = 1000
    /// What senders are through with is kept for days.
    static let idle: Milliseconds = 3_600_000

    /// When the last one was; 0: there was none.
    private(set) var last: Instant = 0
    /// Something was done since, or has happened in an outbox.
    private var hasNews = true

    mutating func note() { hasNews = true }

    mutating func begin(at now: Instant) {
        last = now
        hasNews = false
    }

    /// When the next one is due.
    ///
    /// - Parameters:
    ///   - isTroubled: something waits for an outbox to be usable again.
    ///   - isWatched: inotify tells of every claim, and of whatever happens to the directories themselves.
    ///   - claim: when the first claim times out; nil: nothing is claimed.
    ///   - isUnfinished: something else was left for the next round.
    func next(isTroubled: Bool, isWatched: Bool, claim: Instant?, isUnfinished: Bool) -> Instant {
        if isTroubled { return last + Self.troubled }
        if hasNews || !isWatched || isUnfinished { return last + Self.usual }
        return min(last + Self.idle, max(claim ?? .max, last + Self.usual))
    }
}
