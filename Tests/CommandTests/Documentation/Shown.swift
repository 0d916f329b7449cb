/// Output as a page shows it: `…` stands for anything within a line, a line that is `…` alone for any number of lines.
enum Shown {
    static func matches(_ shown: [String], _ found: [String]) -> Bool { matches(shown[...], found[...]) }

    private static func matches(_ shown: ArraySlice<String>, _ found: ArraySlice<String>) -> Bool {
        guard let first = shown.first else { return found.isEmpty }
        if first == "…" {
            return (found.startIndex...found.endIndex).contains { matches(shown.dropFirst(), found[$0...]) }
        }
        guard let line = found.first, isMatch(trimmed(line), trimmed(first)) else { return false }
        return matches(shown.dropFirst(), found.dropFirst())
    }

    private static func isMatch(_ line: Substring, _ pattern: Substring) -> Bool {
        let pieces = pattern.split(separator: "…", omittingEmptySubsequences: false)
        guard pieces.count > 1 else { return line == pattern }
        guard line.hasPrefix(pieces[0]) else { return false }
        var rest = line.dropFirst(pieces[0].count)
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let range = rest.firstRange(of: piece) else { return false }
            rest = rest[range.upperBound...]
        }
        return rest.hasSuffix(pieces[pieces.count - 1])
    }

    private static func trimmed(_ line: String) -> Substring {
        var line = line[...]
        while line.last == " " { line = line.dropLast() }
        return line
    }
}
