import CEL

extension Engine {
    /// Opens the moment at which something resident is due.
    mutating func open(at time: Instant) {
        clock.now = max(clock.now, time)
        moment.at = time
        moment.isOpen = true
        moment.slots.removeAll(keepingCapacity: true)
        moment.woken.removeAll(keepingCapacity: true)
        moment.joined.removeAll()
        moment.due.removeAll()
        while let first = wakes.first, first.at <= time {
            _ = wakes.pop()
            if first.slot < 0 {
                let index = -1 - first.slot
                guard products.indices.contains(index) else { continue }
                for line in products[index].lines where line.paceDue.map({ $0 <= time }) ?? false || line.isOpen {
                    enqueue(line: line, of: products[index].key)
                }
                continue
            }
            // Stale entries: the profile has gone, or has been woken for another time.
            guard isUsed[first.slot], profiles[first.slot].wake == first.at else { continue }
            profiles[first.slot].wake = .max
            moment.woken.append(first.slot)
        }
        if moment.woken.count > 1 { moment.woken = inOrder(moment.woken) }
        moment.slots = moment.woken.reversed()
        for slot in moment.woken {
            for place in profiles[slot].instances.indices where isDue(slot, place, at: time) { enqueue(slot, place) }
        }
    }

    /// Slots in the order of their customers. When buckets leave their windows, thousands are woken at once.
    private func inOrder(_ slots: [Int]) -> [Int] {
        let profiles = profiles
        var entries = slots.map { (lead: profiles[$0].key.lead, slot: $0) }
        entries.sort { left, right in
            left.lead != right.lead
                ? left.lead < right.lead : CustomerKey.precedes(profiles[left.slot].key, profiles[right.slot].key)
        }
        return entries.map(\.slot)
    }

    private func isDue(_ slot: Int, _ place: Int, at time: Instant) -> Bool {
        profiles[slot].instances[place].phase != .queued && profiles[slot].instances[place].due <= time
    }

    private mutating func enqueue(_ slot: Int, _ place: Int) { enqueue(profiles[slot].instances[place], slot) }

    func dueTimer(_ instance: Instance, _ slot: Int) -> DueTimer {
        let rule = rules.rules[instance.rule]
        return DueTimer(
            priority: rule.priority, rank: rules.rank[instance.rule], place: instance.place, customer: text(of: slot),
            key: instance.key,
            what: .instance(customer: profiles[slot].number, rule: instance.rule, key: instance.key))
    }

    mutating func enqueue(_ instance: Instance, _ slot: Int) { enqueue(dueTimer(instance, slot)) }

    /// A line's turn comes before the instances of its rule: what it frees is taken at once.
    mutating func enqueue(line: AudienceLine, of product: ProductKey) {
        let rule = rules.rules[line.rule]
        enqueue(
            DueTimer(
                priority: rule.priority, rank: rules.rank[line.rule], place: -1, customer: "", key: product.text,
                what: .line(product: product, rule: line.rule)))
    }

    private mutating func enqueue(_ timer: DueTimer) { moment.due.push(timer) }

    /// Works off the open moment: first the segments and calendars of everyone it woke, then the timers in their order. False after noting
    /// what is missing; nothing of the timer at hand has been changed then.
    mutating func work(_ missing: inout Missing) -> Bool {
        missing = Missing()
        while let slot = moment.slots.last {
            // A segment left or entered may end an instance that holds a share of a product.
            for place in profiles[slot].instances.indices {
                if let product = profiles[slot].instances[place].product { _ = require(product, &missing) }
            }
            guard missing.isEmpty else { return false }
            moment.slots.removeLast()
            passTime(slot)
        }
        while let timer = moment.due.first {
            switch timer.what {
            case .instance(let customer, let rule, let key):
                guard let slot = slotByNumber[customer],
                    let place = profiles[slot].instances.firstIndex(where: { $0.rule == rule && $0.key.same(as: key) }),
                    profiles[slot].instances[place].phase != .queued, profiles[slot].instances[place].due <= moment.at
                else { break }
                if let product = profiles[slot].instances[place].product { _ = require(product, &missing) }
                if rules.rules[rule].readsProduct,
                    let product = profiles[slot].subject(of: profiles[slot].instances[place], rules).product
                {
                    _ = require(product, &missing)
                }
                guard missing.isEmpty else { return false }
                moment.due.pop()
                judge(slot, place)
                continue
            case .line(let product, let rule):
                guard let index = require(product, &missing) else { return false }
                guard turn(index, rule, &missing) else { return false }
                // `turn` took the timer off before it enqueued others.
                continue
            }
            moment.due.pop()
        }
        moment.isOpen = false
        for slot in moment.woken where isUsed[slot] {
            // Also where nothing else changed: the stored wake has to move on.
            touch(slot)
            settle(slot)
        }
        return true
    }

    /// The moments at which segments change by time, and calendar starts.
    private mutating func passTime(_ slot: Int) {
        guard !rules.graph.segments.isEmpty || !rules.triggers.calendars.isEmpty else { return }
        let isQuiet = profiles[slot].judgedBy != rules.judgement
        let changes = judge(slot, rules.graph.order, isQuiet: isQuiet)
        // Nearly everybody whose buckets leave a window stays where they are.
        guard !changes.isEmpty || !rules.triggers.calendars.isEmpty else { return }
        let before = profiles[slot].instances.count
        let enqueued = profiles[slot].instances.indices.filter { isDue(slot, $0, at: moment.at) }.map {
            (rule: profiles[slot].instances[$0].rule, key: profiles[slot].instances[$0].key)
        }
        for action in [Trigger.Action.cancel, .start] { fire(slot, changes, action) }
        startCalendars(slot)
        guard profiles[slot].instances.count != before || !changes.isEmpty else { return }
        for place in profiles[slot].instances.indices
        where isDue(slot, place, at: moment.at)
            && !enqueued.contains(where: {
                $0.rule == profiles[slot].instances[place].rule && $0.key.same(as: profiles[slot].instances[place].key)
            })
        {
            enqueue(slot, place)
        }
    }

    /// Judges a customer by changed segments, as of the millisecond before now, to which everybody has come. What changes or is due at this very moment
    /// is left to it: segments that were there before are entered and left aloud, and instances and calendars keep their place among what is due for
    /// others.
    mutating func adopt(_ slot: Int) {
        let now = clock.now
        clock.now = now - 1
        _ = judge(slot, rules.graph.order, isQuiet: true)
        let change = rules.graph.segments.isEmpty ? .max : nextSegmentChange(slot)
        clock.now = now
        settle(slot)
        wake(slot, at: change)
        if calendarStarts(slot).contains(where: { $0.at == clock.now && !isTaken(slot, $0.trigger, $0.day) }) {
            wake(slot, at: clock.now)
        }
    }

    // MARK: Calendars

    func whereabouts(_ slot: Int) -> Whereabouts { profiles[slot].whereabouts }

    private func calendarStarts(_ slot: Int) -> [(trigger: CalendarTrigger, day: Int, at: Instant)] {
        rules.calendarStarts(whereabouts(slot))
    }

    private func isTaken(_ slot: Int, _ trigger: CalendarTrigger, _ day: Int) -> Bool {
        profiles[slot].hasTaken(trigger, day)
    }

    func nextCalendarStart(_ slot: Int) -> Instant {
        calendarStarts(slot).reduce(Instant.max) { next, start in
            start.at >= clock.now && !isTaken(slot, start.trigger, start.day) ? min(next, start.at) : next
        }
    }

    private mutating func startCalendars(_ slot: Int) {
        guard !rules.triggers.calendars.isEmpty else { return }
        for (trigger, day, at) in calendarStarts(slot) where at == moment.at && !isTaken(slot, trigger, day) {
            start(slot, trigger, day: day, at: at)
        }
    }

    /// Who travels east may find that a moment is over there which was still to come: it is now, and not never.
    ///
    /// - Parameter place: where the customer was before the event at hand.
    mutating func startPassedOver(_ slot: Int, since place: Whereabouts) {
        guard whereabouts(slot) != place else { return }
        let awaited = rules.calendarStarts(place).filter { $0.at >= clock.now && !isTaken(slot, $0.trigger, $0.day) }
        for (trigger, day, at) in calendarStarts(slot)
        where at < clock.now
            && awaited.contains(where: {
                $0.trigger.rule == trigger.rule && $0.trigger.id == trigger.id && $0.day == day
            })
        {
            start(slot, trigger, day: day, at: clock.now)
        }
    }

    private mutating func start(_ slot: Int, _ trigger: CalendarTrigger, day: Int, at time: Instant) {
        touch(slot)
        profiles[slot].calendarDays.append(CalendarDay(rule: trigger.rule, trigger: trigger.id, day: day))
        guard trigger.segments.isEmpty || trigger.segments.contains(where: { profiles[slot].isMember(of: $0) }) else { return }
        start(slot, trigger.rule, key: keyWithoutEvent(slot, trigger.rule), product: nil, at: time, id: "", name: "")
    }
}
