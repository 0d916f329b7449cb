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
/// for both together: a month by default, and so most of what is kept of a customer who does little but look. That is why entries are
/// packed, the way they are stored. An event in order can only equal an entry newer than `dedupe`, so that only the end has to be looked at.
package struct SeenIDs: Sendable, Equatable {
    /// For each entry the time since the entry before it (of the first: since 1970) in milliseconds, as a variable-length integer, and the
    /// digest's 16 bytes.
    private var packed: [UInt8] = []
    package private(set) var count = 0
    private var last: Instant = 0
    /// Where the first entry begins that an event in order may equal, how many there are before it, and the time of the one before it.
    private var hot = (place: 0, index: 0, before: Instant(0))
    /// The lower halves of all digests from `hot` on (and of some before): kept only where there are so many that looking through them for each
    /// event would take too long.
    private var filter: Set<UInt64>?
    /// The size at which it is next seen whether there is something to forget.
    private var forgetsAt = 2048

    package init() {}

    package init(_ entries: [SeenID]) {
        packed.reserveCapacity(entries.count * 20)
        for entry in entries { append(entry) }
    }

    package static func == (left: SeenIDs, right: SeenIDs) -> Bool { left.packed == right.packed }

    package var isEmpty: Bool { count == 0 }

    /// All entries, in the order in which they were applied.
    package var entries: [SeenID] {
        var result: [SeenID] = []
        result.reserveCapacity(count)
        packed.withUnsafeBytes { bytes in
            var cursor = Cursor()
            while let entry = cursor.next(bytes) { result.append(entry) }
        }
        return result
    }

    /// Whether an id already counted; if not, it counts from now on.
    ///
    /// - Parameters:
    ///   - time: when its event happened; before `now` if it is late.
    ///   - now: the engine's time.
    package mutating func sees(_ digest: IDDigest, at time: Instant, now: Instant, dedupe: Milliseconds, lateFor: Milliseconds)
        -> Bool
    {
        packed.withUnsafeBytes { bytes in
            var cursor = Cursor(place: hot.place, time: hot.before)
            while let entry = cursor.next(bytes), entry.at <= now - dedupe {
                hot = (cursor.place, hot.index + 1, entry.at)
            }
        }
        if time < now {
            if contains(digest, at: time, dedupe: dedupe, from: Cursor()) { return true }
        } else if mayBeHot(digest), contains(digest, at: time, dedupe: dedupe, from: Cursor(place: hot.place, time: hot.before)) {
            return true
        }
        if packed.count > forgetsAt { forget(now - dedupe - lateFor) }
        append(SeenID(digest: digest, at: time))
        return false
    }

    private func contains(_ digest: IDDigest, at time: Instant, dedupe: Milliseconds, from start: Cursor) -> Bool {
        packed.withUnsafeBytes { bytes in
            var cursor = start
            while let entry = cursor.next(bytes) {
                if entry.digest == digest, time - entry.at < dedupe { return true }
            }
            return false
        }
    }

    private mutating func append(_ entry: SeenID) {
        // What grows by doubling is half empty on average.
        if packed.capacity - packed.count < 26 { packed.reserveCapacity(packed.count + packed.count / 8 + 64) }
        var writer = ByteWriter(bytes: packed)
        packed = []
        writer.signed(entry.at &- last)
        writer.bytes.appendLittle(entry.digest.high)
        writer.bytes.appendLittle(entry.digest.low)
        packed = writer.bytes
        last = entry.at
        count += 1
        filter?.insert(entry.digest.low)
    }

    /// From how many entries on a filter is kept.
    private static let many = 256

    /// Whether an entry from `hot` on may have this digest.
    private mutating func mayBeHot(_ digest: IDDigest) -> Bool {
        let hotCount = count - hot.index
        guard hotCount > Self.many else {
            filter = nil
            return true
        }
        if filter.map({ $0.count > 2 * hotCount }) ?? true {
            var fresh = Set<UInt64>(minimumCapacity: hotCount)
            packed.withUnsafeBytes { bytes in
                var cursor = Cursor(place: hot.place, time: hot.before)
                while let entry = cursor.next(bytes) { fresh.insert(entry.digest.low) }
            }
            filter = fresh
        }
        return filter?.contains(digest.low) ?? true
    }

    /// Drops the entries before the first that is newer than `bound`.
    private mutating func forget(_ bound: Instant) {
        var cursor = Cursor()
        var gone = 0
        var first: SeenID?
        packed.withUnsafeBytes { bytes in
            while let entry = cursor.next(bytes) {
                if entry.at > bound {
                    first = entry
                    break
                }
                gone += 1
            }
        }
        if gone > 0 {
            let rest = packed[cursor.place...]
            let (kept, newest) = (count - gone - 1, last)
            self = SeenIDs(first.map { [$0] } ?? [])
            if first != nil {
                packed += rest
                count += kept
                last = newest
            }
        }
        forgetsAt = max(2048, packed.count + packed.count / 4)
    }

    /// Reads one entry after the other.
    private struct Cursor {
        var place = 0
        var time: Instant = 0

        @inline(__always)
        mutating func next(_ bytes: UnsafeRawBufferPointer) -> SeenID? {
            var place = place
            var delta: UInt64 = 0
            var shift: UInt64 = 0
            while place < bytes.count, shift < 64 {
                let byte = bytes[place]
                place &+= 1
                delta |= UInt64(byte & 0x7F) << shift
                shift &+= 7
                if byte < 0x80 { break }
            }
            guard bytes.count - place >= 16 else { return nil }
            time &+= Int64(bitPattern: delta >> 1) ^ -Int64(bitPattern: delta & 1)
            self.place = place &+ 16
            return SeenID(
                digest: IDDigest(
                    high: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)),
                    low: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place &+ 8, as: UInt64.self))),
                at: time)
        }
    }

    // MARK: Stored

    /// As a record keeps it: the packed entries. Nil if there are none.
    package var record: [UInt8]? { isEmpty ? nil : packed }

    /// A damaged record is read as far as it goes.
    package init(record: [UInt8]) {
        var cursor = Cursor()
        record.withUnsafeBytes { bytes in
            while cursor.next(bytes) != nil { count += 1 }
        }
        last = cursor.time
        packed = cursor.place == record.count ? record : Array(record[..<cursor.place])
    }
}
