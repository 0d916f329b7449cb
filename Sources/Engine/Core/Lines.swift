import CEL

extension Engine {
    // MARK: A product's events

    /// Applies an event without a customer: stock, price, or what starts a rule with an audience.
    mutating func applyProduct(_ event: Event, _ properties: JSONView?, of batch: EventBatch, _ missing: inout Missing) -> Bool {
        guard let properties, let mention = ProductMention(properties) else {
            clock.now = max(clock.now, event.order)
            counters.events += 1
            return true
        }
        guard let index = require(mention.product, &missing) else { return false }
        // Whom it may concern has to be at hand before anything changes, because the starts' conditions are judged after the change.
        let triggers = rules.triggersByEvent[Int(event.name.index)]
        let starts = rules.audienceStarts(of: event.name)
        // Where nothing is stored everybody is.
        for trigger in hasStore ? starts.flatMap({ $0.places.map { triggers[$0] } }) : [] {
            for audience in rules.rules[trigger.rule].audience {
                if case .segment(let segment) = audience, providedMembers[segment] == nil { missing.members.append(segment) }
            }
            for (number, _) in candidates(index, trigger.rule) where isAway(number) { missing.numbers.append(number) }
            for line in products[index].lines where line.rule == trigger.rule {
                for place in line.waiting + line.active where isAway(place.customer) { missing.numbers.append(place.customer) }
            }
        }
        guard missing.isEmpty else { return false }
        dropAbsent(from: index)

        clock.now = max(clock.now, event.order)
        counters.events += 1
        if event.isLate { counters.late += 1 }
        touch(product: index)
        if !event.id.isEmpty, rules.definitions.dedupe > 0,
            products[index].seen.sees(
                event.digest, at: event.time, now: clock.now, dedupe: rules.definitions.dedupe, lateFor: rules.definitions.lateFor
            )
        {
            counters.duplicates += 1
            return true
        }
        switch StateEvent(rawValue: event.name.index) {
        case .productStockChanged: products[index].facts.stock(properties, at: event.time)
        case .productPriceChanged: products[index].facts.price(properties, at: event.time)
        default: break
        }
        let name = rules.vocabulary[event.name].name
        let id = batch.string(event.id)
        let places = holding(starts) { engine, condition in
            var scope = Scope(condition: condition, rules: engine.rules, profile: nil, now: engine.clock.now)
            scope.eventName = name
            scope.eventID = id
            scope.eventTime = event.time
            scope.properties = properties
            scope.product = mention.product
            scope.facts = engine.products[index].facts
            if case .value(.bool(true)) = condition.program.evaluate(scope) { return true }
            return false
        }
        for place in places {
            startLine(index, triggers[place].rule, at: event.time, id: id, name: name, properties: properties)
        }
        providedMembers.removeAll()
        return true
    }

    /// Customers whom a start of this rule at this product reaches, with the time of their earliest interest; unsorted, each once.
    private func candidates(_ index: Int, _ rule: Int) -> [(number: Int64, since: Instant)] {
        let audiences = rules.rules[rule].audience
        // A customer follows a product once in each way.
        if audiences.count == 1, let kind = audiences[0].interest {
            return products[index].followers.compactMap { $0.kind == kind ? ($0.customer, $0.since) : nil }
        }
        var found: [Int64: Instant] = [:]
        var order: [Int64] = []
        func add(_ number: Int64, _ since: Instant) {
            if let known = found[number] {
                found[number] = min(known, since)
            } else {
                found[number] = since
                order.append(number)
            }
        }
        for audience in audiences {
            switch audience {
            case .waitlist, .wishlist, .cart, .viewed:
                for follower in products[index].followers where follower.kind == audience.interest {
                    add(follower.customer, follower.since)
                }
            case .segment(let segment):
                if hasStore {
                    for member in providedMembers[segment] ?? [] { add(member.customer, member.enteredAt) }
                } else {
                    for slot in profiles.indices where isUsed[slot] {
                        for membership in profiles[slot].segments where membership.segment == segment {
                            add(profiles[slot].number, membership.enteredAt)
                        }
                    }
                }
            }
        }
        return order.map { ($0, found[$0] ?? 0) }
    }

    /// The audience of a start in its order: earliest interest first, then customer id. Interests are checked against the profiles,
    /// which know what has been forgotten.
    private mutating func audience(_ index: Int, _ rule: Int) -> [Int] {
        let product = products[index].key
        let rules = rules
        let now = clock.now
        var found: [(slot: Int, since: Instant)] = []
        for (number, _) in candidates(index, rule) {
            guard let slot = slotByNumber[number] else { continue }
            pruneCarts(slot)
            if let since = profiles[slot].audienceSince(of: rules.rules[rule], product, now: now, rules.definitions) {
                found.append((slot, since))
            }
        }
        let profiles = profiles
        found.sort {
            $0.since != $1.since ? $0.since < $1.since : CustomerKey.precedes(profiles[$0.slot].key, profiles[$1.slot].key)
        }
        return found.map(\.slot)
    }

    // MARK: Lines

    /// A start of a rule at a product: everyone of the audience is in line, in order, and the first are taken.
    private mutating func startLine(_ index: Int, _ rule: Int, at time: Instant, id: String, name: String, properties: JSONView) {
        let definition = rules.rules[rule]
        let product = products[index].key
        let audience = audience(index, rule)
        let kept = definition.keep(properties, forEachOf: audience.count)
        var line = products[index].lines.first { $0.rule == rule } ?? AudienceLine(rule: rule, startedAt: time)
        // A late start older than the last one starts whoever has nothing running; limit and pace still go by the last.
        let isOlder = time < line.startedAt
        if !isOlder {
            line.startedAt = time
            line.resetPublished(after: clock.sequence)
            line.paceDue = definition.pace.map { time + $0 }
        }
        line.isOpen = true
        var waiting: [AudienceLine.Place] = []
        var moved: Set<Int64> = []
        let key = product.text
        for slot in audience {
            let number = profiles[slot].number
            if let place = profiles[slot].instances.firstIndex(where: { $0.rule == rule && $0.key.same(as: key) }) {
                // Whoever waits in line is started by this start; whoever runs already, only if the rule restarts.
                let isQueued = profiles[slot].instances[place].phase == .queued
                guard isQueued || definition.restart, time >= profiles[slot].instances[place].startedAt else { continue }
                touch(slot)
                let former = profiles[slot].instances[place].place
                profiles[slot].instances[place].startedAt = time
                profiles[slot].instances[place].due = time + definition.wait
                profiles[slot].instances[place].forgetDelays()
                profiles[slot].instances[place].place = line.nextPlace
                profiles[slot].instances[place].remember(kept, id: id, name: name)
                if isQueued {
                    moved.insert(number)
                    waiting.append(AudienceLine.Place(place: line.nextPlace, customer: number))
                } else {
                    line.remove(number, at: former)
                    profiles[slot].instances[place].phase = .waiting
                    AudienceLine.insert(AudienceLine.Place(place: line.nextPlace, customer: number), into: &line.active)
                    settle(slot)
                }
                line.nextPlace += 1
                continue
            }
            guard mayStart(slot, rule, key: key, at: time) else { continue }
            touch(slot)
            var instance = Instance(rule: rule, key: key, product: product, startedAt: time, due: time + definition.wait)
            instance.phase = .queued
            instance.place = line.nextPlace
            instance.remember(kept, id: id, name: name)
            profiles[slot].instances.appendTightly(instance)
            waiting.append(AudienceLine.Place(place: line.nextPlace, customer: number))
            line.nextPlace += 1
        }
        let before = line.waiting.filter { !moved.contains($0.customer) }
        if isOlder { waiting = before + waiting }
        // Whoever was in line before and is no longer in the audience waits behind those who are.
        for old in before where !isOlder {
            guard let slot = slotByNumber[old.customer],
                let place = profiles[slot].instances.firstIndex(where: { $0.rule == rule && $0.key.same(as: key) })
            else { continue }
            touch(slot)
            profiles[slot].instances[place].place = line.nextPlace
            waiting.append(AudienceLine.Place(place: line.nextPlace, customer: old.customer))
            line.nextPlace += 1
        }
        line.waiting = waiting
        set(line, at: index)
        var missing = Missing()
        _ = take(index, rule, startedAt: time, &missing)
        wake(product: index)
    }

    /// Whether a customer has to be brought in before something is decided about them.
    private func isAway(_ number: Int64) -> Bool { slotByNumber[number] == nil && !absentNumbers.contains(number) }

    /// Nobody is kept who is not in the store: what a product still knows of them goes.
    private mutating func dropAbsent(from index: Int) {
        guard !absentNumbers.isEmpty else { return }
        for follower in products[index].followers where absentNumbers.contains(follower.customer) {
            products[index].unfollow(follower.kind, follower.customer)
            touch(product: index)
        }
        for place in products[index].lines.indices {
            for number in absentNumbers { products[index].lines[place].remove(number) }
        }
        for (segment, members) in providedMembers {
            for member in members where absentNumbers.contains(member.customer) {
                output.memberships.append((segment, member.customer, nil))
            }
        }
    }

    private mutating func set(_ line: AudienceLine, at index: Int) {
        touch(product: index)
        if let place = products[index].lines.firstIndex(where: { $0.rule == line.rule }) {
            products[index].lines[place] = line
        } else {
            products[index].lines.append(line)
        }
    }

    /// What a rule's limit allows at this product now; nil without a limit.
    private mutating func limit(_ index: Int, _ rule: Int) -> Int? {
        guard let condition = rules.rules[rule].limit else { return nil }
        var scope = Scope(condition: condition, rules: rules, profile: nil, now: clock.now)
        scope.product = products[index].key
        scope.facts = products[index].facts
        switch condition.program.evaluate(scope) {
        case .value(.int(let value)): return max(0, value)
        case .value(.uint(let value)): return Int(clamping: value)
        case .value(.double(let value)): return max(0, Int(value.rounded(.down).clamped))
        case .value, .error:
            counters.conditionErrors += 1
            return 0
        }
    }

    private func line(_ rule: Int, at index: Int) -> Int? { products[index].lines.firstIndex { $0.rule == rule } }

    /// Takes the next in line as far as the limit allows; who was not just started has stood in it. False after noting whose profile is missing.
    private mutating func take(_ index: Int, _ rule: Int, startedAt: Instant? = nil, _ missing: inout Missing) -> Bool {
        guard let at = line(rule, at: index) else { return true }
        let limit = limit(index, rule)
        let taken = products[index].lines[at].active.count + products[index].lines[at].published
        let count = min(products[index].lines[at].waiting.count, limit.map { max(0, $0 - taken) } ?? .max)
        let next = Array(products[index].lines[at].waiting.prefix(count))
        for place in next where isAway(place.customer) { missing.numbers.append(place.customer) }
        guard missing.isEmpty else { return false }
        if !absentNumbers.isEmpty, next.contains(where: { absentNumbers.contains($0.customer) }) {
            dropAbsent(from: index)
            return take(index, rule, startedAt: startedAt, &missing)
        }
        touch(product: index)
        products[index].lines[at].waiting.removeFirst(count)
        products[index].lines[at].isOpen = false
        let key = products[index].key.text
        for place in next {
            guard let slot = slotByNumber[place.customer],
                let own = profiles[slot].instances.firstIndex(where: { $0.rule == rule && $0.key.same(as: key) })
            else { continue }
            touch(slot)
            profiles[slot].instances[own].phase = .waiting
            let instance = profiles[slot].instances[own]
            if instance.due < clock.now, instance.startedAt != startedAt { profiles[slot].instances[own].delays.insertLine() }
            AudienceLine.insert(place, into: &products[index].lines[at].active)
            if moment.isOpen, instance.due <= moment.at {
                enqueue(profiles[slot].instances[own], slot)
                if moment.joined.insert(slot).inserted { moment.woken.append(slot) }
            }
            settle(slot)
        }
        return true
    }

    /// A line's turn within a moment: a share has become free, or its pace is due. Takes its own timer off the queue.
    mutating func turn(_ index: Int, _ rule: Int, _ missing: inout Missing) -> Bool {
        guard let timer = moment.due.first, let at = line(rule, at: index) else {
            moment.due.pop()
            return true
        }
        let before = products[index].lines[at].turn
        if let paceDue = before.paceDue, paceDue <= moment.at {
            // The next are taken while the rule's `if` holds: where it asks something of the customer, for any of those who wait.
            let asked = products[index].lines[at].waiting.prefix(rules.rules[rule].condition?.readsCustomer ?? false ? .max : 1)
                .map(\.customer)
            for number in asked where isAway(number) { missing.numbers.append(number) }
            guard missing.isEmpty else { return false }
            let key = products[index].key
            let holds = asked.contains { number in slotByNumber[number].map { paceHolds($0, rule, key) } ?? false }
            touch(product: index)
            products[index].lines[at].paceDue = nil
            // Where nobody can be asked, whoever runs may come back into the line; the pace ends with them.
            if holds || asked.isEmpty && !products[index].lines[at].active.isEmpty {
                products[index].lines[at].resetPublished(after: clock.sequence)
                // Of a late start several paces may be over; the next is the first that is still to come.
                products[index].lines[at].paceDue = rules.rules[rule].pace.map {
                    paceDue + $0 * ((moment.at - paceDue) / $0 + 1)
                }
            }
            if holds { products[index].lines[at].isOpen = true }
        }
        moment.due.pop()
        if products[index].lines[at].isOpen, !take(index, rule, &missing) {
            products[index].lines[at].turn = before
            moment.due.push(timer)
            return false
        }
        // Another rule's pace at this product may be the next.
        if products[index].wake(now: moment.at) > moment.at { wake(product: index) }
        return true
    }

    private mutating func paceHolds(_ slot: Int, _ rule: Int, _ product: ProductKey) -> Bool {
        guard let condition = rules.rules[rule].condition else { return true }
        guard let instance = profiles[slot].instances.first(where: { $0.rule == rule && $0.key.same(as: product.text) }) else {
            return false
        }
        if case .value(.bool(true)) = evaluate(condition, slot, instance) { return true }
        return false
    }

    /// Whether the limit, judged again at the moment of publishing, leaves room for this instance: those ahead of it come first.
    mutating func hasShare(_ instance: Instance, _ number: Int64, _ index: Int) -> Bool {
        guard let limit = limit(index, instance.rule), let at = line(instance.rule, at: index) else { return true }
        return products[index].lines[at].published + max(1, products[index].lines[at].active(upTo: instance.place)) <= limit
    }

    /// Puts an instance that found no share back into its line, at its own place.
    mutating func requeue(_ slot: Int, _ place: Int, _ index: Int) {
        let instance = profiles[slot].instances[place]
        touch(slot)
        profiles[slot].instances[place].phase = .queued
        profiles[slot].instances[place].delays.insertLine()
        guard let at = line(instance.rule, at: index) else { return }
        touch(product: index)
        let number = profiles[slot].number
        products[index].lines[at].remove(number, at: instance.place)
        AudienceLine.insert(
            AudienceLine.Place(place: instance.place, customer: number), into: &products[index].lines[at].waiting)
    }

    /// An instance has ended: it leaves its line, and unless it was published its share goes to the next at once.
    mutating func leaveLine(_ instance: Instance, _ number: Int64, _ product: ProductKey, _ verdict: Verdict) {
        guard let index = productIndex[product], let at = line(instance.rule, at: index) else { return }
        touch(product: index)
        products[index].lines[at].remove(number, at: instance.place)
        if verdict == .published { products[index].lines[at].published += 1 }
        pass(shareOf: at, index, isFree: verdict != .published && instance.phase != .queued)
    }

    /// A published message is taken back: its share, if that is counted still, goes to the next as that of whoever was not published.
    mutating func returnShare(of send: Send, _ rule: Int) {
        guard let index = send.product.flatMap({ productIndex[$0] }), let at = line(rule, at: index),
            let counted = products[index].lines[at].publishedAfter, send.sequence > counted,
            products[index].lines[at].published > 0
        else { return }
        touch(product: index)
        products[index].lines[at].published -= 1
        pass(shareOf: at, index, isFree: true)
    }

    /// Has the next in line taken, if a share is free and somebody waits for it.
    private mutating func pass(shareOf at: Int, _ index: Int, isFree: Bool) {
        if isFree, !products[index].lines[at].waiting.isEmpty { products[index].lines[at].isOpen = true }
        guard products[index].lines[at].isOpen else { return }
        if moment.isOpen {
            enqueue(line: products[index].lines[at], of: products[index].key)
        } else {
            wake(product: index)
        }
    }
}

extension Profile {
    /// Since when the customer belongs to a rule's audience at a product: the earliest interest that still holds; nil if none does.
    fileprivate func audienceSince(
        of rule: Rule, _ product: ProductKey, now: Instant, _ definitions: Definitions
    ) -> Instant? {
        var since: Instant?
        for audience in rule.audience {
            switch audience {
            case .segment(let segment):
                if let membership = segments.first(where: { $0.segment == segment }) {
                    since = min(since ?? .max, membership.enteredAt)
                }
            case .waitlist, .wishlist, .cart, .viewed:
                guard let kind = audience.interest, let interest = interest(in: product, kinds: [kind], at: now, definitions)
                else {
                    continue
                }
                if case .viewed(let within) = audience, interest.last <= now - within { continue }
                since = min(since ?? .max, interest.since)
            }
        }
        return since
    }
}
