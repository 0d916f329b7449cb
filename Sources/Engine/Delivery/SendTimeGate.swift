import CEL

/// `send_time: best` holds a message, once, for the hour of the day in which the customer is most active: at most 24 hours ahead, never into
/// quiet hours, and not past the message's own end.
struct SendTimeGate: Gate {
    let name = "send time"

    func judge(_ candidate: inout Candidate) -> GateAnswer {
        guard candidate.rule.delivery.waitsForBestHour else { return .allow }
        let now = candidate.now
        if let awaited = candidate.instance.awaitedHour {
            // Released, it waits for its hour no more, whatever else holds it.
            candidate.instance.awaitedHour = min(awaited, now)
            candidate.saw("it has waited for its hour")
            return .allow
        }
        let counts = candidate.profile.activity.hours(now: now)
        let total = counts.reduce(0, +)
        guard total >= Activity.enough else {
            candidate.saw("\(total) events are too few to tell the best hour")
            return .allow
        }
        let zone = candidate.policy.zone(of: candidate.profile)
        let quiet = candidate.policy.quietHours.map { QuietWindow($0, in: zone) }
        let end = candidate.instance.firstDue(candidate.rule, now: now) + candidate.rule.expires
        var best: (count: Int, hour: Int, at: Instant)?
        for (hour, count) in counts.enumerated() where count > 0 {
            guard let at = Self.next(hour, from: now, in: zone, quiet), at < end || at == now else { continue }
            // Of equally active hours the one that comes first.
            if best.map({ count > $0.count || count == $0.count && at < $0.at }) ?? true { best = (count, hour, at) }
        }
        guard let best else {
            candidate.saw("no active hour is allowed")
            return .allow
        }
        candidate.saw("\(best.count) of \(total) events in hour \(best.hour)")
        guard best.at > now else { return .allow }
        candidate.instance.awaitedHour = best.at
        return .hold(until: best.at)
    }

    /// Now if the clocks show that hour, else when they do next; where quiet hours begin or end within it, when it is not quiet. Nil if it always is, or if
    /// the clocks jump over it.
    private static func next(_ hour: Int, from now: Instant, in zone: TimeZone, _ quiet: QuietWindow?) -> Instant? {
        let latest = now + 86_400_000
        func allowed(_ at: Instant) -> Instant? {
            guard let quiet, quiet.isQuiet(at: at) else { return at }
            let opening = quiet.opening(after: at)
            return opening <= latest && opening - at < 3_600_000 && LocalTime(opening, in: zone).hour == hour ? opening : nil
        }
        let local = LocalTime(now, in: zone)
        if local.hour == hour, let at = allowed(now) { return at }
        var isJumpedOver = false
        for day in local.day...local.day + 2 {
            let moment = Instant(zone.moments(ofLocal: day * 86_400 + hour * 3600).first) * 1000
            guard moment > now else { continue }
            guard LocalTime(moment, in: zone).hour == hour else {
                isJumpedOver = true
                continue
            }
            return isJumpedOver && moment > latest ? nil : allowed(min(moment, latest))
        }
        return nil
    }
}
