import ArgumentParser
import Configuration
import Engine
import Glibc
import Ingest
import Pipeline
import Storage
import Templates

/// `--config`, which nearly every command has.
struct ConfigurationOption: ParsableArguments {
    /// What `NUDGED_CONFIG` names, else where the package has it.
    static var standard: String {
        let named = getenv("NUDGED_CONFIG").map { String(cString: $0) } ?? ""
        return named.isEmpty ? "/etc/nudged/nudged.yaml" : named
    }

    @Option(
        name: [.customShort("c"), .customLong("config")],
        help: ArgumentHelp("The configuration file; without it, what NUDGED_CONFIG names.", valueName: "file"))
    var path = standard
}

/// A configuration with its rules compiled.
struct Loaded {
    let configuration: Configuration
    let rules: RuleSet
    let zones: ZoneDatabase
    let templates: TemplateSet
    /// The key of e-mail addresses' hashes, where ids are joined by them.
    private var secret: [UInt8]?

    init(configuration: Configuration, rules: RuleSet, zones: ZoneDatabase, templates: TemplateSet) {
        self.templates = templates
        self.configuration = configuration
        self.rules = rules
        self.zones = zones
    }

    static var environment: [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return result
    }

    /// Reads and compiles everything; all issues are printed, and an error ends the command with 78.
    ///
    /// - Parameter readsLogs: whether the key of `secret_file` is needed, which not everybody may read.
    static func load(_ path: String, readsLogs: Bool = true) throws -> Loaded {
        let (loaded, report) = examine(path, readsSecret: readsLogs)
        if !report.text.isEmpty { complain(report.text) }
        guard var loaded else {
            throw Failure(
                .configuration,
                "\(path): the configuration has \(report.errors) error\(report.errors == 1 ? "" : "s"); correct \(report.errors == 1 ? "it" : "them") and try again"
            )
        }
        if readsLogs { loaded.secret = try loaded.configuration.addressKey() }
        return loaded
    }

    /// As `load`, giving the report instead of printing it.
    ///
    /// - Parameter readsSecret: whether the key of `secret_file` is looked at, which not everybody may read.
    static func examine(_ path: String, readsSecret: Bool = false) -> (loaded: Loaded?, report: IssueReport) {
        let zones = ZoneDatabase()
        let draft = Configuration.draft(path: path, environment: environment)
        var issues = draft.issues
        var rules: RuleSet?
        var templates = TemplateSet()
        if let configuration = draft.configuration {
            var definitions = configuration.definitions
            definitions.renamedEvents = renamedEvents(of: configuration.sources.map { Format($0.format) })
            definitions.mappedEvents = Set(configuration.sources.flatMap(\.format.mappedEvents))
            let compiled = RuleSet.compile(definitions) { zones.zone($0) }
            // The same fault may be visible to both.
            issues += compiled.issues.filter { issue in
                !issues.contains { $0.position == issue.position && $0.severity == issue.severity }
            }
            rules = compiled.rules
            let read = TemplateSet.load(configuration.definitions.rules, from: configuration.templates)
            issues += read.issues
            if readsSecret, let issue = configuration.secretIssue { issues.append(issue) }
            templates = read.templates
        }
        let report = IssueReport(issues) { draft.line(of: $0) }
        guard report.errors == 0, draft.isUsable, let configuration = draft.configuration, let rules else { return (nil, report) }
        return (Loaded(configuration: configuration, rules: rules, zones: zones, templates: templates), report)
    }

    /// What all of these formats call events of some name; a name that one of them leaves as it is may come.
    private static func renamedEvents(of formats: [Format]) -> [String: String] {
        guard let first = formats.first else { return [:] }
        let others = formats.dropFirst().map(\.renamedEvents)
        return first.renamedEvents.filter { name, _ in others.allSatisfy { $0[name] != nil } }
    }

    /// The state directory that a wrong configuration names, as far as it can be read; nil if it can't at all.
    static func state(of path: String) -> String? {
        Configuration.draft(path: path, environment: environment).configuration?.state
    }

    /// The configured secret, else the one that the state has made for itself; empty if there is neither.
    func erasureKey() throws -> [UInt8] {
        do {
            return try configuration.secret()
                ?? (try? Secret.read(configuration.state + "/" + Secret.fileName)) ?? []
        } catch {
            throw Failure(
                .configuration, "\(configuration.secretFile?.value ?? ""): \(error.message); \(configuration.secretHint)")
        }
    }

    var settings: Settings {
        var settings = Settings(
            sources: configuration.sources.map { source in
                LogSource(
                    name: source.name.value, patterns: [source.path], format: Format(source.format), lateness: source.lateness,
                    identity: configuration.identity.key(of: source).map {
                        IdentityKey(name: $0.name, path: $0.path, secret: secret)
                    })
            })
        settings.outboxes = configuration.outboxes.map {
            Settings.OutboxSettings(
                name: $0.name, path: $0.path, claimTimeout: $0.claimTimeout, maxPending: $0.maxPending, keep: $0.keep)
        }
        settings.clock = configuration.clock == .wall ? .wall : .log
        settings.maxFuture = configuration.maxFuture
        settings.maxLineBytes = configuration.maxLineBytes
        settings.memory = configuration.memory
        if !templates.isEmpty { settings.render = { [templates] in templates.render(rule: $0, $1) } }
        settings.retention.profiles = configuration.retention.profiles
        settings.retention.decisions = configuration.retention.decisions
        settings.retention.messages = configuration.retention.messages
        settings.retention.deadLetters = configuration.retention.deadLetters
        settings.retention.maxDeadLetters = configuration.retention.maxDeadLetters
        settings.safety = configuration.safety.map { ($0.atMost, $0.per) }
        settings.metrics = configuration.metrics
        return settings
    }
}

extension Loaded {
    /// A configured source; one that is not there is bad usage.
    func source(_ name: String) throws -> LogSource {
        guard let found = settings.sources.first(where: { $0.name == name }) else {
            throw Failure(
                .usage,
                "there is no source \"\(name)\"; the configuration has \(settings.sources.map(\.name).joined(separator: ", "))")
        }
        return found
    }
}

/// Issues as a person reads them: place, what is wrong, the line with the place marked, what to do.
struct IssueReport {
    let errors: Int
    let warnings: Int
    let text: String

    init(_ issues: [Issue], line: (Position) -> String?) {
        errors = issues.count { $0.severity == .error }
        warnings = issues.count - errors
        // In the order in which a person goes through the files.
        let files = issues.map(\.position.file)
        let places = issues.map { (files.firstIndex(of: $0.position.file) ?? 0, $0.position.line, $0.position.column) }
        text = issues.indices.sorted { places[$0] < places[$1] || places[$0] == places[$1] && $0 < $1 }.map { index in
            let issue = issues[index]
            var text =
                "\(issue.position.file):\(issue.position.line):\(issue.position.column): "
                + (issue.severity == .error ? "error: " : "warning: ") + issue.message
            if !issue.message.contains("\n"), let line = line(issue.position) {
                text += "\n    \(line)\n    " + String(repeating: " ", count: max(0, issue.position.column - 1)) + "^"
            }
            if let hint = issue.hint { text += "\n    \(hint)" }
            return text
        }.joined(separator: "\n")
    }
}

extension Format {
    init(_ definition: FormatDefinition) {
        switch definition {
        case .preset(let preset): self = Format(preset: preset.rawValue) ?? .segment
        case .mapping(let mapping):
            let properties: MappingFormat.Properties =
                switch mapping.properties {
                case .rest: .others
                case .object(let path): .object(path)
                case .fields(let fields): .members(fields.map { ($0.name, $0.path) })
                }
            self = .mapping(
                MappingFormat(
                    id: mapping.id, customer: mapping.customer, anonymous: mapping.anonymous,
                    event: mapping.always.map { .always($0) } ?? .path(mapping.event),
                    time: MappingFormat.Time(
                        path: mapping.time, unit: MappingFormat.Unit(rawValue: mapping.unit.rawValue) ?? .rfc3339),
                    received: mapping.received,
                    names: Dictionary(mapping.names.map { ($0.from, $0.to) }, uniquingKeysWith: { $1 }),
                    properties: properties))
        }
    }
}

/// An absolute path from one given on the command line.
func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    var room = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard getcwd(&room, room.count) != nil else { return path }
    let directory = String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return directory + "/" + path
}

/// Milliseconds since 1970 by the wall clock.
func wallClock() -> Instant {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Instant(time.tv_sec) * 1000 + Instant(time.tv_nsec) / 1_000_000
}
