import CEL

/// Where a customer is, for calendars.
struct Whereabouts: Equatable {
    let timezone: String?
    let country: String?
}

extension Profile {
    /// The region of the locale (`tr-TR`), else the trait `country`, in upper case.
    package var country: String? {
        if let locale = locale?.value {
            // After a single letter come extensions (`en-u-ca-gregory`), among which no region stands.
            for part in locale.split(whereSeparator: { "-_.@".contains($0) }).dropFirst().prefix(while: { $0.utf8.count > 1 })
            where part.utf8.count == 2 && part.utf8.allSatisfy({ ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A }) {
                return part.uppercased()
            }
        }
        return trait("country")?.string?.uppercased()
    }

    var whereabouts: Whereabouts { Whereabouts(timezone: timezone?.value, country: country) }

    /// Whether a day of a calendar has had its turn.
    func hasTaken(_ trigger: CalendarTrigger, _ day: Int) -> Bool {
        calendarDays.contains { $0.rule == trigger.rule && $0.trigger == trigger.id && $0.day == day }
    }
}

extension RuleSet {
    /// The moments of calendars' days for somebody who is there.
    func calendarStarts(_ place: Whereabouts) -> [(trigger: CalendarTrigger, day: Int, at: Instant)] {
        let zone = delivery.zone(named: place.timezone)
        var result: [(trigger: CalendarTrigger, day: Int, at: Instant)] = []
        for trigger in triggers.calendars {
            for day in place.country.flatMap({ trigger.days[$0] }) ?? trigger.days["default"] ?? [] {
                let whole = trigger.before / 86_400_000
                let local =
                    (Int64(day) - whole) * 86_400_000 + Int64(trigger.minuteOfDay) * 60_000
                    - (trigger.before - whole * 86_400_000)
                let at = Instant(zone.moments(ofLocal: Int(local / 1000)).first) * 1000
                result.append((trigger, day, at))
            }
        }
        return result
    }
}
