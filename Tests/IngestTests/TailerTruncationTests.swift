import Glibc
import Testing

@testable import Ingest

@Suite struct TailerTruncationTests {
    let directory = TestDirectory()

    /// Reads what is there, and ends.
    private func checkpoints(_ out: inout Collector) -> [FileCheckpoint] {
        var tailer = tailer()
        out.drain(&tailer)
        return Collector.checkpoints(tailer)
    }

    /// The kernel's timestamps stand for some milliseconds: rewritten within one, a file of the same size looks as before.
    @Test func `content rewritten within one tick of the clock is noticed`() {
        var tailer = tailer()
        var out = Collector()
        let texts = (0..<300).map { "line \($0 + 1000)" }
        for text in texts {
            directory.rewrite("app.log", text + "\n")
            out.drain(&tailer)
        }
        #expect(out.lines == texts)
    }

    @Test func `an unchanged status is trusted only once another file of the device changed later`() throws {
        for isSettled in [false, true] {
            let directory = TestDirectory()
            var tailer = Tailer(sources: [TailedSource(name: "app", patterns: [directory.file("*.log")])])
            var out = Collector()
            directory.append("old\n", to: "app.log")
            let before = try #require(FileStatus(linkAt: directory.file("app.log")))
            // Another file's change that is later by the kernel's own clock, however coarse that is.
            while isSettled, (FileStatus(linkAt: directory.file("other.log"))?.changed ?? .min) <= before.changed {
                directory.rewrite("other.log", "x\n")
            }
            out.drain(&tailer)
            let id = try #require(tailer.files.first { $0.path.hasSuffix("app.log") }?.id)
            #expect(tailer.tracked[id]?.isSettled == isSettled)
            directory.rewrite("app.log", "new\n")
            // As if the clock had stood still.
            tailer.tracked[id]?.stamp = FileStatus(linkAt: directory.file("app.log"))
            out.drain(&tailer)
            #expect(out.lines.contains("new") == !isSettled)
        }
    }

    func tailer(_ pattern: String = "app.log*", resuming: [FileCheckpoint] = []) -> Tailer {
        Tailer(sources: [TailedSource(name: "app", patterns: [directory.file(pattern)])], resuming: resuming)
    }

    @Test(arguments: ["", "n\n", "new1\nnew\n", "new1\nnew2\nnew3\n"])
    func `content cut under the same inode is noticed, whether smaller, as large or larger`(_ content: String) {
        var tailer = tailer()
        var out = Collector()
        directory.append("old1\nold2\n", to: "app.log")
        out.drain(&tailer)
        directory.rewrite("app.log", content)
        out.drain(&tailer, confirming: true)
        let fresh = content.split(separator: "\n").map(String.init)
        #expect(out.lines == ["old1", "old2"] + fresh)
        #expect(out.losses.map(\.reason) == [.truncated])
        #expect(out.losses.map(\.continues) == [false])
        #expect(out.kinds == [.truncated])
        directory.append("more\n", to: "app.log")
        out.drain(&tailer)
        #expect(out.lines == ["old1", "old2"] + fresh + ["more"])
    }

    @Test func `a read notices it too, and gives out nothing of the new content under the old offset`() {
        var tailer = tailer()
        var out = Collector()
        directory.append("old1\nold2\n", to: "app.log")
        out.drain(&tailer)
        let id = tailer.files[0].id
        directory.rewrite("app.log", "completely\nother and longer\n")
        var buffer = LineBuffer()
        let outcome = tailer.read(id, upTo: 100, into: &buffer)
        #expect(outcome == .truncated)
        #expect(buffer.count == 0)
        out.drain(&tailer)
        #expect(out.lines == ["old1", "old2", "completely", "other and longer"])
    }

    @Test func `content replaced before any of it was read is noticed by the head`() {
        var tailer = tailer()
        var out = Collector()
        directory.append("old1\nold2\n", to: "app.log")
        _ = tailer.scan()
        directory.rewrite("app.log", "new1\nnew2\nnew3\n")
        out.drain(&tailer)
        out.drain(&tailer)
        #expect(out.lines == ["new1", "new2", "new3"])
        #expect(out.losses.count == 1)
    }

    @Test func `a copy made before the cut goes on where the original was left`() {
        var tailer = tailer()
        var out = Collector()
        directory.append("a1\n", to: "app.log")
        out.drain(&tailer)
        directory.append("a2\n", to: "app.log")
        directory.append(directory.contents("app.log"), to: "app.log.1")
        directory.rewrite("app.log", "b1\n")
        let report = tailer.scan()
        #expect(report.possibleLosses.map(\.continues) == [true])
        out.readAll(&tailer)
        #expect(out.lines.sorted() == ["a1", "a2", "b1"])
        #expect(Set(out.byFile.values.map { $0 }) == [["a1", "a2"], ["b1"]])
    }

    @Test func `a scan between the copying and the cutting does not take the copy for a new file`() {
        var tailer = tailer()
        var out = Collector()
        directory.append((0..<2000).map { "a\($0)\n" }.joined(), to: "app.log")
        out.drain(&tailer)
        let bytes = directory.contents("app.log")
        directory.append(Array(bytes[..<5000]), to: "app.log.1")
        out.drain(&tailer)
        directory.append(Array(bytes[5000...]), to: "app.log.1")
        out.drain(&tailer)
        directory.rewrite("app.log", "b1\n")
        out.drain(&tailer, confirming: true)
        #expect(out.lines.count == 2001)
        #expect(out.losses.map(\.continues) == [true])
        directory.append("late\n", to: "app.log.1")
        out.drain(&tailer)
        #expect(out.lines.last == "late")
    }

    /// logrotate makes the copy durable before it cuts, which gives time for any number of scans.
    @Test(arguments: [3, 40, 2000], [false, true])
    func `a copy waits for the cut as long as that takes, also if it ends before what was read`(_ count: Int, goesOn: Bool) {
        var tailer = tailer()
        var out = Collector()
        func text(_ name: String) -> String { (0..<count).map { "\(name)\($0)\n" }.joined() }
        for (index, name) in ["a", "b", "c"].enumerated() {
            directory.append(text(name), to: "app.log")
            out.drain(&tailer)
            directory.append(directory.contents("app.log"), to: "app.log.\(index)")
            for _ in 0..<4 { out.drain(&tailer) }
            let needsScan = tailer.needsAnotherScan
            #expect(!needsScan, "nothing is to be looked for meanwhile")
            if goesOn {
                directory.append("\(name) more\n", to: "app.log")
                out.drain(&tailer)
            }
            directory.rewrite("app.log")
        }
        directory.append("d\n", to: "app.log")
        out.drain(&tailer, confirming: true)
        #expect(out.lines.count == 3 * count + (goesOn ? 3 : 0) + 1 && Set(out.lines).count == out.lines.count)
        #expect(out.losses.map(\.continues) == [true, true, true])
        // Each goes on in its copy, over a restart too.
        for index in 0..<3 { directory.append("late\(index)\n", to: "app.log.\(index)") }
        var again = self.tailer(resuming: Collector.checkpoints(tailer))
        out.drain(&again, confirming: true)
        #expect(out.lines.suffix(3) == ["late0", "late1", "late2"] && out.losses.count == 3)
    }

    @Test func `a copy is known also when what was cut has left the pattern`() {
        var out = Collector()
        directory.append("a1\na2\n", to: "app.log")
        let stored = checkpoints(&out)
        directory.append(directory.contents("app.log"), to: "app.log.1")
        directory.rewrite("app.log", "b1\n")
        directory.move("app.log", to: "old")
        var tailer = tailer(resuming: stored)
        out.drain(&tailer, confirming: true)
        #expect(out.lines == ["a1", "a2"] && out.losses.map(\.continues) == [true])
    }

    @Test(arguments: [40, 2000]) func `a copy is not read while its original is there, and when that goes nothing is read twice`(
        _ count: Int
    ) {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        func run(_ change: () -> Void) {
            change()
            var tailer = tailer(resuming: stored)
            out.drain(&tailer, confirming: true, forgetting: false)
            stored = Collector.checkpoints(tailer)
        }
        run { directory.append((0..<count).map { "a\($0)\n" }.joined(), to: "app.log") }
        run { directory.append(directory.contents("app.log"), to: "app.log.1") }
        run { directory.append("more\n", to: "app.log") }
        run { directory.append("more\n", to: "app.log.1") }
        #expect(out.lines.count == count + 1 && out.warnings.isEmpty)
        run { directory.delete("app.log") }
        run { directory.append("late\n", to: "app.log.1") }
        #expect(out.lines.count == count + 2 && out.lines.last == "late" && out.warnings.isEmpty)
    }

    @Test func `a copy that goes on differently is a file of its own, with a warning`() {
        var tailer = tailer()
        var out = Collector()
        let lines = (0..<2000).map { "a\($0)" }
        directory.append(lines.map { $0 + "\n" }.joined(), to: "app.log")
        out.drain(&tailer)
        directory.append(directory.contents("app.log"), to: "app.log.1")
        out.drain(&tailer, confirming: true)
        #expect(out.lines == lines)
        directory.append("b\n", to: "app.log.1")
        out.drain(&tailer, confirming: true)
        #expect(out.lines == lines + lines + ["b"])
        #expect(out.kinds == [.sameHead])
    }

    @Test func `a copy of a log that begins with a hole goes on where the original was left`() {
        var out = Collector()
        directory.append([UInt8](repeating: 0, count: 5000), to: "app.log")
        directory.append("a1\na2\n", to: "app.log")
        let stored = checkpoints(&out)
        directory.append(directory.contents("app.log"), to: "app.log.1")
        directory.rewrite("app.log", "b1\n")
        var tailer = tailer(resuming: stored)
        out.drain(&tailer, confirming: true)
        #expect(out.lines == ["a1", "a2", "b1"] && out.losses.map(\.continues) == [true])
    }

    @Test func `a cut while down is noticed at restart, also when the file has grown beyond the offset`() {
        var out = Collector()
        directory.append("old1\nold2\n", to: "app.log")
        let stored = checkpoints(&out)
        directory.rewrite("app.log", "new1\nnew2\nnew3\n")
        var tailer = tailer(resuming: stored)
        out.drain(&tailer)
        #expect(out.lines == ["old1", "old2", "new1", "new2", "new3"])
        #expect(out.losses.count == 1)
    }

    @Test func `the same head with another text before the offset is another content`() {
        let head = String(repeating: "h", count: 5000) + "\n"
        var out = Collector()
        directory.append(head + head + "old-tail\n", to: "app.log")
        let stored = checkpoints(&out)
        directory.rewrite("app.log", head + head + "new-tail\nmore\n")
        var tailer = tailer(resuming: stored)
        out.drain(&tailer)
        #expect(out.lines.suffix(4).map { $0.prefix(8) } == ["hhhhhhhh", "hhhhhhhh", "new-tail", "more"])
        #expect(out.losses.count == 1)
    }

    @Test func `an end cut off beyond what was read is a possible loss and no new file`() {
        var tailer = tailer()
        var out = Collector()
        directory.append("a1\n", to: "app.log")
        out.drain(&tailer)
        directory.append("a2\na3\n", to: "app.log")
        _ = tailer.scan()
        #expect(truncate(directory.file("app.log"), 3) == 0)
        out.drain(&tailer)
        directory.append("a4\n", to: "app.log")
        out.drain(&tailer)
        #expect(out.lines == ["a1", "a4"])
        #expect(out.losses.map(\.reason) == [.shrunk])
    }
}
