/// Guesses what a misspelt name was meant to be.
enum Suggestion {
    /// "did you mean 'total'?", for the nearest of the names, the first of equally near ones.
    static func hint(for name: String, among names: some Sequence<String>) -> String? {
        let wanted = Array(name.unicodeScalars)
        guard wanted.count <= 64 else { return nil }
        let limit = max(1, wanted.count / 3)
        var best: (name: String, distance: Int)?
        // Sorted, because the names come out of a dictionary, and a message must not depend on its order.
        for candidate in names.sorted() where candidate != name {
            let distance = Self.distance(wanted, Array(candidate.unicodeScalars))
            if distance <= limit, distance < (best?.distance ?? .max) { best = (candidate, distance) }
        }
        return best.map { "did you mean '\($0.name)'?" }
    }

    /// Edits (a swap of neighbours counts as one) that make one of the other; case counts as nothing.
    private static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        guard abs(left.count - right.count) <= 24 else { return .max }
        let a = left.map { $0.properties.lowercaseMapping }
        let b = right.map { $0.properties.lowercaseMapping }
        var before: [Int] = []
        var previous = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(previous[j] + (a[i] == b[j] ? 0 : 1), previous[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
                row.append(cost)
            }
            before = previous
            previous = row
        }
        return previous[b.count]
    }
}
