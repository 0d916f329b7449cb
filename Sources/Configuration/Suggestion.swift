/// The word of a list that someone most likely meant, or nil if none is near.
func closest(to word: String, among words: some Sequence<String>) -> String? {
    let lowered = Array(word.lowercased().unicodeScalars.prefix(40))
    guard !lowered.isEmpty else { return nil }
    var best: (word: String, distance: Int)?
    for candidate in words where candidate != word {
        let other = Array(candidate.lowercased().unicodeScalars.prefix(40))
        let allowed = max(lowered.count, other.count) <= 3 ? 1 : max(lowered.count, other.count) <= 6 ? 2 : 3
        guard abs(lowered.count - other.count) <= allowed else { continue }
        let distance = editDistance(lowered, other)
        guard distance <= allowed, distance < max(lowered.count, 2), distance < best?.distance ?? .max else { continue }
        best = (candidate, distance)
    }
    return best?.word
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other ("optimal string alignment").
func editDistance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
    var before = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for (row, a) in left.enumerated() {
        var current = [row + 1]
        for (column, b) in right.enumerated() {
            var cost = min(last[column] + (a == b ? 0 : 1), last[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, a == right[column - 1], left[row - 1] == b { cost = min(cost, before[column - 1] + 1) }
            current.append(cost)
        }
        before = last
        last = current
    }
    return last[right.count]
}
