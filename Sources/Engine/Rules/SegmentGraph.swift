/// A named condition on a profile, compiled.
package struct Segment: Sendable {
    package let name: String
    package let condition: Condition
    /// Window functions it reads: (series, window).
    package let windows: [(series: Int, window: Milliseconds)]
    /// `since` comparisons: the mark and the milliseconds at which the comparison may change (there and one later).
    package let since: [(mark: Int, constant: Milliseconds)]
    /// Segments it is made of.
    package let dependencies: [Int]
}

/// The segments, what they are made of, and what may change them.
package struct SegmentGraph: Sendable {
    let segments: [Segment]
    /// All segments, those a segment is made of before it.
    let order: [Int]
    /// By event name: the segments it may change, in their order.
    let byEvent: [[Int]]
    /// The segments that an event with traits, a locale or a time zone may change besides.
    let byContext: [Int]
    /// By segment: what its condition is, if that is a count compared with a number.
    let thresholds: [CountThreshold?]
    /// By series: the windows that segments look back over, each once.
    let windows: [[Milliseconds]]
    /// By mark: the constants that segments compare its `since` with, each once.
    let since: [[Milliseconds]]
    /// By segment: those made of it, directly or not, in their order.
    private let dependents: [[Int]]

    /// - Parameters:
    ///   - order: of all segments, those a segment is made of before it.
    ///   - sensitivity: by segment.
    ///   - names, series, marks: how many there are.
    init(_ segments: [Segment], order: [Int], sensitivity: [SegmentSensitivity], names: Int, series: Int, marks: Int) {
        self.segments = segments
        self.order = order
        thresholds = segments.map(\.condition.threshold)
        let dependents = segments.indices.map { base in
            var reached: Set<Int> = [base]
            for index in order where !reached.isDisjoint(with: segments[index].dependencies) { reached.insert(index) }
            return order.filter { $0 != base && reached.contains($0) }
        }
        self.dependents = dependents
        byContext = order.filter { !sensitivity[$0].always && sensitivity[$0].context }
        byEvent = (0..<names).map { event in
            Self.closure(
                order.filter { sensitivity[$0].always || sensitivity[$0].events.contains(event) }, order: order, dependents)
        }
        windows = (0..<series).map { index in
            Set(segments.flatMap(\.windows).filter { $0.series == index }.map(\.window)).sorted()
        }
        since = (0..<marks).map { index in
            Set(segments.flatMap(\.since).filter { $0.mark == index }.map(\.constant)).sorted()
        }
    }

    /// These segments and all that are made of them, in order, each once.
    func withDependents(_ indices: [Int]) -> [Int] { Self.closure(indices, order: order, dependents) }

    private static func closure(_ indices: [Int], order: [Int], _ dependents: [[Int]]) -> [Int] {
        if indices.count <= 1, indices.allSatisfy({ dependents[$0].isEmpty }) { return indices }
        var wanted = Set(indices)
        for index in indices { wanted.formUnion(dependents[index]) }
        return order.filter { wanted.contains($0) }
    }
}

/// What may change a segment.
struct SegmentSensitivity: Sendable {
    /// By event name.
    var events: Set<Int> = []
    /// Every event: something reads `last_seen`, a cart …
    var always = false
    /// Events that carry traits, a locale or a time zone.
    var context = false

    mutating func formUnion(_ other: Self) {
        events.formUnion(other.events)
        always = always || other.always
        context = context || other.context
    }
}
