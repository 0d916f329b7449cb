/// What every event changes of its customer's profile, and what is counted of it. This is on the hot path: the engine reaches into its profiles
/// once for each of these.
extension Profile {
    /// Notes when the customer was seen, and by which locale and time zone; gives whether the zone is another one now.
    mutating func see(_ event: Event, of batch: EventBatch) -> Bool {
        firstSeen = min(firstSeen, event.time)
        lastSeen = max(lastSeen, event.time)
        if !event.locale.isEmpty { Self.stamp(&locale, event.locale, of: batch, at: event.time) }
        return !event.timezone.isEmpty && Self.stamp(&timezone, event.timezone, of: batch, at: event.time)
    }

    /// The newest event time wins; a value that stays the same, which nearly every event repeats, is not made anew. Gives whether it is another.
    @discardableResult
    private static func stamp(_ field: inout Stamped<String>?, _ text: ArenaText, of batch: EventBatch, at time: Instant) -> Bool
    {
        if let known = field?.at {
            guard known <= time else { return false }
            if batch.withBytes(text, { field?.value.same(as: $0) ?? false }) {
                field?.at = time
                return false
            }
        }
        field = Stamped(batch.string(text), at: time)
        return true
    }

    /// Traits, marks and windows.
    mutating func count(_ event: Event, _ properties: JSONView?, of batch: EventBatch, _ rules: RuleSet, now: Instant) {
        if let traits = batch.traits(of: event) { set(traits: traits, at: event.time) }
        let name = Int(event.name.index)
        guard name != 0 else { return }
        if let mark = rules.statistics.markByEvent[name] {
            if let place = marks.firstIndex(where: { $0.definition == mark }) {
                marks[place].first = min(marks[place].first, event.time)
                marks[place].last = max(marks[place].last, event.time)
            } else {
                marks.append(Mark(definition: mark, first: event.time, last: event.time))
            }
        }
        let counted = rules.statistics.seriesByEvent[name]
        for definition in counted { count(definition, event.time, properties, rules, now: now) }
    }

    private mutating func count(_ definition: Int, _ time: Instant, _ properties: JSONView?, _ rules: RuleSet, now: Instant) {
        let width = rules.statistics.series[definition].width
        let statistic = rules.statistics.series[definition].statistic
        let bucket = width.bucket(time)
        let longest = rules.statistics.longest[definition]
        if width != .lifetime, width.leaves(bucket, window: longest) <= now { return }
        if statistic == .count {
            let place = place(of: definition)
            series[place].prune(now: now, longest: longest, width: width)
            series[place].count(bucket)
            return
        }
        let value = statistic == .ordered ? nil : properties?.value(at: rules.statistics.paths[definition])
        let number = value?.decimal
        switch statistic {
        case .sum: if number == nil { return }
        case .distinct, .top: if value == nil || value?.tag == .null { return }
        case .count, .ordered: break
        }
        let place = place(of: definition)
        series[place].prune(now: now, longest: longest, width: width)
        switch statistic {
        case .count: break
        case .sum: if let number { series[place].number(number, bucket) }
        case .distinct: if let value { series[place].distinct(value.canonical, bucket) }
        case .top: if let value { series[place].top(value.canonical, bucket) }
        case .ordered:
            guard let properties else { return }
            for mention in ProductMention.list(properties) ?? ProductMention(properties).map({ [$0] }) ?? [] {
                series[place].distinct(Array(mention.product.id.utf8), bucket)
            }
        }
    }

    /// Where this series is among those of the customer; it is begun if it is not there.
    private mutating func place(of definition: Int) -> Int {
        for place in series.indices where series[place].definition == definition { return place }
        series.append(Series(definition: definition))
        return series.count - 1
    }

    /// How many events of a `count` series fall into a window now.
    func count(_ definition: Int, now: Instant, window: Milliseconds?, of rules: RuleSet) -> Int64 {
        for place in series.indices where series[place].definition == definition {
            return series[place].total(now: now, window: window, width: rules.statistics.series[definition].width)
        }
        return 0
    }
}
