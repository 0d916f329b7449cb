import Engine
import Storage

/// Retention, a bounded piece at a time.
extension Pipeline {
    /// How many rows of each kind one piece takes.
    private static let piece = 1000

    /// Deletes some of what is beyond its time; to be called now and then.
    ///
    /// - Returns: whether more rows may be, so that it should be called again soon.
    package mutating func expire(wallNow: Instant?) throws -> Bool {
        try finishCommit()
        guard isFollowing, let store, engine.clock.now > 0 else { return false }
        let bound = engine.clock.now - settings.retention.profiles
        let (numbers, next) = try store.idle(after: retentionCursor, before: bound, limit: Self.piece)
        retentionCursor = next ?? 0
        for number in numbers where !engine.isGone(number) {
            if !engine.isResident(number) { try bringIn(number: number) }
            // What the batch at hand made of it counts, not what is stored.
            guard engine.isIdle(number, since: bound) else { continue }
            while let missing = engine.erase(number, hashes: [], until: 0, forgets: false) { try bringIn(missing) }
            isChanged = true
        }
        try store.begin()
        let isMoreLeft: Bool
        do {
            isMoreLeft = try store.expire(settings.retention, now: engine.clock.now, limit: Self.piece)
        } catch {
            store.rollback()
            throw error
        }
        try store.commit()
        try commitAll(wallNow: wallNow)
        return isMoreLeft
    }
}
