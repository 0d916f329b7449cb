import CEL

/// Holds what would go out at night until the window opens.
struct QuietHoursGate: Gate {
    let name = "quiet hours"

    func judge(_ candidate: inout Candidate) -> GateAnswer {
        guard let hours = candidate.policy.quietHours else { return .allow }
        let now = candidate.now
        let window = QuietWindow(hours, in: candidate.policy.zone(of: candidate.profile))
        guard window.isQuiet(at: now) else {
            candidate.saw("\(window.clock(at: now)) at the customer's is not quiet")
            return .allow
        }
        let opening = window.opening(after: now)
        candidate.saw("\(window.clock(at: now)) at the customer's is quiet, until \(opening.rfc3339)")
        return .hold(until: opening)
    }
}

/// Quiet hours by the clocks of one zone. They begin at `from` and end just before `to`, by what the clocks show: a night from which the
/// clocks skip an hour is shorter, one in which they repeat it is longer.
struct QuietWindow {
    /// Seconds of the day.
    private let from: Int
    private let to: Int
    private let zone: TimeZone

    init(_ hours: DeliveryDefinition.QuietHours, in zone: TimeZone) {
        from = hours.from * 60
        to = hours.to * 60
        self.zone = zone
    }

    func isQuiet(at time: Instant) -> Bool { isQuiet(second: LocalTime(time, in: zone).second) }

    private func isQuiet(second: Int) -> Bool { from < to ? second >= from && second < to : second >= from || second < to }

    /// The first moment after a quiet one that is not quiet: when the clocks show `to`, or when they are set to a time that isn't quiet.
    func opening(after time: Instant) -> Instant {
        let local = LocalTime(time, in: zone)
        var moments: [Int] = []
        for day in local.day - 1...local.day + 2 {
            switch zone.moments(ofLocal: day * 86_400 + to) {
            case .once(let moment), .skipped(let moment): moments.append(moment)
            case .twice(let first, let second): moments += [first, second]
            }
        }
        moments += changes(after: local.moment)
        let openings = moments.filter { Instant($0) * 1000 > time && !isQuiet(at: Instant($0) * 1000) }
        return openings.min().map { Instant($0) * 1000 } ?? time + 86_400_000
    }

    /// Moments (seconds) within two days at which the clocks are set.
    private func changes(after start: Int) -> [Int] {
        var found: [Int] = []
        for hour in 0..<48 {
            var low = start + hour * 3600
            var high = low + 3600
            let before = zone.offset(at: low)
            guard zone.offset(at: high) != before else { continue }
            while high - low > 1 {
                let middle = (low + high) / 2
                if zone.offset(at: middle) == before { low = middle } else { high = middle }
            }
            found.append(high)
        }
        return found
    }

    func clock(at time: Instant) -> String { LocalTime.text(minuteOfDay: LocalTime(time, in: zone).second / 60) }
}

/// What the clocks of a zone show.
struct LocalTime {
    /// Seconds since 1970, rounded down.
    let moment: Int
    /// Days since 1970-01-01 of the zone's own calendar.
    let day: Int
    /// Of the day, 0 to 86,399.
    let second: Int
    var hour: Int { second / 3600 }

    init(_ time: Instant, in zone: TimeZone) {
        moment = Int(time >= 0 ? time / 1000 : (time - 999) / 1000)
        let local = moment + zone.offset(at: moment)
        day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
        second = local - day * 86_400
    }

    /// `HH:MM`.
    static func text(minuteOfDay: Int) -> String {
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        return two(minuteOfDay / 60) + ":" + two(minuteOfDay % 60)
    }
}
