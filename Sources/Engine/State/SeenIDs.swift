/// An id that counted, for de-duplication.
package struct SeenID: Sendable, Equatable {
    /// In a record: the digest's two halves and the time.
    static let byteCount = 24

    package var digest: IDDigest
    /// Event time of the event that counted.
    package var at: Instant

    package init(digest: IDDigest, at: Instant) {
        self.digest = digest
        self.at = at
    }

    /// Whether an event with that id is the same event.
    package func isRepeated(by digest: IDDigest, at time: Instant, dedupe: Milliseconds) -> Bool {
        self.digest == digest && time - at < dedupe
    }
}

/// Ids of a customer that are kept in the store, beside the record.
package struct MovedIDs: Sendable {
    package let customer: Int64
    package let ids: [SeenID]
    /// The time of the newest of them; `.min` if there are none.
    package var newest: Instant { ids.reduce(.min) { max($0, $1.at) } }
}

/// The ids that counted of one customer or product, in the order in which they were applied (`events.md`, De-duplication).
///
/// An entry may stop a later event whose time is less than `dedupe` after its own, and events may be late by up to `lateFor`, so it is kept
/// for both together: a month by default, and so most of what is kept of a customer who does little but look. An event in order can only
/// equal an entry newer than `dedupe`, so that only the end has to be looked at; the entries before it are moved to the store, where there is one,
/// some at a time (`takeOlder`), and read back only for a late event.
package struct SeenIDs: Sendable, Equatable {
    package private(set) var entries: [SeenID] = []
    /// The time of the newest entry that was moved to the store; `.min`: none was.
    package private(set) var newestMoved = Instant.min
    /// The first of them that an event in order may still equal.
    private var hot = 0
    /// The lower halves of all digests from `hot` on (and of some before): kept only where there are so many that looking through them for each
    /// event would take too long.
    private var filter: Set<UInt64>?
    /// At how many it is next seen whether there are some to forget.
    private var forgetsAt = 64

    package init() {}

    package init(_ entries: [SeenID], newestMoved: Instant = .min) {
        self.entries = entries
        self.newestMoved = newestMoved
    }

    package static func == (left: SeenIDs, right: SeenIDs) -> Bool {
        left.entries == right.entries && left.newestMoved == right.newestMoved
    }

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
                if entries[index].isRepeated(by: digest, at: time, dedupe: dedupe) { return true }
            }
        }
        if entries.count > forgetsAt { forget(now - dedupe - lateFor) }
        // What grows by doubling is a third empty on average.
        if entries.count == entries.capacity { entries.reserveCapacity(entries.count + entries.count / 8 + 4) }
        entries.append(SeenID(digest: digest, at: time))
        filter?.insert(digest.low)
        return false
    }

    /// Whether an event may equal an entry that was moved to the store, which has to be asked before `sees`: if it is late, or `dedupe` has been made
    /// longer.
    package func needsMoved(at time: Instant, dedupe: Milliseconds) -> Bool { newestMoved > time - dedupe }

    /// So many entries at least are moved together. A row of the store for each would cost more than they take here.
    private static let movedTogether = 16

    /// Takes out the entries that only a late event can equal, to be added to the store with the commit; nil as long as they are few.
    package mutating func takeOlder(now: Instant, dedupe: Milliseconds, lateFor: Milliseconds) -> [SeenID]? {
        guard entries.count >= Self.movedTogether, entries[Self.movedTogether - 1].at <= now - dedupe else { return nil }
        while hot < entries.count, entries[hot].at <= now - dedupe { hot += 1 }
        guard hot >= Self.movedTogether else { return nil }
        let older = entries[..<hot].filter { $0.at > now - dedupe - lateFor }
        entries = Array(entries[hot...])
        hot = 0
        forgetsAt = 64
        newestMoved = older.reduce(newestMoved) { max($0, $1.at) }
        return older.isEmpty ? nil : older
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

    /// As a record keeps it: 24 bytes for each entry, and 8 with the time of the newest that was moved, if any was; little-endian. Nil if there is
    /// nothing to keep.
    package var record: [UInt8]? {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes.isEmpty ? nil : bytes
    }

    /// Appends it.
    func append(to bytes: inout [UInt8]) {
        guard !entries.isEmpty || newestMoved > .min else { return }
        Self.append(entries, to: &bytes)
        if newestMoved > .min { bytes.appendLittle(UInt64(bitPattern: newestMoved)) }
    }

    /// A damaged record is read as far as it goes.
    package init(record: [UInt8]) {
        entries = Self.entries(record)
        if record.count % SeenID.byteCount == 8 {
            newestMoved = Int64(bitPattern: record.littleUInt64(at: record.count - 8))
        }
    }

    /// Entries as bytes, 24 for each, little-endian.
    package static func bytes(_ entries: [SeenID]) -> [UInt8] {
        var bytes: [UInt8] = []
        append(entries, to: &bytes)
        return bytes
    }

    private static func append(_ entries: [SeenID], to bytes: inout [UInt8]) {
        bytes.reserveCapacity(bytes.count + entries.count * SeenID.byteCount + 8)
        for entry in entries {
            bytes.appendLittle(entry.digest.high)
            bytes.appendLittle(entry.digest.low)
            bytes.appendLittle(UInt64(bitPattern: entry.at))
        }
    }

    package static func entries(_ bytes: [UInt8]) -> [SeenID] {
        stride(from: 0, to: bytes.count - bytes.count % SeenID.byteCount, by: SeenID.byteCount).map { offset in
            SeenID(
                digest: IDDigest(high: bytes.littleUInt64(at: offset), low: bytes.littleUInt64(at: offset + 8)),
                at: Int64(bitPattern: bytes.littleUInt64(at: offset + 16)))
        }
    }
}
