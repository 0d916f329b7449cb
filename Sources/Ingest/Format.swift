/// How a source's lines are read.
package enum Format: Sendable, Equatable {
    /// The Segment spec, as RudderStack and others emit it too.
    case segment
    /// Any log of JSON objects, read by paths.
    case mapping(MappingFormat)
    /// Webhook events of Stripe, RevenueCat and Shopify, one a line.
    case stripe, revenuecat, shopify

    /// A CloudEvents 1.0 event in the structured JSON mode.
    package static let cloudevents = Format.mapping(
        MappingFormat(
            id: "id", customer: "subject", event: "type", time: MappingFormat.Time(path: "time"), properties: .object("data")))

    /// The preset of this name, as the configuration spells it; nil if there is none.
    package init?(preset: String) {
        switch preset {
        case "segment": self = .segment
        case "cloudevents": self = .cloudevents
        case "stripe": self = .stripe
        case "revenuecat": self = .revenuecat
        case "shopify": self = .shopify
        default: return nil
        }
    }

    /// What this format calls events of these names; none of its events has such a name.
    package var renamedEvents: [String: String] {
        switch self {
        case .segment: SegmentReader.renamed
        case .mapping(let mapping): mapping.names.filter { from, _ in !mapping.names.values.contains(from) }
        case .stripe, .revenuecat, .shopify: [:]
        }
    }
}

/// Which fields of a log's objects mean what. Paths are keys joined by dots.
package struct MappingFormat: Sendable, Equatable {
    /// How a time is written.
    package enum Unit: String, Sendable, CaseIterable {
        /// Seconds, milliseconds, microseconds since the epoch: numbers, or texts that hold one; fractions are cut off to the
        /// millisecond.
        case s, ms, us
        case rfc3339
    }

    package struct Time: Sendable, Equatable {
        package var path: String
        package var unit: Unit

        package init(path: String, unit: Unit = .rfc3339) {
            self.path = path
            self.unit = unit
        }
    }

    /// Where an event's name is.
    package enum Name: Sendable, Equatable, ExpressibleByStringLiteral {
        case path(String)
        /// Every line is an event of this name: a log of one kind of thing says it nowhere.
        case always(String)

        package init(stringLiteral path: String) { self = .path(path) }
    }

    /// What becomes the event's properties.
    package enum Properties: Sendable, Equatable {
        /// Every top-level field that no path of the mapping names by itself.
        case others
        /// These members, each with the path it is taken from; a path that leads nowhere gives no member.
        case members([(name: String, path: String)])
        /// The object at a path, whole.
        case object(String)

        package static func == (left: Properties, right: Properties) -> Bool {
            switch (left, right) {
            case (.others, .others): true
            case (.object(let left), .object(let right)): left == right
            case (.members(let left), .members(let right)): left.elementsEqual(right) { $0 == $1 }
            default: false
            }
        }
    }

    /// Path of the message id; nil: the log has none.
    package var id: String?
    /// Path of the customer; nil: the log has events of products alone.
    package var customer: String?
    /// Path of an anonymous id.
    package var anonymous: String?
    package var event: Name
    package var time: Time
    /// Path of the moment at which the line was received, written like `time`; an event does not count later than that.
    package var received: String?
    /// Event names of the log and the names they become; a name that is not here is used as it is.
    package var names: [String: String]
    package var properties: Properties

    package init(
        id: String? = nil, customer: String?, anonymous: String? = nil, event: Name, time: Time, received: String? = nil,
        names: [String: String] = [:], properties: Properties = .others
    ) {
        self.id = id
        self.customer = customer
        self.anonymous = anonymous
        self.event = event
        self.time = time
        self.received = received
        self.names = names
        self.properties = properties
    }
}
