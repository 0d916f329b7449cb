import Engine

/// Goes through the characters of a scalar as its file has them, and knows their places.
struct ScalarWalk {
    /// What stands at a place: a character, or what is written for one.
    struct Step {
        var character: Unicode.Scalar
        /// How many bytes and characters of the file it takes.
        var bytes: Int
        var columns: Int
        /// The next line follows.
        var endsLine = false
    }

    private let bytes: [UInt8]
    private var offset: Int
    private(set) var position: Position

    init(_ bytes: [UInt8], from offset: Int, at position: Position) {
        self.bytes = bytes
        self.offset = offset
        self.position = position
    }

    /// A space, a tab or a line break as YAML has it.
    static func isBlank(_ character: Unicode.Scalar) -> Bool { character == " " || character == "\t" || isBreak(character) }

    private static func isBreak(_ character: Unicode.Scalar) -> Bool {
        ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].contains(character)
    }

    func startsWith(_ text: String) -> Bool { bytes[offset...].starts(with: text.utf8) }

    /// What stands here; nil at the end of the file.
    func next(_ style: ScalarPlace.Style) -> Step? {
        guard let step = character(at: offset) else { return nil }
        switch (style, step.character) {
        case (.doubleQuoted, "\\"): return escape
        case (.singleQuoted, "'"): return Step(character: "'", bytes: 2, columns: 2)
        default: return step
        }
    }

    /// Goes behind what stands here.
    mutating func step(_ style: ScalarPlace.Style) {
        guard let step = next(style) else { return }
        offset += step.bytes
        if step.endsLine {
            position.line += 1
            position.column = 1
        } else {
            position.column += step.columns
        }
    }

    private func character(at offset: Int) -> Step? {
        guard offset < bytes.count else { return nil }
        if bytes[offset] == 0x0D, offset + 1 < bytes.count, bytes[offset + 1] == 0x0A {
            return Step(character: "\n", bytes: 2, columns: 1, endsLine: true)
        }
        var decoder = UTF8()
        var rest = bytes[offset...].makeIterator()
        guard case .scalarValue(let character) = decoder.decode(&rest) else { return nil }
        return Step(character: character, bytes: UTF8.width(character), columns: 1, endsLine: Self.isBreak(character))
    }

    /// `\u00e7` and its like; a line break behind the backslash is one that YAML leaves out.
    private var escape: Step? {
        guard let code = character(at: offset + 1) else { return nil }
        let digits: Int
        switch code.character {
        case "x": digits = 2
        case "u": digits = 4
        case "U": digits = 8
        default:
            return Step(
                character: Self.escapes[code.character] ?? code.character, bytes: 1 + code.bytes, columns: 2,
                endsLine: code.endsLine)
        }
        let end = min(offset + 2 + digits, bytes.count)
        let value = UInt32(String(decoding: bytes[(offset + 2)..<end], as: UTF8.self), radix: 16)
        return value.flatMap(Unicode.Scalar.init).map { Step(character: $0, bytes: 2 + digits, columns: 2 + digits) }
    }

    /// Those that do not stand for themselves.
    private static let escapes: [Unicode.Scalar: Unicode.Scalar] = [
        "0": "\0", "a": "\u{7}", "b": "\u{8}", "t": "\t", "n": "\n", "v": "\u{B}", "f": "\u{C}", "r": "\r", "e": "\u{1B}",
        "N": "\u{85}", "_": "\u{A0}", "L": "\u{2028}", "P": "\u{2029}",
    ]

    // MARK: What comes before the text

    /// An anchor and a tag, in either order, and what separates them from the text.
    mutating func skipProperties() {
        while let property = next(.plain)?.character, property == "&" || property == "!" {
            while let next = next(.plain), !Self.isBlank(next.character) { step(.plain) }
            while let next = next(.plain), Self.isBlank(next.character) { step(.plain) }
        }
    }

    mutating func skipQuote() { step(.plain) }

    /// The rest of a line with its break.
    mutating func skipLine() {
        let line = position.line
        while position.line == line, next(.plain) != nil { step(.plain) }
    }
}
