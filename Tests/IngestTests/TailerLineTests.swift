import Glibc
import Testing

@testable import Ingest

@Suite struct TailerLineTests {
    let directory = TestDirectory()

    func tailer(maxLineBytes: Int = 1 << 20, resuming: [FileCheckpoint] = []) -> Tailer {
        Tailer(
            sources: [TailedSource(name: "app", patterns: [directory.file("app.log")], maxLineBytes: maxLineBytes)],
            resuming: resuming)
    }

    @Test func `a line that is cut at any byte comes out whole and once`() {
        let text = Array("\u{FEFF}{\"a\":\"ä€😀\"}\r\n\r\nsecond\n".utf8)
        var tailer = tailer()
        var out = Collector()
        for byte in text {
            directory.append([byte], to: "app.log")
            out.drain(&tailer)
        }
        #expect(out.lines == ["{\"a\":\"ä€😀\"}", "second"])
        #expect(out.losses.isEmpty)
    }

    @Test func `an unfinished last line is read on demand`() {
        directory.append("one\ntwo", to: "app.log")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer)
        #expect(out.lines == ["one"])
        #expect(tailer.files.map(\.backlog) == [.none], "it does not hold the watermark")
        out.readAll(&tailer, unterminated: true)
        #expect(out.lines == ["one", "two"])
        out.readAll(&tailer, unterminated: true)
        #expect(out.lines == ["one", "two"])
        #expect(tailer.files[0].offset == 7)
    }

    @Test func `NULs that a crash left before a line are skipped and told`() {
        let hole = [UInt8](repeating: 0, count: 300_000)
        directory.append("one\n", to: "app.log")
        directory.append(hole, to: "app.log")
        var tailer = tailer(maxLineBytes: 1000)
        var out = Collector()
        out.drain(&tailer)
        #expect(out.lines == ["one"], "the hole may still be filled")
        directory.append("two\nthr\0ee\n", to: "app.log")
        out.drain(&tailer)
        out.drain(&tailer)
        #expect(out.lines == ["one", "two", "thr\0ee"])
        #expect(out.kinds == [.nulBytes])
    }

    @Test func `NULs that are filled in later are no other content`() {
        directory.append([UInt8]("one\n".utf8) + [UInt8](repeating: 0, count: 10000), to: "app.log")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer)
        let descriptor = open(directory.file("app.log"), O_WRONLY)
        let text = Array("two\nthree\n".utf8)
        #expect(pwrite(descriptor, text, text.count, 4) == text.count)
        close(descriptor)
        out.drain(&tailer)
        #expect(out.lines == ["one", "two", "three"])
        #expect(out.losses.isEmpty)
    }

    @Test func `a line beyond the limit is told with its length and passed over`() {
        let long = String(repeating: "y", count: 700_000)
        directory.append("one\n" + long, to: "app.log")
        var tailer = tailer(maxLineBytes: 1000)
        var out = Collector()
        out.chunkBytes = 4096
        out.drain(&tailer)
        #expect(out.lines == ["one"])
        #expect(out.tooLong.isEmpty)
        #expect(tailer.files.map(\.backlog) == [.none])
        #expect(tailer.files.map(\.offset) == [4], "a restart sees the line from its start")
        directory.append("yy\r\ntwo\n", to: "app.log")
        out.drain(&tailer)
        #expect(out.lines == ["one", "two"])
        #expect(out.tooLong.map(\.length) == [700_002])
        #expect(out.tooLong.map(\.offset) == [4])
        #expect(out.tooLong.map(\.end) == [700_008])
        #expect(out.tooLong.first?.head == [UInt8](repeating: 0x79, count: 4096))
    }

    @Test func `an endless last line is told at the end of a replay`() {
        directory.append(String(repeating: "y", count: 100_000), to: "app.log")
        var tailer = tailer(maxLineBytes: 1000)
        var out = Collector()
        out.drain(&tailer)
        out.readAll(&tailer, unterminated: true)
        #expect(out.tooLong.map(\.length) == [100_000])
    }

    @Test func `however small the pieces, the lines are the same`() {
        var random = SeededGenerator(seed: 11)
        for round in 0..<60 {
            let name = "app.log"
            directory.rewrite(name)
            var bytes: [UInt8] = round % 3 == 0 ? byteOrderMark : []
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                let length = Int.random(in: 0...(Bool.random(using: &random) ? 30 : 400), using: &random)
                if Int.random(in: 0..<6, using: &random) == 0 {
                    bytes += [UInt8](repeating: 0, count: Int.random(in: 1...300, using: &random))
                }
                bytes += (0..<length).map { _ in [0x20, 0x0D, 0x61, 0x62, 0x00, 0xEF].randomElement(using: &random) ?? 0x61 }
                bytes += [0x0A]
            }
            directory.append(bytes, to: name)
            var seen: [[String]] = []
            for chunk in [1, 64, 1 << 16] {
                var tailer = tailer(maxLineBytes: 100)
                var out = Collector()
                out.chunkBytes = chunk
                out.drain(&tailer)
                let long = out.tooLong.map { "\($0.offset) \($0.end) \($0.length) \($0.head)" }
                seen.append(out.lines + long)
            }
            let differing = zip(seen[1], seen[2]).first { $0 != $1 }.map { "\($0.debugDescription) | \($1.debugDescription)" }
            #expect(seen[0] == seen[2] && seen[1] == seen[2], "round \(round), first difference \(differing ?? "in count")")
        }
    }

    @Test func `peek shows the first line and consumes nothing`() {
        directory.append("\n\nfirst\nsecond\npart", to: "app.log")
        var tailer = tailer()
        let report = tailer.scan()
        #expect(tailer.unnumbered == report.found)
        var buffer = LineBuffer()
        let outcome = tailer.peek(report.found[0], upTo: 4096, into: &buffer)
        #expect(outcome == .lines(offset: 0, byteCount: 15))
        #expect(tailer.files.map(\.offset) == [0])
        #expect(tailer.files.map(\.backlog) == [.lines])
        tailer.setNumber(3, of: report.found[0])
        #expect(tailer.unnumbered.isEmpty)
        let checkpoint = tailer.checkpoint(of: report.found[0], at: 0)
        #expect(checkpoint?.number == 3)
        var out = Collector()
        out.drain(&tailer)
        #expect(out.lines == ["first", "second"])
    }

    @Test func `the backlog says whether complete lines wait`() {
        directory.append("one\n", to: "app.log")
        var tailer = tailer()
        let id = tailer.scan().found[0]
        #expect(tailer.file(id)?.backlog == .unknown)
        var waits = tailer.hasCompleteLine(id)
        #expect(waits)
        #expect(tailer.file(id)?.backlog == .lines)
        var out = Collector()
        out.readAll(&tailer)
        directory.append("tw", to: "app.log")
        _ = tailer.scan()
        waits = tailer.hasCompleteLine(id)
        #expect(!waits)
        #expect(tailer.file(id)?.backlog == TailedFile.Backlog.none)
        directory.append("o\n", to: "app.log")
        _ = tailer.scan()
        waits = tailer.hasCompleteLine(id)
        #expect(waits)
    }

    @Test func `an earlier offset can be committed and is resumed exactly`() {
        directory.append((0..<2000).map { "line \($0)\n" }.joined(), to: "app.log")
        var out = Collector()
        var checkpoint: FileCheckpoint?
        do {
            var tailer = tailer()
            out.drain(&tailer)
            checkpoint = tailer.checkpoint(of: tailer.files[0].id, at: 7 * 10 + 8 * 40)
        }
        #expect(checkpoint?.mark.length == 390)
        directory.move("app.log", to: "renamed")
        directory.move("renamed", to: "app.log")
        var tailer = tailer(resuming: [checkpoint].compactMap { $0 })
        out.lines = []
        out.drain(&tailer)
        #expect(out.lines.first == "line 50")
        #expect(out.lines.count == 1950)
    }
}
