import Engine

/// A rule set given twice: as definitions for the engine, with conditions in CEL, and as closures for the naive reference.
struct World: Sendable {
    var rules: [RuleSpec] = []
    var segments: [SegmentSpec] = []
    var cartsForget: Milliseconds = 30 * 86_400_000
    var waitlistForget: Milliseconds = 180 * 86_400_000
    var dedupe: Milliseconds = 86_400_000

    var definitions: Definitions {
        var definitions = Definitions(instance: "shop")
        definitions.cartsForget = cartsForget
        definitions.waitlistForget = waitlistForget
        definitions.dedupe = dedupe
        definitions.segments = segments.map { SegmentDefinition(name: .here($0.name), condition: .here($0.condition.cel)) }
        definitions.rules = rules.map(\.definition)
        return definitions
    }
}

/// A condition as CEL text and as what it means; nil stands for an error at run time.
struct Condition: Sendable {
    var cel: String
    var holds: @Sendable (View) -> Bool?

    init(_ cel: String, _ holds: @escaping @Sendable (View) -> Bool?) {
        self.cel = cel
        self.holds = holds
    }
}

struct SegmentSpec: Sendable {
    var name: String
    var condition: Condition
}

enum TriggerSpec: Sendable {
    case event(String, Condition? = nil)
    case enters(String)
    case leaves(String)

    var isEvent: Bool { if case .event = self { true } else { false } }

    var definition: TriggerDefinition {
        switch self {
        case .event(let name, let condition): .event(name: .here(name), condition: condition.map { .here($0.cel) })
        case .enters(let segment): .enters(.here(segment))
        case .leaves(let segment): .leaves(.here(segment))
        }
    }
}

struct RuleSpec: Sendable {
    var name: String
    var per: KeyKind?
    var start: [TriggerSpec] = []
    var cancel: [TriggerSpec] = []
    var wait: Milliseconds = 0
    var restart = false
    var condition: Condition?
    var cooldown: Milliseconds = 0
    var priority = 0
    var audience: [AudienceDefinition] = []
    var limit: Condition?
    /// What the limit comes to, for the reference.
    var limitValue: (@Sendable (View) -> Double?)?
    var pace: Milliseconds?

    init(_ name: String, per: KeyKind? = nil) {
        self.name = name
        self.per = per
    }

    var definition: RuleDefinition {
        var rule = RuleDefinition(name: .here(name))
        rule.per = per.map { .here($0) }
        rule.start = start.map(\.definition)
        rule.cancel = cancel.map(\.definition)
        rule.wait = wait
        rule.restart = restart
        rule.condition = condition.map { .here($0.cel) }
        rule.cooldown = cooldown
        rule.priority = priority
        rule.audience = audience
        rule.limit = limit.map { .here($0.cel) }
        rule.pace = pace
        return rule
    }
}

/// What a condition sees.
struct View {
    var customer: Customer?
    /// Engine time.
    var now: Instant
    var event: LogLine?
    var cart: Cart?
    var product: Facts?
    var subscription: Episode?

    /// Buckets are an hour wide for windows of 7 days or less, else a day; one counts if its end is later than `now - window`.
    static func isWithin(_ time: Instant, _ window: Milliseconds, now: Instant) -> Bool {
        bucketEnd(time, window) > now - window
    }

    static func bucketEnd(_ time: Instant, _ window: Milliseconds) -> Instant {
        let width: Milliseconds = window <= 7 * 86_400_000 ? 3_600_000 : 86_400_000
        var start = time / width * width
        if start > time { start -= width }
        return start + width
    }

    func events(_ name: String, _ window: Milliseconds?) -> [LogLine] {
        (customer?.past ?? []).filter { line in
            line.name == name && (window.map { Self.isWithin(line.time, $0, now: now) } ?? true)
        }
    }
    func count(_ name: String, _ window: Milliseconds? = nil) -> Int { events(name, window).count }
    func sum(_ name: String, _ property: String, _ window: Milliseconds? = nil) -> Double {
        events(name, window).compactMap { $0.properties[property]?.number }.reduce(0, +)
    }
    func largest(_ name: String, _ property: String, _ window: Milliseconds? = nil) -> Double? {
        events(name, window).compactMap { $0.properties[property]?.number }.max()
    }
    func distinct(_ name: String, _ property: String, _ window: Milliseconds? = nil) -> Int {
        Set(events(name, window).compactMap { $0.properties[property]?.text }).count
    }
    func ever(_ name: String) -> Bool { count(name) > 0 }
    /// nil: never, which is infinite.
    func since(_ name: String) -> Milliseconds? { events(name, nil).map(\.time).max().map { now - $0 } }
    func member(_ segment: String) -> Bool { customer?.segments.contains(segment) ?? false }
}

struct Cart {
    struct Line {
        var product: String
        var quantity: Double
        var price: Double?
        /// Event time of the newest change.
        var changed: Instant
    }

    var id: String
    var lines: [Line] = []
    var touched: Instant
    /// Which event touched it last: later in order wins a tie.
    var turn: Int
    var snapshot: Instant = .min
    /// Lines that were taken off it.
    var ended: [(product: String, time: Instant)] = []
}

struct Facts {
    var available: Double?
    var wasAvailable: Double?
    var availableAt: Instant = .min
    var price: Double?
    var wasPrice: Double?
    var priceAt: Instant = .min
}

/// A subscription, recomputed from its payment events.
struct Episode {
    var id: String
    var isOpen = false
    var since: Instant?
    var attempts = 0
    var status = "active"
}

struct Interested {
    enum Kind { case waitlist, wishlist, viewed }
    var kind: Kind
    var product: String
    var since: Instant
    var last: Instant
}

struct Running {
    var rule: Int
    var key: String
    var started: Instant
    var due: Instant
    var event: LogLine?
    var because: [String]
    var place = 0
    var product: String?
    /// Waits in line for a share.
    var isQueued = false
}

/// A message to one of a product's audience.
struct Served {
    var instance: Running
    var at: Instant
    /// The count of the queue to which it belongs.
    var count: Int
}

final class Customer {
    var name: String
    var past: [LogLine] = []
    var carts: [Cart] = []
    var cartLinks: [String: (cart: String, turn: Int)] = [:]
    var payments: [LogLine] = []
    var interests: [Interested] = []
    /// Interests that were ended; kind nil: all of them, by an order.
    var interestsEnded: [(kind: Interested.Kind?, product: String, time: Instant)] = []
    var segments: Set<String> = []
    var running: [Running] = []
    /// Time of the newest cancel, by rule and key; key nil: all keys.
    var cancels: [(rule: Int, key: String?, time: Instant)] = []
    var ended: [(rule: Int, key: String, start: Instant)] = []
    var published: [Int: Instant] = [:]
    /// Messages about products, which a late cancel may take back.
    var served: [Served] = []
    var counted: [(id: String, time: Instant)] = []
    var traits: [String: (value: J, time: Instant)] = [:]

    init(_ name: String) { self.name = name }
}
