import Engine

/// Where the text of a scalar begins in its file.
enum ScalarPlace {
    /// How a scalar is written.
    enum Style { case plain, quoted, block }

    /// libyaml marks a scalar where its anchor, tag, quote or block header stands; the text begins behind that. For a block
    /// scalar it begins on the next line at the block's indentation.
    ///
    /// - Parameter properties: the offset of the scalar's anchor or tag in the file, nil if it has neither.
    static func textPosition(
        of text: String, _ style: Style, at start: Position, properties: Int?, in source: SourceText
    ) -> Position {
        guard !text.isEmpty else { return start }
        var place = start
        if let properties { skipProperties(from: properties, &place, in: source.bytes) }
        switch style {
        case .plain: break
        case .quoted: place.column += 1
        case .block: place = blockPosition(of: text, header: place, in: source)
        }
        return place
    }

    /// Moves a place behind an anchor and a tag, in either order.
    private static func skipProperties(from start: Int, _ place: inout Position, in bytes: [UInt8]) {
        var offset = start
        func isProperty(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "&") || byte == UInt8(ascii: "!") }
        while offset < bytes.count, isProperty(bytes[offset]) {
            while offset < bytes.count, !isBlank(bytes[offset]) { step() }
            while offset < bytes.count, isBlank(bytes[offset]) { step() }
        }
        func step() {
            if bytes[offset] == 0x0A || (bytes[offset] == 0x0D && !(offset + 1 < bytes.count && bytes[offset + 1] == 0x0A)) {
                place.line += 1
                place.column = 1
            } else if bytes[offset] & 0xC0 != 0x80, bytes[offset] != 0x0D {
                place.column += 1
            }
            offset += 1
        }
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
    ///   - position: where the text begins, as `textPosition` has it.
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

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }
}

extension Configuration {
    /// The place of a character of a condition's text (line and column of the text, from 1) in its file.
    ///
    /// Exact for a text on one line without escapes, and for a block (`|` or `>`) or unquoted text over several lines that all
    /// begin at or behind the column of the first. Otherwise near: YAML has joined the lines or replaced the escapes of a
    /// quoted text.
    package static func position(ofLine line: Int, column: Int, in text: Located<String>) -> Position {
        text.position(ofLine: line, column: column)
    }
}
