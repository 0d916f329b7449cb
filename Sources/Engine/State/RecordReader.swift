import CEL

/// Reads records back under the rule set of now: what it no longer mentions is left behind.
struct RecordReader {
    let rules: RuleSet

    /// What a customer's record holds.
    struct Reading {
        var profile: Profile
        /// Names of rules that no longer exist, with their running instances.
        var orphans: [(rule: String, instance: Instance)] = []
        /// Whether it holds counts or times that nothing mentions any more.
        var leavesBehind = false
        /// Whether it stood in a line that its rule has no more.
        var leavesLine = false
    }

    func profile(_ record: CustomerRecord, links: [[UInt8]]) -> Reading {
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
        var reading = Reading(profile: profile)
        for view in views(record.timers) {
            guard let name = view["rule"]?.string else { continue }
            if let rule = rules.rule(named: name) {
                var instance = instance(view, rule: rule)
                // Where there is no audience any more nobody waits in its line: it is due as if it had been taken.
                if instance.phase == .queued, !rules.rules[rule].hasAudience {
                    instance.phase = .waiting
                    reading.leavesLine = true
                }
                reading.profile.instances.append(instance)
            } else {
                reading.orphans.append((name, instance(view, rule: 0)))
            }
        }
        reading.profile.storedInstances = reading.profile.instances.count + reading.orphans.count
        if let seen = record.columns[.seen] { reading.profile.seen = SeenIDs(record: seen) }
        if let rolling = record.columns[.rolling] { read(rolling, into: &reading) }
        return reading
    }

    /// The product, and whether it has lines of rules that no longer exist.
    func product(_ record: ProductRecord, followers: [Follower]) -> (product: Product, leavesBehind: Bool) {
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
        let lines = views(record.lines)
        product.lines = lines.compactMap { view in
            guard let name = view["rule"]?.string, let rule = rules.rule(named: name), rules.rules[rule].hasAudience else {
                return nil
            }
            func places(_ view: JSONView?) -> [AudienceLine.Place] {
                (view?.elements ?? []).compactMap { pair in
                    let numbers = pair.elements.compactMap(\.number)
                    return numbers.count == 2
                        ? AudienceLine.Place(place: Int(numbers[0].clamped), customer: Int64(numbers[1].clamped)) : nil
                }
            }
            var line = AudienceLine(rule: rule, startedAt: view.time("started_at") ?? 0)
            line.active = places(view["active"])
            line.waiting = places(view["waiting"])
            line.published = Int((view["published"]?.number ?? 0).clamped)
            line.publishedAfter = view["published_after"]?.number.map { Int64($0.clamped) }
            line.nextPlace = Int((view["next_place"]?.number ?? 0).clamped)
            line.isOpen = view["open"]?.bool ?? false
            line.paceDue = view.time("pace_due")
            return line
        }
        if let seen = record.seen { product.seen = SeenIDs(record: seen) }
        return (product, product.lines.count < lines.count)
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
        var cart = Cart(
            id: view["id"]?.string ?? "", touchedAt: view.time("touched_at") ?? 0,
            turn: Int64((view["turn"]?.number ?? 0).clamped))
        cart.snapshotAt = view.time("snapshot_at")
        let turns = view["link_turns"]?.elements.compactMap(\.number) ?? []
        for (place, link) in (view["links"]?.elements ?? []).compactMap(\.string).enumerated() {
            cart.link(to: link, turn: turns.indices.contains(place) ? Int64(turns[place].clamped) : 0)
        }
        cart.lines = (view["items"]?.elements ?? []).compactMap { view in
            guard let product = product(view), let quantity = view["quantity"]?.decimal else { return nil }
            return CartLine(
                product: product, quantity: quantity, changedAt: view.time("changed_at") ?? 0, price: view["price"]?.decimal,
                currency: view["currency"]?.string, name: view["name"]?.string, url: view["url"]?.string,
                imageURL: view["image_url"]?.string, describedAt: view.time("described_at") ?? 0, since: view.time("since") ?? 0,
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
            count: Int32(clamping: Int((view["count"]?.number ?? 1).clamped)), price: view["price"]?.decimal,
            currency: view["currency"]?.string)
    }

    private func subscription(_ view: JSONView) -> Subscription? {
        var subscription = Subscription(id: view["id"]?.string ?? "", at: view.time("status_at") ?? 0)
        subscription.status = view["status"]?.string.flatMap(Subscription.Status.init(rawValue:)) ?? .active
        subscription.issueOpen = view["issue_open"]?.bool ?? false
        subscription.attempts = Int((view["attempts"]?.number ?? 0).clamped)
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
        for name in view["delayed_by"]?.elements.compactMap(\.string) ?? [] { instance.delays.insert(name) }
        // Records used to name the start instead, of which no more is known than that it was held for its hour.
        instance.awaitedHour =
            view.time("awaited_hour") ?? (view.time("waited_for_hour_of") == instance.startedAt ? instance.due : nil)
        instance.place = Int((view["place"]?.number ?? 0).clamped)
        instance.because = TextList(view["because"]?.elements.compactMap(\.string) ?? [])
        instance.eventName = view["event_name"]?.string ?? ""
        instance.set(eventID: view["event_id"]?.string ?? "")
        instance.properties = view["properties"]?.packed ?? []
        return instance
    }

    private func read(_ bytes: [UInt8], into reading: inout Reading) {
        var reader = ByteReader(bytes)
        while !reader.isAtEnd {
            let tag = reader.byte()
            let count = reader.count()
            for _ in 0..<count {
                guard !reader.failed else { return }
                let begin = reader.position
                /// Of a rule that the configuration does not have: kept as it is, for when it comes back.
                func keep() {
                    guard !reader.failed else { return }
                    reading.profile.ofGoneRules += [tag, 1] + bytes[begin..<reader.position]
                }
                switch tag {
                case 1: reading.profile.locale?.at = reader.signed()
                case 2: reading.profile.timezone?.at = reader.signed()
                case 3:
                    let name = reader.text()
                    let (first, last) = (reader.signed(), reader.signed())
                    if let index = rules.statistics.marks.firstIndex(where: { $0.same(as: name) }) {
                        reading.profile.marks.append(Mark(definition: index, first: first, last: last))
                    } else {
                        reading.leavesBehind = true
                    }
                case 4:
                    let name = reader.text()
                    var series = Series(definition: 0)
                    var last: Int64 = 0
                    for _ in 0..<reader.count() {
                        guard !reader.failed else { return }
                        last &+= reader.signed()
                        series.counts.append(CountBucket(index: Int32(clamping: last), count: Int32(clamping: reader.signed())))
                    }
                    for _ in 0..<reader.count() {
                        guard !reader.failed else { return }
                        var bucket = Bucket(index: Int32(clamping: reader.signed()))
                        bucket.count = Int32(clamping: reader.signed())
                        bucket.sum = Decimal(text: reader.text().utf8) ?? .zero
                        bucket.low = Decimal(text: reader.text().utf8) ?? .zero
                        bucket.high = Decimal(text: reader.text().utf8) ?? .zero
                        bucket.value = reader.blob()
                        series.buckets.append(bucket)
                    }
                    if let index = rules.statistics.series.firstIndex(where: { $0.name.same(as: name) }) {
                        series.definition = index
                        reading.profile.series.append(series)
                    } else {
                        reading.leavesBehind = true
                    }
                case 5:
                    let name = reader.text()
                    let isKeyed = reader.byte() == 1
                    let key = reader.text()
                    let cancel = reader.signed()
                    var past = Past(
                        rule: 0, key: isKeyed ? key : nil, lastCancel: cancel == .min ? nil : cancel, keptFrom: reader.signed())
                    for _ in 0..<reader.count() {
                        guard !reader.failed else { return }
                        past.endedStarts.insert(reader.signed())
                    }
                    if let index = rules.rule(named: name) {
                        past.rule = index
                        reading.profile.past.append(past)
                    } else {
                        keep()
                    }
                case 6:
                    let name = reader.text()
                    let at = reader.signed()
                    if let index = rules.rule(named: name) {
                        reading.profile.sent.append(Sent(rule: index, at: at))
                    } else {
                        keep()
                    }
                case 7:
                    let name = reader.text()
                    let (trigger, day) = (reader.signed(), Int(reader.signed()))
                    if let index = rules.rule(named: name) {
                        reading.profile.calendarDays.append(CalendarDay(rule: index, trigger: trigger, day: day))
                    } else {
                        keep()
                    }
                default:
                    guard reader.delivery(tag, of: &reading.profile, rules) else { return }
                }
            }
        }
    }
}

extension JSONView {
    /// A member that holds an integer time.
    func time(_ key: String) -> Instant? { self[key]?.number.map { Instant($0.clamped) } }
}
