import Glibc
import Testing

@testable import Ingest

/// Blocks that another core reads before they are asked for: the same lines come out, and none of a file that has become another.
@Suite struct ReadAheadTests {
    private let directory = TestDirectory()
    private static let block = 1 << 14

    private func lines(_ count: Int, _ seed: UInt64) -> [String] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { "\($0) " + String(repeating: "x", count: Int(random.next() % 300)) }
    }

    /// Reads to the end as the reader of logs does; `ahead` may read the next block, or not, and do something else meanwhile.
    private func read(_ tailer: inout Tailer, _ id: FileID, _ ahead: (ReadAhead) -> Void) -> (lines: [String], last: ReadOutcome)
    {
        var found: [UInt8] = []
        while true {
            var buffer = LineBuffer()
            let outcome = tailer.read(id, upTo: Self.block, into: &buffer)
            guard case .lines = outcome else {
                return (String(decoding: found, as: UTF8.self).split(separator: "\n").map(String.init), outcome)
            }
            buffer.withBytes { found += $0 }
            #expect(tailer.tracked[id]?.markLength == tailer.tracked[id]?.mark.length)
            if let next = tailer.readAhead(id, count: Self.block) { ahead(next) }
        }
    }

    @Test(arguments: UInt64(1)...6) func theSameLinesComeOut(seed: UInt64) throws {
        let expected = lines(2000, seed)
        directory.append(expected.map { $0 + "\n" }.joined(), to: "app.log")
        var tailer = Tailer(sources: [TailedSource(name: "app", patterns: [directory.file("app.log")])])
        _ = tailer.scan()
        let id = try #require(tailer.files.first?.id)
        var random = SeededGenerator(seed: seed)
        var (blocks, read) = (0, 0)
        let result = self.read(&tailer, id) { ahead in
            blocks += 1
            guard random.next() % 3 > 0 else { return }
            ahead.read()
            read += 1
        }
        #expect(result.lines == expected, "seed \(seed)")
        #expect(result.last == .caughtUp)
        #expect(blocks > 10 && read > 5, "seed \(seed): \(blocks) blocks, \(read) read ahead")
    }

    /// A block that was read before the file was cut and written anew is not given out, nor is one that was read after.
    @Test(arguments: [true, false]) func nothingOfAReplacedFileIsGivenOut(isReadBefore: Bool) throws {
        let old = lines(1000, 7)
        let new = lines(1000, 8).map { "new " + $0 }
        directory.append(old.map { $0 + "\n" }.joined(), to: "app.log")
        var tailer = Tailer(sources: [TailedSource(name: "app", patterns: [directory.file("app.log")])])
        _ = tailer.scan()
        let id = try #require(tailer.files.first?.id)
        var blocks = 0
        let result = read(&tailer, id) { ahead in
            blocks += 1
            if isReadBefore || blocks < 3 { ahead.read() }
            if blocks == 3 { directory.rewrite("app.log", new.map { $0 + "\n" }.joined()) }
            if !isReadBefore { ahead.read() }
        }
        #expect(blocks == 3)
        #expect(result.last == .truncated)
        #expect(!result.lines.isEmpty && result.lines.elementsEqual(old.prefix(result.lines.count)))
        // The new content is another file's.
        let report = tailer.scan()
        let next = try #require(report.found.first)
        #expect(read(&tailer, next) { $0.read() }.lines == new)
    }

    /// A file that became shorter than the block is read as it is.
    @Test func aBlockThatIsNotFullIsReadAgain() throws {
        let text = lines(500, 9).map { $0 + "\n" }.joined()
        directory.append(text, to: "app.log")
        let descriptor = open(directory.file("app.log"), O_RDONLY)
        let file = FileDescriptor(owning: descriptor)
        let whole = ReadAhead(file, at: 100, count: 1000, into: LineBuffer())
        whole.read()
        #expect(whole.take()?.withBytes { Array($0) } == Array(text.utf8)[100..<1100].map { $0 })
        let short = ReadAhead(file, at: text.utf8.count - 10, count: 1000, into: LineBuffer())
        short.read()
        #expect(short.take() == nil)
        let unread = ReadAhead(file, at: 0, count: 1000, into: LineBuffer())
        #expect(unread.take() == nil)
        // Whoever comes late leaves it alone.
        unread.read()
    }
}
