import Engine

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
