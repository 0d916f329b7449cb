import Testing

@testable import Engine

/// What is written straight to bytes is what the canonical form has.
@Suite struct JSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter()
        json.array(write)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    @Test func textsAreEscapedWhereverTheEscapeStands() {
        var generator = SplitMix(seed: engineSeed)
        let pieces = ["a", "b", "\"", "\\", "\n", "\u{1}", "\u{1F}", " ", "é", "€", "😀", "\u{7F}", "~", "\u{80}"]
        for _ in 0..<3000 {
            let string = (0..<Int(generator.next() % 24)).map { _ in pieces[Int(generator.next() % UInt64(pieces.count))] }
                .joined()
            var expected: [UInt8] = []
            CanonicalJSON.write(string: string.utf8, to: &expected)
            #expect(text { $0.value(string) } == "[" + String(decoding: expected, as: UTF8.self) + "]", "seed \(engineSeed)")
        }
    }

    @Test(arguments: [0, 1, -1, 9, 10, -10, 1_772_323_200_000, 9_007_199_254_740_991, -9_007_199_254_740_991, .max, .min])
    func wholeNumbers(_ number: Int64) {
        #expect(text { $0.value(number) } == "[" + CanonicalJSON.number(Double(number)) + "]")
    }

    @Test func numbers() {
        var generator = SplitMix(seed: engineSeed)
        for _ in 0..<3000 {
            let wide = Double(bitPattern: generator.next())
            for number in [wide, Double(Int64(bitPattern: generator.next()) % 100_000) / 8, -0.0] {
                #expect(text { $0.value(number: number) } == "[" + CanonicalJSON.number(number) + "]", "seed \(engineSeed)")
            }
        }
    }

    @Test func membersStandAsTheyAreGiven() {
        let json = JSONWriter.object { json in
            json.member("a", "x" as String?)
            json.member("b", nil as String?)
            json.member("c", time: 0)
            json.key(text: "d\"")
            json.array { json in
                json.value(true)
                json.object { _ in }
            }
            json.member("e", ExactDecimal(text: Array("-12.50".utf8)))
        }
        #expect(
            String(decoding: json, as: UTF8.self)
                == #"{"a":"x","c":"1970-01-01T00:00:00.000Z","d\"":[true,{}],"e":"-12.5"}"#)
    }
}

/// What the program has written is read back as it was.
@Suite struct JSONTextTests {
    private func read(_ text: String) -> String? {
        JSONText.pack(Array(text.utf8)).map { CanonicalJSON(JSONView(bytes: $0, offset: 0)).text }
    }

    @Test(
        arguments: [
            ("0", "0"), ("-0", "0"), ("7", "7"), ("-12", "-12"), ("123456789012345678", "123456789012345680"), ("1.5", "1.5"),
            ("-2e3", "-2000"), ("9223372036854775807", "9223372036854776000"), ("-", nil),
            ("+", nil),
            (#""""#, #""""#), (#""a\"b\\c\n\u0001é""#, #""a\"b\\c\n\u0001é""#), (#""\ud83d\ude00""#, #""😀""#), (#""a"#, nil),
            (#" [ 1 , "x" , null , true ] "#, #"[1,"x",null,true]"#), (#"{"a":{"b\"":[]},"c":-1}"#, #"{"a":{"b\"":[]},"c":-1}"#),
            ("[1 2]", nil), (#"{"a" 1}"#, nil), ("[1]]", nil), ("", nil),
        ] as [(String, String?)])
    func aTextIsReadBack(_ text: String, _ expected: String?) { #expect(read(text) == expected) }

    @Test func wholeNumbersKeepAllTheirDigits() throws {
        for number in [Int64.max, .min, 999_999_999_999_999_999, -999_999_999_999_999_999, 1_000_000_000_000_000_000] {
            let packed = try #require(JSONText.pack(Array(String(number).utf8)))
            #expect(JSONView(bytes: packed, offset: 0).int64 == number)
        }
    }
}
