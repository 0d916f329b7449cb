import Glibc
import Testing

@testable import Ingest

@Suite struct TailerRotationTests {
    let directory = TestDirectory()

    func sources(_ pattern: String = "app.log*") -> [TailedSource] {
        [TailedSource(name: "app", patterns: [directory.file(pattern)])]
    }

    @Test func `a growing file gives each line once`() {
        var tailer = Tailer(sources: sources())
        var out = Collector()
        directory.append("one\ntw", to: "app.log")
        out.drain(&tailer)
        #expect(out.lines == ["one"])
        directory.append("o\nthree\n", to: "app.log")
        out.drain(&tailer)
        #expect(out.lines == ["one", "two", "three"])
        out.drain(&tailer)
        #expect(out.lines.count == 3)
        #expect(out.warnings.isEmpty)
    }

    @Test func `what is told of being written to needs no scan, and anything else does`() {
        var tailer = Tailer(sources: sources())
        _ = tailer.scan()
        directory.append("one\n", to: "app.log")
        let path = directory.file("app.log")
        var heard = tailer.hear(ofChangeAt: path)
        #expect(heard == nil)
        let id = tailer.scan().found[0]
        tailer.setNumber(1, of: id)
        var lines = LineBuffer()
        var outcome = tailer.read(id, upTo: 100, into: &lines)
        #expect(outcome == .lines(offset: 0, byteCount: 4))
        outcome = tailer.read(id, upTo: 100, into: &lines)
        #expect(outcome == .caughtUp)
        directory.append("two\n", to: "app.log")
        var isThere = tailer.hasCompleteLine(id)
        #expect(!isThere)
        heard = tailer.hear(ofChangeAt: path)
        #expect(heard == id)
        isThere = tailer.hasCompleteLine(id)
        #expect(isThere)
        outcome = tailer.read(id, upTo: 100, into: &lines)
        #expect(outcome == .lines(offset: 4, byteCount: 4))
        directory.rewrite("app.log", "1\n")
        heard = tailer.hear(ofChangeAt: path)
        #expect(heard == nil)
        directory.rewrite("app.log", "as long as before, and longer\n")
        heard = tailer.hear(ofChangeAt: path)
        #expect(heard == id)
        outcome = tailer.read(id, upTo: 100, into: &lines)
        #expect(outcome == .truncated)
    }

    /// No watch of the directories tells what is written through another name, or to a file that has left them.
    @Test func `what no watch tells of has to be looked for`() {
        var tailer = Tailer(sources: sources("app.log"))
        var out = Collector()
        directory.append("one\n", to: "app.log")
        out.drain(&tailer)
        var needsLooks = tailer.needsLooks
        #expect(!needsLooks)
        link(directory.file("app.log"), directory.file("another"))
        out.drain(&tailer)
        needsLooks = tailer.needsLooks
        #expect(needsLooks)
        directory.delete("another")
        out.drain(&tailer)
        needsLooks = tailer.needsLooks
        #expect(!needsLooks)
        directory.makeDirectory("old")
        directory.move("app.log", to: "old/app.log")
        directory.append("two\n", to: "old/app.log")
        out.drain(&tailer)
        needsLooks = tailer.needsLooks
        #expect(needsLooks && out.lines == ["one", "two"])
        // Nothing more comes when the last who has it open goes on with the next.
        directory.append("three\n", to: "app.log")
        out.drain(&tailer)
        #expect(out.lines == ["one", "two", "three"])
    }

    @Test func `where a link leads is watched`() {
        directory.makeDirectory("elsewhere")
        directory.append("one\n", to: "elsewhere/log")
        directory.link("app.log", to: "elsewhere/log")
        var tailer = Tailer(sources: sources("app.log"))
        var out = Collector()
        out.drain(&tailer)
        #expect(out.lines == ["one"])
        let directories = tailer.directories
        #expect(directories.contains(directory.file("elsewhere")))
    }

    @Test func `rename and create keeps both files apart, and late writers are heard`() {
        var tailer = Tailer(sources: sources())
        var out = Collector()
        directory.append("a1\n", to: "app.log")
        out.drain(&tailer)
        directory.append("a2\n", to: "app.log")
        directory.move("app.log", to: "app.log.1")
        directory.append("b1\n", to: "app.log")
        directory.append("a3\n", to: "app.log.1")
        out.drain(&tailer)
        #expect(Set(out.byFile.values.map { $0 }) == [["a1", "a2", "a3"], ["b1"]])
        directory.move("app.log.1", to: "app.log.2")
        directory.append("a4\n", to: "app.log.2")
        out.drain(&tailer)
        #expect(Set(out.byFile.values.map { $0 }) == [["a1", "a2", "a3", "a4"], ["b1"]])
        #expect(out.losses.isEmpty)
    }

    @Test func `several rotations while down are read to the end, each once`() {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        do {
            var tailer = Tailer(sources: sources())
            directory.append("a1\n", to: "app.log")
            out.drain(&tailer)
            stored = Collector.checkpoints(tailer)
        }
        directory.append("a2\n", to: "app.log")
        directory.move("app.log", to: "app.log.1")
        directory.append("b1\n", to: "app.log")
        directory.move("app.log.1", to: "app.log.2")
        directory.move("app.log", to: "app.log.1")
        directory.append("c1\n", to: "app.log")
        var tailer = Tailer(sources: sources(), resuming: stored)
        out.drain(&tailer)
        #expect(out.lines.sorted() == ["a1", "a2", "b1", "c1"])
    }

    @Test func `a file rotated out of the pattern while down is found in its directory`() {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        do {
            var tailer = Tailer(sources: sources("app.log"))
            directory.append("a1\n", to: "app.log")
            out.drain(&tailer)
            stored = Collector.checkpoints(tailer)
        }
        directory.append("a2\n", to: "app.log")
        directory.move("app.log", to: "app.log.1")
        directory.append("b1\n", to: "app.log")
        var tailer = Tailer(sources: sources("app.log"), resuming: stored)
        out.drain(&tailer)
        #expect(out.lines.sorted() == ["a1", "a2", "b1"])
    }

    @Test func `a link that leads to the next file after a restart leaves what it led to before`() {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        directory.makeDirectory("real")
        directory.append("a1\n", to: "real/1.log")
        directory.link("app.log", to: "real/1.log")
        func run() {
            var tailer = Tailer(sources: sources("app.log"), resuming: stored)
            out.drain(&tailer, confirming: true)
            stored = Collector.checkpoints(tailer)
        }
        run()
        directory.append("a2\n", to: "real/1.log")
        directory.append("b1\n", to: "real/2.log")
        directory.delete("app.log")
        directory.link("app.log", to: "real/2.log")
        run()
        #expect(out.lines.sorted() == ["a1", "a2", "b1"] && out.warnings.isEmpty)
        directory.append("a3\n", to: "real/1.log")
        run()
        #expect(out.lines.last == "a3" && out.warnings.isEmpty)
    }

    @Test func `a log that has so far only the first line of another is read at once`() {
        var tailer = Tailer(sources: sources())
        var out = Collector()
        directory.append("header\na1\n", to: "app.log")
        out.drain(&tailer)
        directory.move("app.log", to: "app.log.1")
        directory.append("header\n", to: "app.log")
        out.drain(&tailer)
        #expect(out.lines == ["header", "a1", "header"])
        directory.append("b1\n", to: "app.log")
        out.drain(&tailer)
        #expect(out.lines == ["header", "a1", "header", "b1"] && out.warnings.isEmpty)
    }

    @Test func `a file that has gone is no news after a restart, and is not read again when it comes back`() {
        let elsewhere = TestDirectory()
        var stored: [FileCheckpoint] = []
        do {
            var tailer = Tailer(sources: sources())
            var out = Collector()
            directory.append("a1\na2\n", to: "app.log.1")
            directory.append("b1\n", to: "app.log")
            out.drain(&tailer, forgetting: false)
            stored = Collector.checkpoints(tailer)
        }
        // It goes while nobody looks: told once.
        #expect(rename(directory.file("app.log.1"), elsewhere.file("app.log.1")) == 0)
        for told in [[TailWarning.Kind.notFoundAgain], [], []] {
            var tailer = Tailer(sources: sources(), resuming: stored)
            var out = Collector()
            out.drain(&tailer, confirming: true, forgetting: false)
            #expect(out.kinds == told && out.lines.isEmpty)
            stored = Collector.checkpoints(tailer)
            #expect(stored.map(\.isGone).sorted { $0 && !$1 } == [true, false])
        }
        #expect(rename(elsewhere.file("app.log.1"), directory.file("app.log.1")) == 0)
        directory.append("a3\n", to: "app.log.1")
        var tailer = Tailer(sources: sources(), resuming: stored)
        var out = Collector()
        out.drain(&tailer, confirming: true, forgetting: false)
        #expect(out.lines == ["a3"] && out.kinds.isEmpty)
    }

    @Test func `a file deleted while open is read to its end and then ends`() {
        var tailer = Tailer(sources: sources())
        var out = Collector()
        directory.append("a1\n", to: "app.log")
        let first = tailer.scan()
        #expect(first.found.count == 1)
        directory.append("a2\npart", to: "app.log")
        directory.delete("app.log")
        out.drain(&tailer, confirming: true, forgetting: false)
        #expect(out.lines == ["a1", "a2"])
        out.readAll(&tailer, unterminated: true)
        #expect(out.lines == ["a1", "a2", "part"])
        #expect(out.losses.isEmpty)
    }

    @Test func `an inode that is used again is a new file`() {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        do {
            var tailer = Tailer(sources: sources())
            directory.append("same\nlonger\n", to: "app.log")
            out.drain(&tailer)
            stored = Collector.checkpoints(tailer)
        }
        directory.delete("app.log")
        directory.append("same\nlonger\nnew\n", to: "app.log")
        var tailer = Tailer(sources: sources(), resuming: stored)
        out.drain(&tailer)
        if stored.first?.fingerprint.inode.generation != 0 { #expect(out.lines == ["same", "longer", "same", "longer", "new"]) }
        #expect(tailer.files.count(where: { $0.isReadable }) == 1)
    }
}
