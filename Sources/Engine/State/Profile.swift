/// Whose profile it is: a user id, or an anonymous id, which never equals a user id of the same spelling.
package struct CustomerKey: Hashable, Sendable {
    package var isAnonymous: Bool
    /// UTF-8 of the id.
    package var id: [UInt8]

    package init(isAnonymous: Bool, id: [UInt8]) {
        self.isAnonymous = isAnonymous
        self.id = id
    }

    private static let anonymous = "anonymous:"
    private static let user = "user:"

    /// As written in messages: the user id, or `anonymous:ID`. A user id that could be taken for that has `user:` before it, so that no two customers are
    /// ever written alike.
    package var text: String { prefix + String(decoding: id, as: UTF8.self) }

    /// - Parameter text: as `text` has it. Nil for an empty id, which is nobody's.
    package init?(text: String) {
        let isAnonymous = text.hasPrefix(Self.anonymous)
        let isMarked = !isAnonymous && Self.isAmbiguous(text.utf8)
        let id = text.utf8.dropFirst(isAnonymous ? Self.anonymous.utf8.count : isMarked ? Self.user.utf8.count : 0)
        guard !id.isEmpty else { return nil }
        self.init(isAnonymous: isAnonymous, id: Array(id))
    }

    private var prefix: String { isAnonymous ? Self.anonymous : Self.isAmbiguous(id) ? Self.user : "" }

    /// Whether a user id, or one with `user:` before it, looks like a visitor's.
    private static func isAmbiguous(_ id: some Collection<UInt8>) -> Bool {
        guard let first = id.first, first == UInt8(ascii: "a") || first == UInt8(ascii: "u") else { return false }
        var rest = id[...]
        while rest.starts(with: user.utf8) { rest = rest.dropFirst(user.utf8.count) }
        return rest.starts(with: anonymous.utf8)
    }

    /// The first 16 bytes of `text`, filled up with zeros: they tell most customers apart when they are put in order.
    var lead: (UInt64, UInt64) {
        var bytes = (UInt64(0), UInt64(0))
        let prefix = prefix.utf8
        withUnsafeMutableBytes(of: &bytes) { bytes in
            for (place, byte) in prefix.enumerated() { bytes[place] = byte }
            for place in 0..<min(id.count, bytes.count - prefix.count) { bytes[prefix.count + place] = id[place] }
        }
        return (bytes.0.bigEndian, bytes.1.bigEndian)
    }

    /// Order by the bytes of `text`.
    static func precedes(_ left: CustomerKey, _ right: CustomerKey) -> Bool {
        guard left.prefix == right.prefix else { return left.text.precedes(right.text) }
        return left.id.withUnsafeBufferPointer { left in right.id.withUnsafeBufferPointer { bytesPrecede(left, $0) } }
    }
}

/// A value and the event time that set it: newest event time wins, field by field.
package struct Stamped<Value: Sendable & Equatable>: Sendable, Equatable {
    package var value: Value
    package var at: Instant

    package init(_ value: Value, at: Instant) {
        self.value = value
        self.at = at
    }
}

/// A named value that an event set on a profile.
package struct Trait: Sendable, Equatable {
    package var name: String
    /// Packed JSON.
    package var value: [UInt8]
    package var at: Instant

    package var view: JSONView { JSONView(bytes: value, offset: 0) }
    /// Whether it is there: a null takes it away, and the time of that is remembered.
    package var isSet: Bool { view.tag != .null }
}

/// When an event of one name first and last happened; kept only for names that a condition asks `first`, `last`, `ever` or `since` of.
package struct Mark: Sendable, Equatable {
    /// Into the rule set's list of marked events.
    package var definition: Int
    package var first: Instant
    package var last: Instant
}

/// Membership of a segment.
package struct Membership: Sendable, Equatable {
    /// Into the rule set's segments.
    package var segment: Int
    package var enteredAt: Instant
}

/// What is remembered of instances of one rule and key after they ended: the last cancel, and the starts whose ids are used up.
/// Kept for as long as a late event may refer to it.
package struct Past: Sendable, Equatable {
    package var rule: Int
    /// Nil: a cancel that named no key and so reached every instance of the rule.
    package var key: String?
    @CompactInstant package var lastCancel: Instant?
    /// The last starts (ms) of instances that ended: a start that would give the same id again is ignored.
    package var endedStarts = Starts()
    /// Engine time of the newest entry, from which it is forgotten after `late_for`.
    package var keptFrom: Instant

    package init(rule: Int, key: String?, lastCancel: Instant? = nil, keptFrom: Instant) {
        self.rule = rule
        self.key = key
        self.keptFrom = keptFrom
        self.lastCancel = lastCancel
    }
}

/// Times of starts. Mostly it is one, which needs no memory of its own.
package struct Starts: Sendable, Equatable, Sequence {
    /// `.min`: none.
    private var latest = Instant.min
    /// Ascending.
    private var others: [Instant] = []

    package init() {}

    /// What they have allocated, in times.
    var capacity: Int { others.capacity }
    package var count: Int { latest == .min ? 0 : others.count + 1 }

    package mutating func insert(_ start: Instant) {
        if start < latest {
            let place = firstIndex(from: start)
            if place == others.count { others.appendTightly(start) } else { others.insert(start, at: place) }
        } else {
            if latest > .min { others.appendTightly(latest) }
            latest = start
        }
    }

    func contains(_ start: Instant) -> Bool {
        if start >= latest { return start == latest && latest > .min }
        let place = firstIndex(from: start)
        return place < others.count && others[place] == start
    }

    package mutating func remove(before bound: Instant) {
        guard latest > .min, others.first ?? latest < bound else { return }
        let kept = filter { $0 >= bound }
        self = Starts()
        for start in kept { insert(start) }
    }

    private func firstIndex(from start: Instant) -> Int { others.firstIndex(notBefore: { $0 < start }) }

    /// Ascending.
    package func makeIterator() -> AnyIterator<Instant> {
        var place = 0
        return AnyIterator {
            defer { place += 1 }
            return place < others.count ? others[place] : place == others.count && latest > .min ? latest : nil
        }
    }
}

/// A message of a rule to this customer: when its cooldown began.
package struct Sent: Sendable, Equatable {
    package var rule: Int
    package var at: Instant
}

/// All rolling state of one customer. A plain value: the engine holds it while it is warm, a store keeps its record.
package struct Profile: Sendable {
    /// Given in the order in which customers were first seen, from 1; never reused.
    package let number: Int64
    package let key: CustomerKey
    package var firstSeen: Instant
    package var lastSeen: Instant
    package var locale: Stamped<String>?
    package var timezone: Stamped<String>?
    package var traits: [Trait] = []
    package var carts = Carts()
    package var interests: [Interest] = []
    package var subscriptions: [Subscription] = []
    package var marks: [Mark] = []
    package var series: [Series] = []
    package var segments: [Membership] = []
    package var instances: [Instance] = []
    /// How many of them the stored record has; running ones are counted by the difference.
    var storedInstances = 0
    package var past: [Past] = []
    package var sent: [Sent] = []
    package var consent = Consent()
    package var sends: [Send] = []
    /// Counted only where some rule waits for a customer's best hour.
    package var activity = Activity()
    package var seen = SeenIDs()
    /// What events, orders and messages have ended of carts and interests.
    package var ended = Endings()
    /// Anonymous ids that became this user, in order.
    package var links: [[UInt8]] = []
    /// Local days (since 1970-01-01) for which a calendar start was taken, by rule.
    package var calendarDays: [CalendarDay] = []
    /// Of `past`, `sent` and `calendarDays` what belongs to rules that the configuration does not have, as it stands in the record: a rule that comes back keeps its
    /// cooldowns.
    var ofGoneRules: [UInt8] = []
    /// Segments of this rule set have been judged on it.
    package var judgedBy: UInt64 = 0
    /// No timer, segment change or calendar start is due before this time; it may be earlier than the first that is.
    package var wake: Instant = .max

    package init(number: Int64, key: CustomerKey, firstSeen: Instant) {
        self.number = number
        self.key = key
        self.firstSeen = firstSeen
        lastSeen = firstSeen
    }

    /// Nil also for one that was taken away by a null.
    package func trait(_ name: String) -> JSONView? {
        traits.first { $0.name.same(as: name) }.flatMap { $0.isSet ? $0.view : nil }
    }

    package func isMember(of segment: Int) -> Bool { segments.contains { $0.segment == segment } }

    /// Sets traits from an event's object; a null takes the trait away.
    package mutating func set(traits object: JSONView, at time: Instant) {
        let entries = object.entries
        guard entries.count > Self.few else {
            for (name, value) in entries { set(trait: name, value.packed, at: time) }
            return
        }
        // A look through all of them for each would take hours with a line full of them.
        var places: [[UInt8]: Int] = [:]
        for (place, trait) in traits.enumerated() { places[Array(trait.name.utf8)] = place }
        for (name, value) in entries {
            if let place = places[Array(name.utf8)] {
                set(traitAt: place, value.packed, at: time)
            } else {
                traits.append(Trait(name: name, value: value.packed, at: time))
            }
        }
    }

    private static let few = 64

    private mutating func set(traitAt index: Int, _ value: [UInt8], at time: Instant) {
        guard traits[index].at <= time else { return }
        traits[index].value = value
        traits[index].at = time
    }

    package mutating func set(trait name: String, _ value: [UInt8], at time: Instant) {
        if let index = traits.firstIndex(where: { $0.name.same(as: name) }) {
            set(traitAt: index, value, at: time)
        } else {
            traits.append(Trait(name: name, value: value, at: time))
        }
    }
}

/// A calendar start that was taken.
package struct CalendarDay: Sendable, Equatable {
    package var rule: Int
    /// `CalendarTrigger.id`.
    package var trigger: Int64
    package var day: Int
}

/// One run of a rule for one key, from start to verdict.
package struct Instance: Sendable, Equatable {
    package enum Phase: UInt8, Sendable {
        /// The wait runs, until `due`.
        case waiting
        /// The limit of its product is reached: it waits in line, without a deadline.
        case queued
        /// Judged, but held by a gate until `due`; dropped when it has been held for longer than the rule's `expires`.
        case held
    }

    // Customers who wait for products have hundreds of these: each field has the size it needs, in an order without gaps.

    private var ruleIndex: Int32
    /// Of the product's variant in the key, in bytes; negative without a product.
    private(set) var variantLength: Int32 = -1
    /// As in messages: a cart id, `ProductKey.text`, a subscription id, or `""` for the customer.
    package let key: String
    /// Event time of the last start.
    package var startedAt: Instant
    /// When it is to be judged.
    package var due: Instant
    /// When it was first due, from which `expires` counts, if it is held.
    @CompactInstant package var heldSince: Instant?
    /// Until when it waits, or has waited, for the customer's best hour; such a wait is taken once a start.
    @CompactInstant package var awaitedHour: Instant?
    /// The last 16 ids of events that started it.
    package var because = TextList()
    /// The event that last started it, for conditions: name, id, and properties if the rule reads them (packed JSON, else empty).
    package var eventName = ""
    package var eventID: String { isLastEvent ? because.last ?? "" : ownEventID }
    package var properties: [UInt8] = []
    var ownEventID = ""
    /// Its place in the audience of its start; 0 without one.
    package var place = 0
    package var phase: Phase = .waiting
    /// What has kept it from being decided since it was first due.
    package var delays = Delays()
    /// Whether the event that last started it is the last of `because`, as it mostly is: then its id is not kept twice.
    private var isLastEvent = false

    /// Into the rule set's rules.
    package var rule: Int { Int(ruleIndex) }
    /// The product of a `per: product` rule, whose text is the key.
    package var product: ProductKey? {
        variantLength < 0 ? nil : ProductKey(text: key, variantLength: Int(variantLength))
    }

    package init(rule: Int, key: String, product: ProductKey? = nil, startedAt: Instant, due: Instant) {
        ruleIndex = Int32(rule)
        self.key = product?.text ?? key
        variantLength = product.map { Int32(clamping: $0.variant.utf8.count) } ?? -1
        self.startedAt = startedAt
        self.due = due
    }

    /// Adds the id of an event that started it, but was not the last to do so.
    mutating func add(because id: String) {
        guard !id.isEmpty else { return }
        if isLastEvent {
            ownEventID = eventID
            isLastEvent = false
        }
        append(because: id)
    }

    private mutating func append(because id: String) {
        because.append(id)
        if because.count > 16 { because.removeFirst() }
    }

    /// Started once more, it has been kept by nothing.
    mutating func forgetDelays() {
        heldSince = nil
        awaitedHour = nil
        delays = Delays()
    }

    /// As a record has it.
    mutating func set(eventID id: String) {
        isLastEvent = because.last?.same(as: id) ?? false
        ownEventID = isLastEvent ? "" : id
    }

    /// Starts it once more.
    mutating func restart(_ rule: Rule, at time: Instant, id: String, name: String, kept: [UInt8]) {
        // A late start does not move the deadline back.
        guard time >= startedAt else {
            add(because: id)
            return
        }
        startedAt = time
        due = time + rule.wait
        phase = .waiting
        forgetDelays()
        remember(kept, id: id, name: name)
    }

    /// Notes the event that starts it, with what is kept of it (`Rule.keep`).
    mutating func remember(_ kept: [UInt8], id: String, name: String) {
        isLastEvent = !id.isEmpty
        ownEventID = ""
        if isLastEvent { append(because: id) }
        eventName = name
        properties = kept
    }
}

extension Rule {
    /// What each of an event's instances keeps of its properties (packed JSON): what the rule's conditions mention.
    ///
    /// A line of a mebibyte may start thousands of instances. Beyond some kibibytes for each, and a mebibyte for all together, they keep what is left
    /// without the list `products`, of which each has its own product; if that is too much still, nothing.
    func keep(_ properties: JSONView?, forEachOf count: Int) -> [UInt8] {
        guard let properties else { return [] }
        func isTooMuch(_ packed: [UInt8]) -> Bool {
            packed.count > Self.keptByEach && packed.count > Self.keptByAll / count
        }
        let packed = kept.packed(of: properties)
        guard count > 1, isTooMuch(packed) else { return packed }
        let less = kept.packed(of: properties, but: "products")
        return isTooMuch(less) ? [] : less
    }

    private static let keptByEach = 4 << 10
    private static let keptByAll = 1 << 20
}
