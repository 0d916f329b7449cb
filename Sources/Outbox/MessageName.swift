import Engine

/// The names of a message's files: `<time>-<id>.json`, time as `20260301T120000123Z`, so that names sort by time; the id is
/// 32 characters of lower-case base32. Nothing of another shape is ever touched in an outbox.
package enum MessageName {
    /// The file name of the message `id`, decided at `time` (milliseconds since 1970 UTC).
    ///
    /// Times outside the years 0001–9999 are moved to the nearest millisecond inside, so that every name keeps its length.
    package static func file(time: Int64, id: String) -> String {
        "\(stamp(time))-\(id).json"
    }

    /// `time` (milliseconds since 1970 UTC) as `YYYYMMDDThhmmssmmmZ`, held within the years 0001–9999.
    package static func stamp(_ time: Int64) -> String {
        let held = min(max(time, Instant.years.lowerBound), Instant.years.upperBound)
        let day = held.flooredQuotient(by: 86_400_000)
        let rest = held - day * 86_400_000
        let (year, month, dayOfMonth) = civil(daysSince1970: day)
        return padded(year, 4) + padded(month, 2) + padded(dayOfMonth, 2) + "T" + padded(rest / 3_600_000, 2)
            + padded(rest / 60_000 % 60, 2) + padded(rest / 1000 % 60, 2) + padded(rest % 1000, 3) + "Z"
    }

    /// Whether `name` has the shape of a message's file.
    package static func isMessage(_ name: String) -> Bool { isMessage(name.utf8[...]) }

    /// The message of which `name` is the witness of a withdrawal (`NAME.withdrawn`), or nil.
    package static func withdrawn(by name: String) -> String? { message(before: ".withdrawn", in: name) }

    /// The message of which `name` holds the reason of giving up (`NAME.reason`), or nil.
    package static func failed(by name: String) -> String? { message(before: ".reason", in: name) }

    static func witness(of name: String) -> String { name + ".withdrawn" }
    static func reason(of name: String) -> String { name + ".reason" }

    private static func message(before suffix: String, in name: String) -> String? {
        guard name.hasSuffix(suffix) else { return nil }
        let message = String(name.dropLast(suffix.count))
        return isMessage(message) ? message : nil
    }

    private static func isMessage(_ name: Substring.UTF8View) -> Bool {
        // 8 digits, T, 9 digits, Z, -, 32 of base32, .json
        guard name.count == 57 else { return false }
        for (place, byte) in name.enumerated() {
            let fits =
                switch place {
                case 8: byte == UInt8(ascii: "T")
                case 18: byte == UInt8(ascii: "Z")
                case 19: byte == UInt8(ascii: "-")
                case 0..<18: (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                case 20..<52:
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                        || (UInt8(ascii: "2")...UInt8(ascii: "7")).contains(byte)
                default: true
                }
            guard fits else { return false }
        }
        return name.suffix(5).elementsEqual(".json".utf8)
    }

    /// Year, month and day of a day number; Howard Hinnant's `civil_from_days`, the proleptic Gregorian calendar.
    private static func civil(daysSince1970 days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468  // from 0000-03-01, so that a leap day ends its year
        let era = shifted.flooredQuotient(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension Int64 {
    fileprivate func flooredQuotient(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
