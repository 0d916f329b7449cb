import Engine

/// Environment variables in values: `${NAME}` and `${NAME:-default}`, where the default also stands in for an empty variable,
/// as in a shell.
extension Reading {
    mutating func expand(_ scalar: Node.Scalar) -> String? {
        guard scalar.text.contains("${") else { return scalar.text }
        var result = ""
        var rest = Substring(scalar.text)
        while let start = rest.firstRange(of: "${") {
            result += rest[..<start.lowerBound]
            let inner = rest[start.upperBound...]
            guard let end = inner.firstIndex(of: "}") else {
                error(scalar.textPosition, "\"${\" has no closing brace", hint: Self.expansionHint)
                return nil
            }
            let reference = inner[..<end]
            let separator = reference.firstRange(of: ":-")
            let name = reference[..<(separator?.lowerBound ?? reference.endIndex)]
            let fallback = separator.map { String(reference[$0.upperBound...]) }
            guard let first = name.utf8.first, !(first >= 0x30 && first <= 0x39), name.utf8.allSatisfy(Self.isNameByte) else {
                error(
                    scalar.textPosition, "\"${\(printable(String(reference)))}\" does not name an environment variable",
                    hint: Self.expansionHint)
                return nil
            }
            if let value = environment[String(name)], !(value.isEmpty && fallback != nil) {
                result += value
            } else if let fallback {
                result += fallback
            } else {
                error(
                    scalar.textPosition, "the environment variable \(name) is not set",
                    hint: "Set it, or give a default: ${\(name):-…}.")
                return nil
            }
            guard result.utf8.count <= Self.expansionLimit else {
                error(scalar.textPosition, "with its environment variables this is longer than 64 KiB")
                return nil
            }
            rest = inner[inner.index(after: end)...]
        }
        return result + rest
    }

    /// How long a value may be that holds environment variables.
    private static let expansionLimit = 64 << 10

    private static let expansionHint = "Write ${NAME} or ${NAME:-default}."

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A) || byte == 0x5F
    }
}

extension Substring {
    fileprivate func firstRange(of pattern: String) -> Range<Index>? {
        var index = startIndex
        while index < endIndex {
            if self[index...].unicodeScalars.starts(with: pattern.unicodeScalars) {
                return index..<self.unicodeScalars.index(index, offsetBy: pattern.unicodeScalars.count)
            }
            index = self.unicodeScalars.index(after: index)
        }
        return nil
    }
}

/// The kinds of single values.
extension Reading {
    /// A span of time in milliseconds, 0 or more.
    mutating func duration(_ entry: Entry?, atLeast least: Milliseconds = 0) -> Milliseconds? {
        guard let text = text(entry), let entry else { return nil }
        if let value = DurationLiteral.parse(text.value) {
            guard value >= least else {
                error(
                    text.position, "`\(entry.name)` is at least \(DurationLiteral.text(least)), not \"\(printable(text.value))\"")
                return nil
            }
            return value
        }
        if text.value.hasPrefix("-") {
            error(text.position, "`\(entry.name)` can't be negative", hint: Self.durationHint)
        } else if Int(text.value) != nil {
            error(
                text.position, "`\(entry.name)` is a duration, and \"\(printable(text.value))\" has no unit",
                hint:
                    "Did you mean \(["s", "m", "h"].map { text.value + $0 }.joined(separator: ", ")) or \(text.value)d?"
            )
        } else {
            error(text.position, "`\(entry.name)` is a duration, not \"\(printable(text.value))\"", hint: Self.durationHint)
        }
        return nil
    }

    private static let durationHint = "Write for example 90s, 15m, 48h, 7d, 2w or 1d12h."

    mutating func flag(_ entry: Entry?) -> Bool? {
        guard let text = text(entry), let entry else { return nil }
        switch text.value.lowercased() {
        case "true": return true
        case "false": return false
        case "yes", "on", "y":
            error(
                text.position, "`\(entry.name)` is true or false, not \"\(printable(text.value))\"", hint: "Did you mean `true`?")
        case "no", "off", "n":
            error(
                text.position, "`\(entry.name)` is true or false, not \"\(printable(text.value))\"", hint: "Did you mean `false`?"
            )
        default: error(text.position, "`\(entry.name)` is true or false, not \"\(printable(text.value))\"")
        }
        return nil
    }

    mutating func integer(_ entry: Entry?, in range: ClosedRange<Int>) -> Int? {
        guard let text = text(entry), let entry else { return nil }
        guard let value = Int(text.value), range.contains(value) else {
            error(
                text.position,
                "`\(entry.name)` is a whole number from \(range.lowerBound) to \(range.upperBound),"
                    + " not \"\(printable(text.value))\""
            )
            return nil
        }
        return value
    }

    /// A number of bytes: `1 MiB`, `64KiB`, `1048576`.
    mutating func size(_ entry: Entry?, in range: ClosedRange<Int>) -> Int? {
        guard let text = text(entry), let entry else { return nil }
        guard let value = Self.size(text.value) else {
            error(
                text.position, "`\(entry.name)` is a size in bytes, not \"\(printable(text.value))\"",
                hint: "Write for example 65536, 64 KiB, 1 MiB or 2 GiB.")
            return nil
        }
        guard range.contains(value) else {
            error(
                text.position,
                "`\(entry.name)` is a size from \(range.lowerBound) to \(range.upperBound) bytes,"
                    + " not \"\(printable(text.value))\""
            )
            return nil
        }
        return value
    }

    private static func size(_ text: String) -> Int? {
        let digits = text.prefix { $0 >= "0" && $0 <= "9" }
        guard let number = Int(digits) else { return nil }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        let factor: Int
        switch unit.lowercased() {
        case "", "b": factor = 1
        case "kib": factor = 1 << 10
        case "mib": factor = 1 << 20
        case "gib": factor = 1 << 30
        case "tib": factor = 1 << 40
        case "kb": factor = 1000
        case "mb": factor = 1_000_000
        case "gb": factor = 1_000_000_000
        case "tb": factor = 1_000_000_000_000
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    /// A moment: RFC 3339, or a date for its midnight in UTC.
    mutating func instant(_ entry: Entry?) -> Instant? {
        guard let text = text(entry), let entry else { return nil }
        if let instant = Instant.parse(text.value) { return instant }
        error(
            text.position, "`\(entry.name)` is a time, not \"\(printable(text.value))\"",
            hint: "Write for example 2026-03-01T00:00:00Z or 2026-03-01.")
        return nil
    }

    /// `09:30` in minutes since midnight.
    mutating func timeOfDay(_ entry: Entry?) -> Int? {
        guard let text = text(entry), let entry else { return nil }
        let parts = text.value.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2, parts[0].count <= 2, parts[1].count == 2, let hour = UInt8(parts[0]), let minute = UInt8(parts[1]),
            hour <= 23,
            minute <= 59, parts.allSatisfy({ $0.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } })
        {
            return Int(hour) * 60 + Int(minute)
        }
        error(
            text.position, "`\(entry.name)` is a time of day, not \"\(printable(text.value))\"",
            hint: "Write for example \"09:30\".")
        return nil
    }

    /// `10%` in millionths.
    mutating func share(_ entry: Entry?) -> Share? {
        guard let text = text(entry), let entry else { return nil }
        let number = text.value.hasSuffix("%") ? text.value.dropLast() : ""
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        if parts.count == 1 || parts.count == 2,
            parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }),
            let whole = Int(parts[0]), whole <= 100, parts.count == 1 || parts[1].count <= 4,
            let decimals = Int((parts.count == 2 ? String(parts[1]) : "0").padded(to: 4))
        {
            let millionths = whole * 10_000 + decimals
            if millionths <= 1_000_000 { return Share(millionths: millionths) }
        }
        error(
            text.position, "`\(entry.name)` is a percentage from 0% to 100%, not \"\(printable(text.value))\"",
            hint: "Write for example 10%.")
        return nil
    }

    /// A path; relative ones begin where the file stands that says them.
    mutating func path(_ entry: Entry?) -> String? {
        guard let text = word(entry) else { return nil }
        guard !text.value.unicodeScalars.contains("\0") else {
            error(text.position, "a path can't hold a NUL")
            return nil
        }
        return FilePath.absolute(text.value, besides: entry?.value.position.file ?? text.position.file)
    }
}

extension String {
    fileprivate func padded(to count: Int) -> String { self + String(repeating: "0", count: Swift.max(0, count - self.count)) }
}
