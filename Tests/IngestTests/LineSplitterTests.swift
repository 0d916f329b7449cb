import Testing

@testable import Ingest

@Suite struct LineSplitterTests {
    func split(_ bytes: [UInt8], at offset: Int = 0, limit: Int = 100) -> [Line] {
        var splitter = LineSplitter(range: 0..<bytes.count, offset: offset, maxLineBytes: limit)
        return bytes.withUnsafeBytes { buffer in
            var lines: [Line] = []
            while let line = splitter.next(in: buffer) { lines.append(line) }
            return lines
        }
    }

    func texts(_ text: String, at offset: Int = 0) -> [String] {
        let bytes = Array(text.utf8)
        return split(bytes, at: offset).map { String(decoding: bytes[$0.bytes], as: UTF8.self) }
    }

    @Test(arguments: [
        ("", []), ("\n", []), ("a\n", ["a"]), ("a", ["a"]), ("a\r\nb\r\n", ["a", "b"]), ("\n\r\n \t\r\na\n", ["a"]),
        ("\u{FEFF}a\n\u{FEFF}b\n", ["a", "\u{FEFF}b"]), ("\0\0a\n", ["a"]), ("a\0b\n", ["a\0b"]), ("\0\n", []),
        (" a \n", [" a "]), ("a\rb\n", ["a\rb"]), ("\u{FEFF}\n", []), ("a\r", ["a"]),
    ])
    func `line ends, marks, NULs and blanks`(_ text: String, _ lines: [String]) {
        #expect(texts(text) == lines)
    }

    @Test func `a byte-order mark inside a file is content`() {
        #expect(texts("\u{FEFF}a\n", at: 10) == ["\u{FEFF}a"])
    }

    @Test func `offsets are those of the file`() {
        let lines = split(Array("\0a\r\n\nbc\n".utf8), at: 1000)
        #expect(lines.map(\.offset) == [1001, 1005])
        #expect(lines.map(\.end) == [1004, 1008])
    }

    @Test func `a line of the limit passes and a longer one is cut to 4 KiB`() {
        let bytes = [UInt8](repeating: 0x61, count: 5000)
        let exact = split(bytes + [0x0D, 0x0A], limit: 5000)
        #expect(exact.map(\.isTooLong) == [false])
        let longer = split(bytes + [0x61, 0x0D, 0x0A], at: 7, limit: 5000)
        #expect(longer == [Line(bytes: 0..<4096, offset: 7, end: 5010, length: 5001, isTooLong: true)])
    }

    @Test func `random bytes give the same lines however they are cut at line ends`() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            let alphabet: [UInt8] = [
                0, 0x0A, 0x0A, 0x0D, 0x20, 0x61, 0xEF, 0xBB, 0xBF, UInt8.random(in: 0...255, using: &random),
            ]
            let bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            let whole = split(bytes, limit: 10)
            var pieces: [Line] = []
            var start = 0
            while start < bytes.count {
                var end = start + 1
                while end < bytes.count, bytes[end - 1] != 0x0A || Bool.random(using: &random) { end += 1 }
                for line in split(Array(bytes[start..<end]), at: start, limit: 10) {
                    var moved = line
                    moved.bytes = line.bytes.lowerBound + start..<line.bytes.upperBound + start
                    pieces.append(moved)
                }
                start = end
            }
            #expect(whole == pieces)
        }
    }
}
