/// Which statistics of an event's property are kept, and over which buckets. What the conditions mention is exactly what is kept;
/// conditions over the same event, property and bucket width share one series.
package struct SeriesDefinition: Hashable, Sendable {
    package enum Statistic: String, Sendable, CaseIterable {
        /// How many events.
        case count
        /// Sum, smallest, largest and number of a numeric property.
        case sum
        /// Which values a property had: the newest bucket of each.
        case distinct
        /// How often a property had each value, by bucket.
        case top
        /// Which products were ordered: the newest bucket of each.
        case ordered
    }
    package enum Width: String, Sendable { case hour, day, lifetime }

    package var event: String
    /// Dotted path below `properties`; empty for `count` and `ordered`.
    package var property: String
    package var statistic: Statistic
    package var width: Width

    package init(event: String, property: String, statistic: Statistic, width: Width) {
        self.event = event
        self.property = property
        self.statistic = statistic
        self.width = width
    }

    /// Buckets are aligned to the epoch: 1 hour wide for windows of 7 days or less, 1 day above.
    package static func width(of window: Milliseconds?) -> Width {
        guard let window else { return .lifetime }
        return window <= 7 * 86_400_000 ? .hour : .day
    }

    /// The stable name under which a state keeps it.
    package var name: String { "\(statistic.rawValue)|\(width.rawValue)|\(event)|\(property)" }
}

extension SeriesDefinition.Width {
    package var milliseconds: Milliseconds? {
        switch self {
        case .hour: 3_600_000
        case .day: 86_400_000
        case .lifetime: nil
        }
    }

    /// The bucket a time falls into (floor, also before 1970).
    package func bucket(_ time: Instant) -> Int32 {
        guard let width = milliseconds else { return 0 }
        let quotient = time / width
        return Int32(clamping: time < 0 && quotient * width != time ? quotient - 1 : quotient)
    }

    /// The moment at which the bucket has left a window: a bucket counts as long as its end is later than now - window.
    package func leaves(_ bucket: Int32, window: Milliseconds) -> Instant {
        guard let width = milliseconds else { return .max }
        return (Instant(bucket) + 1) * width + window
    }
}

/// One bucket of a series. Which fields mean something depends on the statistic.
package struct Bucket: Sendable, Equatable {
    package var index: Int32
    package var count: Int32 = 0
    package var sum: Decimal = .zero
    package var low: Decimal = .zero
    package var high: Decimal = .zero
    /// Packed JSON of the value (`distinct`, `top`) or a product id (`ordered`).
    package var value: [UInt8] = []

    package init(index: Int32) { self.index = index }
}

/// One bucket of a `count` series: eight bytes, because most of a profile is made of these.
package struct CountBucket: Sendable, Equatable {
    package var index: Int32
    package var count: Int32

    package init(index: Int32, count: Int32) {
        self.index = index
        self.count = count
    }
}

/// One customer's series: its buckets ascending by index (then, for `top`, in order of first appearance).
package struct Series: Sendable, Equatable {
    /// Into the rule set's list of definitions.
    package var definition: Int
    /// For `count`; the other statistics use `buckets`.
    package var counts: [CountBucket] = []
    package var buckets: [Bucket] = []

    package init(definition: Int) { self.definition = definition }

    var isEmpty: Bool { counts.isEmpty && buckets.isEmpty }

    /// Drops the buckets that have left the longest window any condition looks back over.
    package mutating func prune(now: Instant, longest: Milliseconds, width: SeriesDefinition.Width) {
        guard width != .lifetime else { return }
        if let first = counts.first, width.leaves(first.index, window: longest) <= now {
            counts.removeAll { width.leaves($0.index, window: longest) <= now }
        }
        if let first = buckets.first, width.leaves(first.index, window: longest) <= now {
            buckets.removeAll { width.leaves($0.index, window: longest) <= now }
        }
    }

    /// The bucket of `index` (and value), created in order if it is new.
    private mutating func place(_ index: Int32, value: [UInt8]? = nil) -> Int {
        var position = buckets.count
        while position > 0, buckets[position - 1].index >= index {
            if buckets[position - 1].index == index, value.map({ $0 == buckets[position - 1].value }) ?? true {
                return position - 1
            }
            position -= 1
        }
        // After the last bucket of this index, so that values of one bucket stay in order of appearance.
        while position < buckets.count, buckets[position].index == index { position += 1 }
        var bucket = Bucket(index: index)
        bucket.value = value ?? []
        buckets.insert(bucket, at: position)
        return position
    }

    package mutating func count(_ index: Int32, by amount: Int32 = 1) {
        var position = counts.count
        while position > 0, counts[position - 1].index >= index {
            position -= 1
            if counts[position].index == index {
                counts[position].count += amount
                return
            }
        }
        counts.insert(CountBucket(index: index, count: amount), at: position)
    }

    package mutating func number(_ value: Decimal, _ index: Int32) {
        let position = place(index)
        if buckets[position].count == 0 {
            buckets[position].low = value
            buckets[position].high = value
        } else {
            buckets[position].low = min(buckets[position].low, value)
            buckets[position].high = max(buckets[position].high, value)
        }
        buckets[position].count += 1
        buckets[position].sum = buckets[position].sum + value
    }

    package mutating func top(_ value: [UInt8], _ index: Int32) {
        let position = place(index, value: value)
        buckets[position].count += 1
    }

    /// Keeps, for each value, the newest bucket it was seen in.
    package mutating func distinct(_ value: [UInt8], _ index: Int32) {
        if let old = buckets.firstIndex(where: { $0.value == value }) {
            if buckets[old].index >= index { return }
            buckets.remove(at: old)
        }
        _ = place(index, value: value)
    }

    /// Takes in the buckets of an anonymous visitor who became this customer.
    package mutating func merge(_ other: Series, statistic: SeriesDefinition.Statistic) {
        for bucket in other.counts { count(bucket.index, by: bucket.count) }
        for bucket in other.buckets {
            switch statistic {
            case .distinct, .ordered: distinct(bucket.value, bucket.index)
            case .top:
                let position = place(bucket.index, value: bucket.value)
                buckets[position].count += bucket.count
            case .count: break
            case .sum:
                let position = place(bucket.index)
                if buckets[position].count == 0 {
                    buckets[position] = bucket
                } else {
                    buckets[position].low = min(buckets[position].low, bucket.low)
                    buckets[position].high = max(buckets[position].high, bucket.high)
                    buckets[position].count += bucket.count
                    buckets[position].sum = buckets[position].sum + bucket.sum
                }
            }
        }
    }

    /// The buckets that count at `now`.
    package func live(now: Instant, window: Milliseconds?, width: SeriesDefinition.Width) -> ArraySlice<Bucket> {
        guard let window else { return buckets[...] }
        // Ascending by index, so that the live ones are a suffix.
        var position = buckets.count
        while position > 0, width.leaves(buckets[position - 1].index, window: window) > now { position -= 1 }
        return buckets[position...]
    }

    /// The count over the buckets that count at `now`.
    package func total(now: Instant, window: Milliseconds?, width: SeriesDefinition.Width) -> Int64 {
        var total: Int64 = 0
        var position = counts.count
        while position > 0 {
            position -= 1
            if let window, width.leaves(counts[position].index, window: window) <= now { break }
            total += Int64(counts[position].count)
        }
        return total
    }

    /// The next moment after `now` at which a bucket leaves `window`, or nil if there is none.
    package func nextChange(now: Instant, window: Milliseconds, width: SeriesDefinition.Width) -> Instant? {
        if let first = live(now: now, window: window, width: width).first { return width.leaves(first.index, window: window) }
        return counts.first { width.leaves($0.index, window: window) > now }.map { width.leaves($0.index, window: window) }
    }
}
