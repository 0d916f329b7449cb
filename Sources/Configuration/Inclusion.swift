import Engine
import Glibc

/// What one file says together with the files it includes.
struct MergedFile {
    /// The file's own keys.
    var fields: Fields?
    var segments = Declarations()
    var rules = Declarations()
    var calendars = Declarations()
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
            reading.error(
                position, "\(place == nil ? "the configuration" : path) can't be read: \(error.reason)",
                hint: place == nil && access(path, F_OK) != 0
                    ? "`nudged init` writes one to begin with; `--config` or NUDGED_CONFIG names another." : nil)
            done[canonical] = .some(nil)
            return nil
        }
        texts[path] = text
        open.append(canonical)
        defer { open.removeLast() }
        let (root, issues) = Composer.compose(text)
        for issue in issues { reading.report(issue) }
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
        for item in reading.values(fields["include"]) {
            for path in included(item, &reading) {
                guard let file = read(path, section: .included, from: item.value.position, &reading) else {
                    reading.isIncomplete = true
                    continue
                }
                result.segments.add(file.segments, what: "segment", &reading)
                result.rules.add(file.rules, what: "rule", &reading)
                result.calendars.add(file.calendars, what: "calendar", &reading)
            }
        }
        result.includedRuleNames = result.rules.entries.map(\.name)
        for entry in reading.named(fields["segments"]) { result.segments.lay(entry, fieldByField: false) }
        for entry in reading.named(fields["rules"]) { result.rules.lay(entry, fieldByField: true) }
        for entry in reading.named(fields["calendars"]) { result.calendars.lay(entry, fieldByField: false) }
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
}
