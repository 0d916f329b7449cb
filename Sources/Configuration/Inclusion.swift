import Engine

/// What one file says together with the files it includes.
struct MergedFile {
    /// The file's own keys.
    var fields: Fields?
    var segments: [Entry] = []
    var rules: [Entry] = []
    var calendars: [Entry] = []
    /// The rules that came from included files, before the file's own were laid over them.
    var includedRuleNames: [String] = []
}

/// The files of a configuration: each is read once, included ones before what the including file says itself.
struct Inclusion {
    static let fileLimit = 1000

    private(set) var files: [String] = []
    private(set) var texts: [String: SourceText] = [:]
    /// By canonical path; nil for a file that could not be read, whose errors are reported already.
    private var done: [String: MergedFile?] = [:]
    /// The chain of files being read, canonical.
    private var open: [String] = []

    mutating func readMain(_ path: String, _ reading: inout Reading) -> MergedFile? {
        read(path, section: .configuration, from: nil, &reading)
    }

    /// One file, or nil if it can't be read or is no mapping.
    private mutating func read(_ path: String, section: Section, from place: Position?, _ reading: inout Reading) -> MergedFile? {
        let canonical = FilePath.canonical(path)
        if let known = done[canonical] { return known }
        if let place, let first = open.firstIndex(of: canonical) {
            let chain = (open[first...] + [canonical]).map { $0.split(separator: "/").last.map(String.init) ?? $0 }
            reading.error(
                place, "this file includes itself: \(chain.joined(separator: " → "))", hint: "Remove one of the includes.")
            return nil
        }
        files.append(path)
        let text: SourceText
        do {
            text = try SourceText.read(file: path)
        } catch {
            let position = place ?? Position(file: path, line: 1, column: 1)
            reading.error(position, "\(place == nil ? "the configuration" : path) can't be read: \(error.reason)")
            done[canonical] = .some(nil)
            return nil
        }
        texts[path] = text
        open.append(canonical)
        defer { open.removeLast() }
        let (root, issues) = Composer.compose(text)
        reading.issues += issues
        var merged: MergedFile?
        if let root {
            let name = section == .configuration ? "a configuration" : "an included file"
            if let fields = reading.fields(root, section, called: name) { merged = merge(fields, &reading) }
        }
        done[canonical] = .some(merged)
        return merged
    }

    private mutating func merge(_ fields: Fields, _ reading: inout Reading) -> MergedFile {
        var result = MergedFile()
        for item in reading.items(fields["include"]) {
            for path in included(item, &reading) {
                guard let file = read(path, section: .included, from: item.value.position, &reading) else { continue }
                Self.add(file.segments, to: &result.segments, what: "segment", &reading)
                Self.add(file.rules, to: &result.rules, what: "rule", &reading)
                Self.add(file.calendars, to: &result.calendars, what: "calendar", &reading)
            }
        }
        result.includedRuleNames = result.rules.map(\.name)
        for entry in reading.named(fields["segments"]) { Self.lay(entry, over: &result.segments, fieldByField: false) }
        for entry in reading.named(fields["rules"]) { Self.lay(entry, over: &result.rules, fieldByField: true) }
        for entry in reading.named(fields["calendars"]) { Self.lay(entry, over: &result.calendars, fieldByField: false) }
        result.fields = fields
        return result
    }

    /// The files that one entry of `include` names.
    private mutating func included(_ item: Entry, _ reading: inout Reading) -> [String] {
        guard let pattern = reading.path(item) else { return [] }
        guard FilePath.isPattern(pattern) else {
            guard files.count < Self.fileLimit else { return tooMany(item, &reading) }
            return [pattern]
        }
        let paths = FilePath.matches(pattern)
        if paths.isEmpty { reading.warn(item.value.position, "no file matches \(printable(pattern))") }
        guard files.count + paths.count <= Self.fileLimit else { return tooMany(item, &reading) }
        return paths
    }

    private func tooMany(_ item: Entry, _ reading: inout Reading) -> [String] {
        reading.error(item.value.position, "more than \(Self.fileLimit) files are included")
        return []
    }

    /// Brings in what an included file declares. Two files of one level can't declare the same name, because neither overrides the other;
    /// one file that is reached in two ways is the same declaration.
    private static func add(_ entries: [Entry], to all: inout [Entry], what: String, _ reading: inout Reading) {
        var known = Dictionary(all.enumerated().map { ($1.name, $0) }, uniquingKeysWith: min)
        for entry in entries {
            if let index = known[entry.name] {
                let first = all[index]
                if first.key.position != entry.key.position || first.value.size != entry.value.size {
                    reading.error(
                        entry.key.position,
                        "the \(what) \"\(printable(entry.name))\" is declared twice; the first is in \(first.key.position.file), line \(first.key.position.line)",
                        hint: "Only the file that includes it can override a declaration.")
                }
                continue
            }
            known[entry.name] = all.count
            all.append(entry)
        }
    }

    /// Lays what a file says itself over what it includes: a rule field by field, others whole. The first name keeps its place.
    private static func lay(_ entry: Entry, over all: inout [Entry], fieldByField: Bool) {
        guard let index = all.firstIndex(where: { $0.name == entry.name }) else {
            all.append(entry)
            return
        }
        guard fieldByField, case .mapping(var fields) = all[index].value.content, case .mapping(let own) = entry.value.content
        else {
            all[index] = entry
            return
        }
        for field in own {
            if let place = fields.firstIndex(where: { $0.name == field.name }) {
                fields[place] = field
            } else {
                fields.append(field)
            }
        }
        all[index].key = entry.key
        all[index].value = Node(
            position: entry.value.position, content: .mapping(fields), size: all[index].value.size + entry.value.size)
    }
}
