import Engine

/// How the lines of a source become events.
package enum FormatDefinition: Sendable, Equatable {
    case preset(Preset)
    case mapping(MappingDefinition)

    /// The formats that are known by name.
    package enum Preset: String, CaseIterable, Sendable { case segment, cloudevents, stripe, revenuecat, shopify }

    /// The names that a mapping gives to events.
    package var mappedEvents: [String] {
        guard case .mapping(let mapping) = self else { return [] }
        return mapping.names.map(\.to) + (mapping.always.map { [$0] } ?? [])
    }
}

/// A format as the configuration writes it; paths are JSON paths with dots (`user.id`).
package struct MappingDefinition: Sendable, Equatable {
    package var id: String?
    package var customer: String?
    package var anonymous: String?
    /// When the line was received: an event ahead of it counts at it.
    package var received: String?
    /// Path of the event's name; empty if `always` names every event.
    package var event: String
    /// The name of every event, for a log of one kind of thing.
    package var always: String?
    package var time: String
    package var unit: Unit
    /// From the log's name of an event to ours, in the order written; other names stay as they are.
    package var names: [Name]
    package var properties: Properties

    package init(event: String, time: String, unit: Unit = .rfc3339, names: [Name] = [], properties: Properties = .rest) {
        self.event = event
        self.time = time
        self.unit = unit
        self.names = names
        self.properties = properties
    }

    package struct Name: Sendable, Equatable {
        package var from: String
        package var to: String

        package init(from: String, to: String) {
            self.from = from
            self.to = to
        }
    }

    /// How a time is written.
    package enum Unit: String, CaseIterable, Sendable { case s, ms, us, rfc3339 }

    /// Where an event's properties come from.
    package enum Properties: Sendable, Equatable {
        /// Every other top-level field.
        case rest
        /// The members of the object at a path.
        case object(path: String)
        /// Each property from a path of its own, in the order written.
        case fields([Field])
    }

    package struct Field: Sendable, Equatable {
        package var name: String
        package var path: String

        package init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }
}

extension Reading {
    mutating func format(_ entry: Entry) -> FormatDefinition? {
        if case .scalar = entry.value.content {
            return choice(entry, FormatDefinition.Preset.self).map { .preset($0.value) }
        }
        guard let fields = fields(entry.value, .format, called: "`format`") else { return nil }
        if fields["event"] == nil {
            error(entry.value.position, "this format has no `event`", hint: "Say which field names the event.")
        }
        if fields["time"] == nil {
            error(entry.value.position, "this format has no `time`", hint: "Say which field holds the event's time.")
        }
        let event = eventName(fields["event"])
        let time = time(fields["time"])
        var mapping = MappingDefinition(
            event: event?.path ?? "", time: time?.path ?? "", unit: time?.unit ?? .rfc3339, names: names(fields["names"]),
            properties: properties(fields["properties"]))
        mapping.always = event?.always
        mapping.id = jsonPath(fields["id"])
        mapping.customer = jsonPath(fields["customer"])
        mapping.anonymous = jsonPath(fields["anonymous"])
        mapping.received = jsonPath(fields["received"])
        return event == nil || time == nil ? nil : .mapping(mapping)
    }

    /// `event: type` or `event: { always: NAME }`.
    private mutating func eventName(_ entry: Entry?) -> (path: String?, always: String?)? {
        guard let entry else { return nil }
        if case .scalar = entry.value.content { return jsonPath(entry).map { ($0, nil) } }
        guard let fields = fields(entry.value, .event, called: "`event`") else { return nil }
        guard fields["always"] != nil else {
            error(
                entry.value.position, "`event` has no `always`", hint: "Write event: { always: NAME }, or the path of the name.")
            return nil
        }
        return word(fields["always"]).map { (nil, $0.value) }
    }

    /// `time: ts` or `time: { path: ts, unit: s }`.
    private mutating func time(_ entry: Entry?) -> (path: String, unit: MappingDefinition.Unit)? {
        guard let entry else { return nil }
        if case .scalar = entry.value.content { return jsonPath(entry).map { ($0, .rfc3339) } }
        guard let fields = fields(entry.value, .time, called: "`time`") else { return nil }
        let unit = fields["unit"].map { choice($0, MappingDefinition.Unit.self)?.value } ?? .rfc3339
        guard fields["path"] != nil else {
            error(entry.value.position, "`time` has no `path`")
            return nil
        }
        guard let path = jsonPath(fields["path"]), let unit else { return nil }
        return (path, unit)
    }

    private mutating func names(_ entry: Entry?) -> [MappingDefinition.Name] {
        named(entry).compactMap { item in
            word(Entry(key: item.key, value: item.value)).map { MappingDefinition.Name(from: item.name, to: $0.value) }
        }
    }

    private mutating func properties(_ entry: Entry?) -> MappingDefinition.Properties {
        guard let entry else { return .rest }
        if case .scalar = entry.value.content { return jsonPath(entry).map { .object(path: $0) } ?? .rest }
        return .fields(
            named(entry).compactMap { item in jsonPath(item).map { MappingDefinition.Field(name: item.name, path: $0) } })
    }

    /// A path with dots, none of its parts empty.
    mutating func jsonPath(_ entry: Entry?) -> String? {
        guard let text = word(entry), let entry else { return nil }
        guard text.value.split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ !$0.isEmpty }) else {
            error(
                text.position, "`\(entry.name)` is a path of field names with dots, not \"\(printable(text.value))\"",
                hint: "Write for example user.id.")
            return nil
        }
        return text.value
    }
}
