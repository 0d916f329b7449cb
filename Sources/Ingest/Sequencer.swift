import Engine

/// Holds events until the watermark has passed them, and gives them out in the one order that does not depend on how they arrived:
/// (order time, source, file, offset).
///
/// Events wait in chunks as they were decoded. A chunk that is due almost whole is given out as it is, with the few latecomers of other
/// chunks copied in; of a chunk that is due in small part only that part is copied. So every event is copied a few times, however long
/// it waits.
package struct Sequencer: Sendable {
    private struct Chunk: Sendable {
        var batch: EventBatch
        /// Events before this have been given out; the rest is sorted.
        var next = 0

        var remaining: ArraySlice<Event> { batch.events[next...] }
    }

    private var chunks: [Chunk] = []

    package init() {}

    /// How many events wait.
    package var count: Int { chunks.reduce(0) { $0 + $1.remaining.count } }

    /// The earliest turn of all that wait.
    package var earliest: Instant? { chunks.compactMap { $0.remaining.first?.order }.min() }
    /// The last turn of all that wait.
    package var latest: Instant? { chunks.compactMap { $0.remaining.last?.order }.max() }

    /// Takes in decoded events, in any order.
    package mutating func add(_ batch: consuming EventBatch) {
        guard !batch.events.isEmpty else { return }
        Self.sort(&batch.events)
        chunks.append(Chunk(batch: batch))
        if chunks.count > 32 { consolidate() }
    }

    private static func sort(_ events: inout [Event]) {
        // Logs are nearly sorted: nearly every event is at its place, or a few places from it. One that is not moves there; where there is too much to
        // move, places are sorted instead, because an event is large.
        let sorted = events.withUnsafeMutableBufferPointer { events -> [Event]? in
            var moves = 8 * events.count + 64
            var next = 1
            while next < events.count {
                if Event.precedes(events[next], events[next &- 1]) {
                    let event = events[next]
                    var place = next
                    repeat {
                        events[place] = events[place &- 1]
                        place &-= 1
                        moves &-= 1
                    } while place > 0 && Event.precedes(event, events[place &- 1])
                    events[place] = event
                    if moves < 0 { return sortedByPlaces(UnsafeBufferPointer(events)) }
                }
                next &+= 1
            }
            return nil
        }
        if let sorted { events = sorted }
    }

    private static func sortedByPlaces(_ events: UnsafeBufferPointer<Event>) -> [Event] {
        var places = events.indices.map { (order: events[$0].order, index: $0) }
        places.sort { $0.order != $1.order ? $0.order < $1.order : Event.precedes(events[$0.index], events[$1.index]) }
        return places.map { events[$0.index] }
    }

    /// Puts sorted events among others that are sorted too. They mostly belong before all of those, or among the first.
    private static func merge(_ others: [Event], into events: inout [Event]) {
        var (own, other) = (events.count - 1, others.count - 1)
        events.append(contentsOf: others)
        var place = events.count - 1
        events.withUnsafeMutableBufferPointer { events in
            while other >= 0 {
                if own >= 0, Event.precedes(others[other], events[own]) {
                    events[place] = events[own]
                    own &-= 1
                } else {
                    events[place] = others[other]
                    other &-= 1
                }
                place &-= 1
            }
        }
    }

    /// Makes one chunk of the smaller half, so that however long events wait, their chunk has grown whenever they are copied.
    private mutating func consolidate() {
        let bySize = chunks.indices.sorted { chunks[$0].remaining.count < chunks[$1].remaining.count }
        regroup(Set(bySize.prefix(chunks.count / 2 + 1))) { _, _ in true }
    }

    /// A chunk's bytes are addressed by 32 bits; a line and what is made of it take a quarter of that at most.
    private static let mostBytes = 1 << 30

    /// Makes one chunk of the waiting events of these chunks that are kept, with copies of their bytes; several where they are too large for one.
    private mutating func regroup(_ places: Set<Int>, where keeps: (inout Event, EventBatch) -> Bool) {
        var merged = [EventBatch()]
        for place in chunks.indices where places.contains(place) {
            for var event in chunks[place].remaining where keeps(&event, chunks[place].batch) {
                if max(merged[merged.count - 1].arena.count, merged[merged.count - 1].lines.count) > Self.mostBytes {
                    merged.append(EventBatch())
                }
                merged[merged.count - 1].append(event, from: chunks[place].batch)
            }
        }
        chunks = chunks.indices.filter { !places.contains($0) }.map { chunks[$0] }
        for index in merged.indices where !merged[index].events.isEmpty {
            Self.sort(&merged[index].events)
            chunks.append(Chunk(batch: merged[index]))
        }
    }

    /// The events whose turn is before the watermark, in order.
    package mutating func take(below watermark: Instant) -> EventBatch {
        var due = chunks.map { chunk in
            var low = chunk.next
            var high = chunk.batch.events.count
            while low < high {
                let middle = (low + high) / 2
                if chunk.batch.events[middle].order < watermark { low = middle + 1 } else { high = middle }
            }
            return low
        }
        guard let base = chunks.indices.max(by: { due[$0] - chunks[$0].next < due[$1] - chunks[$1].next }),
            due[base] > chunks[base].next
        else {
            return EventBatch()
        }
        var result = EventBatch()
        var rest: Chunk?
        if chunks[base].next == 0, due[base] * 2 >= chunks[base].batch.events.count {
            // Taken out, so that it is changed where it is and not copied.
            result = chunks.remove(at: base).batch
            let end = due.remove(at: base)
            var leftover = EventBatch()
            for event in result.events[end...] { leftover.append(event, from: result) }
            if !leftover.events.isEmpty { rest = Chunk(batch: leftover) }
            result.events.removeSubrange(end...)
        }
        var others: [Event] = []
        for index in chunks.indices where due[index] > chunks[index].next {
            for event in chunks[index].batch.events[chunks[index].next..<due[index]] {
                // It waits no longer, so nobody needs its line.
                var event = event
                event.raw = .none
                others.append(result.copy(event, from: chunks[index].batch))
            }
            chunks[index].next = due[index]
        }
        if !others.isEmpty {
            Self.sort(&others)
            Self.merge(others, into: &result.events)
        }
        chunks.removeAll { $0.remaining.isEmpty }
        if let rest { chunks.append(rest) }
        return result
    }

    /// Forgets waiting events with all their bytes. What stays is copied, and counts as not durable: whoever keeps lines writes them anew.
    package mutating func forget(where isGone: (Event, EventBatch) -> Bool) {
        regroup(Set(chunks.indices)) { event, batch in
            event.isKept = false
            return !isGone(event, batch)
        }
    }

    /// Gives each waiting event, with the batch its texts lie in, and marks it as durable.
    package mutating func forEachUnkept(_ body: (Event, EventBatch) -> Void) {
        for chunk in chunks.indices {
            for index in chunks[chunk].next..<chunks[chunk].batch.events.count where !chunks[chunk].batch.events[index].isKept {
                body(chunks[chunk].batch.events[index], chunks[chunk].batch)
                chunks[chunk].batch.events[index].isKept = true
            }
        }
    }
}
