/// The yearly rule of a time zone, as the footer of a TZif file has it: `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX, with the
/// extensions of RFC 8536).
struct TimeZoneRule: Sendable, Hashable {
    /// A day of the year, and the time of it at which the clocks change.
    private struct Change: Sendable, Hashable {
        enum Day: Sendable, Hashable {
            /// 1 to 365; the leap day is never counted.
            case julian(Int)
            /// 0 to 365, the leap day counted.
            case zeroBased(Int)
            /// Month 1 to 12; week 1 to 5, where 5 is the last; weekday 0 (Sunday) to 6.
            case monthly(month: Int, week: Int, weekday: Int)
        }

        let day: Day
        /// Seconds after midnight, local; may be negative or beyond the day.
        let time: Int

        /// In seconds since 1970 of the local clocks before the change.
        func local(in year: Int) -> Int {
            let newYear = Civil.days(year: year, month: 1, day: 1)
            let day: Int
            switch self.day {
            case .julian(let number): day = newYear + number - 1 + (Civil.isLeap(year) && number >= 60 ? 1 : 0)
            case .zeroBased(let number): day = newYear + number
            case .monthly(let month, let week, let weekday):
                let first = Civil.days(year: year, month: month, day: 1)
                let firstWeekday = (first + 4).flooredDivision(by: 7).remainder
                var offset = (weekday - firstWeekday + 7) % 7 + (week - 1) * 7
                if offset >= Civil.days(in: month, of: year) { offset -= 7 }
                day = first + offset
            }
            return day * 86400 + time
        }
    }

    private let standard: Int
    private let summer: Int
    private let start: Change?
    private let end: Change?

    init?(_ text: [UInt8]) {
        var reader = Digits(String(decoding: text, as: UTF8.self))
        guard Self.skipName(&reader), let west = Self.time(&reader, signed: true) else { return nil }
        standard = -west
        guard !reader.isAtEnd else {
            summer = standard
            start = nil
            end = nil
            return
        }
        guard Self.skipName(&reader) else { return nil }
        if reader.peek == 44 {
            summer = standard + 3600
        } else {
            guard let west = Self.time(&reader, signed: true) else { return nil }
            summer = -west
        }
        guard reader.take(","), let start = Self.change(&reader), reader.take(","), let end = Self.change(&reader), reader.isAtEnd
        else { return nil }
        self.start = start
        self.end = end
    }

    /// A name of letters, or anything between angle brackets.
    private static func skipName(_ reader: inout Digits) -> Bool {
        if reader.take("<") {
            while let unit = reader.peek, unit != 62 { _ = reader.take(Unicode.Scalar(unit)) }
            return reader.take(">")
        }
        var count = 0
        while let unit = reader.peek, Unicode.Scalar(unit).properties.isAlphabetic {
            _ = reader.take(Unicode.Scalar(unit))
            count += 1
        }
        return count >= 3
    }

    /// `hh`, `hh:mm` or `hh:mm:ss`, in seconds; up to 167 hours.
    private static func time(_ reader: inout Digits, signed: Bool) -> Int? {
        let isNegative = signed && reader.take("-")
        if signed, !isNegative { _ = reader.take("+") }
        guard let hours = reader.number(), hours <= 167 else { return nil }
        var result = hours * 3600
        for unit in [60, 1] {
            guard reader.take(":") else { break }
            guard let number = reader.number(), number < 60 else { return nil }
            result += number * unit
        }
        return isNegative ? -result : result
    }

    private static func change(_ reader: inout Digits) -> Change? {
        let day: Change.Day
        if reader.take("J") {
            guard let number = reader.number(), (1...365).contains(number) else { return nil }
            day = .julian(number)
        } else if reader.take("M") {
            guard let month = reader.number(), reader.take("."), let week = reader.number(), reader.take("."),
                let weekday = reader.number(), (1...12).contains(month), (1...5).contains(week), weekday < 7
            else { return nil }
            day = .monthly(month: month, week: week, weekday: weekday)
        } else {
            guard let number = reader.number(), number <= 365 else { return nil }
            day = .zeroBased(number)
        }
        guard reader.take("/") else { return Change(day: day, time: 2 * 3600) }
        guard let time = time(&reader, signed: true) else { return nil }
        return Change(day: day, time: time)
    }

    /// The moments of a year at which the offset changes, in order, and the offset from each on.
    func changes(in year: Int) -> [(moment: Int, offset: Int)] {
        guard let start, let end else { return [] }
        let from = (moment: start.local(in: year) - standard, offset: summer)
        let to = (moment: end.local(in: year) - summer, offset: standard)
        return from.moment < to.moment ? [from, to] : [to, from]
    }

    /// Seconds east of UTC at a moment.
    func offset(at moment: Int) -> Int {
        guard let start, let end else { return standard }
        let year = Civil(seconds: moment + standard).year
        // The start is said by winter's clock, the end by summer's.
        let from = start.local(in: year) - standard
        let to = end.local(in: year) - summer
        let isSummer = from < to ? (moment >= from && moment < to) : !(moment >= to && moment < from)
        return isSummer ? summer : standard
    }
}
