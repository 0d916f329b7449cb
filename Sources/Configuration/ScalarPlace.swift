import Engine

/// Where the text of a scalar stands in its file.
struct ScalarPlace {
    /// How a scalar is written.
    enum Style { case plain, singleQuoted, doubleQuoted, block }

    /// Of the text's first character.
    let position: Position
    private let style: Style
    private let walk: ScalarWalk

    /// libyaml marks a scalar where its anchor, tag, quote or block header stands; the text begins behind that. For a block
    /// scalar it begins on the next line at the block's indentation.
    ///
    /// - Parameters:
    ///   - offset: of `start` in the file.
    ///   - hasProperties: whether an anchor or a tag comes before it.
    init(of text: String, _ style: Style, at start: Position, offset: Int, hasProperties: Bool, in source: SourceText) {
        self.style = style
        var walk = ScalarWalk(source.bytes, from: offset, at: start)
        guard !text.isEmpty else {
            (position, self.walk) = (start, walk)
            return
        }
        if hasProperties { walk.skipProperties() }
        switch style {
        case .plain: break
        case .singleQuoted, .doubleQuoted: walk.skipQuote()
        case .block:
            let header = walk.position
            walk.skipLine()
            position = Self.blockPosition(of: text, header: header, in: source)
            self.walk = walk
            return
        }
        position = walk.position
        self.walk = walk
    }

    /// Where the text goes on elsewhere than behind its character before, as far as the file has the text's own characters.
    func jumps(in text: String) -> [TextJump] {
        var walk = walk
        guard !(style == .plain && walk.startsWith(text)) else { return [] }
        var jumps: [TextJump] = []
        var last = TextJump(offset: 0, line: position.line, column: position.column)
        for (offset, character) in text.unicodeScalars.enumerated() {
            if ScalarWalk.isBlank(character) {
                if walk.next(style)?.character == character { walk.step(style) }
                continue
            }
            // What YAML has folded.
            while let next = walk.next(style), ScalarWalk.isBlank(next.character) { walk.step(style) }
            guard walk.next(style)?.character == character else { break }
            if walk.position.line != last.line || walk.position.column != last.column + offset - last.offset {
                last = TextJump(offset: offset, line: walk.position.line, column: walk.position.column)
                jumps.append(last)
            }
            walk.step(style)
        }
        return jumps
    }

    private static func blockPosition(of text: String, header: Position, in source: SourceText) -> Position {
        var line = header.line + 1
        while let content = source.line(line) {
            let indentation = content.prefix { $0 == " " }.count
            if indentation < content.count {
                // An indentation indicator leaves some of the spaces to the text.
                let first = text.drop { $0 == "\n" }
                let kept = first.prefix { $0 == " " }.count
                return Position(file: header.file, line: header.line + 1, column: max(indentation - kept, 0) + 1)
            }
            line += 1
        }
        return header
    }

    /// A text that YAML folds, with the line breaks it has in the file, so that the places in it can be told; nil for a text
    /// that isn't folded, or whose line breaks stand within quotes of its own and so make a difference.
    ///
    /// - Parameters:
    ///   - position: where the text begins, as `position` has it.
    ///   - end: the place behind the scalar, as libyaml marks it.
    static func unfolded(_ text: String, at position: Position, end: Position, in source: SourceText) -> String? {
        guard end.line > position.line else { return nil }
        var lines: [String] = []
        for number in position.line...end.line {
            guard let line = source.line(number) else { break }
            var characters = line.unicodeScalars[...]
            if number == end.line { characters = characters.prefix(end.column - 1) }
            if number == position.line {
                characters = characters.dropFirst(position.column - 1)
            } else {
                let indentation = characters.prefix { $0 == " " }.count
                characters = characters.dropFirst(min(indentation, position.column - 1))
            }
            lines.append(String(characters))
        }
        guard lines.allSatisfy({ line in ["\"", "'"].allSatisfy { quote in line.count { $0 == quote }.isMultiple(of: 2) } })
        else { return nil }
        let result = lines.joined(separator: "\n")
        let same = words(result) == words(text)
        return same ? result : nil
    }

    private static func words(_ text: String) -> [String] {
        text.unicodeScalars.split { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "\r" }.map { String($0) }
    }
}
