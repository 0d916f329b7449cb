/// A place in the text of an expression, as a person counts it.
package struct Span: Hashable, Sendable {
    /// Code points before the first one of the span.
    package let offset: Int
    /// Code points in the span.
    package let length: Int

    var end: Int { offset + length }

    package init(offset: Int, length: Int) {
        self.offset = offset
        self.length = length
    }

    func union(_ other: Span) -> Span {
        let start = min(offset, other.offset)
        return Span(offset: start, length: max(end, other.end) - start)
    }
}

/// A line and a column, both from 1; the column counts code points.
package struct Position: Hashable, Sendable, CustomStringConvertible {
    package let line: Int
    package let column: Int

    package var description: String { "\(line):\(column)" }
}

/// The text of an expression as code points, since CEL's grammar, sizes and columns all count those.
package struct Source: Sendable {
    package let text: String
    let scalars: [Unicode.Scalar]
    private let lineStarts: [Int]

    init(_ text: String) {
        self.text = text
        scalars = Array(text.unicodeScalars)
        var starts = [0]
        for (index, scalar) in scalars.enumerated() {
            let endsLine = scalar == "\n" || (scalar == "\r" && !(index + 1 < scalars.count && scalars[index + 1] == "\n"))
            if endsLine { starts.append(index + 1) }
        }
        lineStarts = starts
    }

    /// Line and column of a code point's offset.
    package func position(of offset: Int) -> Position {
        var low = 0
        var high = lineStarts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        return Position(line: low + 1, column: offset - lineStarts[low] + 1)
    }

    /// The text that a span covers.
    package func text(of span: Span) -> String {
        let start = min(max(span.offset, 0), scalars.count)
        let end = min(max(span.end, start), scalars.count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(end - start)
        for scalar in scalars[start..<end] { bytes.append(contentsOf: scalar.utf8) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text that a span covers, in one line and without comments: a line break and the blanks about it are one blank. A break within a
    /// literal is written `\n`.
    func line(of span: Span) -> String {
        let text = text(of: span)
        func isBreak(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\r" }
        guard text.unicodeScalars.contains(where: isBreak) else { return text }
        let part = Source(text)
        var lexer = Lexer(part)
        var line = ""
        var end = 0
        for token in lexer.tokens() where token.kind != .end {
            let gap = part.text(of: Span(offset: end, length: token.span.offset - end))
            line += gap.unicodeScalars.contains(where: isBreak) ? " " : gap
            for scalar in part.text(of: token.span).unicodeScalars {
                line += isBreak(scalar) ? (scalar == "\n" ? "\\n" : "\\r") : String(scalar)
            }
            end = token.span.end
        }
        return line
    }
}

/// One thing that is wrong with an expression's text, found before it runs.
package struct CompileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, in words for the author of the expression.
    package let message: String
    /// What to do about it, where that can be guessed: "did you mean 'total'?".
    package let hint: String?
    /// From 1.
    package let line: Int
    /// From 1, in code points.
    package let column: Int
    /// Code points before the marked place.
    package let offset: Int
    /// Code points that the marked place covers; 0 at the end of the text.
    package let length: Int

    package var description: String {
        "\(line):\(column): \(message)" + (hint.map { " (\($0))" } ?? "")
    }

    init(_ message: String, hint: String? = nil, at span: Span, of source: Source) {
        let position = source.position(of: span.offset)
        self.message = message
        self.hint = hint
        line = position.line
        column = position.column
        offset = span.offset
        length = span.length
    }
}

/// All that is wrong with an expression's text, in the order of the text.
package struct CompilationFailure: Error, Sendable, CustomStringConvertible {
    /// Never empty.
    package let errors: [CompileError]

    package var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// Collects compile errors, so that one pass can report them all.
struct Diagnostics {
    let source: Source
    private(set) var found: [(span: Span, error: CompileError)] = []

    init(source: Source) { self.source = source }

    var isEmpty: Bool { found.isEmpty }

    mutating func report(_ message: String, hint: String? = nil, at span: Span) {
        // A place that has failed once would only repeat itself.
        guard !found.contains(where: { $0.span == span }) else { return }
        found.append((span, CompileError(message, hint: hint, at: span, of: source)))
    }

    var failure: CompilationFailure {
        CompilationFailure(errors: found.sorted { $0.span.offset < $1.span.offset }.map(\.error))
    }
}
