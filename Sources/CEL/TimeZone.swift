/// The rules of a time zone: what its clocks show at a moment, and at which moments they show a given time.
///
/// A value made from the bytes of a TZif file (RFC 8536, versions 1 to 3), or a fixed offset. Past the file's table its footer
/// applies, a rule for every year to come.
package struct TimeZone: Sendable, Hashable {
    /// When the offset changes, in seconds since 1970, ascending.
    private let transitions: [Int]
    /// Seconds east of UTC from each transition on.
    private let offsets: [Int32]
    /// Before the first transition.
    private let firstOffset: Int32
    private let footer: TimeZoneRule?

    /// The moments at which the clocks of a zone show a time.
    package enum Moments: Hashable, Sendable {
        /// The ordinary case, in seconds since 1970, UTC.
        case once(Int)
        /// The clocks were set back: they showed the time twice. The earlier moment first.
        case twice(Int, Int)
        /// The clocks were set forward over the time: the moment of the change.
        case skipped(Int)

        /// One moment for all cases: the earlier of two, and the change itself for a time that was skipped.
        package var first: Int {
            switch self {
            case .once(let moment), .twice(let moment, _), .skipped(let moment): moment
            }
        }
    }

    package static let utc = TimeZone(offset: 0)

    /// - Parameter offset: seconds east of UTC.
    package init(offset: Int) {
        transitions = []
        offsets = []
        firstOffset = Int32(clamping: offset)
        footer = nil
    }

    /// Reads `+02:00`, `-09:30`, `02:00`, `UTC` and `Z`.
    package init?(fixed text: String) {
        if Text.areEqual(text, "UTC") || Text.areEqual(text, "Z") {
            self = .utc
            return
        }
        var reader = Digits(text)
        let isWest = reader.take("-")
        if !isWest { _ = reader.take("+") }
        guard let hours = reader.number(2), reader.take(":"), let minutes = reader.number(2), reader.isAtEnd, hours < 24,
            minutes < 60
        else { return nil }
        self.init(offset: (hours * 3600 + minutes * 60) * (isWest ? -1 : 1))
    }

    /// Reads a TZif file. Nil if it is none or is damaged.
    package init?(tzif bytes: [UInt8]) {
        guard let first = TZif(bytes, at: 0, wide: false) else { return nil }
        // From version 2 on the table with 64 bits follows the old one.
        guard first.version >= 2 else {
            self.init(first, footer: nil)
            return
        }
        guard let second = TZif(bytes, at: first.end, wide: true) else { return nil }
        var footer: TimeZoneRule?
        if second.end < bytes.count, bytes[second.end] == 10, let stop = bytes[(second.end + 1)...].firstIndex(of: 10) {
            let text = Array(bytes[second.end + 1..<stop])
            if !text.isEmpty {
                guard let rule = TimeZoneRule(text) else { return nil }
                footer = rule
            }
        }
        self.init(second, footer: footer)
    }

    /// Past this year the footer is asked anew each time; up to it its changes are part of the table.
    private static let lastTabledYear = 2060

    private init(_ table: TZif, footer: TimeZoneRule?) {
        var moments = table.transitions
        var values = table.offsets
        if let footer {
            // A damaged file may have its last change billions of years ago.
            let firstYear = Civil(seconds: moments.last ?? 0).year
            for year in firstYear >= 1900 && firstYear <= Self.lastTabledYear ? Array(firstYear...Self.lastTabledYear) : [] {
                for change in footer.changes(in: year) where change.moment > moments.last ?? Int.min {
                    moments.append(change.moment)
                    values.append(Int32(clamping: change.offset))
                }
            }
        }
        transitions = moments
        offsets = values
        firstOffset = table.firstOffset
        self.footer = footer
    }

    /// Seconds east of UTC at a moment (seconds since 1970).
    package func offset(at moment: Int) -> Int {
        guard let last = transitions.last else { return footer?.offset(at: moment) ?? Int(firstOffset) }
        if moment >= last, let footer { return footer.offset(at: moment) }
        var low = 0
        var high = transitions.count
        // The number of transitions that are not after the moment.
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle] <= moment { low = middle + 1 } else { high = middle }
        }
        return Int(low == 0 ? firstOffset : offsets[low - 1])
    }

    /// When the clocks show `local`, seconds since 1970-01-01T00:00:00 of the zone's own clocks.
    package func moments(ofLocal local: Int) -> Moments {
        // No offset is above 26 hours, and no two changes are nearer to each other than that counts.
        let before = offset(at: local - 26 * 3600)
        let after = offset(at: local + 26 * 3600)
        let early = local - max(before, after)
        let late = local - min(before, after)
        let isEarly = offset(at: early) == max(before, after)
        let isLate = offset(at: late) == min(before, after)
        if early == late { return exact(local, near: early) }
        switch (isEarly, isLate) {
        case (true, true): return .twice(early, late)
        case (true, false): return .once(early)
        case (false, true): return .once(late)
        case (false, false): return .skipped(change(after: early - 1, upTo: late))
        }
    }

    /// Both days around have the same offset; there may still have been two changes between.
    private func exact(_ local: Int, near moment: Int) -> Moments {
        let here = offset(at: moment)
        if here == local - moment { return .once(moment) }
        let other = local - here
        return offset(at: other) == here
            ? .once(other) : .skipped(change(after: min(moment, other) - 1, upTo: max(moment, other)))
    }

    /// The first moment in a short stretch at which the offset is another than at its start.
    private func change(after start: Int, upTo end: Int) -> Int {
        let before = offset(at: start)
        var low = start
        var high = end
        while high - low > 1 {
            let middle = (low + high) / 2
            if offset(at: middle) == before { low = middle } else { high = middle }
        }
        return high
    }
}

/// One block of a TZif file.
private struct TZif {
    let version: Int
    let transitions: [Int]
    let offsets: [Int32]
    let firstOffset: Int32
    /// Offset of the first byte after the block.
    let end: Int

    init?(_ bytes: [UInt8], at start: Int, wide: Bool) {
        guard bytes.count >= start + 44, bytes[start..<start + 4].elementsEqual("TZif".utf8) else { return nil }
        version = bytes[start + 4] == 0 ? 1 : Int(bytes[start + 4]) - 48
        func big(_ offset: Int, _ count: Int) -> UInt64 {
            bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
        }
        let counts = (0..<6).map { Int(big(start + 20 + 4 * $0, 4)) }
        let (utcCount, standardCount, leapCount, timeCount, typeCount, textCount) =
            (counts[0], counts[1], counts[2], counts[3], counts[4], counts[5])
        guard counts.allSatisfy({ $0 < 100_000 }), typeCount > 0 else { return nil }
        let size = wide ? 8 : 4
        let times = start + 44
        let indices = times + timeCount * size
        let types = indices + timeCount
        end = types + typeCount * 6 + textCount + leapCount * (size + 4) + standardCount + utcCount
        guard end <= bytes.count else { return nil }
        func offset(_ type: Int) -> Int32 { Int32(bitPattern: UInt32(truncatingIfNeeded: big(types + type * 6, 4))) }
        var moments: [Int] = []
        var values: [Int32] = []
        for index in 0..<timeCount {
            let raw = big(times + index * size, size)
            let moment = wide ? Int(Int64(bitPattern: raw)) : Int(Int32(bitPattern: UInt32(truncatingIfNeeded: raw)))
            let type = Int(bytes[indices + index])
            guard type < typeCount, moments.last.map({ $0 < moment }) ?? true else { return nil }
            moments.append(moment)
            values.append(offset(type))
        }
        transitions = moments
        offsets = values
        firstOffset = offset(0)
    }
}
