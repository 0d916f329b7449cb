import CEL

/// A rule, resolved and compiled. It never changes; a class only so that handing it on costs one retain.
package final class Rule: Sendable {
    package let name: String
    package let per: KeyKind
    package let wait: Milliseconds
    package let restart: Bool
    package let cooldown: Milliseconds
    package let expires: Milliseconds
    package let priority: Int
    package let audience: [Audience]
    package let limit: Condition?
    package let pace: Milliseconds?
    package let condition: Condition?
    package let data: [(key: String, condition: Condition)]
    package let include: [String]
    package let outbox: String?
    package let delivery: RuleDelivery
    /// A product event starts it, for each customer of its audience.
    package let hasAudience: Bool
    /// Its conditions at the deadline read the starting event's properties, or find their subject through them.
    package let keepsProperties: Bool
    /// Its conditions at the deadline read the product's facts.
    package let readsProduct: Bool
    /// The interest kinds of its audience.
    package let interestKinds: [InterestKind]
    /// What its messages' `data` may hold, in their order.
    let messageMembers: [MessageMember]
    /// The traits it includes, in the order of the canonical form.
    let traitsInOrder: [String]

    init(
        name: String, per: KeyKind, wait: Milliseconds, restart: Bool, cooldown: Milliseconds, expires: Milliseconds,
        priority: Int,
        audience: [Audience], limit: Condition?, pace: Milliseconds?, condition: Condition?,
        data: [(key: String, condition: Condition)], include: [String], outbox: String?, delivery: RuleDelivery,
        hasAudience: Bool,
        keepsProperties: Bool, readsProduct: Bool
    ) {
        self.name = name
        self.per = per
        self.wait = wait
        self.restart = restart
        self.cooldown = cooldown
        self.expires = expires
        self.priority = priority
        self.audience = audience
        self.limit = limit
        self.pace = pace
        self.condition = condition
        self.data = data
        self.include = include
        self.outbox = outbox
        self.delivery = delivery
        self.hasAudience = hasAudience
        self.keepsProperties = keepsProperties
        self.readsProduct = readsProduct
        interestKinds = audience.compactMap(\.interest)
        messageMembers = MessageMember.inOrder(of: data.map(\.key))
        traitsInOrder = include.sorted(by: CanonicalJSON.precedes)
    }
}

/// A member of a message's `data`.
enum MessageMember: Sendable {
    case because, cart, channel, customer, dueAt, key, product, rule, startedAt, subscription, variant
    /// One that the rule computes, by its place in the rule's `data`.
    case computed(Int)

    /// All of them and the computed ones in the order of the canonical form, so that a message is written down without sorting.
    static func inOrder(of computed: [String]) -> [MessageMember] {
        let own: [(String, MessageMember)] = [
            ("because", .because), ("cart", .cart), ("channel", .channel), ("customer", .customer), ("due_at", .dueAt),
            ("key", .key),
            ("product", .product), ("rule", .rule), ("started_at", .startedAt), ("subscription", .subscription),
            ("variant", .variant),
        ]
        let all = own + computed.enumerated().map { ($1, .computed($0)) }
        return all.sorted { CanonicalJSON.precedes($0.0, $1.0) }.map(\.1)
    }
}

/// Whom a product event reaches.
package enum Audience: Sendable, Equatable {
    case waitlist, wishlist, cart
    case viewed(within: Milliseconds)
    case segment(Int)

    package var interest: InterestKind? {
        switch self {
        case .waitlist: .waitlist
        case .wishlist: .wishlist
        case .cart: .cart
        case .viewed: .viewed
        case .segment: nil
        }
    }
}

/// One way in which an event name, or a change of a segment, starts or cancels a rule.
package struct Trigger: Sendable {
    package enum Action: Sendable { case start, cancel }

    package let rule: Int
    package let action: Action
    package let condition: Condition?
}

/// Triggers of one event with one condition.
struct TriggerGroup: Sendable {
    let condition: Condition?
    /// Into the event's triggers, ascending.
    var places: [Int]

    static func make(_ triggers: [Trigger], where isMeant: (Trigger) -> Bool) -> [TriggerGroup] {
        var groups: [TriggerGroup] = []
        var known: [Int: Int] = [:]
        for place in triggers.indices where isMeant(triggers[place]) {
            let condition = triggers[place].condition
            let number = condition?.number ?? -1
            if let group = known[number] {
                groups[group].places.append(place)
            } else {
                known[number] = groups.count
                groups.append(TriggerGroup(condition: condition, places: [place]))
            }
        }
        return groups
    }
}

package struct CalendarTrigger: Sendable {
    package let rule: Int
    /// Place among the rule's starts, which tells apart several calendars of one rule.
    package let index: Int
    package let days: [String: [Int]]
    package let before: Milliseconds
    package let minuteOfDay: Int
    /// Nil: everybody.
    package let segments: [Int]
}

package struct Segment: Sendable {
    package let name: String
    package let condition: Condition
    /// Window functions it reads: (series, window).
    package let windows: [(series: Int, window: Milliseconds)]
    /// `since` comparisons: the mark and the milliseconds at which the comparison may change (there and one later).
    package let since: [(mark: Int, constant: Milliseconds)]
    /// Segments it is made of.
    package let dependencies: [Int]
}

/// Which segments an event may change.
struct SegmentSensitivity: Sendable {
    /// Every event: something reads `last_seen`, `segments` …
    var always: [Int] = []
    /// Events that carry traits, a locale or a time zone.
    var context: [Int] = []
}

/// Everything a configuration declares about behaviour, compiled once: rules, segments, what is kept for them, and where each event
/// name leads. It never changes: the engine is given one, and a changed configuration gives another. A class only so that handing it on to a
/// condition costs one retain instead of twenty.
package final class RuleSet: Sendable {
    package let definitions: Definitions
    package let delivery: DeliveryPolicy
    package let vocabulary: Vocabulary
    package let rules: [Rule]
    package let segments: [Segment]
    package let series: [SeriesDefinition]
    /// The longest window any condition looks back over, by series.
    package let longest: [Milliseconds]
    /// Events whose first and last times are kept, by name.
    package let marks: [String]
    /// Rule order in which verdicts of one moment fall: by name.
    package let rank: [Int]
    let seriesByEvent: [[Int]]
    let markByEvent: [Int?]
    let triggersByEvent: [[Trigger]]
    /// By event name: its triggers by what they ask, so that what many rules ask is judged once and passed over at once. A rule with an audience is
    /// started by product events only, any other by its customer's own.
    private let triggerGroups: [(cancels: [TriggerGroup], starts: [TriggerGroup], audienceStarts: [TriggerGroup])]
    let entering: [[Trigger]]
    let leaving: [[Trigger]]
    let calendars: [CalendarTrigger]
    /// By event name: the segments it may change, those a segment is made of before it.
    let segmentsByEvent: [[Int]]
    /// The segments that an event with traits, a locale or a time zone may change besides.
    let segmentsByContext: [Int]
    /// By kind of interest: whether customers must be found by product.
    private let isIndexed: [Bool]
    /// Whether some rule's audience are those who have a product in their cart.
    let indexesCarts: Bool
    /// Segments whose members must be found: those of audiences.
    package let indexedSegments: [Int]
    /// Whether `Product Viewed` is kept as an interest: only if an audience or a condition mentions it.
    let keepsViews: Bool
    /// Stands for the names and texts of all segments and calendars: a profile judged by another number is judged anew, quietly.
    package let judgement: UInt64
    package let timeZone: @Sendable (String) -> TimeZone?
    /// All segments, those a segment is made of before it.
    let segmentOrder: [Int]
    /// By segment: what its condition is, if that is a count compared with a number.
    let thresholds: [CountThreshold?]
    /// For each segment, those made of it, directly or not.
    let dependents: [[Int]]
    /// Whether some trigger's condition reads `product`.
    let readsProductInTriggers: Bool
    /// Whether customers' events can concern product records at all.
    let usesProducts: Bool
    /// By event name: whether it has an effect on carts and the like, or triggers a rule. Other events are only counted.
    let acts: [Bool]
    /// By series: the parts of its property's path.
    let seriesPaths: [[String]]
    /// By series: the windows that segments look back over, each once.
    let windowMoments: [[Milliseconds]]
    /// By mark: the constants that segments compare its `since` with, each once.
    let sinceMoments: [[Milliseconds]]

    init(
        definitions: Definitions, vocabulary: Vocabulary, rules: [Rule], segments: [Segment], series: [SeriesDefinition],
        longest: [Milliseconds], marks: [String], rank: [Int], seriesByEvent: [[Int]], markByEvent: [Int?],
        triggersByEvent: [[Trigger]], entering: [[Trigger]], leaving: [[Trigger]], calendars: [CalendarTrigger],
        segmentsByEvent: [[Int]], sensitivity: SegmentSensitivity, indexedInterests: Set<InterestKind>, indexedSegments: [Int],
        keepsViews: Bool, judgement: UInt64, timeZone: @escaping @Sendable (String) -> TimeZone?, segmentOrder: [Int],
        dependents: [[Int]], readsProductInTriggers: Bool, usesProducts: Bool, acts: [Bool], seriesPaths: [[String]],
        windowMoments: [[Milliseconds]], sinceMoments: [[Milliseconds]]
    ) {
        self.definitions = definitions
        delivery = DeliveryPolicy(definitions, rules: rules, vocabulary, zoneNamed: timeZone)
        self.vocabulary = vocabulary
        self.rules = rules
        self.segments = segments
        self.series = series
        self.longest = longest
        self.marks = marks
        self.rank = rank
        self.seriesByEvent = seriesByEvent
        self.markByEvent = markByEvent
        self.triggersByEvent = triggersByEvent
        triggerGroups = triggersByEvent.map { triggers in
            (
                TriggerGroup.make(triggers) { $0.action == .cancel },
                TriggerGroup.make(triggers) { $0.action == .start && !rules[$0.rule].hasAudience },
                TriggerGroup.make(triggers) { $0.action == .start && rules[$0.rule].hasAudience }
            )
        }
        self.entering = entering
        self.leaving = leaving
        self.calendars = calendars
        segmentsByContext = sensitivity.context
        indexesCarts = indexedInterests.contains(.cart)
        isIndexed = InterestKind.allCases.map { indexedInterests.contains($0) }
        self.indexedSegments = indexedSegments
        self.keepsViews = keepsViews
        self.judgement = judgement
        self.timeZone = timeZone
        self.segmentOrder = segmentOrder
        thresholds = segments.map(\.condition.threshold)
        self.dependents = dependents
        self.readsProductInTriggers = readsProductInTriggers
        self.usesProducts = usesProducts
        self.acts = acts
        self.seriesPaths = seriesPaths
        self.windowMoments = windowMoments
        self.sinceMoments = sinceMoments
        self.segmentsByEvent = segmentsByEvent.map { own in
            Self.withDependents(own + sensitivity.always, order: segmentOrder, dependents)
        }
    }

    /// What a customer's own event may fire.
    func triggers(of event: EventName, _ action: Trigger.Action) -> [TriggerGroup] {
        let groups = triggerGroups[Int(event.index)]
        return action == .cancel ? groups.cancels : groups.starts
    }

    /// What a product's event may start.
    func audienceStarts(of event: EventName) -> [TriggerGroup] { triggerGroups[Int(event.index)].audienceStarts }

    /// Whether customers with this interest must be found by product.
    func indexes(_ kind: InterestKind) -> Bool { isIndexed[kind.order] }

    /// These segments and all that are made of them, in order, each once.
    func withDependents(_ indices: [Int]) -> [Int] { Self.withDependents(indices, order: segmentOrder, dependents) }

    private static func withDependents(_ indices: [Int], order: [Int], _ dependents: [[Int]]) -> [Int] {
        if indices.count <= 1, indices.allSatisfy({ dependents[$0].isEmpty }) { return indices }
        var wanted = Set(indices)
        for index in indices { wanted.formUnion(dependents[index]) }
        return order.filter { wanted.contains($0) }
    }

    package func rule(named name: String) -> Int? { rules.firstIndex { $0.name.same(as: name) } }
    package func segment(named name: String) -> Int? { segments.firstIndex { $0.name.same(as: name) } }

    /// Compiles definitions; all that is wrong comes back at once, with no rule set if any of it is an error.
    package static func compile(
        _ definitions: Definitions, timeZone: @escaping @Sendable (String) -> TimeZone?
    ) -> (rules: RuleSet?, issues: [Issue]) {
        var compiler = RuleCompiler(definitions: definitions, timeZone: timeZone)
        let rules = compiler.compile()
        let issues = compiler.issues.sorted { $0.position < $1.position }
        return (issues.contains { $0.severity == .error } ? nil : rules, issues)
    }
}
