import Engine

/// The reading of one configuration: the environment it is read in and what was found wrong so far.
///
/// Each method reads one kind of value, reports what is wrong with it, and returns nil for a value that is absent or wrong: so
/// every error of a file is found in one pass.
struct Reading {
    let environment: [String: String]
    private(set) var issues: [Issue] = []
    private var counts: [Issue.Severity: Int] = [:]
    /// Rules without `start`, to be reported once all names are known.
    var unstarted: [Located<String>] = []
    /// The tags of caps, to be compared with those of rules once all are known.
    var capTags: [Located<String>] = []
    /// The outboxes and channels that rules may name.
    var outboxNames = Names()
    var channelNames = Names()
    /// Whether an included file could not be read, so that names may be missing.
    var isIncomplete = false
    /// Rules whose `audience` is given but wrong, of which nothing more is said.
    var faultyAudiences: Set<String> = []

    init(environment: [String: String]) { self.environment = environment }

    /// More than so many errors (and so many warnings) help nobody; what comes after them is left out, and the last one says so.
    static let issueLimit = 1000

    mutating func error(_ position: Position, _ message: String, hint: String? = nil) {
        report(Issue(.error, at: position, message, hint: hint))
    }

    mutating func warn(_ position: Position, _ message: String, hint: String? = nil) {
        report(Issue(.warning, at: position, message, hint: hint))
    }

    mutating func report(_ issue: Issue) {
        let count = counts[issue.severity, default: 0]
        counts[issue.severity] = count + 1
        if count < Self.issueLimit {
            issues.append(issue)
        } else if count == Self.issueLimit {
            let what = issue.severity == .error ? "errors" : "warnings"
            issues.append(Issue(issue.severity, at: issue.position, "there are more than \(count) \(what); the rest is left out"))
        }
    }

    /// The word that was most likely meant; none once there are so many errors that looking for it takes too long.
    func guess(_ word: String, among words: [String]) -> String? {
        counts[.error, default: 0] < 100 ? closest(to: word, among: words.prefix(1000)) : nil
    }

    /// The entries of a mapping, by key. Unknown keys are reported; keys without a value count as left out.
    mutating func fields(_ node: Node, _ section: Section, called name: String) -> Fields? {
        guard case .mapping(let entries) = node.content else {
            error(
                node.position, "\(name) is a mapping, but this is \(node.kind)",
                hint: "Its keys are \(section.keys.joined(separator: ", ")).")
            return nil
        }
        var fields = Fields(position: node.position, section: section)
        for entry in entries {
            guard section.keys.contains(entry.name) else {
                unknown(entry, in: section)
                continue
            }
            if entry.value.isNull {
                if !["segments", "rules", "calendars", "include"].contains(entry.name) {
                    warn(entry.key.position, "`\(entry.name)` has no value and counts as left out")
                }
                continue
            }
            fields.entries[entry.name] = entry
        }
        return fields
    }

    private mutating func unknown(_ entry: Entry, in section: Section) {
        let parts = entry.name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2, section.keys.contains(parts[0]) {
            error(
                entry.key.position, "\"\(printable(entry.name))\" is not a key of \(section.title)",
                hint: "Write it as two levels: \(parts[0]): { \(parts[1]): … }.")
        } else if section == .included, Section.configuration.keys.contains(entry.name) {
            error(
                entry.key.position,
                "`\(entry.name)` belongs into the main file; an included file holds rules, segments, calendars and include")
        } else if let guess = guess(entry.name, among: section.keys) {
            error(
                entry.key.position, "\"\(printable(entry.name))\" is not a key of \(section.title)",
                hint: "Did you mean `\(guess)`?")
        } else if entry.name == "$schema" {
            error(
                entry.key.position, "\"$schema\" is not a key of \(section.title)",
                hint: "Write it as a comment: # yaml-language-server: $schema=…")
        } else {
            error(
                entry.key.position, "\"\(printable(entry.name))\" is not a key of \(section.title)",
                hint: "The keys are \(section.keys.joined(separator: ", ")).")
        }
    }

    /// The entries of a mapping whose keys are names of the user's own.
    mutating func named(_ entry: Entry?) -> [Entry] {
        guard let entry else { return [] }
        guard case .mapping(let entries) = entry.value.content else {
            if !entry.value.isNull {
                error(
                    entry.value.position, "`\(entry.name)` is a mapping of names, but this is \(entry.value.kind)",
                    hint: entry.value.kind == "a list" && entry.name == "rules"
                        ? "Leave the dash and `name:` out and write the name itself as the key, ended by a colon." : nil)
            }
            return []
        }
        return entries.filter { item in
            let name = item.name
            if name.isEmpty || name.unicodeScalars.count > 128
                || name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
            {
                error(item.key.position, "a name in `\(entry.name)` has 1 to 128 characters and no control characters")
                return false
            }
            return true
        }
    }

    /// The items of a list, or the one value that stands for a list of one.
    mutating func items(_ entry: Entry?) -> [Entry] {
        guard let entry, !entry.value.isNull else { return [] }
        guard case .list(let items) = entry.value.content else { return [entry] }
        return items.compactMap { item in
            if item.isNull {
                error(item.position, "an item of `\(entry.name)` is empty")
                return nil
            }
            return Entry(key: Located(entry.name, at: item.position), value: item)
        }
    }

    /// Like `items`, of a list of single values.
    mutating func values(_ entry: Entry?) -> [Entry] {
        if let entry, case .mapping = entry.value.content {
            error(
                entry.value.position, "`\(entry.name)` is a list, but this is \(entry.value.kind)",
                hint: "Begin each item with a dash: - …")
            return []
        }
        return items(entry)
    }

    /// The text of a single value with environment variables put in.
    mutating func text(_ entry: Entry?) -> Located<String>? {
        guard let entry else { return nil }
        guard case .scalar(let scalar) = entry.value.content else {
            error(entry.value.position, "`\(entry.name)` is a single value, but this is \(entry.value.kind)")
            return nil
        }
        guard let text = expand(scalar) else { return nil }
        return Located(text, at: scalar.textPosition)
    }

    /// A text that is not empty.
    mutating func word(_ entry: Entry?) -> Located<String>? {
        guard let text = text(entry), let entry else { return nil }
        guard !text.value.isEmpty else {
            error(text.position, "`\(entry.name)` is empty")
            return nil
        }
        return text
    }

    /// A condition's or an expression's text; whether it is CEL is found when the rule set is compiled.
    mutating func expression(_ entry: Entry?) -> Located<String>? {
        guard var text = text(entry), let entry else { return nil }
        if case .scalar(let scalar) = entry.value.content, scalar.text == text.value {
            text.value = scalar.unfolded ?? text.value
            // What environment variables are put into has no such places.
            text.jumps = scalar.jumps
        }
        while let last = text.value.unicodeScalars.last, last == "\n" || last == " " || last == "\r" || last == "\t" {
            text.value.unicodeScalars.removeLast()
        }
        guard !text.value.isEmpty else {
            error(text.position, "`\(entry.name)` is empty", hint: "Write a CEL expression, or leave the key out.")
            return nil
        }
        return text
    }

    /// One of a set of words.
    mutating func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ entry: Entry?, _: Choice.Type = Choice.self
    ) -> Located<Choice>? where Choice.RawValue == String {
        guard let text = text(entry), let entry else { return nil }
        if let choice = Choice(rawValue: text.value) { return Located(choice, at: text.position) }
        let words = Choice.allCases.map(\.rawValue)
        error(
            text.position, "`\(entry.name)` is \(alternatives(words)), not \"\(printable(text.value))\"",
            hint: guess(text.value, among: words).map { "Did you mean `\($0)`?" })
        return nil
    }

    /// "a, b or c".
    func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.joined() }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }
}

/// Foreign text for a message: shortened, without control characters.
func printable(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        if result.count == 60 {
            result.append("…")
            break
        }
        let isControl = scalar.value < 0x20 || (scalar.value >= 0x7F && scalar.value < 0xA0)
        result.append(isControl ? "·" : scalar)
    }
    return String(result)
}

/// The known entries of one mapping.
struct Fields {
    var position: Position
    var section: Section
    var entries: [String: Entry] = [:]

    init(position: Position, section: Section) {
        self.position = position
        self.section = section
    }

    subscript(key: String) -> Entry? {
        assert(section.keys.contains(key))
        return entries[key]
    }
}
