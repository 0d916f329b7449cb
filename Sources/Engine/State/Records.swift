import CEL

/// A customer as a store keeps it: plain columns, JSON where people read it, and bytes where there is much of it.
///
/// The columns are the documented schema of the `customer` table. JSON columns are nil when empty, so that a visitor of one page costs a
/// few dozen bytes.
package struct CustomerRecord: Sendable {
    package var number: Int64
    package var isAnonymous: Bool
    package var id: [UInt8]
    package var firstSeen: Instant
    package var lastSeen: Instant
    package var locale: String?
    package var timezone: String?
    /// Nothing is due before this (ms); nil: nothing at all.
    package var wake: Instant?
    package var judgedBy: Int64
    package var traits: [UInt8]?
    package var carts: [UInt8]?
    package var interests: [UInt8]?
    package var subscriptions: [UInt8]?
    package var segments: [UInt8]?
    package var timers: [UInt8]?
    /// First and last times, windows, past starts and cancels, cooldowns, times of locale and time zone.
    package var rolling: [UInt8]?
    /// 24 bytes for each id that counted: digest and event time.
    package var seen: [UInt8]?

    package init(
        number: Int64, isAnonymous: Bool, id: [UInt8], firstSeen: Instant, lastSeen: Instant, locale: String?, timezone: String?,
        wake: Instant?, judgedBy: Int64
    ) {
        self.number = number
        self.isAnonymous = isAnonymous
        self.id = id
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.locale = locale
        self.timezone = timezone
        self.wake = wake
        self.judgedBy = judgedBy
    }
}

/// A product as a store keeps it; its followers are rows of their own.
package struct ProductRecord: Sendable {
    package var key: ProductKey
    package var facts: [UInt8]
    package var lines: [UInt8]?
    package var seen: [UInt8]?
    package var wake: Instant?

    package init(key: ProductKey, facts: [UInt8], lines: [UInt8]?, seen: [UInt8]?, wake: Instant?) {
        self.key = key
        self.facts = facts
        self.lines = lines
        self.seen = seen
        self.wake = wake
    }
}

/// Names of the rule set a record was written under are kept in the record, so that it can be read under another one.
struct RecordWriter {
    let rules: RuleSet

    func record(_ profile: Profile) -> CustomerRecord {
        var record = CustomerRecord(
            number: profile.number, isAnonymous: profile.key.isAnonymous, id: profile.key.id, firstSeen: profile.firstSeen,
            lastSeen: profile.lastSeen, locale: profile.locale?.value, timezone: profile.timezone?.value,
            wake: profile.wake == .max ? nil : profile.wake, judgedBy: Int64(bitPattern: profile.judgedBy))
        record.traits = RecordJSON.array(profile.traits) { trait, json in
            json.member("at", trait.at)
            json.member("name", trait.name)
            json.key("value")
            json.value(trait.view)
        }
        record.carts = RecordJSON.array(profile.carts.list, cart)
        record.interests = RecordJSON.array(profile.interests, interest)
        record.subscriptions = RecordJSON.array(profile.subscriptions, subscription)
        record.segments = RecordJSON.array(profile.segments) { membership, json in
            json.member("entered_at", membership.enteredAt)
            json.member("name", rules.segments[membership.segment].name)
        }
        record.timers = RecordJSON.array(profile.instances, instance)
        let rolling = rolling(profile)
        record.rolling = rolling
        if !profile.seen.isEmpty { record.seen = Self.seen(profile.seen) }
        return record
    }

    func record(_ product: Product, now: Instant) -> ProductRecord {
        let facts = product.facts
        var fields: [(key: String, value: CanonicalJSON)] = []
        fields.add("available", facts.available)
        fields.add("was_available", facts.wasAvailable)
        fields.add("available_at", facts.availableAt)
        fields.add("price", facts.price)
        fields.add("was_price", facts.wasPrice)
        fields.add("price_at", facts.priceAt)
        fields.add("currency", facts.currency)
        fields.add("name", facts.name)
        fields.add("url", facts.url)
        fields.add("image_url", facts.imageURL)
        let wake = product.wake(now: now)
        return ProductRecord(
            key: product.key, facts: CanonicalJSON.object(fields).bytes,
            lines: array(product.lines) { line in
                func places(_ places: [AudienceLine.Place]) -> CanonicalJSON {
                    .array(places.map { .array([.number(Double($0.place)), .number(Double($0.customer))]) })
                }
                var fields: [(key: String, value: CanonicalJSON)] = [
                    ("rule", .string(rules.rules[line.rule].name)), ("started_at", .time(line.startedAt)),
                    ("active", places(line.active)), ("waiting", places(line.waiting)),
                    ("published", .number(Double(line.published))),
                    ("next_place", .number(Double(line.nextPlace))), ("open", .bool(line.isOpen)),
                ]
                fields.add("pace_due", line.paceDue)
                return .object(fields)
            }, seen: product.seen.isEmpty ? nil : Self.seen(product.seen), wake: wake == .max ? nil : wake)
    }

    private func array<Element>(_ elements: [Element], _ json: (Element) -> CanonicalJSON) -> [UInt8]? {
        elements.isEmpty ? nil : CanonicalJSON.array(elements.map(json)).bytes
    }

    private func cart(_ cart: Cart, _ json: inout RecordJSON) {
        json.member("id", cart.id)
        json.key("items")
        json.array { json in
            for line in cart.lines {
                json.object { json in
                    json.member("changed_at", line.changedAt)
                    json.member("currency", line.currency)
                    json.member("described_at", line.describedAt)
                    json.member("image_url", line.imageURL)
                    json.member("name", line.name)
                    json.member("price", line.price)
                    json.member("price_then", line.priceThen)
                    json.member("product_id", line.product.id)
                    json.member("quantity", line.quantity.text)
                    json.member("since", line.since)
                    json.member("url", line.url)
                    if !line.product.variant.isEmpty { json.member("variant", line.product.variant) }
                }
            }
        }
        if !cart.links.isEmpty {
            json.key("links")
            json.array { json in for link in cart.links { json.value(link) } }
        }
        json.member("snapshot_at", cart.snapshotAt)
        json.member("touched_at", cart.touchedAt)
    }

    private func interest(_ interest: Interest, _ json: inout RecordJSON) {
        json.member("count", Int64(interest.count))
        json.member("currency", interest.currency)
        json.member("kind", interest.kind.rawValue)
        json.member("last", interest.last)
        json.member("price", interest.price)
        json.member("product_id", interest.product.id)
        json.member("since", interest.since)
        if !interest.product.variant.isEmpty { json.member("variant", interest.product.variant) }
    }

    private func subscription(_ subscription: Subscription, _ json: inout RecordJSON) {
        json.member("amount", subscription.amount)
        json.member("attempts", Int64(subscription.attempts))
        json.member("currency", subscription.currency)
        json.member("decline", subscription.decline?.rawValue)
        json.member("grace_ends", subscription.graceEnds)
        json.member("id", subscription.id)
        json.key("issue_open")
        json.value(subscription.issueOpen)
        json.member("issue_since", subscription.issueSince)
        json.member("last_failure", subscription.lastFailure)
        json.member("last_success", subscription.lastSuccess)
        json.member("next_attempt", subscription.nextAttempt)
        json.member("status", subscription.status.rawValue)
        json.member("status_at", subscription.statusAt)
    }

    private func instance(_ instance: Instance, _ json: inout RecordJSON) {
        let phase =
            switch instance.phase {
            case .waiting: "waiting"
            case .queued: "queued"
            case .held: "held"
            }
        if !instance.because.isEmpty {
            json.key("because")
            json.array { json in for id in instance.because { json.value(id) } }
        }
        json.member("due", instance.due)
        if !instance.eventID.isEmpty { json.member("event_id", instance.eventID) }
        if !instance.eventName.isEmpty { json.member("event_name", instance.eventName) }
        json.member("held_since", instance.heldSince)
        json.member("key", instance.key)
        json.member("phase", phase)
        if instance.place != 0 { json.member("place", Int64(instance.place)) }
        json.member("product_id", instance.product?.id)
        if !instance.properties.isEmpty {
            json.key("properties")
            json.value(JSONView(bytes: instance.properties, offset: 0))
        }
        json.member("rule", rules.rules[instance.rule].name)
        json.member("started_at", instance.startedAt)
        if let product = instance.product, !product.variant.isEmpty { json.member("variant", product.variant) }
        json.member("waited_for_hour_of", instance.waitedForHourOf)
    }

    /// Nil if there is nothing to keep.
    private func rolling(_ profile: Profile) -> [UInt8]? {
        var writer = ByteWriter()
        func section(_ tag: UInt8, _ count: Int) {
            writer.bytes.append(tag)
            writer.unsigned(UInt64(count))
        }
        if let locale = profile.locale {
            section(1, 1)
            writer.signed(locale.at)
        }
        if let timezone = profile.timezone {
            section(2, 1)
            writer.signed(timezone.at)
        }
        if !profile.marks.isEmpty {
            section(3, profile.marks.count)
            for mark in profile.marks {
                writer.text(rules.marks[mark.definition])
                writer.signed(mark.first)
                writer.signed(mark.last)
            }
        }
        let series = profile.series.filter { !$0.counts.isEmpty || !$0.buckets.isEmpty }
        if !series.isEmpty {
            section(4, series.count)
            for series in series {
                writer.text(rules.series[series.definition].name)
                writer.unsigned(UInt64(series.counts.count))
                var last: Int32 = 0
                for bucket in series.counts {
                    writer.signed(Int64(bucket.index) - Int64(last))
                    writer.signed(Int64(bucket.count))
                    last = bucket.index
                }
                writer.unsigned(UInt64(series.buckets.count))
                for bucket in series.buckets {
                    writer.signed(Int64(bucket.index))
                    writer.signed(Int64(bucket.count))
                    writer.text(bucket.sum.text)
                    writer.text(bucket.low.text)
                    writer.text(bucket.high.text)
                    writer.blob(bucket.value)
                }
            }
        }
        if !profile.past.isEmpty {
            section(5, profile.past.count)
            for past in profile.past {
                writer.text(rules.rules[past.rule].name)
                writer.bytes.append(past.key == nil ? 0 : 1)
                writer.text(past.key ?? "")
                writer.signed(past.lastCancel ?? .min)
                writer.signed(past.keptFrom)
                writer.unsigned(UInt64(past.endedStarts.count))
                for start in past.endedStarts { writer.signed(start) }
            }
        }
        if !profile.sent.isEmpty {
            section(6, profile.sent.count)
            for sent in profile.sent {
                writer.text(rules.rules[sent.rule].name)
                writer.signed(sent.at)
            }
        }
        if !profile.calendarDays.isEmpty {
            section(7, profile.calendarDays.count)
            for day in profile.calendarDays {
                writer.text(rules.rules[day.rule].name)
                writer.signed(Int64(day.trigger))
                writer.signed(Int64(day.day))
            }
        }
        writer.delivery(of: profile, rules)
        return writer.bytes.isEmpty ? nil : writer.bytes
    }

    private static func seen(_ seen: [SeenID]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(seen.count * 24)
        for entry in seen {
            bytes.appendLittle(entry.digest.high)
            bytes.appendLittle(entry.digest.low)
            bytes.appendLittle(UInt64(bitPattern: entry.at))
        }
        return bytes
    }
}

/// Reads records back under the rule set of now: what it no longer mentions is left behind.
struct RecordReader {
    let rules: RuleSet

    /// The profile, and the names of rules that no longer exist with their running instances.
    func profile(_ record: CustomerRecord, links: [[UInt8]]) -> (profile: Profile, orphans: [(rule: String, instance: Instance)])
    {
        var profile = Profile(
            number: record.number, key: CustomerKey(isAnonymous: record.isAnonymous, id: record.id), firstSeen: record.firstSeen)
        profile.lastSeen = record.lastSeen
        profile.wake = record.wake ?? .max
        profile.judgedBy = UInt64(bitPattern: record.judgedBy)
        profile.links = links
        profile.locale = record.locale.map { Stamped($0, at: record.firstSeen) }
        profile.timezone = record.timezone.map { Stamped($0, at: record.firstSeen) }
        profile.traits = elements(record.traits) { view in
            guard let name = view["name"]?.string, let value = view["value"] else { return nil }
            return Trait(name: name, value: value.packed, at: view.time("at") ?? 0)
        }
        profile.carts = Carts(elements(record.carts, cart))
        profile.interests = elements(record.interests, interest)
        profile.subscriptions = elements(record.subscriptions, subscription)
        profile.segments = elements(record.segments) { view in
            guard let name = view["name"]?.string, let segment = rules.segment(named: name) else { return nil }
            return Membership(segment: segment, enteredAt: view.time("entered_at") ?? 0)
        }
        var orphans: [(rule: String, instance: Instance)] = []
        for view in views(record.timers) {
            guard let name = view["rule"]?.string else { continue }
            if let rule = rules.rule(named: name) {
                profile.instances.append(instance(view, rule: rule))
            } else {
                orphans.append((name, instance(view, rule: 0)))
            }
        }
        profile.storedInstances = profile.instances.count + orphans.count
        if let rolling = record.rolling { read(rolling, into: &profile) }
        profile.seen = Self.seen(record.seen ?? [])
        return (profile, orphans)
    }

    func product(_ record: ProductRecord, followers: [Follower]) -> Product {
        var product = Product(key: record.key)
        product.followers = followers.sorted { Follower.precedes($0, ($1.kind, $1.customer)) }
        if let packed = JSONText.pack(record.facts) {
            let view = JSONView(bytes: packed, offset: 0)
            product.facts.available = view["available"]?.decimal
            product.facts.wasAvailable = view["was_available"]?.decimal
            product.facts.availableAt = view.time("available_at")
            product.facts.price = view["price"]?.decimal
            product.facts.wasPrice = view["was_price"]?.decimal
            product.facts.priceAt = view.time("price_at")
            product.facts.currency = view["currency"]?.string
            product.facts.name = view["name"]?.string
            product.facts.url = view["url"]?.string
            product.facts.imageURL = view["image_url"]?.string
        }
        product.lines = elements(record.lines) { view in
            guard let name = view["rule"]?.string, let rule = rules.rule(named: name), rules.rules[rule].hasAudience else {
                return nil
            }
            func places(_ view: JSONView?) -> [AudienceLine.Place] {
                (view?.elements ?? []).compactMap { pair in
                    let numbers = pair.elements.compactMap(\.number)
                    return numbers.count == 2 ? AudienceLine.Place(place: Int(numbers[0]), customer: Int64(numbers[1])) : nil
                }
            }
            var line = AudienceLine(rule: rule, startedAt: view.time("started_at") ?? 0)
            line.active = places(view["active"])
            line.waiting = places(view["waiting"])
            line.published = Int(view["published"]?.number ?? 0)
            line.nextPlace = Int(view["next_place"]?.number ?? 0)
            line.isOpen = view["open"]?.bool ?? false
            line.paceDue = view.time("pace_due")
            return line
        }
        product.seen = Self.seen(record.seen ?? [])
        return product
    }

    private func views(_ text: [UInt8]?) -> [JSONView] {
        guard let text, let packed = JSONText.pack(text) else { return [] }
        return JSONView(bytes: packed, offset: 0).elements
    }

    private func elements<Element>(_ text: [UInt8]?, _ make: (JSONView) -> Element?) -> [Element] { views(text).compactMap(make) }

    private func product(_ view: JSONView) -> ProductKey? {
        view["product_id"]?.string.map { ProductKey(id: $0, variant: view["variant"]?.string ?? "") }
    }

    private func cart(_ view: JSONView) -> Cart? {
        var cart = Cart(id: view["id"]?.string ?? "", touchedAt: view.time("touched_at") ?? 0)
        cart.snapshotAt = view.time("snapshot_at")
        cart.links = view["links"]?.elements.compactMap(\.string) ?? []
        cart.lines = (view["items"]?.elements ?? []).compactMap { view in
            guard let product = product(view), let quantity = view["quantity"]?.decimal else { return nil }
            return CartLine(
                product: product, quantity: quantity, price: view["price"]?.decimal, currency: view["currency"]?.string,
                name: view["name"]?.string, url: view["url"]?.string, imageURL: view["image_url"]?.string,
                describedAt: view.time("described_at") ?? 0, changedAt: view.time("changed_at") ?? 0,
                since: view.time("since") ?? 0,
                priceThen: view["price_then"]?.decimal)
        }
        return cart
    }

    private func interest(_ view: JSONView) -> Interest? {
        guard let kind = view["kind"]?.string.flatMap(InterestKind.init(rawValue:)), let product = product(view) else {
            return nil
        }
        return Interest(
            kind: kind, product: product, since: view.time("since") ?? 0, last: view.time("last") ?? 0,
            count: Int(view["count"]?.number ?? 1), price: view["price"]?.decimal, currency: view["currency"]?.string)
    }

    private func subscription(_ view: JSONView) -> Subscription? {
        var subscription = Subscription(id: view["id"]?.string ?? "", at: view.time("status_at") ?? 0)
        subscription.status = view["status"]?.string.flatMap(Subscription.Status.init(rawValue:)) ?? .active
        subscription.issueOpen = view["issue_open"]?.bool ?? false
        subscription.attempts = Int(view["attempts"]?.number ?? 0)
        subscription.issueSince = view.time("issue_since")
        subscription.lastFailure = view.time("last_failure")
        subscription.lastSuccess = view.time("last_success")
        subscription.graceEnds = view.time("grace_ends")
        subscription.nextAttempt = view.time("next_attempt")
        subscription.decline = view["decline"]?.string.flatMap(Subscription.Decline.init(rawValue:))
        subscription.amount = view["amount"]?.decimal
        subscription.currency = view["currency"]?.string
        return subscription
    }

    private func instance(_ view: JSONView, rule: Int) -> Instance {
        var instance = Instance(
            rule: rule, key: view["key"]?.string ?? "", product: product(view), startedAt: view.time("started_at") ?? 0,
            due: view.time("due") ?? 0)
        switch view["phase"]?.string {
        case "queued": instance.phase = .queued
        case "held": instance.phase = .held
        default: instance.phase = .waiting
        }
        instance.heldSince = view.time("held_since")
        instance.waitedForHourOf = view.time("waited_for_hour_of")
        instance.place = Int(view["place"]?.number ?? 0)
        instance.because = view["because"]?.elements.compactMap(\.string) ?? []
        instance.eventName = view["event_name"]?.string ?? ""
        instance.eventID = view["event_id"]?.string ?? ""
        instance.properties = view["properties"]?.packed ?? []
        return instance
    }

    private func read(_ bytes: [UInt8], into profile: inout Profile) {
        var reader = ByteReader(bytes)
        while !reader.isAtEnd {
            let tag = reader.byte()
            let count = Int(reader.unsigned())
            for _ in 0..<count {
                guard !reader.failed else { return }
                switch tag {
                case 1: profile.locale?.at = reader.signed()
                case 2: profile.timezone?.at = reader.signed()
                case 3:
                    let name = reader.text()
                    let (first, last) = (reader.signed(), reader.signed())
                    if let index = rules.marks.firstIndex(where: { $0.same(as: name) }) {
                        profile.marks.append(Mark(definition: index, first: first, last: last))
                    }
                case 4:
                    let name = reader.text()
                    var series = Series(definition: 0)
                    var last: Int64 = 0
                    for _ in 0..<Int(reader.unsigned()) where !reader.failed {
                        last += reader.signed()
                        series.counts.append(CountBucket(index: Int32(clamping: last), count: Int32(clamping: reader.signed())))
                    }
                    for _ in 0..<Int(reader.unsigned()) where !reader.failed {
                        var bucket = Bucket(index: Int32(clamping: reader.signed()))
                        bucket.count = Int32(clamping: reader.signed())
                        bucket.sum = Decimal(text: reader.text().utf8) ?? .zero
                        bucket.low = Decimal(text: reader.text().utf8) ?? .zero
                        bucket.high = Decimal(text: reader.text().utf8) ?? .zero
                        bucket.value = reader.blob()
                        series.buckets.append(bucket)
                    }
                    if let index = rules.series.firstIndex(where: { $0.name.same(as: name) }) {
                        series.definition = index
                        profile.series.append(series)
                    }
                case 5:
                    let name = reader.text()
                    let isKeyed = reader.byte() == 1
                    let key = reader.text()
                    let cancel = reader.signed()
                    var past = Past(
                        rule: 0, key: isKeyed ? key : nil, lastCancel: cancel == .min ? nil : cancel, keptFrom: reader.signed())
                    for _ in 0..<Int(reader.unsigned()) where !reader.failed { past.endedStarts.append(reader.signed()) }
                    if let index = rules.rule(named: name) {
                        past.rule = index
                        profile.past.append(past)
                    }
                case 6:
                    let name = reader.text()
                    let at = reader.signed()
                    if let index = rules.rule(named: name) { profile.sent.append(Sent(rule: index, at: at)) }
                case 7:
                    let name = reader.text()
                    let (trigger, day) = (Int(reader.signed()), Int(reader.signed()))
                    if let index = rules.rule(named: name) {
                        profile.calendarDays.append(CalendarDay(rule: index, trigger: trigger, day: day))
                    }
                default:
                    guard reader.delivery(tag, of: &profile, rules) else { return }
                }
            }
        }
    }

    private static func seen(_ bytes: [UInt8]) -> [SeenID] {
        stride(from: 0, to: bytes.count - bytes.count % 24, by: 24).map { offset in
            SeenID(
                digest: IDDigest(high: bytes.littleUInt64(at: offset), low: bytes.littleUInt64(at: offset + 8)),
                at: Int64(bitPattern: bytes.littleUInt64(at: offset + 16)))
        }
    }
}

extension JSONView {
    /// A member that holds an integer time.
    func time(_ key: String) -> Instant? { self[key]?.number.map { Instant($0) } }
}

extension CanonicalJSON {
    /// Milliseconds; exact up to 2^53, which is the year 287396.
    static func time(_ time: Instant) -> CanonicalJSON { .number(Double(time)) }
}

extension [(key: String, value: CanonicalJSON)] {
    mutating func add(_ key: String, _ value: Decimal?) { if let value { append((key, .string(value.text))) } }
    mutating func add(_ key: String, _ value: Instant?) { if let value { append((key, .time(value))) } }
    mutating func add(_ key: String, _ value: String?) { if let value { append((key, .string(value))) } }
}
