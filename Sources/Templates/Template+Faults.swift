extension Template {
    private static let nameHint =
        "A name is a path into the message's `data`, such as customer.traits.first_name: letters, digits, `_`, `-` and points."

    /// The first thing that is wrong with the tags of a text. Looked for here, because the Mustache parser says neither where nor in words for the
    /// author.
    ///
    /// - Parameters:
    ///   - line, column: where the text begins in its file.
    static func fault(in text: String, line: Int, column: Int) -> Fault? {
        var text = TagText(text, line: line, column: column)
        var sections: [(name: String, fault: Fault)] = []
        while let tag = text.nextTag() {
            func fault(_ message: String, _ hint: String) -> Fault {
                Fault(line: tag.line, column: tag.column, message: message, hint: hint)
            }
            if [">", "<", "$", "%", "="].contains(tag.sign) {
                return fault("`{{\(tag.sign)` is not supported", "Write the text where it belongs.")
            }
            guard tag.isClosed else {
                return fault("this tag is not closed: `\(tag.close)` is missing", "Write `\(tag.close)` behind the name.")
            }
            guard tag.sign != "!" else { continue }
            guard !tag.name.isEmpty else { return fault("this tag has no name", nameHint) }
            guard isName(tag.name) else { return fault("`\(tag.name)` is no name", nameHint) }
            switch tag.sign {
            case "#", "^":
                sections.append(
                    (tag.name, fault("this section is never ended", "Write {{/\(tag.name)}} where it ends.")))
            case "/":
                guard let open = sections.popLast() else {
                    return fault(
                        "there is no section `\(tag.name)` to end here", "Begin it with {{#\(tag.name)}}, or take this out.")
                }
                guard open.name == tag.name else {
                    return fault(
                        "the section to end here is `\(open.name)`, which was begun in line \(open.fault.line)",
                        "Write {{/\(open.name)}} first.")
                }
            default: break
            }
        }
        return sections.last?.fault
    }

    private static func isName(_ name: String) -> Bool {
        name.utf8.allSatisfy {
            $0 >= 0x30 && $0 <= 0x39 || $0 >= 0x41 && $0 <= 0x5A || $0 >= 0x61 && $0 <= 0x7A || ".-_?*()".utf8.contains($0)
        }
    }
}

/// A text that is looked through for its tags, one after the other.
private struct TagText {
    struct Tag {
        let line: Int
        let column: Int
        /// What stands behind the braces and says what kind of tag it is; a letter of the name where that is a plain value.
        let sign: Unicode.Scalar
        /// With white space as one blank.
        let name: String
        /// How it has to end.
        let close: String
        let isClosed: Bool
    }

    private let scalars: [Unicode.Scalar]
    private var index = 0
    private var line: Int
    private var column: Int

    init(_ text: String, line: Int, column: Int) {
        scalars = Array(text.unicodeScalars)
        self.line = line
        self.column = column
    }

    mutating func nextTag() -> Tag? {
        guard let start = (index..<scalars.count).first(where: { stands("{{", at: $0) }) else { return nil }
        advance(to: start)
        let (line, column) = (line, column)
        let sign = start + 2 < scalars.count ? scalars[start + 2] : " "
        let isSigned = "#^/!&{".unicodeScalars.contains(sign)
        let close = sign == "{" ? "}}}" : "}}"
        let inner = min(scalars.count, start + (isSigned ? 3 : 2))
        let end = (inner..<scalars.count).first { stands(close, at: $0) }
        let text = String(String.UnicodeScalarView(scalars[inner..<(end ?? scalars.count)]))
        advance(to: end.map { $0 + close.utf8.count } ?? scalars.count)
        return Tag(
            line: line, column: column, sign: sign, name: text.split(whereSeparator: \.isWhitespace).joined(separator: " "),
            close: close, isClosed: end != nil && (sign == "!" || !text.contains("{{")))
    }

    private func stands(_ mark: String, at place: Int) -> Bool { scalars[place...].starts(with: mark.unicodeScalars) }

    private mutating func advance(to place: Int) {
        for scalar in scalars[index..<place] { (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1) }
        index = place
    }
}
