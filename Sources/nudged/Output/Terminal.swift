import Glibc

/// What standard output is, and so how a report may look on it.
struct Terminal {
    /// Columns to keep to; nil where nobody looks, so that nothing is cut.
    let width: Int?
    let isColoured: Bool

    /// Standard output of this process. `NO_COLOR` (any text) and `TERM=dumb` turn colours off, `COLUMNS` is believed.
    static func standardOutput() -> Terminal {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        guard isatty(1) == 1 else { return Terminal(width: nil, isColoured: false) }
        var size = winsize()
        let asked = ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
        let isPlain = variable("NO_COLOR").map { !$0.isEmpty } ?? false || variable("TERM") == "dumb"
        return Terminal(width: variable("COLUMNS").flatMap { Int($0) } ?? asked ?? 80, isColoured: !isPlain)
    }

    func styled(_ text: String, _ style: Style) -> String {
        isColoured && style != .plain ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    enum Style: String {
        case plain = "0"
        case heading = "1"
        case faint = "2"
        case good = "32"
        case notable = "33"
        case bad = "31"
    }
}

/// Text from logs on its way to a person's screen.
enum DisplayText {
    /// Without control characters: an id from a log must not steer a terminal.
    static func safe(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { isControl($0) }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isControl(scalar) {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// C0, delete, C1, line and paragraph separators, and what turns the direction of writing.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// Columns on a terminal: two for East Asian wide characters and emoji, none for combining marks.
    static func width(_ text: String) -> Int { text.reduce(0) { $0 + width($1) } }

    private static func width(_ character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            return 2
        case 0x200B...0x200F, 0x0300...0x036F: return 0
        default: return 1
        }
    }

    /// Cut to `width` columns, the last an ellipsis if anything is missing.
    static func cut(_ text: String, to width: Int) -> String {
        guard Self.width(text) > width else { return text }
        var result = ""
        var used = 0
        for character in text {
            let next = Self.width(character)
            if used + next > width - 1 { break }
            result.append(character)
            used += next
        }
        return result + "…"
    }
}
