import CSQLite
import Configuration
import Engine
import Glibc
import Ingest
import Pipeline
import Storage
import Templates
import Testing

@testable import nudged

/// Behaviours as folders that a non-programmer can read (`Tests/Cases/README.md`): logs and a configuration in, expected messages out.
@Suite struct CaseTests {
    @Test func thereAreCases() { #expect(Case.names.count > 50) }

    /// Every gate and every two of them, and the table that says so.
    @Test func everyPairOfGatesHasACase() throws {
        let page = try #require(Case.text(Case.root + "/docs/delivery.md"))
        let gates = Gates.inOrder.map { $0.name.replacing(" ", with: "-") }
        #expect(gates.count == 8)
        for (place, first) in gates.enumerated() {
            #expect(Case.names.contains("delivery-\(first)"), "no case shows \(first)")
            for second in gates[(place + 1)...] {
                let names = ["delivery-\(first)-with-\(second)", "delivery-\(second)-with-\(first)"]
                let found = names.filter { Case.names.contains($0) }
                #expect(found.count == 1, "no case shows \(first) with \(second)")
                for name in found { #expect(page.contains("(../Tests/Cases/\(name))"), "docs/delivery.md does not name \(name)") }
            }
        }
    }

    @Test(arguments: Case.names) func replayGivesWhatIsExpected(name: String) throws {
        let folder = Case(name: name)
        let outcome = try folder.replay()
        #expect(folder.differences(outcome.messages, from: "expected.ndjson").joined(separator: "\n") == "")
        if folder.has("verdicts.ndjson") {
            #expect(folder.differences(outcome.verdicts, from: "verdicts.ndjson").joined(separator: "\n") == "")
        }
    }

    /// A state on disk, which every batch is committed to, changes nothing.
    @Test(arguments: Case.names) func replayWithoutStateGivesTheSame(name: String) throws {
        let folder = Case(name: name)
        #expect(try folder.replay(keepsState: false).messages == folder.replay().messages)
    }

    /// Read in steps with a commit after each, and with the process ended between them, the same bytes come out.
    @Test(arguments: Case.names) func restartsChangeNothing(name: String) throws {
        let folder = Case(name: name)
        #expect(try folder.replayWithRestarts() == folder.replay().messages)
    }
}

/// One folder of `Tests/Cases`.
struct Case {
    let name: String

    struct Failure: Error, CustomStringConvertible { let description: String }

    static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
    static let names: [String] = {
        guard let directory = opendir(root + "/Tests/Cases") else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if access(root + "/Tests/Cases/\(name)/nudged.yaml", F_OK) == 0 { names.append(name) }
        }
        return names.sorted()
    }()

    var path: String { Self.root + "/Tests/Cases/" + name }

    func has(_ file: String) -> Bool { access(path + "/" + file, F_OK) == 0 }

    static func text(_ path: String) -> String? {
        guard let stream = fopen(path, "r") else { return nil }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    func lines(_ file: String) -> [String] {
        (Self.text(path + "/" + file) ?? "").split(separator: "\n").map(String.init).filter { !$0.allSatisfy { $0 == " " } }
    }

    /// The time at which the replay ends, from a comment `# until: TIME` of the configuration; nil: with the last event.
    var until: Instant? {
        for line in lines("nudged.yaml") where line.hasPrefix("# until: ") {
            return Instant.parse(rfc3339: Array(line.dropFirst("# until: ".count).utf8))
        }
        return nil
    }

    // MARK: Running

    private func load() throws -> (settings: Settings, rules: RuleSet) {
        let zones = ZoneDatabase()
        let (configuration, issues) = Configuration.load(path: path + "/nudged.yaml", environment: [:])
        guard let configuration, issues.isEmpty else { throw Failure(description: "\(issues)") }
        let compiled = RuleSet.compile(configuration.definitions) { zones.zone($0) }
        guard let rules = compiled.rules, compiled.issues.isEmpty else { throw Failure(description: "\(compiled.issues)") }
        var settings = Settings(
            sources: configuration.sources.map { source in
                let secret = configuration.secretFile.flatMap { Self.text($0.value) }.map { Array($0.utf8) }
                return LogSource(
                    name: source.name.value, patterns: [source.path], format: Format(source.format),
                    lateness: source.lateness,
                    identity: configuration.identity.key(of: source).map {
                        IdentityKey(name: $0.name, path: $0.path, secret: secret)
                    })
            })
        settings.maxLineBytes = configuration.maxLineBytes
        let (templates, faults) = TemplateSet.load(configuration.definitions.rules, from: configuration.templates)
        guard faults.isEmpty else { throw Failure(description: "\(faults)") }
        settings.render = { templates.render(rule: $0, $1) }
        return (settings, rules)
    }

    func replay(keepsState: Bool = true) throws -> (messages: [String], verdicts: [String]) {
        let (settings, rules) = try load()
        let directory = try TemporaryDirectory()
        var messages: [String] = []
        do {
            let store = keepsState ? try Store.reopen(directory: directory.path) : nil
            var pipeline = try Pipeline(
                settings: settings, rules: rules, store: store, destination: .lines { messages.append(Self.line($0)) })
            pipeline.scan()
            while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil, until: until) }
            try pipeline.finish(until: until, wallNow: nil)
        }
        return (messages, keepsState ? try Self.verdicts(directory.path) : [])
    }

    /// Replays into a store that the caller looks into.
    func replay(into store: Store) throws {
        let (settings, rules) = try load()
        var pipeline = try Pipeline(settings: settings, rules: rules, store: store, destination: .none)
        pipeline.scan()
        while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil, until: until) }
        try pipeline.finish(until: until, wallNow: nil)
    }

    /// The log grows line by line; after each the process ends and another goes on from the state.
    func replayWithRestarts() throws -> [String] {
        let (settings, rules) = try load()
        let directory = try TemporaryDirectory()
        var messages: [String] = []
        // The sources' files, copied so that they can grow; several files grow in turn.
        var growing = settings
        var steps: [(file: String, line: String)] = []
        for index in settings.sources.indices {
            let pattern = settings.sources[index].patterns[0]
            let copies = directory.path + "/logs\(index)"
            mkdir(copies, 0o755)
            growing.sources[index] = LogSource(
                name: settings.sources[index].name, patterns: [copies + "/" + (pattern.split(separator: "/").last ?? "")],
                format: settings.sources[index].format, lateness: settings.sources[index].lateness,
                identity: settings.sources[index].identity)
            for file in try Self.matches(pattern) {
                let copy = copies + "/" + (file.split(separator: "/").last ?? "")
                guard let text = Self.text(file) else { continue }
                try Self.append("", to: copy)
                for line in text.split(separator: "\n") { steps.append((copy, line + "\n")) }
            }
        }
        // Several files: each whole, because which of them is behind at a moment would change what is late, but not what is said here.
        let isOneFile = Set(steps.map(\.file)).count == 1
        if !isOneFile { for step in steps { try Self.append(step.line, to: step.file) } }
        for step in isOneFile ? steps : [] {
            try Self.append(step.line, to: step.file)
            let store = try Store.reopen(directory: directory.path + "/state")
            var pipeline = try Pipeline(
                settings: growing, rules: rules, store: store, destination: .lines { messages.append(Self.line($0)) })
            pipeline.scan()
            while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil, until: until) }
        }
        let store = try Store.reopen(directory: directory.path + "/state")
        var pipeline = try Pipeline(
            settings: growing, rules: rules, store: store, destination: .lines { messages.append(Self.line($0)) })
        pipeline.scan()
        while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil, until: until) }
        try pipeline.finish(until: until, wallNow: nil)
        return messages
    }

    private static func matches(_ pattern: String) throws -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(pattern, 0, nil, &found) == 0 else { throw Failure(description: "no file matches \(pattern)") }
        return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
    }

    static func write(_ text: String, to path: String) throws {
        unlink(path)
        try append(text, to: path)
    }

    private static func append(_ text: String, to path: String) throws {
        guard let stream = fopen(path, "a") else { throw Failure(description: "\(path) can't be written") }
        fputs(text, stream)
        fclose(stream)
    }

    private static func line(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes.dropLast(), as: UTF8.self) }

    /// The recorded verdicts, in their order, as JSON lines.
    private static func verdicts(_ directory: String) throws -> [String] {
        var database: OpaquePointer?
        defer { sqlite3_close(database) }
        guard sqlite3_open_v2(directory + "/" + Store.fileName, &database, SQLITE_OPEN_READONLY, nil) == SQLITE_OK else {
            throw Failure(description: "the state can't be read")
        }
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        sqlite3_prepare_v2(
            database,
            """
            SELECT json_object('rule', rule, 'customer', customer, 'key', key, 'verdict', verdict, 'cause', cause, 'channel', channel, 'variant', variant,
                'started_at', started_at, 'due_at', due_at, 'decided_at', decided_at) FROM decisions ORDER BY number
            """, -1, &statement, nil)
        var lines: [String] = []
        while sqlite3_step(statement) == SQLITE_ROW { lines.append(String(cString: sqlite3_column_text(statement, 0))) }
        return lines
    }

    // MARK: Comparing

    /// What differs between the lines and those of a file: the same number in the same order, each with all members that the file gives.
    func differences(_ found: [String], from file: String) -> [String] {
        let expected = lines(file)
        var result: [String] = []
        for index in 0..<max(expected.count, found.count) {
            guard index < expected.count else {
                result.append("\(file): line \(index + 1) is too many: \(found[index])")
                continue
            }
            guard index < found.count else {
                result.append("\(file): line \(index + 1) is missing: \(expected[index])")
                continue
            }
            // A whole message is compared byte by byte.
            if expected[index].hasPrefix("{\"data\":"), expected[index].contains("\"specversion\"") {
                if expected[index] != found[index] {
                    result.append("\(file), line \(index + 1):\n  is       \(found[index])\n  expected \(expected[index])")
                }
                continue
            }
            guard let want = JSONText.pack(Array(expected[index].utf8)) else {
                result.append("\(file): line \(index + 1) is no JSON")
                continue
            }
            guard let have = JSONText.pack(Array(found[index].utf8)) else { continue }
            var places: [String] = []
            Self.compare(JSONView(bytes: want, offset: 0), JSONView(bytes: have, offset: 0), at: "", &places)
            if !places.isEmpty {
                result.append("\(file), line \(index + 1): \(places.joined(separator: "; "))\n  in \(found[index])")
            }
        }
        return result
    }

    /// Members of objects that aren't named don't matter; `null` stands for a member that must be absent. Times of verdicts are numbers in
    /// the state and texts in a case.
    private static func compare(_ want: JSONView, _ have: JSONView?, at place: String, _ places: inout [String]) {
        guard let have else {
            if want.tag != .null { places.append("\(place) is absent, expected \(CanonicalJSON(want).text)") }
            return
        }
        switch (want.tag, have.tag) {
        case (.object, .object):
            for (key, value) in want.entries {
                // A message's rule stands below `data`; in a case it may stand in front.
                let found = have[key] ?? (place.isEmpty && key == "rule" ? have["data"]?["rule"] : nil)
                compare(value, found, at: place.isEmpty ? key : place + "." + key, &places)
            }
        case (.array, .array) where want.elements.count == have.elements.count:
            for (index, value) in want.elements.enumerated() {
                compare(value, have.elements[index], at: "\(place)[\(index)]", &places)
            }
        default:
            let text = CanonicalJSON(have)
            if CanonicalJSON(want) == text { return }
            if place.hasSuffix("_at"), let number = have.number, want.string == Instant(number).rfc3339 { return }
            places.append("\(place) is \(text.text), expected \(CanonicalJSON(want).text)")
        }
    }
}

/// A directory that goes away with the test.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/nudged-case-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Case.Failure(description: "no temporary directory") }
        path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                if name != ".", name != ".." { remove(path + "/" + name) }
            }
            closedir(directory)
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
