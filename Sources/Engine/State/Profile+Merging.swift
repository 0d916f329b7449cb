extension Profile {
    /// Takes over what an anonymous profile was, as far as it concerns nobody but the customer: what the user has said counts before what the visitor
    /// had, and of times the first and the last.
    ///
    /// - Parameter time: of the event that links them.
    mutating func absorb(_ visitor: Profile, at time: Instant, _ rules: RuleSet) {
        firstSeen = min(firstSeen, visitor.firstSeen)
        lastSeen = max(lastSeen, visitor.lastSeen)
        locale = locale ?? visitor.locale
        timezone = timezone ?? visitor.timezone
        for trait in visitor.traits where !traits.contains(where: { $0.name.same(as: trait.name) }) {
            traits.append(trait)
        }
        for subscription in visitor.subscriptions {
            if let own = subscriptions.firstIndex(where: { $0.id.same(as: subscription.id) }) {
                subscriptions[own].merge(subscription)
            } else {
                subscriptions.append(subscription)
            }
        }
        for mark in visitor.marks {
            if let own = marks.firstIndex(where: { $0.definition == mark.definition }) {
                marks[own].first = min(marks[own].first, mark.first)
                marks[own].last = max(marks[own].last, mark.last)
            } else {
                marks.append(mark)
            }
        }
        for other in visitor.series {
            if let own = series.firstIndex(where: { $0.definition == other.definition }) {
                series[own].merge(other, statistic: rules.statistics.series[other.definition].statistic)
            } else {
                series.append(other)
            }
        }
        for other in visitor.sent {
            if let own = sent.firstIndex(where: { $0.rule == other.rule }) {
                sent[own].at = max(sent[own].at, other.at)
            } else {
                sent.append(other)
            }
        }
        consent.merge(visitor.consent, at: time)
        sends = (sends + visitor.sends).sorted { ($0.at, $0.sequence) < ($1.at, $1.sequence) }
        activity.merge(visitor.activity)
        // Entries come in order of application, of which the times are the best account there is now.
        seen = SeenIDs(
            (seen.entries + visitor.seen.entries).enumerated()
                .sorted { $0.element.at != $1.element.at ? $0.element.at < $1.element.at : $0.offset < $1.offset }.map(\.element),
            newestMoved: max(seen.newestMoved, visitor.seen.newestMoved))
        ofGoneRules += visitor.ofGoneRules
        for day in visitor.calendarDays where !calendarDays.contains(day) {
            calendarDays.append(day)
        }
    }
}
