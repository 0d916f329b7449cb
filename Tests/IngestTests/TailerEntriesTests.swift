import Glibc
import Testing

@testable import Ingest

@Suite struct TailerEntriesTests {
    let directory = TestDirectory()

    func tailer(_ patterns: String..., resuming: [FileCheckpoint] = [], limits: Tailer.Limits = .init()) -> Tailer {
        let sources = patterns.enumerated().map {
            TailedSource(name: "source\($0.offset)", patterns: [directory.file($0.element)], maxLineBytes: 1000)
        }
        return Tailer(sources: sources, resuming: resuming, limits: limits)
    }

    /// Runs `body` with the rights of nobody for files, on this thread only; false where that is not possible.
    func withoutRights(_ body: () -> Void) -> Bool {
        typealias SetFileUser = @convention(c) (UInt32) -> Int32
        guard geteuid() == 0, let symbol = dlsym(nil, "setfsuid") else { return false }
        let setFileUser = unsafeBitCast(symbol, to: SetFileUser.self)
        _ = setFileUser(65534)
        body()
        _ = setFileUser(0)
        return true
    }

    @Test func `FIFOs and directories are skipped with one warning each`() {
        directory.append("one\n", to: "a.log")
        directory.makeDirectory("b.log")
        #expect(mkfifo(directory.file("c.log"), 0o644) == 0)
        directory.link("d.log", to: directory.file("c.log"))
        var tailer = tailer("*.log")
        var out = Collector()
        out.drain(&tailer)
        out.drain(&tailer)
        #expect(out.lines == ["one"])
        #expect(out.kinds == [.notRegular, .notRegular, .notRegular])
    }

    /// As below `/var/log/containers`, where each log is a link to a link to a file elsewhere.
    @Test func `links are followed wherever they lead`() {
        let other = TestDirectory()
        other.append("three\n", to: "x")
        directory.makeDirectory("logs")
        directory.makeDirectory("logs/real")
        directory.append("one\n", to: "logs/real/file")
        directory.append("two\n", to: "near")
        directory.link("logs/in.log", to: "real/file")
        directory.link("logs/out.log", to: directory.file("between"))
        directory.link("between", to: other.file("x"))
        directory.link("logs/up.log", to: "../near")
        directory.link("logs/broken.log", to: "nowhere")
        directory.link("logs/round", to: ".")
        var tailer = tailer("logs/**/*.log")
        var out = Collector()
        out.drain(&tailer)
        #expect(out.lines.sorted() == ["one", "three", "two"])
        #expect(out.kinds == [])
        other.append("four\n", to: "x")
        out.drain(&tailer)
        #expect(out.lines.last == "four")
        // Another container's log comes in its place.
        let next = TestDirectory()
        next.append("five\n", to: "y")
        unlink(directory.file("between"))
        directory.link("between", to: next.file("y"))
        out.drain(&tailer)
        #expect(out.lines.last == "five")
        #expect(out.lines.count == 5)
    }

    @Test func `a file under two names or in two sources is read once, for the first`() {
        directory.append("one\n", to: "a.log")
        #expect(Glibc.link(directory.file("a.log"), directory.file("b.log")) == 0)
        var tailer = tailer("*.log", "a.*")
        var out = Collector()
        out.drain(&tailer)
        out.drain(&tailer)
        #expect(out.lines == ["one"])
        #expect(tailer.files.map(\.source) == [0])
        #expect(Set(out.kinds) == [.matchedTwice])
        #expect(out.kinds.count == 2)
    }

    @Test func `directories and files that appear late are found`() {
        var tailer = tailer("logs/*/x?[0-9].log", "deep/**/*.log")
        var out = Collector()
        out.drain(&tailer)
        #expect(tailer.directories.contains(directory.file("logs")))
        directory.makeDirectory("logs")
        out.drain(&tailer)
        directory.makeDirectory("logs/app")
        directory.append("one\n", to: "logs/app/xa1.log")
        directory.append("no\n", to: "logs/app/xab.log")
        directory.makeDirectory("deep")
        directory.makeDirectory("deep/er")
        directory.append("two\n", to: "deep/top.log")
        directory.append("three\n", to: "deep/er/low.log")
        out.drain(&tailer)
        #expect(out.lines.sorted() == ["one", "three", "two"])
        #expect(out.warnings.isEmpty)
    }

    @Test func `an unreadable file is read when it becomes readable, and held for nobody meanwhile`() {
        chmod(directory.path, 0o755)
        directory.append("one\n", to: "a.log")
        chmod(directory.file("a.log"), 0o600)
        var tailer = tailer("*.log")
        var out = Collector()
        let ran = withoutRights {
            out.drain(&tailer)
            out.drain(&tailer)
        }
        guard ran else { return }
        #expect(out.lines.isEmpty)
        #expect(out.kinds == [.unreadable])
        out.drain(&tailer)
        #expect(out.lines == ["one"])
    }

    @Test func `a directory that can't be listed is no deletion`() {
        chmod(directory.path, 0o755)
        directory.makeDirectory("logs")
        directory.append("one\n", to: "logs/a.log")
        directory.append("three\n", to: "logs/b.log")
        var limits = Tailer.Limits()
        limits.descriptors = 1
        var tailer = tailer("logs/*.log", limits: limits)
        var out = Collector()
        out.drain(&tailer)
        chmod(directory.file("logs"), 0o700)
        directory.append("two\n", to: "logs/a.log")
        let ran = withoutRights { for _ in 0..<4 { out.drain(&tailer) } }
        guard ran else { return }
        #expect(out.kinds == [.directoryUnreadable])
        #expect(tailer.files.count == 2)
        out.drain(&tailer)
        #expect(out.lines.sorted() == ["one", "three", "two"])
        #expect(out.losses.isEmpty)
    }

    @Test func `a file that moves away and comes back is known again until it is forgotten`() {
        let away = TestDirectory()
        directory.append("one\n", to: "a.log")
        var limits = Tailer.Limits()
        limits.descriptors = 1
        var tailer = tailer("*.log", limits: limits)
        var out = Collector()
        out.drain(&tailer)
        directory.append("other\n", to: "b.log")
        out.drain(&tailer, forgetting: false)
        let moved = tailer.tracked.values.first { $0.path.hasSuffix("a.log") && $0.open == nil } != nil
        #expect(moved)
        #expect(rename(directory.file("a.log"), away.file("a.log")) == 0)
        for _ in 0..<3 { out.drain(&tailer, forgetting: false) }
        #expect(tailer.files.count { $0.isFinished } == 1)
        #expect(rename(away.file("a.log"), directory.file("a.log")) == 0)
        directory.append("two\n", to: "a.log")
        out.drain(&tailer, forgetting: false)
        #expect(out.lines.sorted() == ["one", "other", "two"])
    }

    @Test func `an empty file is known only once it has bytes`() {
        directory.append("", to: "a.log")
        var tailer = tailer("*.log")
        let first = tailer.scan()
        #expect(first.found.isEmpty)
        directory.append("x", to: "a.log")
        let second = tailer.scan()
        #expect(second.found.count == 1)
    }

    @Test func `two files with the same content are two files`() {
        let text = (0..<600).map { "line \($0)\n" }.joined()
        directory.append(text, to: "a.log")
        directory.append(text, to: "b.log")
        var tailer = tailer("*.log")
        var out = Collector()
        out.drain(&tailer)
        #expect(out.lines.count == 1200)
        #expect(out.kinds == [.sameHead])
    }

    @Test func `thousands of files are read with few descriptors`() {
        var limits = Tailer.Limits()
        limits.descriptors = 20
        let count = 1500
        for index in 0..<count { directory.append("f\(index) 1\n", to: "\(index).log") }
        var tailer = tailer("*.log", limits: limits)
        var out = Collector()
        out.drain(&tailer)
        #expect(out.lines.count == count)
        for index in 0..<count { directory.append("f\(index) 2\n", to: "\(index).log") }
        directory.move("7.log", to: "moved.log")
        out.drain(&tailer)
        #expect(out.lines.count == 2 * count)
        #expect(Set(out.lines).count == 2 * count)
        #expect(tailer.tracked.values.count { $0.open != nil } <= 20)
        #expect(out.warnings.isEmpty)
        let stored = Collector.checkpoints(tailer)
        var again = self.tailer("*.log", resuming: stored, limits: limits)
        out.drain(&again)
        #expect(out.lines.count == 2 * count)
    }

    @Test func `when the process runs out of descriptors idle files are closed`() async {
        await #expect(processExitsWith: .success) {
            var isWhole = false
            do {
                let directory = TestDirectory()
                for index in 0..<100 { directory.append("f\(index)\n", to: "\(index).log") }
                var limit = rlimit(rlim_cur: 40, rlim_max: 40)
                setrlimit(__rlimit_resource_t(7), &limit)  // RLIMIT_NOFILE
                var tailer = Tailer(sources: [TailedSource(name: "s", patterns: [directory.file("*.log")])])
                var out = Collector()
                out.drain(&tailer)
                out.drain(&tailer)
                isWhole = Set(out.lines).count == 100 && out.warnings.isEmpty
            }
            exit(isWhole ? 0 : 1)
        }
    }
}
