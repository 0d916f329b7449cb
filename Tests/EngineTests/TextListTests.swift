import Testing

@testable import Engine

/// Lists of ids in one piece of memory hold what was put in, byte by byte.
@Suite struct TextListTests {
    @Test func aListHoldsWhatWasPutIn() {
        let texts = [
            "", "a", "1f841063-3ef3-46ac-84ba-9bcf45c7fdec", "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            // Not the spelling that is packed.
            "1F841063-3EF3-46AC-84BA-9BCF45C7FDEC", "1f841063-3ef3-46ac-84ba-9bcf45c7fde",
            "1f841063-3ef3-46ac-84ba-9bcf45c7fdecc",
            "1f8410633-ef3-46ac-84ba-9bcf45c7fdec", "1f841063-3ef3-46ac-84ba_9bcf45c7fdec",
            "1f841063-3ef3-46ac-84ba-9bcf45c7fdeg",
            "ayşe", "e\u{301}", "é", String(repeating: "x", count: 63), String(repeating: "x", count: 64),
            String(repeating: "y", count: 8191), String(repeating: "z", count: 8192), String(repeating: "ü", count: 100_000),
        ]
        let list = TextList(texts)
        #expect(list.count == texts.count)
        for (found, expected) in zip(list, texts) { #expect(found.same(as: expected)) }
        #expect(list.last?.same(as: texts[texts.count - 1]) == true)
        for text in texts {
            #expect(list.contains(text))
            #expect(TextList([text, "b"]).first(is: text) && !TextList(["b", text]).first(is: text))
        }
        // Another way to write the same letter is another id.
        #expect(!TextList(["e\u{301}"]).contains("é"))
        #expect(!list.contains("b") && TextList().last == nil && TextList().isEmpty && !list.isEmpty)
    }

    /// Whatever single byte stands anywhere in a UUID, it is what it was.
    @Test func anyByteAnywhereInAUUIDStays() {
        let uuid = Array("1f841063-3ef3-46ac-84ba-9bcf45c7fdec".utf8)
        for place in 0..<36 {
            for byte in UInt8(1)..<128 {
                var bytes = uuid
                bytes[place] = byte
                let text = String(decoding: bytes, as: UTF8.self)
                let list = TextList([text, "after"])
                guard list.first?.same(as: text) == true, list.last == "after", list.contains(text), list.first(is: text) else {
                    Issue.record("place \(place), byte \(byte)")
                    return
                }
            }
        }
    }

    @Test(arguments: UInt64(1)...20) func itIsAsAnArrayOfTexts(seed: UInt64) {
        var random = Seeded(state: seed)
        var list = TextList()
        var texts: [String] = []
        for step in 0..<300 {
            switch random.below(4) {
            case 0, 1:
                let uuid = (0..<36).map {
                    [8, 13, 18, 23].contains($0) ? "-" : "0123456789abcdef".map(String.init)[random.below(16)]
                }
                let text = random.below(2) == 0 ? uuid.joined() : String(repeating: "t", count: random.below(200))
                list.append(text)
                texts.append(text)
            case 2:
                list.removeFirst()
                texts = Array(texts.dropFirst())
            default:
                let text = texts.isEmpty ? "t" : texts[random.below(texts.count)]
                #expect(list.contains(text) == texts.contains(text), "seed \(seed), step \(step)")
                if random.below(3) == 0 {
                    list.remove(text)
                    texts.removeAll { $0 == text }
                }
            }
            #expect(Array(list) == texts && list.count == texts.count && list.last == texts.last, "seed \(seed), step \(step)")
        }
    }

    @Test(arguments: UInt64(1)...10) func startsAreAsASortedArrayOfTimes(seed: UInt64) {
        var random = Seeded(state: seed)
        var starts = Starts()
        var times: [Instant] = []
        for step in 0..<200 {
            if random.below(3) > 0 {
                let time = Instant(random.below(1000))
                starts.insert(time)
                times.append(time)
                times.sort()
            } else {
                let bound = Instant(random.below(400))
                starts.remove(before: bound)
                times.removeAll { $0 < bound }
            }
            let wanted = Instant(random.below(1000))
            #expect(starts.contains(wanted) == times.contains(wanted), "seed \(seed), step \(step)")
            #expect(Array(starts) == times && starts.count == times.count, "seed \(seed), step \(step)")
        }
    }
}
