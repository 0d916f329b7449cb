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
    /// What its conditions at the deadline read of the starting event's properties, and what they find their subject by.
    let kept: KeptProperties
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
        kept: KeptProperties, readsProduct: Bool
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
        self.kept = kept
        self.readsProduct = readsProduct
        interestKinds = audience.compactMap(\.interest)
        messageMembers = MessageMember.inOrder(of: data.map(\.key))
        traitsInOrder = include.sorted(by: CanonicalJSON.precedes)
    }
}

/// Which properties of the event that starts it an instance keeps: those that its rule's conditions mention, and no others (`rules.md`, Conditions).
enum KeptProperties: Sendable, Equatable {
    /// A condition asks for them as a whole.
    case all
    /// Sorted; the top-level names.
    case named([String])

    /// What tells which cart, product and subscription an event is about.
    private static let subject = [
        "cart_id", "checkout_id", "order_id", "product_id", "products", "sku", "subscription_id", "variant",
    ]

    /// - Parameter findSubject: the conditions ask for a cart, product or subscription that only the event names.
    init(_ conditions: [Condition], findSubject: Bool) {
        var names = Set(findSubject ? Self.subject : [])
        for (referent, keys, _) in conditions.flatMap(\.references) where referent == .eventProperties {
            guard case .string(let name)? = keys.first else {
                self = .all
                return
            }
            names.insert(name)
        }
        self = .named(names.sorted { $0.precedes($1) })
    }

    /// Whether a condition finds all that it reads.
    func covers(_ condition: Condition) -> Bool {
        switch (self, KeptProperties([condition], findSubject: false)) {
        case (.all, _): true
        case (.named, .all): false
        case (.named(let kept), .named(let read)): read.allSatisfy { name in kept.contains { $0.same(as: name) } }
        }
    }

    /// Packed; empty if there is nothing.
    func packed(of properties: JSONView, but left: String? = nil) -> [UInt8] {
        var entries: [(key: String, value: JSONView)]
        switch self {
        case .all where left == nil: return properties.packed
        case .all: entries = properties.entries
        case .named([]): return []
        case .named(let names): entries = properties.entries.filter { entry in names.contains { $0.same(as: entry.key) } }
        }
        if let left { entries.removeAll { $0.key.same(as: left) } }
        guard !entries.isEmpty else { return [] }
        var writer = PackedJSON.Writer()
        let mark = writer.open(.object)
        for entry in entries {
            writer.key(entry.key.utf8)
            writer.value(entry.value)
        }
        writer.close(mark, count: entries.count)
        return writer.bytes
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
