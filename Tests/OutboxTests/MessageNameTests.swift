import Testing

@testable import Outbox

@Suite struct MessageNameTests {
    @Test(
        arguments: [
            (1_772_366_400_123, "20260301T120000123Z"), (0, "19700101T000000000Z"), (-1, "19691231T235959999Z"),
            (951_782_400_000, "20000229T000000000Z"), (4_107_542_399_999, "21000228T235959999Z"),
            (4_107_542_400_000, "21000301T000000000Z"),
            (-62_135_596_800_000, "00010101T000000000Z"), (253_402_300_799_999, "99991231T235959999Z"),
            (Int64.min, "00010101T000000000Z"), (Int64.max, "99991231T235959999Z"),
        ] as [(Int64, String)])
    func aTimeIsWrittenToTheMillisecondAndHeldWithinItsYears(time: Int64, stamp: String) {
        #expect(MessageName.stamp(time) == stamp)
    }

    @Test func everyDayOfFourHundredYearsFollowsTheOneBefore() {
        var (year, month, day) = (1900, 1, 1)
        func padded(_ number: Int, _ width: Int) -> String { String(String(number + 100_000).suffix(width)) }
        for index in 0..<146_097 {
            let time = (Int64(index) - 25_567) * 86_400_000
            #expect(MessageName.stamp(time) == padded(year, 4) + padded(month, 2) + padded(day, 2) + "T000000000Z")
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            day += 1
            if day > lengths[month - 1] { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    @Test func namesSortByTime() {
        let times: [Int64] = [-62_135_596_800_000, -1, 0, 1, 999, 1000, 1_772_366_400_123, 253_402_300_799_999]
        let names = times.map { MessageName.file(time: $0, id: String(repeating: "a", count: 32)) }
        #expect(names == names.sorted())
    }

    @Test func aMessagesNameIsToldFromAllOthers() {
        let name = "20260301T120000123Z-abcdefghijklmnopqrstuvwxyz234567.json"
        #expect(MessageName.isMessage(name))
        #expect(MessageName.withdrawn(by: name + ".withdrawn") == name)
        #expect(MessageName.failed(by: name + ".reason") == name)
        let others = [
            "", "notes.txt", ".json", name + "x", "x" + name, name.uppercased(), String(name.dropLast()), "../" + name,
            "20260301T120000123Z-abcdefghijklmnopqrstuvwxyz234561.json",
            "20260301T12000012aZ-abcdefghijklmnopqrstuvwxyz234567.json",
            "20260301T120000123Z_abcdefghijklmnopqrstuvwxyz234567.json",
            "20260301T120000123Z-abcdefghijklmnopqrstuvwxyz23456.jsonl",
            "20260301T120000123Z-abcdefghijklmnopqrstuvwxyz23456é.json", name + ".withdrawn", name + ".reason",
        ]
        for other in others { #expect(!MessageName.isMessage(other), "\(other)") }
        #expect(MessageName.withdrawn(by: name) == nil)
        #expect(MessageName.withdrawn(by: "notes.withdrawn") == nil)
    }
}
