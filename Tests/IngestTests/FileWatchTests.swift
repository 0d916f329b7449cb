import Glibc
import Testing

@testable import Ingest

@Suite struct FileWatchTests {
    @Test func `changes in a watched directory are hinted at, once drained no more`() {
        let directory = TestDirectory()
        let watch = FileWatch()
        guard watch.descriptor >= 0 else { return }
        #expect(watch.watch([directory.path]) == .all)
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
        #expect(watch.watch(wanted) == .partial)
        for _ in 0..<2 {
            directory.makeDirectory("later")
            #expect(watch.drain() == .other)
            #expect(watch.watch(wanted) == .all)
            directory.append("one\n", to: "later/a")
            #expect(watch.drain() == .other)
            directory.delete("later/a")
            rmdir(directory.file("later"))
            #expect(watch.drain() == .other)
            #expect(watch.watch(wanted) == .partial)
        }
    }

    @Test func `a link further up that comes to lead elsewhere is told, and the new place is watched`() {
        let directory = TestDirectory()
        let watch = FileWatch()
        guard watch.descriptor >= 0 else { return }
        for release in ["one", "two"] {
            directory.makeDirectory(release)
            directory.makeDirectory(release + "/logs")
        }
        symlink("one", directory.file("current"))
        let wanted: Set<String> = [directory.file("current/logs")]
        #expect(watch.watch(wanted) == .all && watch.hasBegun)
        #expect(watch.watch(wanted) == .all && !watch.hasBegun)
        directory.append("a line\n", to: "current/logs/a")
        #expect(watch.drain() == .other)
        // Other things that happen on the way are nobody's business.
        directory.append("a line\n", to: "something")
        directory.append("a line\n", to: "one/something")
        #expect(watch.drain() == .none)
        symlink("two", directory.file("next"))
        directory.move("next", to: "current")
        #expect(watch.drain() == .other)
        #expect(watch.watch(wanted) == .all && watch.hasBegun)
        #expect(watch.drain() != .none || watch.watch(wanted) == .all)
        _ = watch.drain()
        directory.append("a line\n", to: "two/logs/b")
        #expect(watch.drain() == .other)
        directory.append("a line\n", to: "one/logs/a")
        #expect(watch.drain() == .none)
    }

    @Test func `a directory further up that is replaced is told`() {
        let directory = TestDirectory()
        let watch = FileWatch()
        guard watch.descriptor >= 0 else { return }
        directory.makeDirectory("shop")
        directory.makeDirectory("shop/logs")
        let wanted: Set<String> = [directory.file("shop/logs")]
        #expect(watch.watch(wanted) == .all)
        directory.move("shop", to: "old")
        #expect(watch.drain() == .other)
        #expect(watch.watch(wanted) == .partial)
        _ = watch.drain()
        directory.makeDirectory("shop")
        directory.makeDirectory("shop/logs")
        #expect(watch.watch(wanted) == .all && watch.hasBegun)
        _ = watch.drain()
        directory.append("a line\n", to: "shop/logs/a")
        #expect(watch.drain() == .other)
    }

    @Test func `a link among the watched that comes to lead elsewhere is watched anew`() {
        let directory = TestDirectory()
        let watch = FileWatch()
        guard watch.descriptor >= 0 else { return }
        for name in ["a", "b"] { directory.makeDirectory(name) }
        symlink("a", directory.file("today"))
        let wanted: Set<String> = [directory.path, directory.file("today")]
        #expect(watch.watch(wanted) == .all)
        symlink("b", directory.file("next"))
        directory.move("next", to: "today")
        #expect(watch.drain() == .other)
        #expect(watch.watch(wanted) == .all && watch.hasBegun)
        _ = watch.drain()
        directory.append("a line\n", to: "b/log")
        #expect(watch.drain() == .other)
    }

    @Test func `what is watched once is told once`() {
        let directory = TestDirectory()
        let watch = FileWatch(tellsWrites: false)
        guard watch.descriptor >= 0 else { return }
        for name in ["new", "cur"] { directory.makeDirectory(name) }
        for name in ["a", "b", "c"] { directory.append("x", to: "new/" + name) }
        #expect(watch.watch([directory.path], once: [directory.file("cur")]) == .all)
        _ = watch.drain()
        directory.move("new/a", to: "cur/a")
        #expect(watch.drain() == .other)
        directory.move("new/b", to: "cur/b")
        #expect(watch.drain() == .none)
        #expect(watch.watch([directory.path], once: [directory.file("cur")]) == .all)
        directory.move("new/c", to: "cur/c")
        #expect(watch.drain() == .other)
        // Of the directory itself only what comes and goes is told, not what is written.
        directory.append("x", to: "marker")
        _ = watch.drain()
        directory.append("y", to: "marker")
        #expect(watch.drain() == .none)
        directory.delete("marker")
        #expect(watch.drain() == .other)
    }
}
