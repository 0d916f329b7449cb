import CEL

extension Engine {
    /// Which triggers of these groups the event fires.
    mutating func holding(_ groups: [TriggerGroup], _ slot: Int, _ context: borrowing EventContext) -> [Int] {
        // Most events trigger but one rule, without asking anything.
        if groups.isEmpty { return [] }
        if groups.count == 1, groups[0].condition == nil { return groups[0].places }
        let context = copy context
        return holding(groups) { $0.holds($1, slot, context) }
    }

    /// Which triggers of these groups have a condition that holds, in the order of their rules. A condition is judged once for all rules that ask it;
    /// nothing that a trigger does is seen by another's condition.
    mutating func holding(_ groups: [TriggerGroup], _ holds: (inout Engine, Condition) -> Bool) -> [Int] {
        var places: [Int] = []
        for group in groups {
            if let condition = group.condition, !holds(&self, condition) { continue }
            if groups.count == 1 { return group.places }
            places += group.places
        }
        places.sort()
        return places
    }

    /// Cancels or starts what an event triggers for its customer, rules in their order.
    mutating func fire(_ slot: Int, _ context: borrowing EventContext, _ places: [Int]) {
        guard !places.isEmpty else { return }
        let triggers = rules.triggers.byEvent[Int(context.event.index)]
        for place in places {
            let number = triggers[place].rule
            let rule = rules.rules[number]
            switch triggers[place].action {
            case .cancel:
                cancel(
                    slot, number, keys: cancelKeys(rule, context), at: context.time, by: context.id, name: context.name)
            case .start:
                let kept = rule.keep(context.properties, forEachOf: rule.per == .product ? context.mentions.count : 1)
                switch rule.per {
                case .customer: start(slot, number, key: "", product: nil, by: context, kept)
                case .cart: start(slot, number, key: context.cartID ?? "", product: nil, by: context, kept)
                case .subscription: start(slot, number, key: context.subscriptionID ?? "", product: nil, by: context, kept)
                case .product:
                    for mention in context.mentions {
                        start(slot, number, key: mention.product.text, product: mention.product, by: context, kept)
                    }
                }
            }
        }
    }

    /// Cancels or starts what follows from segments entered and left.
    mutating func fire(_ slot: Int, _ changes: [SegmentChange], _ action: Trigger.Action) {
        for change in changes {
            let triggers = change.entered ? rules.triggers.entering[change.segment] : rules.triggers.leaving[change.segment]
            for trigger in triggers where trigger.action == action {
                switch trigger.action {
                case .cancel:
                    cancel(slot, trigger.rule, keys: nil, at: clock.now, by: "", name: rules.graph.segments[change.segment].name)
                case .start:
                    if rules.rules[trigger.rule].hasAudience { continue }
                    start(
                        slot, trigger.rule, key: keyWithoutEvent(slot, trigger.rule), product: nil, at: clock.now, id: "",
                        name: rules.graph.segments[change.segment].name)
                }
            }
        }
    }

    /// The key of an instance that a segment or a calendar starts: of a rule about carts the customer's current one.
    mutating func keyWithoutEvent(_ slot: Int, _ rule: Int) -> String {
        guard rules.rules[rule].per == .cart else { return "" }
        pruneCarts(slot)
        return profiles[slot].carts.current.map { profiles[slot].carts.list[$0].id } ?? ""
    }

    /// A trigger's `where`, judged after the event has been applied.
    mutating func holds(_ condition: Condition, _ slot: Int, _ context: EventContext) -> Bool {
        let facts = context.product.flatMap { productIndex[$0] }.map { products[$0].facts }
        let now = clock.now
        let rules = rules
        let result = profiles.withUnsafeBufferPointer { profiles in
            let profile = profiles.baseAddress.map { $0 + slot }
            var scope = Scope(condition: condition, rules: rules, profile: profile, now: now)
            scope.eventName = context.name
            scope.eventID = context.id
            scope.eventTime = context.time
            scope.properties = context.properties
            scope.cartID = context.cartID
            scope.product = context.product
            scope.facts = facts
            scope.subscriptionID = context.subscriptionID ?? ""
            return condition.program.evaluate(scope)
        }
        if case .value(.bool(let value)) = result { return value }
        if case .error = result { counters.conditionErrors += 1 }
        return false
    }

    /// The keys an event cancels; nil if it names none and none can be resolved: then every instance of the rule.
    private func cancelKeys(_ rule: Rule, _ context: EventContext) -> [String]? {
        switch rule.per {
        case .customer: [""]
        case .cart: context.namesCart ? [context.cartID ?? ""] : nil
        case .product: context.mentions.isEmpty ? nil : context.mentions.map(\.product.text)
        case .subscription: context.subscriptionID.map { [$0] }
        }
    }

    // MARK: Start

    private mutating func start(
        _ slot: Int, _ rule: Int, key: String, product: ProductKey?, by context: borrowing EventContext, _ kept: [UInt8]
    ) {
        start(slot, rule, key: key, product: product, at: context.time, id: context.id, name: context.name, kept: kept)
    }

    /// Starts or restarts an instance of a rule without an audience.
    ///
    /// - Parameter kept: of the event's properties.
    mutating func start(
        _ slot: Int, _ number: Int, key: String, product: ProductKey?, at time: Instant, id: String, name: String,
        kept: [UInt8] = []
    ) {
        let rule = rules.rules[number]
        guard mayStart(slot, number, key: key, at: time) else { return }
        for place in profiles[slot].instances.indices
        where profiles[slot].instances[place].rule == number && profiles[slot].instances[place].key.same(as: key) {
            if rule.restart {
                profiles[slot].instances[place].restart(rule, at: time, id: id, name: name, kept: kept)
            }
            return
        }
        var instance = Instance(rule: number, key: key, product: product, startedAt: time, due: time + rule.wait)
        instance.remember(kept, id: id, name: name)
        profiles[slot].instances.appendTightly(instance)
    }

    func mayStart(_ slot: Int, _ rule: Int, key: String, at time: Instant) -> Bool {
        for past in profiles[slot].past where past.rule == rule {
            guard past.key == nil || past.key?.same(as: key) == true else { continue }
            if let lastCancel = past.lastCancel, time < lastCancel { return false }
            if past.key != nil, past.endedStarts.contains(time) { return false }
        }
        return true
    }

    // MARK: Cancel

    /// Cancels the instances of these keys (nil: of every key) whose last start is no later than `time`.
    mutating func cancel(_ slot: Int, _ rule: Int, keys: [String]?, at time: Instant, by id: String, name: String) {
        for key in keys ?? [] { recordPast(slot, rule, key: key) { $0.lastCancel = max($0.lastCancel ?? time, time) } }
        if keys == nil { recordPast(slot, rule, key: nil) { $0.lastCancel = max($0.lastCancel ?? time, time) } }
        var place = 0
        while place < profiles[slot].instances.count {
            if profiles[slot].instances[place].rule == rule, profiles[slot].instances[place].startedAt <= time,
                keys.map({ $0.contains { $0.same(as: profiles[slot].instances[place].key) } }) ?? true
            {
                end(slot, place, .cancelled, cause: id.isEmpty ? name : id)
            } else {
                place += 1
            }
        }
        if time < clock.now { withdraw(slot, rule, keys: keys, at: time, cause: id.isEmpty ? name : id) }
    }

    mutating func recordPast(_ slot: Int, _ rule: Int, key: String?, _ change: (inout Past) -> Void) {
        let bound = clock.now - rules.definitions.lateFor
        if profiles[slot].past.count > 8, profiles[slot].past.contains(where: { $0.keptFrom < bound }) {
            profiles[slot].past.removeAll { $0.keptFrom < bound }
        }
        let place: Int
        if let found = profiles[slot].past.firstIndex(where: { past in
            guard past.rule == rule else { return false }
            if let key, let other = past.key { return other.same(as: key) }
            return key == nil && past.key == nil
        }) {
            place = found
        } else {
            profiles[slot].past.appendTightly(Past(rule: rule, key: key, keptFrom: clock.now))
            place = profiles[slot].past.count - 1
        }
        profiles[slot].past[place].keptFrom = clock.now
        profiles[slot].past[place].endedStarts.remove(before: bound)
        change(&profiles[slot].past[place])
    }

    // MARK: End

    /// Ends an instance with its one verdict, and gives back its share of a product.
    mutating func end(
        _ slot: Int, _ place: Int, _ verdict: Verdict, cause: String = "", of choice: Choice? = nil, id: String? = nil,
        message: [UInt8]? = nil
    ) {
        let instance = profiles[slot].instances.remove(at: place)
        touch(slot)
        recordPast(slot, instance.rule, key: instance.key) { $0.endedStarts.insert(instance.startedAt) }
        let customer = text(of: slot)
        output.decisions.append(
            Decision(
                id: id ?? decisionID(rule: instance.rule, customer: customer, key: instance.key, startedAt: instance.startedAt),
                rule: rules.rules[instance.rule].name, customer: profiles[slot].number, customerText: customer, key: instance.key,
                startedAt: instance.startedAt, dueAt: instance.dueAt, decidedAt: clock.now, verdict: verdict,
                cause: cause, channel: choice?.channel, variant: choice?.variant, message: message,
                because: instance.because))
        guard rules.rules[instance.rule].hasAudience, let product = instance.product else { return }
        leaveLine(instance, profiles[slot].number, product, verdict)
        switch verdict {
        case .published, .holdout, .noConsent, .suppressed:
            endInterest(.waitlist, slot, in: product, at: clock.now)
        default: break
        }
    }
}
