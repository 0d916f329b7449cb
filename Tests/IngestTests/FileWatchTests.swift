import Glibc
import Testing

@testable import Ingest

@Suite struct FileWatchTests {
    @Test func `changes in a watched directory are hinted at, once drained no more`() {
        let directory = TestDirectory()
        let watch = FileWatch()
        guard watch.descriptor >= 0 else { return }
        #expect(watch.watch([directory.path]))
        #expect(watch.drain() == .none)
        directory.append("one\n", to: "a")
        #expect(watch.drain() == .other)
        #expect(watch.drain() == .none)
        directory.append("two\n", to: "a")
        directory.append("three\n", to: "a")
        #expect(watch.drain() == .written([directory.file("a")]))
        #expect(watch.drain() == .none)
        directory.append("four\n", to: "a")
        directory.move("a", to: "b")
        #expect(watch.drain() == .other)
    }

    @Test func `a directory that is missing or was replaced is watched once it is there`() {
        let directory = TestDirectory()
        let watch = FileWatch()
        guard watch.descriptor >= 0 else { return }
        let wanted: Set<String> = [directory.path, directory.file("later")]
        #expect(!watch.watch(wanted))
        for _ in 0..<2 {
            directory.makeDirectory("later")
            #expect(watch.drain() == .other)
            #expect(watch.watch(wanted))
            directory.append("one\n", to: "later/a")
            #expect(watch.drain() == .other)
            directory.delete("later/a")
            rmdir(directory.file("later"))
            #expect(watch.drain() == .other)
            #expect(!watch.watch(wanted))
        }
    }
}
