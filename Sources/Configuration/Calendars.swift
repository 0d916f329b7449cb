import Engine

extension Reading {
    mutating func segments(_ entries: [Entry]) -> [SegmentDefinition] {
        entries.compactMap { entry in
            guard !entry.value.isNull else {
                error(
                    entry.key.position, "the segment \"\(printable(entry.name))\" has no condition",
                    hint: entry.name.contains(")") ? "Between { and } a comma ends a value: put the condition into quotes." : nil)
                return nil
            }
            return expression(entry).map { SegmentDefinition(name: entry.key, condition: $0) }
        }
    }

    mutating func calendars(_ entries: [Entry]) -> [CalendarDefinition] {
        entries.map { entry in
            var calendar = CalendarDefinition(name: entry.key, days: [:])
            let told = issues.count
            for item in named(entry) {
                let isCountry = item.name.utf8.count == 2 && item.name.utf8.allSatisfy { $0 >= 0x41 && $0 <= 0x5A }
                guard isCountry || item.name == "default" else {
                    let upper = item.name.uppercased()
                    error(
                        item.key.position,
                        "\"\(printable(item.name))\" is no country: a calendar's keys are ISO 3166 codes of two capital letters,"
                            + " or default",
                        hint: upper.utf8.count == 2 && upper != item.name ? "Did you mean `\(printable(upper))`?" : nil)
                    continue
                }
                let days = values(item).compactMap { day(Entry(key: item.key, value: $0.value)) }
                calendar.days[item.name] = Set(days).sorted()
            }
            calendar.isFaulty = issues.count > told
            if !calendar.isFaulty, calendar.days.values.allSatisfy({ $0.isEmpty }) {
                warn(entry.key.position, "the calendar \"\(printable(entry.name))\" has no dates")
            }
            return calendar
        }
    }

    private mutating func day(_ entry: Entry) -> Int? {
        guard let text = text(entry) else { return nil }
        if let days = Civil.days(text.value) { return days }
        error(text.position, "\"\(printable(text.value))\" is not a date", hint: "Write for example 2026-05-10.")
        return nil
    }
}
