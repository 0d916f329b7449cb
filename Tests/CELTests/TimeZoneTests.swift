import CEL
import Foundation
import Testing

/// Inside of macros a type cannot be told apart by its module.
private typealias Zone = CEL.TimeZone
private typealias SystemZone = Foundation.TimeZone

@Suite struct TimeZoneTests {
    /// A file of version 2 with the given changes (seconds since 1970, offset) and footer.
    static func tzif(_ changes: [(Int, Int)], first: Int, footer: String) -> [UInt8] {
        func big(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        func header(_ times: Int, _ types: Int) -> [UInt8] {
            Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15) + [0, 0, 0, times, types, 4].flatMap { big($0, 4) }
        }
        let offsets = [first] + changes.map(\.1)
        var bytes = header(0, 1) + big(0, 6) + Array("XXX\0".utf8)
        bytes +=
            header(changes.count, offsets.count) + changes.flatMap { big($0.0, 8) } + (0..<changes.count).map { UInt8($0 + 1) }
        bytes += offsets.flatMap { big($0, 4) + [0, 0] } + Array("XXX\0".utf8)
        return bytes + Array("\n\(footer)\n".utf8)
    }

    static func moment(_ text: String) -> Int { Timestamp(rfc3339: text)?.seconds ?? 0 }

    static let berlin = Zone(tzif: tzif([(0, 3600)], first: 3208, footer: "CET-1CEST,M3.5.0,M10.5.0/3"))

    @Test("before, within and past the table") func offsets() throws {
        let zone = try #require(Self.berlin)
        #expect(zone.offset(at: -1) == 3208)
        #expect(zone.offset(at: Self.moment("2026-01-15T00:00:00Z")) == 3600)
        #expect(zone.offset(at: Self.moment("2026-03-29T00:59:59Z")) == 3600)
        #expect(zone.offset(at: Self.moment("2026-03-29T01:00:00Z")) == 7200)
        #expect(zone.offset(at: Self.moment("2026-10-25T00:59:59Z")) == 7200)
        #expect(zone.offset(at: Self.moment("2026-10-25T01:00:00Z")) == 3600)
        #expect(zone.offset(at: Self.moment("9999-07-01T00:00:00Z")) == 7200)
        #expect(zone.offset(at: Self.moment("2400-03-26T01:00:00Z")) == 7200)
        #expect(zone.offset(at: Self.moment("2400-03-26T00:59:59Z")) == 3600)
    }

    @Test("a time that is skipped or shown twice") func localTimes() throws {
        let zone = try #require(Self.berlin)
        #expect(zone.moments(ofLocal: Self.moment("2026-03-29T02:30:00Z")) == .skipped(Self.moment("2026-03-29T01:00:00Z")))
        #expect(
            zone.moments(ofLocal: Self.moment("2026-10-25T02:30:00Z"))
                == .twice(Self.moment("2026-10-25T00:30:00Z"), Self.moment("2026-10-25T01:30:00Z")))
        #expect(zone.moments(ofLocal: Self.moment("2026-10-25T03:00:00Z")) == .once(Self.moment("2026-10-25T02:00:00Z")))
        #expect(zone.moments(ofLocal: Self.moment("2026-03-29T03:00:00Z")) == .once(Self.moment("2026-03-29T01:00:00Z")))
        #expect(zone.moments(ofLocal: Self.moment("2026-06-01T12:00:00Z")) == .once(Self.moment("2026-06-01T10:00:00Z")))
    }

    @Test("a whole day that a zone skipped") func skippedDay() throws {
        // Samoa went from UTC-10 to UTC+14 at the end of 2011-12-29.
        let change = Self.moment("2011-12-30T10:00:00Z")
        let zone = try #require(Zone(tzif: Self.tzif([(change, 14 * 3600)], first: -10 * 3600, footer: "<+14>-14")))
        #expect(zone.moments(ofLocal: Self.moment("2011-12-30T12:00:00Z")) == .skipped(change))
        #expect(zone.moments(ofLocal: Self.moment("2011-12-31T00:00:00Z")) == .once(change))
        #expect(zone.moments(ofLocal: Self.moment("2011-12-29T23:59:59Z")) == .once(change - 1))
    }

    @Test("rules of the southern half, of half hours and of Julian days") func footers() throws {
        let lordHowe = try #require(
            Zone(tzif: Self.tzif([], first: 37800, footer: "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0")))
        #expect(lordHowe.offset(at: Self.moment("2026-01-15T00:00:00Z")) == 39600)
        #expect(lordHowe.offset(at: Self.moment("2026-07-15T00:00:00Z")) == 37800)
        let night = lordHowe.moments(ofLocal: Self.moment("2026-04-05T01:45:00Z"))
        #expect(night == .twice(Self.moment("2026-04-04T14:45:00Z"), Self.moment("2026-04-04T15:15:00Z")))
        let julian = try #require(Zone(tzif: Self.tzif([], first: 0, footer: "AAA0BBB,J60/0,J300/0")))
        #expect(julian.offset(at: Self.moment("2024-02-29T23:59:59Z")) == 0)
        #expect(julian.offset(at: Self.moment("2024-03-01T00:00:00Z")) == 3600)
        let greenland = try #require(Zone(tzif: Self.tzif([], first: -7200, footer: "<-02>2<-01>,M3.5.0/-1,M10.5.0/0")))
        #expect(greenland.offset(at: Self.moment("2026-03-29T00:59:59Z")) == -7200)
        #expect(greenland.offset(at: Self.moment("2026-03-29T01:00:00Z")) == -3600)
    }

    @Test("fixed offsets") func fixed() {
        #expect(Zone(fixed: "+05:30")?.offset(at: 0) == 19800)
        #expect(Zone(fixed: "-09:30")?.offset(at: 0) == -34200)
        #expect(Zone(fixed: "02:00")?.offset(at: 0) == 7200)
        #expect(Zone(fixed: "UTC")?.offset(at: 0) == 0)
        #expect(
            Zone(fixed: "Europe/Paris") == nil && Zone(fixed: "+5:30") == nil
                && Zone(fixed: "+25:00") == nil)
    }

    @Test("damaged files are refused") func damaged() {
        let good = Self.tzif([(0, 3600)], first: 0, footer: "CET-1CEST,M3.5.0,M10.5.0/3")
        #expect(Zone(tzif: []) == nil)
        for length in 0..<(good.count - 28) { #expect(Zone(tzif: Array(good.prefix(length))) == nil) }
        for index in good.indices {
            var bad = good
            bad[index] = 255
            _ = Zone(tzif: bad)
        }
    }

    // Skipped where the system has no time zones.
    @Test(
        "the system's zones agree with Foundation",
        .enabled(if: FileManager.default.fileExists(atPath: "/usr/share/zoneinfo/Europe/Istanbul")),
        arguments: [
            "Europe/Istanbul", "America/New_York", "Australia/Sydney", "Asia/Kathmandu", "Africa/Casablanca", "America/St_Johns",
        ])
    func system(name: String) throws {
        let zone = try #require(ConformanceCases.zones(name))
        let other = try #require(SystemZone(identifier: name))
        for moment in stride(from: 0, to: 2_000_000_000, by: 86400 * 11 + 3607) {
            #expect(
                zone.offset(at: moment) == other.secondsFromGMT(for: Date(timeIntervalSince1970: Double(moment))), "\(moment)")
        }
    }
}
