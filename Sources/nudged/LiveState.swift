import Configuration
import Engine
import Pipeline
import Storage

/// The configured state, opened for reading: beside a running daemon or without one.
struct LiveState {
    let loaded: Loaded
    let directory: String
    let store: Store

    init(_ option: ConfigurationOption) throws {
        let path = absolute(option.path)
        let (loaded, report) = Loaded.examine(path)
        guard let loaded else {
            complain(report.text)
            throw Failure(
                .configuration, "\(path): the configuration has errors; `nudged check --config \(option.path)` shows them")
        }
        self.loaded = loaded
        directory = loaded.configuration.state
        store = try Store.reader(directory: directory)
    }

    var now: Instant {
        get throws { try store.engineClock()?.now ?? .min }
    }

    func record(_ id: CustomerID) throws -> CustomerRecord {
        guard let number = try store.number(of: id.key), let record = try store.customer(number) else { throw unknown(id) }
        return record
    }

    /// All numbers under which something is kept of a customer, whose profile may be gone.
    func numbers(_ id: CustomerID) throws -> [Int64] {
        let numbers = try store.everybody(of: [id.key], includesProfiles: true).numbers
        guard !numbers.isEmpty else { throw unknown(id) }
        return numbers
    }

    private func unknown(_ id: CustomerID) -> Failure {
        Failure(.data, "there is no customer \(DisplayText.safe(id.text)) in the state; an anonymous one is written anonymous:ID")
    }

    func inspection(_ record: CustomerRecord) throws -> Inspection {
        Inspection(record, links: try store.links(of: record.number), rules: loaded.rules, now: try now)
    }

    /// A rule of the configuration; one that is not there is bad usage.
    func checkRule(_ name: String?) throws {
        guard let name, loaded.rules.rule(named: name) == nil else { return }
        throw Failure(
            .usage,
            "there is no rule \"\(name)\" in the configuration; there are \(loaded.rules.rules.map(\.name).joined(separator: ", "))"
        )
    }

    /// A rule that a pause names may be gone from the configuration.
    func checkPausedRule(_ name: String?) throws {
        guard let name, try !store.pauses().contains(where: { $0.rule == name }) else { return }
        try checkRule(name)
    }

    /// A source of the configuration; one that is not there is bad usage.
    func checkSource(_ name: String?) throws {
        if let name { _ = try loaded.source(name) }
    }

    /// A time as people give it: RFC 3339, a date, or a duration back from the engine's time.
    func time(_ text: String, option: String) throws -> Instant {
        if let time = Instant.parse(text) { return time }
        if let span = DurationLiteral.parse(text) { return max(try now, 0) - span }
        throw Failure(
            .usage, "\(option) takes a time such as 2026-03-01T12:00:00Z, a date, or a span such as 2d, not \"\(text)\"")
    }
}

extension CustomerRecord {
    var text: String { CustomerKey(isAnonymous: isAnonymous, id: id).text }
}

extension CanonicalJSON {
    /// Stored JSON text; null if there is none.
    init(stored text: [UInt8]?) {
        guard let text, let packed = JSONText.pack(text) else {
            self = .null
            return
        }
        self = CanonicalJSON(JSONView(bytes: packed, offset: 0))
    }

    var elements: [CanonicalJSON] { if case .array(let elements) = self { elements } else { [] } }

    subscript(key: String) -> CanonicalJSON? {
        if case .object(let members) = self { members.first { $0.key == key }?.value } else { nil }
    }

    var string: String? { if case .string(let text) = self { text } else { nil } }
    var instant: Instant? { if case .number(let number) = self { Instant(exactly: number) } else { nil } }
}
