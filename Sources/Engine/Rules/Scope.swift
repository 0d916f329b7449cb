import CEL

/// What a segment's condition is judged against: a profile alone. What such conditions mostly ask is answered here without the
/// room that `Scope` needs for an event and its subject; this is on the hot path.
struct ProfileScope: Host {
    // Both outlive the call that is given this; to count references for each judgement would cost as much as the judgement.
    unowned(unsafe) let condition: Condition
    unowned(unsafe) let rules: RuleSet
    let profile: UnsafePointer<Profile>
    let now: Instant

    func load(_ reference: Int, of program: Program) -> Loaded {
        switch condition.references[reference].referent {
        case .count(let index, let window):
            return .value(.int(Int(profile.pointee.count(index, now: now, window: window, of: rules))))
        case .ever(let mark): return .value(.bool(profile.pointee.marks.contains { $0.definition == mark }))
        case .member(let segment): return .value(.bool(profile.pointee.isMember(of: segment)))
        default: return scope.load(reference, of: program)
        }
    }

    func has(_ reference: Int, of program: Program) -> Bool { scope.has(reference, of: program) }

    func call(_ call: Int, of program: Program, target: Value?, arguments: [Value]) -> Loaded {
        scope.call(call, of: program, target: target, arguments: arguments)
    }

    private var scope: Scope { Scope(condition: condition, rules: rules, profile: profile, now: now) }
}

/// What a condition is judged against. It borrows the profile by address, because a copy of a profile is a dozen retains; it never
/// outlives the call that made it.
struct Scope: Host {
    let condition: Condition
    let rules: RuleSet
    let profile: UnsafePointer<Profile>?
    let now: Instant
    var eventName = ""
    var eventID = ""
    var eventTime: Instant = 0
    var properties: JSONView?
    /// The cart, product and subscription of the rule's key, or of the event.
    var cartID: String?
    var product: ProductKey?
    var facts: ProductFacts?
    var subscriptionID: String?
    /// The interest kinds of the rule's audience, in order of preference; empty: any.
    var interestKinds: [InterestKind] = []

    func load(_ reference: Int, of program: Program) -> Loaded {
        let entry = condition.references[reference]
        return walk(value(of: entry.referent, arguments: entry.arguments, keys: entry.keys), entry.referent, entry.keys)
    }

    func has(_ reference: Int, of program: Program) -> Bool {
        let entry = condition.references[reference]
        // Whether a property is there does not need its value.
        if case .eventProperties = entry.referent { return Self.find(properties, entry.keys) != nil }
        if case .value = load(reference, of: program) { return true }
        return false
    }

    func call(_ call: Int, of program: Program, target: Value?, arguments: [Value]) -> Loaded {
        value(of: condition.calls[call], arguments: arguments, keys: [])
    }

    func size(of reference: Int, of program: Program) -> Int? {
        guard case .cart("items") = condition.references[reference].referent, condition.references[reference].keys.isEmpty,
            let profile
        else { return nil }
        return cartID.flatMap { id in profile.pointee.carts.index(id: id).map { profile.pointee.carts.list[$0].lines.count } }
            ?? 0
    }

    /// Follows the keys below a referent whose value has been built; properties and traits have followed them already.
    private func walk(_ loaded: Loaded, _ referent: Referent, _ keys: [Key]) -> Loaded {
        switch referent {
        case .eventProperties, .traits: return loaded
        default: break
        }
        guard !keys.isEmpty, case .value(var value) = loaded else { return loaded }
        for key in keys {
            switch (value, key) {
            case (.map(let map), _):
                guard let next = map[key] else { return .absent }
                value = next
            case (.list(let list), .int(let index)) where list.indices.contains(index): value = list[index]
            default: return .absent
            }
        }
        return .value(value)
    }

    private func value(of referent: Referent, arguments: [Value], keys: [Key]) -> Loaded {
        switch referent {
        case .eventName: return .value(.string(eventName))
        case .eventID: return eventID.isEmpty ? .absent : .value(.string(eventID))
        case .eventTime: return Self.time(eventTime)
        case .eventProperties: return Self.follow(properties, keys)
        case .now: return Self.time(now)
        case .distance: return Self.distance(arguments)
        case .days:
            guard case .int(let count)? = arguments.first, (-99_999...99_999).contains(count) else {
                return .error("days() takes a number of days")
            }
            return .value(.duration(count * 86_400_000_000_000))
        case .money:
            guard let number = arguments.first.flatMap(Self.number), let amount = Decimal(number)?.roundedToCents else {
                return .error("money() takes a number")
            }
            return .value(.string(amount.money))
        case .product(let field): return productField(field)
        case .nothing(let what): return .error("\(what) has no value of its own")
        default: break
        }
        guard let profile else { return .error("there is no customer here") }
        switch referent {
        case .cart(let field): return Self.cartField(field, cartID, in: profile.pointee.carts)
        case .subscription(let field): return subscriptionField(field, profile)
        case .interest(let field): return interestField(field, profile)
        default: return profileValue(referent, arguments, keys, profile)
        }
    }

    // MARK: The profile

    private func profileValue(_ referent: Referent, _ arguments: [Value], _ keys: [Key], _ profile: UnsafePointer<Profile>)
        -> Loaded
    {
        func text(_ stamped: Stamped<String>?) -> Loaded { stamped.map { .value(.string($0.value)) } ?? .absent }
        switch referent {
        case .profileID: return .value(.string(String(decoding: profile.pointee.key.id, as: UTF8.self)))
        case .profileAnonymous: return .value(.bool(profile.pointee.key.isAnonymous))
        case .firstSeen: return Self.time(profile.pointee.firstSeen)
        case .lastSeen: return Self.time(profile.pointee.lastSeen)
        case .locale: return text(profile.pointee.locale)
        case .timezone: return text(profile.pointee.timezone)
        case .traits:
            guard case .string(let name)? = keys.first else {
                return .value(
                    .map(ValueMap(profile.pointee.traits.filter(\.isSet).map { (Key.string($0.name), Value($0.view)) })))
            }
            return Self.follow(profile.pointee.trait(name), Array(keys.dropFirst()))
        case .segments: return .value(.list(profile.pointee.segments.map { .string(rules.graph.segments[$0.segment].name) }))
        case .member(let segment): return .value(.bool(profile.pointee.isMember(of: segment)))
        case .ever(let mark): return .value(.bool(profile.pointee.marks.contains { $0.definition == mark }))
        case .first(let mark):
            guard let mark = profile.pointee.marks.first(where: { $0.definition == mark }) else { return .absent }
            return Self.time(mark.first)
        case .last(let mark):
            guard let mark = profile.pointee.marks.first(where: { $0.definition == mark }) else { return .absent }
            return Self.time(mark.last)
        case .since(let mark):
            guard let mark = profile.pointee.marks.first(where: { $0.definition == mark }) else {
                return .value(.duration(Int.max))
            }
            // Beyond 292 years, of a log that has the year 1 for "unknown", it is as long as a duration can be.
            let (nanoseconds, overflow) = Int(now - mark.last).multipliedReportingOverflow(by: 1_000_000)
            return .value(.duration(overflow ? (now < mark.last ? -Int.max : Int.max) : nanoseconds))
        case .count(let index, let window):
            return .value(.int(Int(profile.pointee.count(index, now: now, window: window, of: rules))))
        case .sum(let index, let window):
            return .value(.double(live(index, window, profile).reduce(Decimal.zero) { $0 + $1.sum }.double))
        case .average(let index, let window):
            let live = live(index, window, profile)
            let count = live.reduce(0) { $0 + Int($1.count) }
            guard count > 0 else { return .absent }
            return .value(.double(live.reduce(Decimal.zero) { $0 + $1.sum }.double / Double(count)))
        case .minimum(let index, let window):
            return live(index, window, profile).map(\.low).min().map { .value(.double($0.double)) } ?? .absent
        case .maximum(let index, let window):
            return live(index, window, profile).map(\.high).max().map { .value(.double($0.double)) } ?? .absent
        case .distinct(let index, let window): return .value(.int(live(index, window, profile).count))
        case .top(let index, let window): return Self.mostFrequent(live(index, window, profile))
        case .ordered(let index, let window):
            guard case .string(let id)? = arguments.first else { return .error("ordered() takes a product id") }
            return .value(.bool(live(index, window, profile).contains { $0.value.elementsEqual(id.utf8) }))
        default: return .absent
        }
    }

    fileprivate static func series(_ definition: Int, _ profile: UnsafePointer<Profile>) -> Int? {
        profile.pointee.series.firstIndex { $0.definition == definition }
    }

    private func live(_ index: Int, _ window: Milliseconds?, _ profile: UnsafePointer<Profile>) -> ArraySlice<Bucket> {
        guard let series = Self.series(index, profile) else { return [] }
        return profile.pointee.series[series].live(now: now, window: window, width: rules.statistics.series[index].width)
    }

    /// The value that occurred most often; of equally frequent ones the smallest.
    private static func mostFrequent(_ buckets: ArraySlice<Bucket>) -> Loaded {
        var counts: [(value: [UInt8], count: Int)] = []
        // Looked through where there are few values, else found by a table.
        var places: [[UInt8]: Int]? = buckets.count > 16 ? [:] : nil
        for bucket in buckets {
            let known = places.map { $0[bucket.value] } ?? counts.firstIndex { $0.value == bucket.value }
            if let known {
                counts[known].count += Int(bucket.count)
            } else {
                places?[bucket.value] = counts.count
                counts.append((bucket.value, Int(bucket.count)))
            }
        }
        func view(_ value: [UInt8]) -> JSONView { JSONView(bytes: value, offset: 0) }
        let best = counts.min { $0.count != $1.count ? $0.count > $1.count : view($0.value).precedes(view($1.value)) }
        return best.map { .value(Value(view($0.value))) } ?? .absent
    }

    // MARK: The subject

    static func cartField(_ field: String, _ id: String?, in carts: Carts) -> Loaded {
        let cart = id.flatMap { id in carts.index(id: id).map { carts.list[$0] } }
        switch field {
        case "id": return id.map { .value(.string($0)) } ?? .absent
        case "items": return .value(.list((cart?.lines ?? []).map { .map($0.values) }))
        case "total": return (cart?.total ?? nil).map { .value(.double($0.amount.double)) } ?? .absent
        case "currency": return (cart?.total?.currency).map { .value(.string($0)) } ?? .absent
        case "updated_at": return cart.map { Self.time($0.touchedAt) } ?? .absent
        default: return .absent
        }
    }

    private func productField(_ field: String) -> Loaded {
        guard let product else { return .absent }
        func number(_ value: Decimal?) -> Loaded { value.map { .value(.double($0.double)) } ?? .absent }
        func text(_ value: String?) -> Loaded { value.map { .value(.string($0)) } ?? .absent }
        switch field {
        case "id": return .value(.string(product.id))
        case "variant": return .value(.string(product.variant))
        case "available": return number(facts?.available)
        case "was_available": return number(facts?.wasAvailable ?? .zero)
        case "price": return number(facts?.price)
        case "was_price": return number(facts?.wasPrice)
        case "currency": return text(facts?.currency)
        case "name": return text(facts?.name)
        case "url": return text(facts?.url)
        case "image_url": return text(facts?.imageURL)
        default: return .absent
        }
    }

    private func subscriptionField(_ field: String, _ profile: UnsafePointer<Profile>) -> Loaded {
        guard let id = subscriptionID, let subscription = profile.pointee.subscriptions.first(where: { $0.id.same(as: id) })
        else {
            return .absent
        }
        func time(_ value: Instant?) -> Loaded { value.map { Self.time($0) } ?? .absent }
        switch field {
        case "id": return .value(.string(subscription.id))
        case "status": return .value(.string(subscription.status.rawValue))
        case "issue_open": return .value(.bool(subscription.issueOpen))
        case "issue_since": return time(subscription.issueSince)
        case "attempts": return .value(.int(subscription.attempts))
        case "grace_ends": return time(subscription.graceEnds)
        case "next_attempt": return time(subscription.nextAttempt)
        case "decline": return subscription.decline.map { .value(.string($0.rawValue)) } ?? .absent
        case "amount": return subscription.amount.map { .value(.double($0.double)) } ?? .absent
        case "currency": return subscription.currency.map { .value(.string($0)) } ?? .absent
        default: return .absent
        }
    }

    private func interestField(_ field: String, _ profile: UnsafePointer<Profile>) -> Loaded {
        guard let product, let interest = profile.pointee.interest(in: product, kinds: interestKinds, at: now, rules.definitions)
        else { return .absent }
        switch field {
        case "kind": return .value(.string(interest.kind.rawValue))
        case "since": return Self.time(interest.since)
        case "last": return Self.time(interest.last)
        case "count": return .value(.int(Int(interest.count)))
        case "price": return interest.price.map { .value(.double($0.double)) } ?? .absent
        case "currency": return interest.currency.map { .value(.string($0)) } ?? .absent
        default: return .absent
        }
    }

    // MARK: Values

    /// Absent beyond the years that CEL's timestamps cover.
    private static func time(_ milliseconds: Instant) -> Loaded {
        Timestamp(milliseconds: Int(milliseconds)).map { .value(.timestamp($0)) } ?? .absent
    }

    private static func follow(_ view: JSONView?, _ keys: [Key]) -> Loaded {
        find(view, keys).map { .value(Value($0)) } ?? .absent
    }

    private static func find(_ view: JSONView?, _ keys: [Key]) -> JSONView? {
        guard var view else { return nil }
        for key in keys {
            switch key {
            case .string(let name):
                guard let next = view[name] else { return nil }
                view = next
            case .int(let index):
                let elements = view.elements
                guard elements.indices.contains(index) else { return nil }
                view = elements[index]
            default: return nil
            }
        }
        return view
    }

    private static func number(_ value: Value) -> Double? {
        switch value {
        case .double(let number): number
        case .int(let number): Double(number)
        case .uint(let number): Double(number)
        default: nil
        }
    }

    /// Metres between two points given in degrees, on a sphere of the Earth's mean radius (haversine formula).
    private static func distance(_ arguments: [Value]) -> Loaded {
        let numbers = arguments.compactMap(number)
        guard numbers.count == 4 else { return .error("distance() takes four numbers: lat1, lon1, lat2, lon2") }
        let degree = Double.pi / 180
        let (a, b) = (numbers[0] * degree, numbers[2] * degree)
        let sineLatitude = Trigonometry.sine((b - a) / 2)
        let sineLongitude = Trigonometry.sine((numbers[3] - numbers[1]) * degree / 2)
        let square =
            sineLatitude * sineLatitude + Trigonometry.cosine(a) * Trigonometry.cosine(b) * sineLongitude * sineLongitude
        return .value(.double(2 * 6_371_008.8 * Trigonometry.arcsine(min(1, square).squareRoot())))
    }
}

extension CartLine {
    /// As a condition and a message's data see it.
    var values: ValueMap {
        var fields: [(name: String, value: Value)] = [("product_id", .string(product.id))]
        fields.reserveCapacity(8)
        func add(_ name: String, _ value: Value?) { if let value { fields.append((name, value)) } }
        add("variant", product.variant.isEmpty ? nil : .string(product.variant))
        add("quantity", .double(quantity.double))
        add("price", price.map { .double($0.double) })
        add("currency", currency.map { .string($0) })
        add("name", name.map { .string($0) })
        add("url", url.map { .string($0) })
        add("image_url", imageURL.map { .string($0) })
        return ValueMap(fields: fields)
    }
}

extension Profile {
    /// The customer's interest in a product that holds now; of several the first of `kinds`, or of any kind if it is empty. The cart kind is
    /// read off the carts.
    package func interest(
        in product: ProductKey, kinds: [InterestKind], at now: Instant, _ definitions: Definitions
    ) -> Interest? {
        for kind in kinds.isEmpty ? InterestKind.allCases : kinds {
            if kind == .cart {
                for cart in carts.list.reversed() {
                    if let line = cart.lines.first(where: { $0.product == product }) {
                        return Interest(
                            kind: .cart, product: product, since: line.since, last: line.changedAt, count: 1,
                            price: line.priceThen,
                            currency: line.currency)
                    }
                }
            } else if let interest = interests.first(where: {
                $0.kind == kind && $0.product == product && $0.holds(at: now, definitions)
            }) {
                return interest
            }
        }
        return nil
    }
}

extension Value {
    /// A JSON value as CEL sees it: every number is a double.
    package init(_ view: JSONView) {
        switch view.tag {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .double, .int, .uint: self = .double(view.number ?? 0)
        case .string: self = .string(view.string ?? "")
        case .array: self = .list(view.elements.map(Value.init))
        case .object: self = .map(ValueMap(view.entries.map { (Key.string($0.key), Value($0.value)) }))
        }
    }
}
