/// A set of characters of a regular expression.
struct CharacterSet: Sendable {
    /// A Unicode general category, or a group of them by its first letter.
    struct Category: Sendable {
        let name: String
        let isNegated: Bool
    }

    var ranges: [ClosedRange<UInt32>] = []
    var categories: [Category] = []
    var isNegated = false
    var ignoresCase = false

    mutating func insert(_ other: [ClosedRange<UInt32>], negated: Bool) {
        guard negated else { return ranges.append(contentsOf: other) }
        var next: UInt32 = 0
        for range in other.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { ranges.append(next...range.lowerBound - 1) }
            next = max(next, range.upperBound + 1)
        }
        ranges.append(next...0x10FFFF)
    }

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        var found = includes(scalar)
        if !found, ignoresCase {
            found = CaseFolding.variants(of: scalar).contains { includes($0) }
        }
        return found != isNegated
    }

    private func includes(_ scalar: Unicode.Scalar) -> Bool {
        for range in ranges where range.contains(scalar.value) { return true }
        for category in categories where Self.matches(scalar, category.name) != category.isNegated { return true }
        return false
    }

    private static func matches(_ scalar: Unicode.Scalar, _ name: String) -> Bool {
        let own = abbreviation(scalar.properties.generalCategory)
        return name.utf8.count == 1 ? own.hasPrefix(name) : own == name
    }

    static func isCategory(_ name: String) -> Bool {
        categoryNames.contains(name) || "LMNPSZC".contains(name) && name.utf8.count == 1
    }

    private static let categoryNames: Set<String> = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc",
        "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
    ]

    private static func abbreviation(_ category: Unicode.GeneralCategory) -> String {
        switch category {
        case .uppercaseLetter: "Lu"
        case .lowercaseLetter: "Ll"
        case .titlecaseLetter: "Lt"
        case .modifierLetter: "Lm"
        case .otherLetter: "Lo"
        case .nonspacingMark: "Mn"
        case .spacingMark: "Mc"
        case .enclosingMark: "Me"
        case .decimalNumber: "Nd"
        case .letterNumber: "Nl"
        case .otherNumber: "No"
        case .connectorPunctuation: "Pc"
        case .dashPunctuation: "Pd"
        case .openPunctuation: "Ps"
        case .closePunctuation: "Pe"
        case .initialPunctuation: "Pi"
        case .finalPunctuation: "Pf"
        case .otherPunctuation: "Po"
        case .mathSymbol: "Sm"
        case .currencySymbol: "Sc"
        case .modifierSymbol: "Sk"
        case .otherSymbol: "So"
        case .spaceSeparator: "Zs"
        case .lineSeparator: "Zl"
        case .paragraphSeparator: "Zp"
        case .control: "Cc"
        case .format: "Cf"
        case .surrogate: "Cs"
        case .privateUse: "Co"
        case .unassigned: "Cn"
        @unknown default: "Cn"
        }
    }
}

/// Letters that differ only by case, one code point each.
enum CaseFolding {
    static func variants(of scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        let properties = scalar.properties
        return [properties.lowercaseMapping, properties.uppercaseMapping, properties.titlecaseMapping].compactMap {
            let scalars = $0.unicodeScalars
            return scalars.count == 1 ? scalars.first : nil
        }
    }
}

/// The tree of a regular expression.
indirect enum RegexNode {
    enum Assertion: Sendable {
        case textStart, textEnd, lineStart, lineEnd, wordBoundary, noWordBoundary
    }

    case empty
    case set(CharacterSet)
    case character(UInt32)
    case any(newline: Bool)
    case assertion(Assertion)
    case sequence([RegexNode])
    case choice([RegexNode])
    case repeated(RegexNode, minimum: Int, maximum: Int?)
}

/// Reads RE2's syntax. Groups and greediness are read and have no effect: the only question is whether there is a match.
struct RegexParser {
    private struct Flags {
        var ignoresCase = false
        var isMultiline = false
        var dotMatchesNewline = false
    }

    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var flags = Flags()
    private var depth = 0

    private static let maximumDepth = 100
    /// As in RE2.
    private static let maximumCount = 1000

    private init(_ pattern: String) { scalars = Array(pattern.unicodeScalars) }

    static func parse(_ pattern: String) throws(Regex.Failure) -> RegexNode {
        var parser = RegexParser(pattern)
        let node = try parser.choice()
        if parser.position < parser.scalars.count { throw parser.error("there is a ')' too many") }
        return node
    }

    private func error(_ message: String) -> Regex.Failure { Regex.Failure(message: message) }

    private func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
        position + ahead < scalars.count ? scalars[position + ahead] : nil
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek() == scalar else { return false }
        position += 1
        return true
    }

    private mutating func next() -> Unicode.Scalar? {
        guard let scalar = peek() else { return nil }
        position += 1
        return scalar
    }

    private mutating func choice() throws(Regex.Failure) -> RegexNode {
        depth += 1
        defer { depth -= 1 }
        if depth > Self.maximumDepth { throw error("it is nested too deep") }
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() throws(Regex.Failure) -> RegexNode {
        var parts: [RegexNode] = []
        while let scalar = peek(), scalar != "|", scalar != ")" {
            guard let atom = try atom() else { continue }
            parts.append(try repetition(of: atom))
        }
        return parts.count == 1 ? parts[0] : (parts.isEmpty ? .empty : .sequence(parts))
    }

    private mutating func repetition(of atom: RegexNode) throws(Regex.Failure) -> RegexNode {
        var result = atom
        var count = 0
        while let (minimum, maximum) = try quantifier() {
            _ = take("?")
            count += 1
            if count > 1 { throw error("a repetition cannot be repeated: use a group") }
            result = .repeated(result, minimum: minimum, maximum: maximum)
        }
        return result
    }

    private mutating func quantifier() throws(Regex.Failure) -> (Int, Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        guard peek() == "{" else { return nil }
        let start = position
        position += 1
        guard let minimum = number() else {
            // As in RE2: a brace that is no repetition stands for itself.
            position = start
            return nil
        }
        var maximum: Int? = minimum
        if take(",") { maximum = number() }
        guard take("}") else {
            position = start
            return nil
        }
        if minimum > Self.maximumCount || (maximum ?? 0) > Self.maximumCount { throw error("it repeats more than 1000 times") }
        if let maximum, maximum < minimum { throw error("the repetition {\(minimum),\(maximum)} is empty") }
        return (minimum, maximum)
    }

    private mutating func number() -> Int? {
        var result: Int?
        while let scalar = peek(), scalar.isDigit {
            result = min((result ?? 0) * 10 + Int(scalar.value - 48), 100_000)
            position += 1
        }
        return result
    }

    /// Nil for what stands for nothing, such as flags.
    private mutating func atom() throws(Regex.Failure) -> RegexNode? {
        guard let scalar = next() else { return nil }
        switch scalar {
        case "(": return try group()
        case "[": return .set(try bracket())
        case ".": return .any(newline: flags.dotMatchesNewline)
        case "^": return .assertion(flags.isMultiline ? .lineStart : .textStart)
        case "$": return .assertion(flags.isMultiline ? .lineEnd : .textEnd)
        case "*", "+", "?": throw error("there is nothing for '\(scalar)' to repeat")
        case "\\": return try escape()
        default: return character(scalar)
        }
    }

    private func character(_ scalar: Unicode.Scalar) -> RegexNode {
        guard flags.ignoresCase, CaseFolding.variants(of: scalar).contains(where: { $0 != scalar }) else {
            return .character(scalar.value)
        }
        return .set(CharacterSet(ranges: [scalar.value...scalar.value], ignoresCase: true))
    }

    private mutating func group() throws(Regex.Failure) -> RegexNode? {
        let outer = flags
        if take("?") {
            if take("P") || (peek() == "<" && peek(1) != "=" && peek(1) != "!") {
                guard take("<") else { throw error("a named group is (?P<name>…)") }
                while let scalar = peek(), scalar.isNamePart { position += 1 }
                guard take(">") else { throw error("a named group is (?P<name>…)") }
            } else if try !flagGroup() {
                return nil
            }
        }
        let inner = try choice()
        guard take(")") else { throw error("there is no ')' for a '('") }
        flags = outer
        return inner
    }

    /// Reads flags; false if the group ends with them, so that they hold from there on.
    private mutating func flagGroup() throws(Regex.Failure) -> Bool {
        var value = true
        while let scalar = next() {
            switch scalar {
            case "i": flags.ignoresCase = value
            case "m": flags.isMultiline = value
            case "s": flags.dotMatchesNewline = value
            case "U": break
            case "-": value = false
            case ":": return true
            case ")": return false
            case "=", "!", "<": throw error("there is no looking ahead or behind")
            default: throw error("unknown flag '\(scalar)'")
            }
        }
        throw error("there is no ')' for a '('")
    }

    // MARK: Escapes and classes

    private static let digits: [ClosedRange<UInt32>] = [48...57]
    private static let words: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]
    private static let blanks: [ClosedRange<UInt32>] = [9...10, 12...13, 32...32]

    private mutating func escape() throws(Regex.Failure) -> RegexNode? {
        guard let scalar = peek() else { throw error("it ends with a '\\'") }
        switch scalar {
        case "A":
            position += 1
            return .assertion(.textStart)
        case "z":
            position += 1
            return .assertion(.textEnd)
        case "b":
            position += 1
            return .assertion(.wordBoundary)
        case "B":
            position += 1
            return .assertion(.noWordBoundary)
        case "Q":
            position += 1
            return quotation()
        default: break
        }
        var set = CharacterSet(ignoresCase: flags.ignoresCase)
        if try classEscape(into: &set) { return .set(set) }
        return character(try characterEscape())
    }

    private mutating func quotation() -> RegexNode {
        var parts: [RegexNode] = []
        while let scalar = next() {
            if scalar == "\\", take("E") { break }
            parts.append(character(scalar))
        }
        return .sequence(parts)
    }

    /// `\d` and its like. False if the escape is a single character.
    private mutating func classEscape(into set: inout CharacterSet) throws(Regex.Failure) -> Bool {
        guard let scalar = peek() else { return false }
        switch scalar {
        case "d", "D": set.insert(Self.digits, negated: scalar == "D")
        case "w", "W": set.insert(Self.words, negated: scalar == "W")
        case "s", "S": set.insert(Self.blanks, negated: scalar == "S")
        case "p", "P":
            position += 1
            try category(isNegated: scalar == "P", into: &set)
            return true
        default: return false
        }
        position += 1
        return true
    }

    private mutating func category(isNegated: Bool, into set: inout CharacterSet) throws(Regex.Failure) {
        var isNegated = isNegated
        var name = ""
        if take("{") {
            if take("^") { isNegated.toggle() }
            while let scalar = peek(), scalar != "}" {
                name.unicodeScalars.append(scalar)
                position += 1
            }
            guard take("}") else { throw error("\\p{ has no '}'") }
        } else if let scalar = next() {
            name.unicodeScalars.append(scalar)
        }
        if name == "Any" {
            set.insert([0...0x10FFFF], negated: isNegated)
        } else if CharacterSet.isCategory(name) {
            set.categories.append(CharacterSet.Category(name: name, isNegated: isNegated))
        } else {
            throw error("unknown Unicode category '\(name)'")
        }
    }

    private mutating func characterEscape() throws(Regex.Failure) -> Unicode.Scalar {
        guard let scalar = next() else { throw error("it ends with a '\\'") }
        switch scalar {
        case "a": return "\u{07}"
        case "f": return "\u{0C}"
        case "t": return "\t"
        case "n": return "\n"
        case "r": return "\r"
        case "v": return "\u{0B}"
        case "x": return try hexadecimal()
        case "0"..."7":
            if scalar != "0", !(peek().map { $0 >= "0" && $0 <= "7" } ?? false) {
                throw error("there are no references to groups")
            }
            var value = scalar.value - 48
            for _ in 0..<2 {
                guard let digit = peek(), digit >= "0", digit <= "7" else { break }
                value = value * 8 + digit.value - 48
                position += 1
            }
            return Unicode.Scalar(value) ?? scalar
        default:
            if scalar.isNamePart, scalar != "_" { throw error("unknown escape '\\\(scalar)'") }
            return scalar
        }
    }

    private mutating func hexadecimal() throws(Regex.Failure) -> Unicode.Scalar {
        let isBraced = take("{")
        var value: UInt32 = 0
        var count = 0
        while count < (isBraced ? 8 : 2), let scalar = peek(), scalar.isASCII, let digit = Character(scalar).hexDigitValue {
            value = value << 4 | UInt32(digit)
            count += 1
            position += 1
        }
        guard isBraced ? (take("}") && count > 0) : count == 2, let scalar = Unicode.Scalar(value) else {
            throw error("\\x needs two digits, or some in braces")
        }
        return scalar
    }

    private mutating func bracket() throws(Regex.Failure) -> CharacterSet {
        var set = CharacterSet(isNegated: take("^"), ignoresCase: flags.ignoresCase)
        var isFirst = true
        while true {
            guard let scalar = peek() else { throw error("there is no ']' for a '['") }
            if scalar == "]", !isFirst {
                position += 1
                return set
            }
            isFirst = false
            if scalar == "[", peek(1) == ":" {
                try posixClass(into: &set)
                continue
            }
            let low: Unicode.Scalar
            if scalar == "\\" {
                position += 1
                if try classEscape(into: &set) { continue }
                low = try characterEscape()
            } else {
                position += 1
                low = scalar
            }
            guard peek() == "-", let end = peek(1), end != "]" else {
                set.ranges.append(low.value...low.value)
                continue
            }
            position += 1
            var high = end
            if take("\\") { high = try characterEscape() } else { position += 1 }
            guard low <= high else { throw error("the range \(low)-\(high) is empty") }
            set.ranges.append(low.value...high.value)
        }
    }

    private mutating func posixClass(into set: inout CharacterSet) throws(Regex.Failure) {
        position += 2
        let isNegated = take("^")
        var name = ""
        while let scalar = peek(), scalar.isNamePart {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard take(":"), take("]"), let ranges = Self.posix[name] else { throw error("unknown class '[:\(name):]'") }
        set.insert(ranges, negated: isNegated)
    }

    private static let posix: [String: [ClosedRange<UInt32>]] = [
        "alnum": [48...57, 65...90, 97...122], "alpha": [65...90, 97...122], "ascii": [0...127], "blank": [9...9, 32...32],
        "cntrl": [0...31, 127...127], "digit": digits, "graph": [33...126], "lower": [97...122], "print": [32...126],
        "punct": [33...47, 58...64, 91...96, 123...126], "space": [9...13, 32...32], "upper": [65...90], "word": words,
        "xdigit": [48...57, 65...70, 97...102],
    ]
}
