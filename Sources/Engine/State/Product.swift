/// A customer's interest as a product knows it: whom to ask when something happens to the product.
package struct Follower: Sendable, Equatable {
    package var kind: InterestKind
    package var customer: Int64
    package var since: Instant

    package init(kind: InterestKind, customer: Int64, since: Instant) {
        self.kind = kind
        self.customer = customer
        self.since = since
    }

    static func precedes(_ left: Follower, _ right: (kind: InterestKind, customer: Int64)) -> Bool {
        left.customer != right.customer ? left.customer < right.customer : left.kind.order < right.kind.order
    }
}

extension InterestKind {
    /// Place in the list of kinds, for sorting.
    var order: Int {
        switch self {
        case .waitlist: 0
        case .wishlist: 1
        case .viewed: 2
        case .cart: 3
        }
    }
}

/// The line of one rule at one product: who has been taken, who waits, and what the last start was.
package struct AudienceLine: Sendable, Equatable {
    package struct Place: Sendable, Equatable {
        package var place: Int
        package var customer: Int64

        package init(place: Int, customer: Int64) {
            self.place = place
            self.customer = customer
        }
    }

    /// Into the rule set's rules.
    package var rule: Int
    package var startedAt: Instant
    /// Running or held, ascending by place.
    package var active: [Place] = []
    /// In line, ascending by place.
    package var waiting: [Place] = []
    package var nextPlace = 0
    /// Whose turn it is, apart from who stands in it.
    package var turn = Turn()

    package struct Turn: Sendable, Equatable {
        /// Published since the last start (or the last turn of the pace).
        package var published = 0
        /// Those are the messages after this sequence; nil if it is not known which.
        package var publishedAfter: Int64?
        /// When the pace judges the limit anew; nil without a pace, or once its condition failed.
        package var paceDue: Instant?
        /// A share has become free and the next in line is to be taken.
        package var isOpen = false
    }

    package var published: Int {
        get { turn.published }
        set { turn.published = newValue }
    }
    package var publishedAfter: Int64? {
        get { turn.publishedAfter }
        set { turn.publishedAfter = newValue }
    }
    package var paceDue: Instant? {
        get { turn.paceDue }
        set { turn.paceDue = newValue }
    }
    package var isOpen: Bool {
        get { turn.isOpen }
        set { turn.isOpen = newValue }
    }

    package init(rule: Int, startedAt: Instant) {
        self.rule = rule
        self.startedAt = startedAt
    }

    /// Counts anew what is published, as the next start or turn of the pace does.
    mutating func resetPublished(after sequence: Int64) {
        turn.published = 0
        turn.publishedAfter = sequence
    }

    /// Takes a customer out, wherever that is.
    mutating func remove(_ customer: Int64) {
        active.removeAll { $0.customer == customer }
        waiting.removeAll { $0.customer == customer }
    }

    /// Takes out the customer of a place.
    mutating func remove(_ customer: Int64, at place: Int) {
        if !Self.remove(customer, at: place, from: &active), !Self.remove(customer, at: place, from: &waiting) {
            remove(customer)
        }
    }

    private static func remove(_ customer: Int64, at place: Int, from list: inout [Place]) -> Bool {
        let index = firstIndex(in: list, from: place)
        guard index < list.count, list[index].place == place, list[index].customer == customer else { return false }
        list.remove(at: index)
        return true
    }

    /// How many run or are held, up to and including a place.
    func active(upTo place: Int) -> Int { Self.firstIndex(in: active, from: place + 1) }

    /// The index of the first whose place is not before `place`.
    private static func firstIndex(in list: [Place], from place: Int) -> Int {
        if let last = list.last, last.place < place { return list.count }
        return list.firstIndex(notBefore: { $0.place < place })
    }

    mutating func replace(_ customer: Int64, by other: Int64) {
        for index in active.indices where active[index].customer == customer { active[index].customer = other }
        for index in waiting.indices where waiting[index].customer == customer { waiting[index].customer = other }
    }

    static func insert(_ place: Place, into list: inout [Place]) {
        list.insert(place, at: firstIndex(in: list, from: place.place + 1))
    }
}

/// All that is kept of one product.
package struct Product: Sendable {
    package let key: ProductKey
    package var facts = ProductFacts()
    /// Ascending by (customer, kind); only the kinds that some rule's audience asks for.
    package var followers: [Follower] = []
    package var lines: [AudienceLine] = []
    package var seen = SeenIDs()
    /// Changes of `followers` since the last commit, in order.
    package var followerChanges: [(follower: Follower, isRemoval: Bool)] = []

    package init(key: ProductKey) { self.key = key }

    private func place(_ kind: InterestKind, _ customer: Int64) -> (index: Int, found: Bool) {
        let index = followers.firstIndex(notBefore: { Follower.precedes($0, (kind, customer)) })
        return (index, index < followers.count && followers[index].customer == customer && followers[index].kind == kind)
    }

    mutating func follow(_ kind: InterestKind, _ customer: Int64, since: Instant) {
        let (index, found) = place(kind, customer)
        let follower = Follower(kind: kind, customer: customer, since: since)
        if found {
            if followers[index].since == since { return }
            followers[index] = follower
        } else {
            followers.insert(follower, at: index)
        }
        followerChanges.append((follower, false))
    }

    mutating func unfollow(_ kind: InterestKind, _ customer: Int64) {
        let (index, found) = place(kind, customer)
        guard found else { return }
        followerChanges.append((followers.remove(at: index), true))
    }

    /// The earliest pace of its lines, or now if a share is free.
    func wake(now: Instant) -> Instant {
        lines.reduce(Instant.max) { min($0, $1.isOpen && !$1.waiting.isEmpty ? now : $1.paceDue ?? .max) }
    }
}
