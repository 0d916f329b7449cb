/// An id that counted, for de-duplication.
package struct SeenID: Sendable, Equatable {
    package var digest: IDDigest
    /// Event time of the event that counted.
    package var at: Instant

    package init(digest: IDDigest, at: Instant) {
        self.digest = digest
        self.at = at
    }
}

/// The ids that counted of one customer or product, in the order in which they were applied (`events.md`, De-duplication).
///
/// An entry may stop a later event whose time is less than `dedupe` after its own, and events may be late by up to `lateFor`, so it is kept
/// for both together: a month by default, and so most of what is kept of a customer who does little but look. An event in order can only
/// equal an entry newer than `dedupe`, so that only the end has to be looked at.
package struct SeenIDs: Sendable, Equatable {
    package private(set) var entries: [SeenID] = []
    /// The first of them that an event in order may still equal.
    private var hot = 0
    /// The lower halves of all digests from `hot` on (and of some before): kept only where there are so many that looking through them for each
    /// event would take too long.
    private var filter: Set<UInt64>?
    /// At how many it is next seen whether there are some to forget.
    private var forgetsAt = 64

    package init() {}

    package init(_ entries: [SeenID]) { self.entries = entries }

    package static func == (left: SeenIDs, right: SeenIDs) -> Bool { left.entries == right.entries }

    /// Whether an id already counted; if not, it counts from now on.
    ///
    /// - Parameters:
    ///   - time: when its event happened; before `now` if it is late.
    ///   - now: the engine's time.
    package mutating func sees(_ digest: IDDigest, at time: Instant, now: Instant, dedupe: Milliseconds, lateFor: Milliseconds)
        -> Bool
    {
        while hot < entries.count, entries[hot].at <= now - dedupe { hot += 1 }
        if time < now || mayBeHot(digest) {
            let first = time < now ? 0 : hot
            var index = entries.count
            while index > first {
                index -= 1
                if entries[index].digest == digest, time - entries[index].at < dedupe { return true }
            }
        }
        if entries.count > forgetsAt { forget(now - dedupe - lateFor) }
        // What grows by doubling is a third empty on average.
        if entries.count == entries.capacity { entries.reserveCapacity(entries.count + entries.count / 8 + 4) }
        entries.append(SeenID(digest: digest, at: time))
        filter?.insert(digest.low)
        return false
    }

    /// From how many entries on a filter is kept.
    private static let many = 512

    /// Whether an entry from `hot` on may have this digest.
    private mutating func mayBeHot(_ digest: IDDigest) -> Bool {
        let count = entries.count - hot
        guard count > Self.many else {
            filter = nil
            return true
        }
        if filter.map({ $0.count > 2 * count }) ?? true { filter = Set(entries[hot...].lazy.map(\.digest.low)) }
        return filter?.contains(digest.low) ?? true
    }

    /// Drops the entries before the first that is newer than `bound`.
    private mutating func forget(_ bound: Instant) {
        let gone = entries.firstIndex { $0.at > bound } ?? entries.count
        entries.removeFirst(gone)
        hot = max(0, hot - gone)
        forgetsAt = max(64, entries.count + entries.count / 4)
    }

    // MARK: Stored

    /// As a record keeps it: 24 bytes for each, little-endian. Nil if there are none.
    package var record: [UInt8]? {
        guard !entries.isEmpty else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(entries.count * 24)
        for entry in entries {
            bytes.appendLittle(entry.digest.high)
            bytes.appendLittle(entry.digest.low)
            bytes.appendLittle(UInt64(bitPattern: entry.at))
        }
        return bytes
    }

    /// A damaged record is read as far as it goes.
    package init(record: [UInt8]) {
        entries = stride(from: 0, to: record.count - record.count % 24, by: 24).map { offset in
            SeenID(
                digest: IDDigest(high: record.littleUInt64(at: offset), low: record.littleUInt64(at: offset + 8)),
                at: Int64(bitPattern: record.littleUInt64(at: offset + 16)))
        }
    }
}
