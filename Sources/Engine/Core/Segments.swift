import CEL

struct SegmentChange {
    let segment: Int
    let entered: Bool
}

/// Who is in which segment, and when time alone may change it.
extension Engine {
    /// Judges the segments that this event may have changed, and gives what changed. The first judgement under new segments is quiet.
    mutating func judgeSegments(
        _ slot: Int, event: Event, all: Bool, changesContext: Bool, isQuiet: Bool
    ) -> [SegmentChange] {
        if all { return judge(slot, rules.graph.order, isQuiet: isQuiet) }
        let own = rules.graph.byEvent[Int(event.name.index)]
        guard changesContext, !rules.graph.byContext.isEmpty else { return judge(slot, own, isQuiet: false) }
        return judge(slot, rules.graph.withDependents(own + rules.graph.byContext), isQuiet: false)
    }

    /// Judges segments in the given order (those a segment is made of before it).
    mutating func judge(_ slot: Int, _ indices: [Int], isQuiet: Bool) -> [SegmentChange] {
        var changes: [SegmentChange] = []
        for segment in indices {
            let isIn: Bool
            if let threshold = rules.graph.thresholds[segment] {
                isIn = threshold.holds(
                    profiles[slot].count(threshold.series, now: clock.now, window: threshold.window, of: rules))
            } else {
                isIn = evaluate(rules.graph.segments[segment].condition, slot)
            }
            let wasIn = profiles[slot].isMember(of: segment)
            guard isIn != wasIn else { continue }
            if isIn {
                profiles[slot].segments.append(Membership(segment: segment, enteredAt: clock.now))
                output.memberships.append((segment, profiles[slot].number, clock.now))
            } else {
                profiles[slot].segments.removeAll { $0.segment == segment }
                output.memberships.append((segment, profiles[slot].number, nil))
            }
            touch(slot)
            if !isQuiet { changes.append(SegmentChange(segment: segment, entered: isIn)) }
        }
        profiles[slot].judgedBy = rules.judgement
        return changes
    }

    /// A segment's condition on the profile alone.
    private mutating func evaluate(_ condition: Condition, _ slot: Int) -> Bool {
        let now = clock.now
        let rules = rules
        let result = profiles.withUnsafeBufferPointer { profiles -> Evaluation? in
            guard let first = profiles.baseAddress else { return nil }
            return condition.program.evaluate(
                ProfileScope(condition: condition, rules: rules, profile: first + slot, now: now))
        }
        switch result {
        case .value(.bool(let value)): return value
        case .value, nil: return false
        case .error:
            counters.conditionErrors += 1
            return false
        }
    }

    // MARK: Next wake

    /// Makes sure the profile is woken for the next moment at which it may change without an event.
    mutating func settle(_ slot: Int) {
        var next = Instant.max
        for place in profiles[slot].instances.indices where profiles[slot].instances[place].phase != .queued {
            next = min(next, max(profiles[slot].instances[place].due, clock.now))
        }
        if !rules.graph.segments.isEmpty { next = min(next, nextSegmentChange(slot)) }
        if !rules.triggers.calendars.isEmpty { next = min(next, nextCalendarStart(slot)) }
        wake(slot, at: next)
    }

    /// The next moment at which a segment of this profile may change by time: a bucket leaves a window, or a `since` reaches its constant.
    func nextSegmentChange(_ slot: Int) -> Instant {
        var next = Instant.max
        for place in profiles[slot].series.indices {
            let definition = profiles[slot].series[place].definition
            if rules.graph.windows[definition].isEmpty { continue }
            let width = rules.statistics.series[definition].width
            for moment in rules.graph.windows[definition] {
                if let change = profiles[slot].series[place].nextChange(now: clock.now, window: moment, width: width) {
                    next = min(next, change)
                }
            }
        }
        for place in profiles[slot].marks.indices {
            for constant in rules.graph.since[profiles[slot].marks[place].definition] {
                let moment = profiles[slot].marks[place].last + constant
                if moment > clock.now { next = min(next, moment) } else if moment + 1 > clock.now { next = min(next, moment + 1) }
            }
        }
        return next
    }
}
