import CEL

/// The lines of a product's audience: who was started, and who waits until the limit and the pace allow it.
extension Engine {
    /// A start of a rule at a product: everyone of the audience is in line, in order, and the first are taken.
    mutating func startLine(_ index: Int, _ rule: Int, at time: Instant, id: String, name: String, properties: JSONView) {
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
            let readsCustomer = rules.rules[rule].condition?.readsCustomer ?? false
            let asked = products[index].lines[at].waiting.prefix(readsCustomer ? .max : 1).map(\.customer)
            // Whoever runs may come back into the line: the pace ends with those for whom it holds too, or, where nobody waits, with all of them.
            let running = products[index].lines[at].active.map(\.customer)
            for number in asked + (readsCustomer ? running : []) where isAway(number) { missing.numbers.append(number) }
            guard missing.isEmpty else { return false }
            let key = products[index].key
            func holds(_ number: Int64) -> Bool { slotByNumber[number].map { paceHolds($0, rule, key) } ?? false }
            let takes = asked.contains { holds($0) }
            let goesOn = takes || (asked.isEmpty ? !running.isEmpty : readsCustomer && running.contains { holds($0) })
            touch(product: index)
            products[index].lines[at].paceDue = nil
            if goesOn {
                products[index].lines[at].resetPublished(after: clock.sequence)
                // Of a late start several paces may be over; the next is the first that is still to come.
                products[index].lines[at].paceDue = rules.rules[rule].pace.map {
                    paceDue + $0 * ((moment.at - paceDue) / $0 + 1)
                }
            }
            if takes { products[index].lines[at].isOpen = true }
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
