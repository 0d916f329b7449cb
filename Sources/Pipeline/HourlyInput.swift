import Engine
import Storage

/// Events by the hour of their order time, since the last commit.
struct HourlyInput: Sendable {
    private var counts: [Instant: Int] = [:]

    /// Counts a batch, whose events are in order: one look an hour, not one an event.
    mutating func add(_ batch: EventBatch) {
        var start = 0
        while start < batch.events.count {
            let hour = HourRow.hour(of: batch.events[start].order)
            var (low, high) = (start, batch.events.count)
            while low < high {
                let middle = (low + high) / 2
                if batch.events[middle].order < hour + HourRow.length { low = middle + 1 } else { high = middle }
            }
            counts[hour, default: 0] += low - start
            start = low
        }
    }

    /// What is to be written with a commit.
    mutating func take(deadLetters: Int, now: Instant, wallNow: Instant?) -> [HourRow] {
        defer { counts.removeAll(keepingCapacity: true) }
        var rows = counts.sorted { $0.key < $1.key }.map { HourRow(at: $0.key, series: .events, value: Int64($0.value)) }
        guard now > .min else { return rows }
        let hour = HourRow.hour(of: now)
        if deadLetters > 0 { rows.append(HourRow(at: hour, series: .deadLetters, value: Int64(deadLetters))) }
        if let wallNow { rows.append(HourRow(at: hour, series: .lag, value: max(0, wallNow - now))) }
        return rows
    }
}
