/// What is kept of each event because a condition asks for it: series for windows, and marks, the first and last time of an event.
package struct EventStatistics: Sendable {
    package let series: [SeriesDefinition]
    /// By series: the longest window any condition looks back over.
    package let longest: [Milliseconds]
    /// Events whose first and last times are kept, by name.
    package let marks: [String]
    /// By event name.
    let seriesByEvent: [[Int]]
    let markByEvent: [Int?]
    /// By series: the parts of its property's path.
    let paths: [[String]]

    /// - Parameter vocabulary: knows all events of the series and marks.
    init(series: [SeriesDefinition], longest: [Milliseconds], marks: [String], vocabulary: Vocabulary) {
        self.series = series
        self.longest = longest
        self.marks = marks
        var seriesByEvent = [[Int]](repeating: [], count: vocabulary.entries.count)
        for (index, definition) in series.enumerated() { seriesByEvent[vocabulary.number(of: definition.event)].append(index) }
        var markByEvent = [Int?](repeating: nil, count: vocabulary.entries.count)
        for (index, name) in marks.enumerated() { markByEvent[vocabulary.number(of: name)] = index }
        self.seriesByEvent = seriesByEvent
        self.markByEvent = markByEvent
        paths = series.map { $0.property.isEmpty ? [] : $0.property.split(separator: ".").map(String.init) }
    }
}
