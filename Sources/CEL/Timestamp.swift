/// A moment of the years 1 to 9999, UTC, to the nanosecond.
package struct Timestamp: Hashable, Sendable, Comparable {
    /// Since 1970-01-01T00:00:00Z.
    package let seconds: Int
    /// 0 to 999,999,999, towards the future also before 1970.
    package let nanoseconds: Int32

    static let firstSecond = -62_135_596_800
    static let lastSecond = 253_402_300_799

    /// Nil outside of the years 1 to 9999, and for nanoseconds that are not part of a second.
    package init?(seconds: Int, nanoseconds: Int = 0) {
        guard seconds >= Self.firstSecond, seconds <= Self.lastSecond, nanoseconds >= 0, nanoseconds < 1_000_000_000 else {
            return nil
        }
        self.seconds = seconds
        self.nanoseconds = Int32(nanoseconds)
    }

    /// Nil outside of the years 1 to 9999.
    package init?(milliseconds: Int) {
        let (seconds, rest) = milliseconds.flooredDivision(by: 1000)
        self.init(seconds: seconds, nanoseconds: rest * 1_000_000)
    }

    /// Since 1970, rounded down.
    package var milliseconds: Int { seconds * 1000 + Int(nanoseconds) / 1_000_000 }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    func adding(_ duration: Int) throws(Fault) -> Timestamp {
        let (carry, rest) = (Int(nanoseconds) + duration % 1_000_000_000).flooredDivision(by: 1_000_000_000)
        let result = Timestamp(seconds: seconds + duration / 1_000_000_000 + carry, nanoseconds: rest)
        guard let result else { throw .outOfRange("timestamp") }
        return result
    }

    func nanoseconds(since other: Timestamp) throws(Fault) -> Int {
        let (product, tooBig) = (seconds - other.seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow) = product.addingReportingOverflow(Int(nanoseconds - other.nanoseconds))
        if tooBig || overflow { throw .outOfRange("duration") }
        return sum
    }

    // MARK: RFC 3339

    /// Reads `2026-01-31T23:59:59.123456789+02:00`.
    package init?(rfc3339 text: String) {
        var reader = Digits(text)
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), reader.take("T") || reader.take("t"), let hour = reader.number(2), reader.take(":"),
            let minute = reader.number(2), reader.take(":"), let second = reader.number(2)
        else { return nil }
        var nanoseconds = 0
        if reader.take(".") {
            guard let fraction = reader.fraction() else { return nil }
            nanoseconds = fraction
        }
        var offset = 0
        if !reader.take("Z"), !reader.take("z") {
            let isWest = reader.take("-")
            guard isWest || reader.take("+"), let hours = reader.number(2), reader.take(":"), let minutes = reader.number(2),
                hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 3600 + minutes * 60) * (isWest ? -1 : 1)
        }
        guard reader.isAtEnd, (1...12).contains(month), day >= 1, day <= Civil.days(in: month, of: year), hour < 24, minute < 60,
            second < 60
        else { return nil }
        let local = Civil.days(year: year, month: month, day: day) * 86400 + hour * 3600 + minute * 60 + second
        self.init(seconds: local - offset, nanoseconds: nanoseconds)
    }

    /// In UTC, with as many decimals as needed.
    package var rfc3339: String {
        let civil = Civil(seconds: seconds)
        let date = "\(Digits.padded(civil.year, 4))-\(Digits.padded(civil.month, 2))-\(Digits.padded(civil.day, 2))"
        let time = "\(Digits.padded(civil.hour, 2)):\(Digits.padded(civil.minute, 2)):\(Digits.padded(civil.second, 2))"
        return "\(date)T\(time)\(Digits.decimals(Int(nanoseconds)))Z"
    }
}

extension Int {
    /// Quotient rounded down, and the rest that is never negative.
    func flooredDivision(by divisor: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

/// A date and a time of day in the Gregorian calendar, extended to all years.
package struct Civil: Hashable, Sendable {
    package let year: Int
    /// 1 to 12.
    package let month: Int
    /// 1 to 31.
    package let day: Int
    package let hour: Int
    package let minute: Int
    package let second: Int
    /// 0 is Sunday.
    package let weekday: Int
    /// 0 is the first of January.
    package let dayOfYear: Int

    /// From seconds since 1970-01-01T00:00:00 of the same clock.
    package init(seconds: Int) {
        let (days, rest) = seconds.flooredDivision(by: 86400)
        hour = rest / 3600
        minute = rest / 60 % 60
        second = rest % 60
        weekday = (days + 4).flooredDivision(by: 7).remainder
        // Years that begin on the first of March, in eras of 400: the leap day is then the last day of a year.
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfMarchYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfMarchYear + 2) / 153
        day = dayOfMarchYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        dayOfYear = days - Civil.days(year: year, month: 1, day: 1)
    }

    /// Days since 1970-01-01.
    package static func days(year: Int, month: Int, day: Int) -> Int {
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).flooredDivision(by: 400)
        let dayOfMarchYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfMarchYear - 719_468
    }

    package static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// - Parameter month: 1 to 12.
    package static func days(in month: Int, of year: Int) -> Int {
        month == 2 ? (isLeap(year) ? 29 : 28) : ([4, 6, 9, 11].contains(month) ? 30 : 31)
    }
}

/// Reads and writes the digits of times.
struct Digits {
    private let units: [UInt8]
    private(set) var position = 0

    init(_ text: String) { units = Array(text.utf8) }

    var isAtEnd: Bool { position == units.count }
    var peek: UInt8? { position < units.count ? units[position] : nil }

    mutating func take(_ unit: Unicode.Scalar) -> Bool {
        guard let peek, UInt32(peek) == unit.value else { return false }
        position += 1
        return true
    }

    mutating func digit() -> Int? {
        guard let peek, peek >= 48, peek <= 57 else { return nil }
        position += 1
        return Int(peek) - 48
    }

    /// Exactly `count` digits.
    mutating func number(_ count: Int) -> Int? {
        var result = 0
        for _ in 0..<count {
            guard let digit = digit() else { return nil }
            result = result * 10 + digit
        }
        return result
    }

    /// One or more digits; nil if there is none or the number is above a billion.
    mutating func number() -> Int? {
        guard var result = digit() else { return nil }
        while let digit = digit() {
            result = result * 10 + digit
            if result > 1_000_000_000 { return nil }
        }
        return result
    }

    /// Digits after a decimal point, as billionths; what is below is dropped.
    mutating func fraction() -> Int? {
        guard let first = digit() else { return nil }
        var result = first * 100_000_000
        var unit = 10_000_000
        while let digit = digit() {
            result += digit * unit
            unit /= 10
        }
        return result
    }

    static func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    /// `.5` for 500,000,000 billionths, nothing for 0.
    static func decimals(_ billionths: Int) -> String {
        guard billionths != 0 else { return "" }
        var text = Substring(padded(billionths, 9))
        while text.hasSuffix("0") { text.removeLast() }
        return "." + text
    }
}

/// Durations as CEL writes them. As a number they are nanoseconds.
package enum DurationText {
    private static let units: [(name: String, nanoseconds: Int)] = [
        ("ns", 1), ("us", 1000), ("µs", 1000), ("μs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ]

    /// Reads `1h30m`, `-1.5s`, `100ms`, `0`. Nil if it is none, or beyond 292 years.
    package static func parse(_ text: String) -> Int? {
        var reader = Digits(text)
        let isNegative = reader.take("-")
        if !isNegative { _ = reader.take("+") }
        if text.utf8.elementsEqual("0".utf8) || text.utf8.elementsEqual("-0".utf8) || text.utf8.elementsEqual("+0".utf8) {
            return 0
        }
        guard !reader.isAtEnd else { return nil }
        let utf8 = Array(text.utf8)
        var total = 0
        while !reader.isAtEnd {
            // Whole number and fraction apart, so that no precision is lost.
            var whole = 0
            var digits = 0
            while let digit = reader.digit() {
                let (product, tooBig) = whole.multipliedReportingOverflow(by: 10)
                let (sum, overflow) = product.addingReportingOverflow(digit)
                if tooBig || overflow { return nil }
                whole = sum
                digits += 1
            }
            var billionths = 0
            if reader.take(".") {
                let start = reader.position
                billionths = reader.fraction() ?? 0
                digits += reader.position - start
            }
            guard digits > 0 else { return nil }
            let rest = utf8[reader.position...]
            guard
                let unit = units.filter({ rest.starts(with: $0.name.utf8) }).max(by: { $0.name.utf8.count < $1.name.utf8.count })
            else { return nil }
            for scalar in unit.name.utf8 { _ = reader.take(Unicode.Scalar(scalar)) }
            let (product, tooBig) = whole.multipliedReportingOverflow(by: unit.nanoseconds)
            // Billionths of an hour do not fit once multiplied out, so seconds and smaller parts are taken in turn.
            let fraction =
                unit.nanoseconds >= 1_000_000_000
                ? billionths * (unit.nanoseconds / 1_000_000_000) : billionths * unit.nanoseconds / 1_000_000_000
            let (part, overflow) = product.addingReportingOverflow(fraction)
            let (sum, overflows) = total.addingReportingOverflow(part)
            if tooBig || overflow || overflows { return nil }
            total = sum
        }
        return isNegative ? -total : total
    }

    /// `5400s`, `1.5s`.
    package static func string(_ nanoseconds: Int) -> String {
        let magnitude = nanoseconds.magnitude
        let seconds = magnitude / 1_000_000_000
        return "\(nanoseconds < 0 ? "-" : "")\(seconds)\(Digits.decimals(Int(magnitude % 1_000_000_000)))s"
    }
}
