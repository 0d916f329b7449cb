import Engine
import Foundation
import Testing

@Suite struct CanonicalJSONTests {
    /// RFC 8785, appendix B.
    @Test(
        arguments: [
            (0x0000_0000_0000_0000, "0"), (0x8000_0000_0000_0000, "0"), (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"), (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"), (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"), (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"), (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"), (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"), (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"), (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"), (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] as [(UInt64, String)])
    func aNumberIsWrittenAsECMAScriptDoes(_ bits: UInt64, _ text: String) {
        #expect(CanonicalJSON.number(Double(bitPattern: bits)) == text)
    }

    @Test func everyNumberReadsBackAsItself() {
        var generator = SplitMix(seed: engineSeed)
        for _ in 0..<5000 {
            let value = Double(bitPattern: generator.next())
            guard value.isFinite else { continue }
            #expect(Double(CanonicalJSON.number(value)) == value, "\(value.bitPattern), seed \(engineSeed)")
        }
    }

    /// RFC 8785, section 3.2.3: members in the order of their UTF-16 code units.
    @Test func membersAreSortedByCodeUnits() {
        let keys = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"]
        let text = CanonicalJSON.object(keys.map { ($0, .number(1)) }).text
        #expect(text == "{\"\\r\":1,\"1\":1,\"\u{80}\":1,\"\u{f6}\":1,\"\u{20ac}\":1,\"\u{1f600}\":1,\"\u{fb33}\":1}")
    }

    @Test func stringsHaveTheShortestEscapes() {
        #expect(
            CanonicalJSON.string("\u{20ac}$\u{f}\nA'\u{42}\u{22}\u{5c}\\\"/\u{7f}\t\u{8}\u{c}\r").text
                == #""€$\u000f\nA'B\"\\\\\"/\#u{7f}\t\b\f\r""#)
    }
}
