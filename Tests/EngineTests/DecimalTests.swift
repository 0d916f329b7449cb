import Engine
import Foundation
import Testing

@Suite struct DecimalTests {
    private typealias Ours = ExactDecimal

    private func decimal(_ text: String) -> ExactDecimal? { ExactDecimal(text: Array(text.utf8)) }

    @Test(arguments: [
        ("0", "0"), ("-0", "0"), ("12.50", "12.5"), ("-12.50", "-12.5"), ("+3", "3"), ("1.5e3", "1500"), ("1.5E-3", "0.0015"),
        (".5", "0.5"),
        ("5.", "5"), ("0.000000000000000001", "0.000000000000000001"), ("0.0000000000000000005", "0.000000000000000001"),
        ("0.0000000000000000004", "0"), ("-0.0000000000000000005", "-0.000000000000000001"),
        ("999999999999999999", "999999999999999999"),
        ("999999999999999999.999999999999999", "999999999999999999.999999999999999"), ("1e17", "100000000000000000"),
        ("1e-30", "0"),
        ("00012", "12"), ("0.00000000000000000049", "0"), ("0.1e1", "1"), ("0e300", "0"),
    ])
    func aTextIsReadExactly(_ text: String, _ expected: String) { #expect(decimal(text)?.text == expected) }

    @Test(arguments: [
        "", "-", "+", ".", "e5", "1e", "1e+", "1x", "1..2", "--1", " 1", "1 ", "1e18", "1000000000000000000", "1e400",
        "1e99999999999999999999", "1e-9223372036854775808", "1e9223372036854775807", "NaN", "inf", "0x10", "１",
    ])
    func otherTextsAreNone(_ text: String) { #expect(decimal(text) == nil) }

    @Test func longTextsOfDigitsAreRefusedOrRoundedNeverTrapped() {
        for count in 1...60 {
            _ = decimal(String(repeating: "9", count: count))
            _ = decimal("0." + String(repeating: "9", count: count))
            _ = decimal("-9." + String(repeating: "9", count: count) + "e20")
            _ = decimal(String(repeating: "9", count: count) + "e-20")
            _ = decimal("1." + String(repeating: "0", count: count) + "e-399")
        }
    }

    @Test(arguments: [
        (0.1, "0.1"), (12.95, "12.95"), (1e17, "100000000000000000"), (-0.0, "0"), (123456789.123456789, "123456789.12345679"),
        (Double.leastNonzeroMagnitude, "0"), (0.3, "0.3"), (9007199254740993.0, "9007199254740992"), (1e-7, "0.0000001"),
        (2.5e-18, "0.000000000000000003"),
    ])
    func aDoubleIsItsShortestDecimal(_ value: Double, _ expected: String) { #expect(ExactDecimal(value)?.text == expected) }

    @Test(arguments: [1e18, -1e18, .infinity, -.infinity, .nan, 1e300]) func aDoubleBeyondTheRangeIsNone(_ value: Double) {
        #expect(ExactDecimal(value) == nil)
    }

    @Test(arguments: [
        ("1.005", "1.01"), ("0.285", "0.29"), ("-1.005", "-1.01"), ("1.0049", "1"), ("7", "7"), ("0.1", "0.1"), ("99.995", "100"),
        ("-0.001", "0"),
    ])
    func centsAreRoundedHalfAwayFromZero(_ text: String, _ expected: String) {
        #expect(decimal(text)?.roundedToCents.text == expected)
    }

    @Test func noSumReachesTenToTheEighteenth() throws {
        let most = try #require(decimal("999999999999999999"))
        let least = try #require(decimal("0.000000000000000001"))
        var sum = ExactDecimal.zero
        for _ in 0..<500 { sum = sum + most }
        #expect(sum == most, "it stays where it is")
        #expect((sum + least).text == "999999999999999999.000000000000000001")
        #expect(decimal((sum + least).text) == sum + least, "what is stored as text can be read")
        #expect(least < sum && !(sum < least) && -sum < least && !(least < -sum))
        #expect(-sum - sum == -sum && sum - sum == .zero && min(sum, least) == least)
    }

    @Test func arithmeticAgreesWithFoundation() {
        var generator = SplitMix(seed: engineSeed)
        func amount() -> String {
            let whole = Int.random(in: 0...9_999_999, using: &generator)
            let decimals = Int.random(in: 0...6, using: &generator)
            let fraction = (0..<decimals).map { _ in String(Int.random(in: 0...9, using: &generator)) }.joined()
            return (Bool.random(using: &generator) ? "-" : "") + String(whole) + (decimals > 0 ? "." + fraction : "")
        }
        for _ in 0..<3000 {
            let (a, b) = (amount(), amount())
            guard let x = decimal(a), let y = decimal(b), let u = Foundation.Decimal(string: a),
                let v = Foundation.Decimal(string: b)
            else {
                Issue.record("\(a) or \(b) is not read, seed \(engineSeed)")
                continue
            }
            #expect(Foundation.Decimal(string: (x + y).text) == u + v, "\(a) + \(b), seed \(engineSeed)")
            #expect(Foundation.Decimal(string: (x - y).text) == u - v, "\(a) - \(b), seed \(engineSeed)")
            #expect(
                x.multiplied(by: y).flatMap { Foundation.Decimal(string: $0.text) } == u * v, "\(a) * \(b), seed \(engineSeed)")
            #expect((x < y) == (u < v))
            #expect((x == y) == (u == v))
            #expect(decimal(x.text) == x)
            #expect(ExactDecimal(x.double) == x)
            #expect(x.double == Double(a))
        }
    }

    @Test func moneyHasTwoDecimalsAtLeast() {
        #expect(decimal("20").map(\.money) == "20.00")
        #expect(decimal("20.5").map(\.money) == "20.50")
        #expect(decimal("0.125").map(\.money) == "0.125")
    }

    @Test func productsLeaveTheRangeAsNone() {
        let large = decimal("999999999999999999.99")
        #expect(large.flatMap { $0.multiplied(by: $0) } == nil)
        #expect(large.flatMap { $0.multiplied(by: ExactDecimal(1)) } == large)
        let small = decimal("0.000000000000000001")
        #expect(small.flatMap { $0.multiplied(by: $0) } == .zero)
        let half = decimal("0.5")
        for sign in ["", "-"] {
            guard let half, let odd = decimal(sign + "0.000000000000000003") else { continue }
            #expect(odd.multiplied(by: half)?.text == sign + "0.000000000000000002")
        }
    }
}

/// SplitMix64, the same everywhere for one seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// `NUDGED_SEED` repeats a run.
let engineSeed: UInt64 = {
    let seed = ProcessInfo.processInfo.environment["NUDGED_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<(1 << 32))
    print("NUDGED_SEED=\(seed)")
    return seed
}()
