import Engine

/// Where the text of a scalar begins in its file.
enum ScalarPlace {
    /// libyaml marks a scalar where its anchor, tag, quote or block header stands; the text begins behind that. For a block scalar it
    /// begins on the next line at the block's indentation.
    static func textPosition(of text: String, plain: Bool, at start: Position, in source: SourceText) -> Position {
        let bytes = source.bytes
        var offset = source.offset(of: start)
        // An anchor and a tag, in either order, before the text.
        while offset < bytes.count, bytes[offset] == UInt8(ascii: "&") || bytes[offset] == UInt8(ascii: "!") {
            while offset < bytes.count, !isBlank(bytes[offset]) { offset += 1 }
            while offset < bytes.count, isBlank(bytes[offset]) { offset += 1 }
        }
        guard offset < bytes.count, !text.isEmpty else { return start }
        if plain { return source.position(atByte: offset) }
        switch bytes[offset] {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return source.position(atByte: offset + 1)
        case UInt8(ascii: "|"), UInt8(ascii: ">"):
            return blockPosition(of: text, header: source.position(atByte: offset), in: source)
        default: return source.position(atByte: offset)
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

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }
}

extension Configuration {
    /// The place of a character of a condition's text (line and column of the text, from 1) in its file.
    ///
    /// Exact for a text on one line without escapes and for a literal block (`|`), whose lines all begin at one column. In a folded (`>`)
    /// or quoted text over several lines YAML has joined the lines, so the place is that of the text's own first line.
    package static func position(ofLine line: Int, column: Int, in text: Located<String>) -> Position {
        text.position(ofLine: line, column: column)
    }
}
