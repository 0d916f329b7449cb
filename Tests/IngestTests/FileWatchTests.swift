import Glibc
import Testing

@testable import Ingest

@Suite struct FileWatchTests {
    @Test func `changes in a watched directory are hinted at, once drained no more`() {
        let directory = TestDirectory()
        let watch = FileWatch()
        guard watch.descriptor >= 0 else { return }
        #expect(watch.watch([directory.path]))
        #expect(!watch.drain())
        directory.append("one\n", to: "a")
        #expect(watch.drain())
        #expect(!watch.drain())
        directory.move("a", to: "b")
        #expect(watch.drain())
    }

    @Test func `a directory that is missing or was replaced is watched once it is there`() {
        let directory = TestDirectory()
        let watch = FileWatch()
        guard watch.descriptor >= 0 else { return }
        let wanted: Set<String> = [directory.path, directory.file("later")]
        #expect(!watch.watch(wanted))
        for _ in 0..<2 {
            directory.makeDirectory("later")
            #expect(watch.drain())
            #expect(watch.watch(wanted))
            directory.append("one\n", to: "later/a")
            #expect(watch.drain())
            directory.delete("later/a")
            rmdir(directory.file("later"))
            #expect(watch.drain())
            #expect(!watch.watch(wanted))
        }
    }
}
