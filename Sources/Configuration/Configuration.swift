import Engine

/// Everything that a configuration says, read, checked and typed: durations in milliseconds, sizes in bytes, paths absolute.
///
/// What it says about behaviour is in `definitions`, with conditions as text; `RuleSet` compiles it and finds what is wrong in
/// them.
package struct Configuration: Sendable {
    /// The main file, absolute.
    package var path: String
    /// Every file that was read, the main one first.
    package var files: [String]
    /// The name that messages carry in `source`: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    package var instance: String
    package var state = "/var/lib/nudged"
    /// At least one; the first is where messages go whose rule and channel name none. A single one is called `default`.
    package var outboxes: [OutboxDefinition] = []
    package var sources: [SourceDefinition] = []
    /// How far out of order events may come; a source may say another (`SourceDefinition.lateness` holds what counts).
    package var lateness: Milliseconds = 10_000
    package var clock = Clock.wall
    /// A line whose time is further ahead of the wall clock than this is a dead letter.
    package var maxFuture: Milliseconds = 5 * 60_000
    package var maxLineBytes = 1 << 20
    /// How big the cache of state may grow, in bytes.
    package var memory = 256 << 20
    package var templates: String
    /// Where metrics are written, or nil for nowhere.
    package var metrics: String?
    /// The key by which erased customers are known again, or nil.
    package var secretFile: Located<String>?
    package var safety: SafetyDefinition?
    package var retention = RetentionDefinition()
    package var identity = IdentityDefinition()
    /// Segments, rules, calendars and the times that the engine needs. `publishFrom` is nil if it isn't given: what that means
    /// depends on the clock (`outbox.md`, "Valves").
    package var definitions: Definitions

    package var delivery: DeliveryDefinition { definitions.delivery }
    /// By rule, what `delivery.md` has of it.
    package var ruleDelivery: [String: RuleDeliveryDefinition] {
        Dictionary(definitions.rules.map { ($0.name.value, $0.delivery) }, uniquingKeysWith: { $1 })
    }

    /// What moves time once all sources are caught up.
    package enum Clock: String, CaseIterable, Sendable { case wall, log }

    init(path: String) {
        self.path = path
        files = [path]
        instance = ""
        templates = FilePath.absolute("templates", besides: path)
        definitions = Definitions(instance: "")
    }
}

/// What came of reading a configuration: also of a wrong one, so that `check` can go on to the conditions and show all errors
/// at once.
package struct Draft: Sendable {
    /// What could be read, with defaults for the rest; nil if the main file is not YAML. To be run only if `isUsable`.
    package var configuration: Configuration?
    /// By file and line; warnings among them.
    package var issues: [Issue]
    /// The text of every file that was read, to show the lines that issues point at.
    var texts: [String: SourceText]

    /// Whether there is no error.
    package var isUsable: Bool { configuration != nil && !issues.contains { $0.severity == .error } }

    /// The line an issue points at, or nil if its file could not be read.
    package func line(of position: Position) -> String? { texts[position.file]?.line(position.line) }
}

extension Configuration {
    /// Reads a configuration with all the files it includes. Returns it only if there is no error; the issues hold every error
    /// and warning, each with its place.
    package static func load(path: String, environment: [String: String]) -> (Configuration?, issues: [Issue]) {
        let draft = draft(path: path, environment: environment)
        return (draft.isUsable ? draft.configuration : nil, draft.issues)
    }

    /// What a name of an `instance` is made of, in words.
    package static let instanceRule = "1 to 64 of the characters A-Z a-z 0-9 . _ -"

    package static func isInstance(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x41 && $0 <= 0x5A) || ($0 >= 0x61 && $0 <= 0x7A) || $0 == 0x2E || $0 == 0x5F
                    || $0 == 0x2D
            }
    }

    /// Like `load`, but gives what could be read of a wrong configuration too.
    package static func draft(path: String, environment: [String: String]) -> Draft {
        let absolute = FilePath.absolute(path)
        var reading = Reading(environment: environment)
        var inclusion = Inclusion()
        let root = inclusion.readMain(absolute, &reading)
        var configuration: Configuration?
        if let root {
            configuration = reading.configuration(root, path: absolute)
            configuration?.files = inclusion.files
        }
        let order = Dictionary(inclusion.files.enumerated().map { ($1, $0) }, uniquingKeysWith: min)
        var seen: Set<Issue> = []
        let issues = reading.issues.filter { seen.insert($0).inserted }.sorted {
            let left = order[$0.position.file] ?? .max
            let right = order[$1.position.file] ?? .max
            if left != right { return left < right }
            if $0.position != $1.position { return $0.position < $1.position }
            return $0.message < $1.message
        }
        return Draft(configuration: configuration, issues: issues, texts: inclusion.texts)
    }
}

extension Reading {
    /// The whole of the main file, its `rules`, `segments` and `calendars` merged with those of the included ones.
    fileprivate mutating func configuration(_ root: MergedFile, path: String) -> Configuration? {
        var result = Configuration(path: path)
        guard let fields = root.fields else { return nil }
        readInstance(fields, into: &result)
        result.state = self.path(fields["state"]) ?? result.state
        result.outboxes = outboxes(fields["outbox"])
        outboxNames = Names(result.outboxes.map(\.name))
        readTimes(fields, into: &result)
        result.sources = sources(fields, lateness: result.lateness)
        result.maxLineBytes = size(fields["max_line_bytes"], in: 1024...(1 << 30)) ?? result.maxLineBytes
        result.memory = size(fields["memory"], in: (1 << 20)...(1 << 44)) ?? result.memory
        result.templates = self.path(fields["templates"]) ?? result.templates
        result.metrics = self.path(fields["metrics"])
        result.secretFile = self.path(fields["secret_file"]).flatMap { path in
            fields["secret_file"].map { Located(path, at: $0.value.position) }
        }
        result.safety = safety(fields["safety"])
        result.retention = retention(fields["retention"])
        result.identity = identity(
            fields["identity"], sources: result.sources, hasSecret: result.secretFile != nil)
        result.definitions.delivery = delivery(fields["delivery"])
        result.definitions.segments = segments(root.segments.entries)
        result.definitions.calendars = calendars(root.calendars.entries)
        for entry in root.rules.entries {
            guard let rule = rule(entry) else { continue }
            result.definitions.rules.append(rule)
        }
        checkStructure(
            result.definitions, segments: Names(root.segments.entries.map(\.name)), includedRules: Names(root.includedRuleNames))
        return result
    }

    private mutating func readInstance(_ fields: Fields, into result: inout Configuration) {
        guard let entry = fields["instance"] else {
            error(fields.position, "`instance` is missing", hint: "Name this daemon, for example instance: shop.")
            return
        }
        guard let name = text(entry) else { return }
        guard Configuration.isInstance(name.value) else {
            error(name.position, "`instance` has \(Configuration.instanceRule), unlike \"\(printable(name.value))\"")
            return
        }
        result.instance = name.value
        result.definitions.instance = name.value
    }

    private mutating func readTimes(_ fields: Fields, into result: inout Configuration) {
        result.lateness = duration(fields["lateness"]) ?? result.lateness
        result.clock = choice(fields["clock"])?.value ?? result.clock
        result.maxFuture = duration(fields["max_future"]) ?? result.maxFuture
        result.definitions.lateFor = duration(fields["late_for"]) ?? result.definitions.lateFor
        result.definitions.dedupe = duration(fields["dedupe"]) ?? result.definitions.dedupe
        result.definitions.publishFrom = instant(fields["publish_from"])
        result.definitions.cartsForget = forget(fields["carts"], .carts) ?? result.definitions.cartsForget
        result.definitions.waitlistForget = forget(fields["waitlist"], .waitlist) ?? result.definitions.waitlistForget
    }

    private mutating func forget(_ entry: Entry?, _ section: Section) -> Milliseconds? {
        guard let entry, let fields = fields(entry.value, section, called: "`\(entry.name)`") else { return nil }
        return duration(fields["forget"], atLeast: 1)
    }
}
