/// The parts of timestamps and durations.
enum TimeAccess {
    static func part(
        _ builtin: Builtin, of timestamp: Timestamp, in zone: String?, _ find: @Sendable (String) -> TimeZone?
    ) throws(Fault) -> Int {
        var local = timestamp.seconds
        if let zone {
            guard let zone = TimeZone(fixed: zone) ?? find(zone) else { throw .invalidArgument("unknown time zone '\(zone)'") }
            local += zone.offset(at: timestamp.seconds)
        }
        if builtin == .getMilliseconds { return Int(timestamp.nanoseconds) / 1_000_000 }
        let civil = Civil(seconds: local)
        return switch builtin {
        case .getFullYear: civil.year
        case .getMonth: civil.month - 1
        case .getDate: civil.day
        case .getDayOfMonth: civil.day - 1
        case .getDayOfWeek: civil.weekday
        case .getDayOfYear: civil.dayOfYear
        case .getHours: civil.hour
        case .getMinutes: civil.minute
        default: civil.second
        }
    }

    /// Hours, minutes and seconds of a duration are its whole length in that unit; milliseconds are only those beside the seconds.
    static func part(_ builtin: Builtin, of duration: Int) -> Int? {
        switch builtin {
        case .getHours: duration / 3_600_000_000_000
        case .getMinutes: duration / 60_000_000_000
        case .getSeconds: duration / 1_000_000_000
        case .getMilliseconds: duration % 1_000_000_000 / 1_000_000
        default: nil
        }
    }
}
