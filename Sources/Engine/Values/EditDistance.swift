/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other ("optimal string alignment").
package func editDistance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
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
