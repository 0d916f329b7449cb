import Engine

/// A format of webhooks that a mapping can't say: one of them may stand for several events, and what they mean depends on more than
/// one field.
///
/// It is given the line as a packed value and knows nothing of rules; webhooks are few beside page views, so that clarity goes
/// before speed here.
protocol WebhookFormat: Sendable {
    /// What a line says, in the order in which it is to be applied; never empty.
    func events(of line: JSONView) throws(Refusal) -> [WebhookEvent]

    /// The objects in which the path of an `identity` is looked up, the nearest first.
    func scopes(of line: JSONView) -> [JSONView]
}

/// An event as a webhook has it; empty texts are absent.
struct WebhookEvent {
    var kind = Event.Kind.track
    /// As the state calls it, else as the sender does.
    var name: String
    var time: Instant
    var user = ""
    var anonymous = ""
    var id = ""
    var locale = ""
    var properties = ObjectWriter()
    var traits = ObjectWriter()

    init(_ name: String, at time: Instant) {
        self.name = name
        self.time = time
    }

    init(_ event: StateEvent, at time: Instant) { self.init(event.name, at: time) }

    /// An event that does nothing but link an anonymous id to a customer, as an `alias` of the Segment spec does.
    static func link(_ anonymous: String, to user: String, at time: Instant) -> WebhookEvent {
        var event = WebhookEvent("Alias", at: time)
        event.kind = .alias
        event.user = user
        event.anonymous = anonymous
        return event
    }
}

/// Puts a packed object together, member by member; what is absent is left out.
struct ObjectWriter {
    private var writer = PackedJSON.Writer()
    private var mark: Int
    private var count = 0

    init() { mark = writer.open(.object) }

    var isEmpty: Bool { count == 0 }

    /// The finished object.
    var packed: [UInt8] {
        var copy = writer
        copy.close(mark, count: count)
        return copy.bytes
    }

    private mutating func key(_ key: String) {
        writer.key(key.utf8)
        count += 1
    }

    mutating func add(_ name: String, _ value: JSONView?) {
        guard let value, value.tag != .null else { return }
        key(name)
        writer.value(value)
    }

    mutating func add(_ name: String, text: String?) {
        guard let text, !text.isEmpty else { return }
        key(name)
        writer.string(text)
    }

    /// A number that conditions can compare and sums add up exactly.
    mutating func add(_ name: String, number: Decimal?) {
        guard let number else { return }
        key(name)
        writer.number(number.double)
    }

    mutating func add(_ name: String, flag: Bool) {
        key(name)
        writer.bool(flag)
    }

    /// A point in time, as RFC 3339.
    mutating func add(_ name: String, time: Instant?) { add(name, text: time?.rfc3339) }

    mutating func add(_ name: String, list: [ObjectWriter]) {
        key(name)
        let mark = writer.open(.array)
        for element in list { writer.bytes += element.packed }
        writer.close(mark, count: list.count)
    }

    /// All members of an object.
    mutating func add(membersOf object: JSONView?) {
        for (name, value) in object?.entries ?? [] { add(name, value) }
    }
}

extension JSONView {
    /// The object at a path, nil if there is none.
    func object(_ path: String...) -> JSONView? {
        guard let value = value(at: path), value.tag == .object else { return nil }
        return value
    }

    /// A text or number that isn't empty.
    func text(_ path: String...) -> String? {
        guard let text = value(at: path), text.tag == .string || text.number != nil else { return nil }
        return text.identifier.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// An id that may stand there by itself or as the object that has it, when the sender expands references.
    func reference(_ path: String...) -> String? {
        guard let value = value(at: path) else { return nil }
        if value.tag == .object { return value.text("id") }
        return value.tag == .string || value.number != nil ? value.identifier.flatMap { $0.isEmpty ? nil : $0 } : nil
    }

    /// A point in time within the years 1 to 9999: RFC 3339, or seconds or milliseconds since 1970.
    func moment(_ path: String...) -> Instant? {
        guard let time = value(at: path)?.instant, Instant.years.contains(time) else { return nil }
        return time
    }
}
