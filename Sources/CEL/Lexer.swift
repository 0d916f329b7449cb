/// One token of an expression.
struct Token {
    enum Kind: Equatable {
        case identifier(String)
        /// A field name between backquotes.
        case quoted(String)
        /// Magnitude only; the parser knows about the sign.
        case int(UInt)
        case uint(UInt)
        case double(Double)
        case string(String)
        case bytes([UInt8])
        case symbol(String)
        case end
    }

    let kind: Kind
    let span: Span
}

/// Cuts a text into tokens. What it cannot read it reports and skips, so that one run finds every such place.
struct Lexer {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private(set) var diagnostics: Diagnostics

    init(_ source: Source) {
        scalars = source.scalars
        diagnostics = Diagnostics(source: source)
    }

    mutating func tokens() -> [Token] {
        var result: [Token] = []
        while true {
            skipBlank()
            let start = position
            guard let first = peek() else {
                result.append(Token(kind: .end, span: Span(offset: start, length: 0)))
                return result
            }
            if let kind = next(first) { result.append(Token(kind: kind, span: span(from: start))) }
        }
    }

    private func span(from start: Int) -> Span { Span(offset: start, length: position - start) }

    private func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
        position + ahead < scalars.count ? scalars[position + ahead] : nil
    }

    private mutating func skipBlank() {
        while let scalar = peek() {
            if scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r" || scalar == "\u{0C}" {
                position += 1
            } else if scalar == "/", peek(1) == "/" {
                while let scalar = peek(), scalar != "\n", scalar != "\r" { position += 1 }
            } else {
                return
            }
        }
    }

    private mutating func next(_ first: Unicode.Scalar) -> Token.Kind? {
        if first.isDigit || (first == "." && peek(1)?.isDigit == true) { return number() }
        if first == "\"" || first == "'" { return literal(raw: false, bytes: false) }
        if let prefix = prefixed(first) { return prefix }
        if first.isNameStart { return .identifier(name()) }
        if first == "`" { return quotedField() }
        return symbol(first)
    }

    private mutating func prefixed(_ first: Unicode.Scalar) -> Token.Kind? {
        let isBytes = first == "b" || first == "B"
        let isRaw = first == "r" || first == "R"
        guard isBytes || isRaw, let second = peek(1) else { return nil }
        if second == "\"" || second == "'" {
            position += 1
            return literal(raw: isRaw, bytes: isBytes)
        }
        if isBytes, second == "r" || second == "R", let third = peek(2), third == "\"" || third == "'" {
            position += 2
            return literal(raw: true, bytes: true)
        }
        return nil
    }

    private mutating func name() -> String {
        let start = position
        while let scalar = peek(), scalar.isNamePart { position += 1 }
        return Text.string(scalars[start..<position])
    }

    private mutating func quotedField() -> Token.Kind? {
        let start = position
        position += 1
        while let scalar = peek(), scalar.isNamePart || scalar == "." || scalar == "-" || scalar == "/" || scalar == " " {
            position += 1
        }
        guard peek() == "`", position > start + 1 else {
            diagnostics.report(
                "a field in backquotes holds letters, digits, '_', '.', '-', '/' and spaces, and ends with a backquote",
                at: span(from: start))
            return nil
        }
        position += 1
        return .quoted(Text.string(scalars[start + 1..<position - 1]))
    }

    private mutating func symbol(_ first: Unicode.Scalar) -> Token.Kind? {
        let start = position
        if let second = peek(1) {
            let pair = Text.string([first, second])
            if ["==", "!=", "<=", ">=", "&&", "||"].contains(pair) {
                position += 2
                return .symbol(pair)
            }
        }
        position += 1
        if "()[]{}.,?:+-*/%<>!".unicodeScalars.contains(first) { return .symbol(String(Character(first))) }
        let hint: String? =
            switch first {
            case "=": "compare with '=='"
            case "&": "'and' is '&&'"
            case "|": "'or' is '||'"
            case ";": "an expression is a single one; there are no statements"
            case "“", "”", "‘", "’": "use plain quotes: \" or '"
            default: nil
            }
        diagnostics.report("unexpected character '\(first)'", hint: hint, at: span(from: start))
        // Read on as if it were right, so that one slip is one error.
        return first == "=" ? .symbol("==") : nil
    }

    // MARK: Numbers

    private mutating func number() -> Token.Kind? {
        let start = position
        if peek() == "0", peek(1) == "x" || peek(1) == "X" {
            position += 2
            let digits = take { $0.properties.isASCIIHexDigit }
            return integer(digits, radix: 16, from: start)
        }
        let whole = take { $0.isDigit }
        var isDouble = false
        if peek() == ".", peek(1)?.isDigit == true {
            isDouble = true
            position += 1
            _ = take { $0.isDigit }
        }
        if peek() == "e" || peek() == "E" {
            let signed = peek(1) == "+" || peek(1) == "-"
            if peek(signed ? 2 : 1)?.isDigit == true {
                isDouble = true
                position += signed ? 2 : 1
                _ = take { $0.isDigit }
            }
        }
        guard isDouble else { return integer(whole, radix: 10, from: start) }
        guard let value = Double(Text.string(scalars[start..<position])), !runsOn(from: start) else {
            diagnostics.report("not a number: '\(Text.string(scalars[start..<position]))'", at: span(from: start))
            return .double(0)
        }
        return .double(value)
    }

    private mutating func integer(_ digits: String, radix: Int, from start: Int) -> Token.Kind? {
        let unsigned = peek() == "u" || peek() == "U"
        if unsigned { position += 1 }
        if runsOn(from: start) || digits.isEmpty {
            diagnostics.report(
                "not a number: '\(Text.string(scalars[start..<position]))'", hint: durationHint(digits, from: start),
                at: span(from: start))
            return .int(0)
        }
        guard let value = UInt(digits, radix: radix) else {
            diagnostics.report("the number does not fit 64 bits", hint: "write it as a double: 1e20", at: span(from: start))
            return .int(0)
        }
        return unsigned ? .uint(value) : .int(value)
    }

    /// A number that a letter follows at once is a slip of the pen; takes the rest of the word.
    private mutating func runsOn(from start: Int) -> Bool {
        guard let scalar = peek(), scalar.isNamePart else { return false }
        _ = take { $0.isNamePart }
        return true
    }

    /// What was meant by "14d".
    private func durationHint(_ digits: String, from start: Int) -> String? {
        guard position == start + digits.unicodeScalars.count + 1, let count = UInt32(digits) else { return nil }
        let units: [Unicode.Scalar: (factor: UInt64, unit: String)] = [
            "s": (1, "s"), "m": (1, "m"), "h": (1, "h"), "d": (24, "h"), "w": (168, "h"),
        ]
        return units[scalars[position - 1]].map {
            "a duration is written duration(\"\(UInt64(count) * $0.factor)\($0.unit)\"), a window \"\(Text.string(scalars[start..<position]))\""
        }
    }

    private mutating func take(while condition: (Unicode.Scalar) -> Bool) -> String {
        let start = position
        while let scalar = peek(), condition(scalar) { position += 1 }
        return Text.string(scalars[start..<position])
    }

    // MARK: Strings and bytes

    private mutating func literal(raw: Bool, bytes: Bool) -> Token.Kind? {
        let start = position
        guard let quote = peek() else { return nil }
        let isTriple = peek(1) == quote && peek(2) == quote
        position += isTriple ? 3 : 1
        var content = LiteralContent(isBytes: bytes)
        while true {
            guard let scalar = peek(), isTriple || (scalar != "\n" && scalar != "\r") else {
                diagnostics.report("the text has no closing quote", at: span(from: start))
                break
            }
            if scalar == quote, !isTriple || (peek(1) == quote && peek(2) == quote) {
                position += isTriple ? 3 : 1
                break
            }
            if scalar == "\\", !raw {
                escape(into: &content)
            } else {
                content.append(scalar)
                position += 1
            }
        }
        return content.kind
    }

    private mutating func escape(into content: inout LiteralContent) {
        let start = position
        position += 1
        guard let scalar = peek() else { return }
        position += 1
        switch scalar {
        case "a": content.append("\u{07}")
        case "b": content.append("\u{08}")
        case "f": content.append("\u{0C}")
        case "n": content.append("\n")
        case "r": content.append("\r")
        case "t": content.append("\t")
        case "v": content.append("\u{0B}")
        case "\\", "?", "\"", "'", "`": content.append(scalar)
        case "x", "X": coded(digits: 2, radix: 16, isUnit: true, from: start, into: &content)
        case "u" where !content.isBytes: coded(digits: 4, radix: 16, isUnit: false, from: start, into: &content)
        case "U" where !content.isBytes: coded(digits: 8, radix: 16, isUnit: false, from: start, into: &content)
        case "0", "1", "2", "3":
            position -= 1
            coded(digits: 3, radix: 8, isUnit: true, from: start, into: &content)
        default:
            diagnostics.report(
                "unknown escape '\\\(scalar)'", hint: "a backslash itself is '\\\\'; r\"…\" takes no escapes",
                at: span(from: start))
        }
    }

    private mutating func coded(digits: Int, radix: UInt32, isUnit: Bool, from start: Int, into content: inout LiteralContent) {
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard let scalar = peek(), scalar.isASCII, let digit = Character(scalar).hexDigitValue, digit < Int(radix) else {
                diagnostics.report("this escape needs \(digits) digits", at: span(from: start))
                return
            }
            value = value * radix + UInt32(digit)
            position += 1
        }
        if isUnit {
            content.append(unit: UInt8(truncatingIfNeeded: value))
        } else if (0xD800...0xDBFF).contains(value), let low = lowSurrogate(),
            let scalar = Unicode.Scalar(0x10000 + (value - 0xD800) << 10 + (low - 0xDC00))
        {
            content.append(scalar)
        } else if let scalar = Unicode.Scalar(value) {
            content.append(scalar)
        } else {
            diagnostics.report("this escape names no character", at: span(from: start))
        }
    }

    /// The second half of a pair such as `\uD83D\uDE00`; takes it if it is there.
    private mutating func lowSurrogate() -> UInt32? {
        guard peek() == "\\", peek(1) == "u", position + 6 <= scalars.count,
            let value = UInt32(Text.string(scalars[position + 2..<position + 6]), radix: 16), (0xDC00...0xDFFF).contains(value)
        else { return nil }
        position += 6
        return value
    }
}

/// What a literal says so far: code points, or bytes.
private struct LiteralContent {
    let isBytes: Bool
    private var text = String.UnicodeScalarView()
    private var bytes: [UInt8] = []

    init(isBytes: Bool) { self.isBytes = isBytes }

    mutating func append(_ scalar: Unicode.Scalar) {
        if isBytes { bytes.append(contentsOf: UTF8.encode(scalar) ?? .init()) } else { text.append(scalar) }
    }

    /// `\xff`: a code point in a string, a single byte in bytes.
    mutating func append(unit: UInt8) {
        if isBytes { bytes.append(unit) } else { text.append(Unicode.Scalar(unit)) }
    }

    var kind: Token.Kind { isBytes ? .bytes(bytes) : .string(String(text)) }
}

extension Unicode.Scalar {
    var isDigit: Bool { self >= "0" && self <= "9" }
    var isNameStart: Bool { (self >= "a" && self <= "z") || (self >= "A" && self <= "Z") || self == "_" }
    var isNamePart: Bool { isNameStart || isDigit }
}
