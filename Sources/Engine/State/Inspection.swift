import CEL

/// A stored customer as a person looks at it: the same reading of a record that the engine does, without an engine. What is to be forgotten by now is
/// left out, although it is in the record until the customer changes next.
package struct Inspection: Sendable {
    package let profile: Profile
    /// Running instances of rules that the configuration no longer has.
    package let orphans: [(rule: String, instance: Instance)]
    package let rules: RuleSet
    package let now: Instant

    package init(_ record: CustomerRecord, links: [[UInt8]], rules: RuleSet, now: Instant) {
        let reading = RecordReader(rules: rules).profile(record, links: links)
        var profile = reading.profile
        profile.carts.prune(now: now, forget: rules.definitions.cartsForget)
        profile.interests.removeAll { !$0.holds(at: now, rules.definitions) }
        self.profile = profile
        orphans = reading.orphans
        self.rules = rules
        self.now = now
    }

    /// One statistic that some condition keeps, over one of the windows that conditions ask for.
    package struct WindowValue: Sendable {
        package let series: SeriesDefinition
        /// All that is kept for it.
        package let kept: Series
        package let value: String
        package let window: Milliseconds
        package let newest: Instant?
    }

    /// What the windows hold now, over the longest that any condition looks back.
    package var windows: [WindowValue] {
        profile.series.map { series in
            let definition = rules.statistics.series[series.definition]
            let longest = rules.statistics.longest[series.definition]
            let window = definition.width == .lifetime ? nil : longest
            let live = series.live(now: now, window: window, width: definition.width)
            let value: String =
                switch definition.statistic {
                case .count: String(series.total(now: now, window: window, width: definition.width))
                case .sum:
                    "sum \(live.reduce(Decimal.zero) { $0 + $1.sum }.text), of \(live.reduce(0) { $0 + Int($1.count) }), "
                        + "from \(live.map(\.low).min()?.text ?? "-") to \(live.map(\.high).max()?.text ?? "-")"
                case .distinct: "\(live.count) values"
                case .top: "\(Set(live.map(\.value)).count) values"
                case .ordered: live.map { String(decoding: $0.value, as: UTF8.self) }.joined(separator: " ")
                }
            let newest = (series.counts.map(\.index) + series.buckets.map(\.index)).max()
            return WindowValue(
                series: definition, kept: series, value: value, window: longest,
                newest: newest.flatMap { index in definition.width.milliseconds.map { Instant(index) * $0 } })
        }
    }
}
