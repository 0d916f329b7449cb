/// What would start a rule, and how far the customer is from it.
extension Inspection {
    /// Whether the customer is in a segment.
    package struct Standing: Sendable {
        package let segment: String
        /// Nil: not in it.
        package let since: Instant?
    }

    /// A calendar of a rule as it is for the customer.
    package struct Appointment: Sendable {
        package let calendar: String
        /// So long before one of the calendar's days.
        package let before: Milliseconds
        /// `HH:MM`, at the customer's.
        package let time: String
        package let country: String?
        /// The customer's own; nil: that of everybody.
        package let timezone: String?
        /// The next that is to come, else the last; nil if there is no day for this country.
        package let moment: Instant?
        package let isToCome: Bool
        /// Its day has had its turn: the rule started for the customer then, or found them outside of its audience.
        package let isTaken: Bool
    }

    package enum Start: Sendable {
        /// With when it last happened to this customer, where the state keeps that.
        case event(name: String, last: Instant?)
        case enters(Standing)
        case leaves(Standing)
        case calendar(Appointment)

        var standing: Standing? {
            switch self {
            case .enters(let standing), .leaves(let standing): standing
            case .event, .calendar: nil
            }
        }
    }

    /// What starts the rule, as the configuration has it; an event that several starts name is there once.
    package func starts(of rule: Int) -> [Start] {
        var names: [String] = []
        return rules.definitions.rules[rule].start.compactMap { trigger in
            switch trigger {
            case .event(let name, _):
                guard !names.contains(where: { $0.same(as: name.value) }) else { return nil }
                names.append(name.value)
                let mark = profile.marks.first { rules.statistics.marks[$0.definition].same(as: name.value) }
                return .event(name: name.value, last: mark?.last)
            case .enters(let name): return .enters(standing(in: name.value))
            case .leaves(let name): return .leaves(standing(in: name.value))
            case .calendar(let name, let before, let minuteOfDay):
                return .calendar(appointment(rule, calendar: name.value, before: before, minuteOfDay: minuteOfDay))
            }
        }
    }

    /// The segments that the rule's audience names.
    package func audience(of rule: Int) -> [Standing] {
        rules.definitions.rules[rule].audience.compactMap {
            if case .segment(let name) = $0 { standing(in: name.value) } else { nil }
        }
    }

    private func standing(in segment: String) -> Standing {
        let index = rules.segment(named: segment)
        return Standing(segment: segment, since: profile.segments.first { $0.segment == index }?.enteredAt)
    }

    private func appointment(
        _ rule: Int, calendar: String, before: Milliseconds, minuteOfDay: Int
    ) -> Appointment {
        let id = CalendarTrigger.id(calendar: calendar, before: before, minuteOfDay: minuteOfDay)
        let moments = rules.calendarStarts(profile.whereabouts).filter { $0.trigger.rule == rule && $0.trigger.id == id }
            .map {
                (at: $0.at, isTaken: profile.hasTaken($0.trigger, $0.day))
            }
        let next = moments.filter { $0.at >= now && !$0.isTaken }.min { $0.at < $1.at }
        let shown = next ?? moments.max { $0.at < $1.at }
        return Appointment(
            calendar: calendar, before: before, time: LocalTime.text(minuteOfDay: minuteOfDay), country: profile.country,
            timezone: profile.timezone?.value, moment: shown?.at, isToCome: next != nil, isTaken: shown?.isTaken ?? false)
    }
}
