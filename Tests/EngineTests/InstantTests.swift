import Engine
import Foundation
import Testing

@Suite struct InstantTests {
    private func parse(_ text: String) -> Instant? { Instant.parse(rfc3339: Array(text.utf8)) }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1985-04-12T23:20:50.52Z", 482_196_050_520), ("1996-12-19T16:39:57-08:00", 851_042_397_000),
        ("1937-01-01T12:00:27.87+00:20", -1_041_337_172_130), ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999), ("1969-12-31T23:59:59.999Z", -1),
        ("2026-03-01 12:00:00.1234567899Z", 1_772_366_400_123),
        ("1990-12-31T23:59:60Z", 662_687_999_999), ("1990-12-31T15:59:60-08:00", 662_687_999_999),
        ("2026-03-01t12:00:00z", 1_772_366_400_000),
        ("2026-03-01T00:00:00+23:59", 1_772_236_860_000), ("1900-03-01T00:00:00Z", -2_203_891_200_000),
    ])
    func aTimeIsRead(_ text: String, _ milliseconds: Int64) { #expect(parse(text) == milliseconds) }

    @Test(arguments: [
        "", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01T12:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T12:60:00Z",
        "2026-03-01T12:00:61Z", "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00,5Z", "2026-03-01T12:00:00+0100",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+01:60", "2026-03-01T12:00:00+1:00", "2026-03-01T12:00:00ZZ", "2026-03-01T12:00:00Z ",
        " 2026-03-01T12:00:00Z",
        "0000-01-01T00:00:00Z", "2026/03/01T12:00:00Z", "2026-03-01X12:00:00Z", "2026-0:-01T12:00:00Z", "2026-03-01T12:00:00.1",
        "+2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00+01:00:00", "2026-03-01T12:00:0\u{660}Z",
    ])
    func anythingElseIsNone(_ text: String) { #expect(parse(text) == nil) }

    @Test func everyTimeReadsBackAsItself() {
        var generator = SplitMix(seed: engineSeed)
        for _ in 0..<5000 {
            let instant = Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &generator)
            let text = instant.rfc3339
            #expect(parse(text) == instant, "seed \(engineSeed)")
            let offset = Int64.random(in: -1439...1439, using: &generator)
            guard let shifted = Optional(instant + offset * 60_000), shifted > -62_135_596_800_000, shifted < 253_402_300_799_999
            else { continue }
            let minutes = offset.magnitude
            let zone = (offset < 0 ? "-" : "+") + String(format: "%02d:%02d", Int(minutes / 60), Int(minutes % 60))
            #expect(parse(shifted.rfc3339.dropLast() + zone) == instant, "seed \(engineSeed)")
        }
    }

    @Test func theCalendarAgreesWithFoundation() {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(identifier: "UTC") ?? calendar.timeZone
        for days in stride(from: -10_000, to: 60_000, by: 97) {
            let date = Civil.date(days: days)
            let theirs = calendar.dateComponents([.year, .month, .day], from: Date(timeIntervalSince1970: Double(days) * 86_400))
            #expect(date.year == theirs.year && date.month == theirs.month && date.day == theirs.day)
            #expect(Civil.days(year: date.year, month: date.month, day: date.day) == days)
        }
    }

    @Test(arguments: [
        ("90s", 90_000), ("15m", 900_000), ("48h", 172_800_000), ("7d", 604_800_000), ("2w", 1_209_600_000),
        ("1d12h", 129_600_000), ("250ms", 250), ("0", 0),
    ])
    func aDurationIsRead(_ text: String, _ milliseconds: Int64) {
        #expect(DurationLiteral.parse(text) == milliseconds)
        #expect(DurationLiteral.parse(DurationLiteral.text(milliseconds)) == milliseconds)
    }

    @Test(arguments: ["", "5", "h", "-1h", "1.5h", "1y", "1h ", "99999999999999999999h", "9999999w", "1hh"])
    func anyOtherDurationIsNone(_ text: String) {
        #expect(DurationLiteral.parse(text) == nil)
    }
}
