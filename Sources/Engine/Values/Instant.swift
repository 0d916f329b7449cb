/// Event time: milliseconds since 1970-01-01T00:00:00Z, without leap seconds. Inside the engine time is always an input.
package typealias Instant = Int64

/// A span of event time in milliseconds.
package typealias Milliseconds = Int64

/// The proleptic Gregorian calendar, by the days-from-civil algorithm (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
package enum Civil {
    package static func days(year: Int, month: Int, day: Int) -> Int {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// Of a date as `2026-05-10`; nil if there is none such.
    package static func days(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        guard bytes.count == 10, bytes[4] == 0x2D, bytes[7] == 0x2D else { return nil }
        func number(_ range: Range<Int>) -> Int? {
            var value = 0
            for byte in bytes[range] {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), year >= 1, month >= 1, month <= 12,
            day >= 1, day <= daysInMonth(year: year, month: month)
        else { return nil }
        return days(year: year, month: month, day: day)
    }

    package static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let z = days + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let mp = (5 * dayOfYear + 2) / 153
        let month = mp < 10 ? mp + 3 : mp - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * mp + 2) / 5 + 1)
    }

    package static func daysInMonth(year: Int, month: Int) -> Int {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Instant {
    /// What RFC 3339 can write: the years 1 to 9999. No event is of another time.
    package static let years: ClosedRange<Instant> = -62_135_596_800_000...253_402_300_799_999

    /// `2026-03-01T12:00:00.123Z`, the one way times are written in messages.
    package var rfc3339: String { withRFC3339 { String(decoding: $0, as: UTF8.self) } }

    /// The same where it needs no memory of its own: 24 bytes of ASCII.
    func withRFC3339<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        // What no event can have is shown as the nearest that one can.
        let time = Swift.min(Swift.max(self, Self.years.lowerBound), Self.years.upperBound)
        let days = time >= 0 ? time / 86_400_000 : (time - 86_399_999) / 86_400_000
        let (year, month, day) = Civil.date(days: Int(days))
        let rest = Int(time - days * 86_400_000)
        var text = (UInt64(0), UInt64(0), UInt64(0))
        return withUnsafeMutableBytes(of: &text) { text in
            func digits(_ value: Int, from start: Int, to last: Int) {
                var value = value
                for place in stride(from: last, through: start, by: -1) {
                    text[place] = UInt8(48 + value % 10)
                    value /= 10
                }
            }
            digits(Swift.max(0, Swift.min(9999, year)), from: 0, to: 3)
            text[4] = 0x2D
            digits(month, from: 5, to: 6)
            text[7] = 0x2D
            digits(day, from: 8, to: 9)
            text[10] = 0x54
            digits(rest / 3_600_000, from: 11, to: 12)
            text[13] = 0x3A
            digits(rest / 60_000 % 60, from: 14, to: 15)
            text[16] = 0x3A
            digits(rest / 1000 % 60, from: 17, to: 18)
            text[19] = 0x2E
            digits(rest % 1000, from: 20, to: 22)
            text[23] = 0x5A
            return body(UnsafeRawBufferPointer(text))
        }
    }

    /// A time as people give it: RFC 3339, or a date for its midnight in UTC.
    package static func parse(_ text: String) -> Instant? {
        parse(rfc3339: Array(text.utf8)) ?? Civil.days(text).map { Instant($0) * 86_400_000 }
    }

    /// Reads RFC 3339 with any offset and up to any number of decimals (kept to the millisecond, the rest cut off). A leap second
    /// counts as the last millisecond-wise second before it. Years 0001 to 9999.
    package static func parse(rfc3339 text: some Collection<UInt8>) -> Instant? {
        if let instant = text.withContiguousStorageIfAvailable({ parse(rfc3339: UnsafeRawBufferPointer($0)) }) { return instant }
        return Array(text).withUnsafeBytes { parse(rfc3339: $0) }
    }

    /// The same of bytes in memory. It is not generic, because one call a line of every log comes here.
    package static func parse(rfc3339 text: UnsafeRawBufferPointer) -> Instant? {
        let count = text.count
        guard count >= 20, let start = text.baseAddress else { return nil }
        // Eight bytes at a time: `2026-03-`, `01T12:00`, and `:00` with what follows it.
        let date = start.loadUnaligned(as: UInt64.self).littleEndian
        let middle = start.loadUnaligned(fromByteOffset: 8, as: UInt64.self).littleEndian
        guard let year1 = twoDigits(date), let year2 = twoDigits(date &>> 16), date &>> 32 & 0xFF == 0x2D,
            let month = twoDigits(date &>> 40), date &>> 56 == 0x2D, let day = twoDigits(middle),
            let hour = twoDigits(middle &>> 24), middle &>> 40 & 0xFF == 0x3A, let minute = twoDigits(middle &>> 48),
            text[16] == 0x3A, let second = twoDigits(UInt64(text[17]) | UInt64(text[18]) &<< 8)
        else { return nil }
        let year = year1 &* 100 &+ year2
        let separator = UInt8(truncatingIfNeeded: middle &>> 16)
        guard separator == 0x54 || separator == 0x74 || separator == 0x20, year >= 1, month >= 1, month <= 12, day >= 1,
            day <= 28 || day <= Civil.daysInMonth(year: year, month: month), hour <= 23, minute <= 59, second <= 60
        else { return nil }
        var position = 19
        var milliseconds = 0
        if text[position] == 0x2E {
            position = 20
            var weight = 100
            while position < count, text[position] >= 0x30, text[position] <= 0x39 {
                milliseconds &+= weight &* Int(text[position] &- 0x30)
                weight = weight == 100 ? 10 : weight == 10 ? 1 : 0
                position &+= 1
            }
            guard position > 20 else { return nil }
        }
        guard position < count else { return nil }
        var offset = 0
        switch text[position] {
        case 0x5A, 0x7A:
            guard position + 1 == count else { return nil }
        case 0x2B, 0x2D:
            guard position + 6 == count, text[position + 3] == 0x3A,
                let hours = twoDigits(UInt64(text[position + 1]) | UInt64(text[position + 2]) &<< 8),
                let minutes = twoDigits(UInt64(text[position + 4]) | UInt64(text[position + 5]) &<< 8), hours <= 23, minutes <= 59
            else { return nil }
            offset = (hours * 60 + minutes) * (text[position] == 0x2D ? -1 : 1)
        default: return nil
        }
        let seconds = Civil.days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + Swift.min(second, 59)
        if second == 60 { milliseconds = 999 }
        return Instant(seconds - offset * 60) * 1000 + Instant(milliseconds)
    }

    /// The number in the two lowest bytes, the first digit lowest; nil if they are no digits.
    @inline(__always)
    private static func twoDigits(_ text: UInt64) -> Int? {
        let tens = (text & 0xFF) &- 0x30
        let ones = (text &>> 8 & 0xFF) &- 0x30
        return tens <= 9 && ones <= 9 ? Int(truncatingIfNeeded: tens &* 10 &+ ones) : nil
    }
}

/// Durations as the configuration writes them: `90s`, `15m`, `48h`, `7d`, `2w`, and sums of these (`1d12h`); a bare `0` is none.
package enum DurationLiteral {
    /// Milliseconds, or nil if the text is no duration or beyond 1,000 years.
    package static func parse(_ text: some StringProtocol) -> Milliseconds? {
        if text == "0" { return 0 }
        var total: Milliseconds = 0
        var number: Milliseconds?
        let limit: Milliseconds = 1000 * 366 * 86_400_000
        var bytes = Array(text.utf8)[...]
        guard !bytes.isEmpty else { return nil }
        while let byte = bytes.popFirst() {
            if byte >= 0x30, byte <= 0x39 {
                let value = (number ?? 0) * 10 + Milliseconds(byte - 0x30)
                guard value <= limit else { return nil }
                number = value
                continue
            }
            let unit: Milliseconds
            switch byte {
            case UInt8(ascii: "m") where bytes.first == UInt8(ascii: "s"):
                bytes.removeFirst()
                unit = 1
            case UInt8(ascii: "s"): unit = 1000
            case UInt8(ascii: "m"): unit = 60_000
            case UInt8(ascii: "h"): unit = 3_600_000
            case UInt8(ascii: "d"): unit = 86_400_000
            case UInt8(ascii: "w"): unit = 7 * 86_400_000
            default: return nil
            }
            guard let value = number else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: unit)
            guard !overflow, product <= limit, total + product <= limit else { return nil }
            total += product
            number = nil
        }
        return number == nil ? total : nil
    }

    /// `1d12h` and the like: the shortest sum that reads back as the same span.
    package static func text(_ milliseconds: Milliseconds) -> String {
        guard milliseconds != 0 else { return "0s" }
        var rest = milliseconds.magnitude
        var text = milliseconds < 0 ? "-" : ""
        for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")] as [(UInt64, String)] {
            let count = rest / unit
            if count > 0 {
                text += "\(count)\(name)"
                rest %= unit
            }
        }
        return text
    }
}
