import CLinux
import Glibc

/// inotify as a hint that a look at some directories may find something; a look at intervals finds the same without it.
///
/// Watches directories, which also tells of changes to the files in them, and the ways that lead to them: whoever renames a directory
/// further up, or points a link elsewhere, changes nothing in the directory that was reached before.
package final class FileWatch {
    /// Readable when something changed: for poll(2). -1 where inotify is not to be had; then nothing is ever reported.
    package let descriptor: Int32
    private var watched: [Int32: String] = [:]
    private var directories: Set<String> = []
    /// Directories and links on the way to them.
    private var ways: Set<Int32> = []
    private let tellsWrites: Bool
    /// Whether the last call of `watch` began to watch something: what happened to it before may be seen by another look alone.
    package private(set) var hasBegun = false

    /// How much is told.
    package enum Coverage: Sendable {
        /// Everything that can happen to the directories.
        case all
        /// What happens in the directories, but not whether their paths come to lead elsewhere.
        case directories
        case partial
    }

    /// Never fails: without inotify there are no hints.
    ///
    /// - Parameter tellsWrites: whether writing to a file is news, or only that something in the directories themselves comes or goes.
    package init(tellsWrites: Bool = true) {
        descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        self.tellsWrites = tellsWrites
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private static let mask =
        UInt32(IN_CREATE) | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO) | UInt32(IN_DELETE) | UInt32(IN_DELETE_SELF)
        | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)

    /// Watches exactly `wanted` from now on. Directories that do not exist yet, or for which the system has no watch left, are
    /// tried again at the next call.
    ///
    /// - Parameter once: directories of which only the next file that is moved into them is news.
    @discardableResult
    package func watch(_ wanted: Set<String>, once: Set<String> = []) -> Coverage {
        guard descriptor >= 0 else { return .partial }
        hasBegun = false
        for (watch, directory) in watched where !wanted.contains(directory) {
            inotify_rm_watch(descriptor, watch)
            watched[watch] = nil
            directories.remove(directory)
        }
        let written = tellsWrites ? UInt32(IN_MODIFY) | UInt32(IN_CLOSE_WRITE) | UInt32(IN_ATTRIB) : 0
        for directory in wanted.subtracting(directories).sorted() {
            let watch = inotify_add_watch(descriptor, directory, Self.mask | written)
            guard watch >= 0 else { continue }
            if let replaced = watched.updateValue(directory, forKey: watch) { directories.remove(replaced) }
            directories.insert(directory)
            hasBegun = true
        }
        var isComplete = directories.isSuperset(of: wanted)
        for directory in once.sorted() {
            let mask = UInt32(IN_MOVED_TO) | UInt32(IN_CREATE) | UInt32(IN_ONESHOT) | UInt32(IN_ONLYDIR)
            if inotify_add_watch(descriptor, directory, mask) < 0 { isComplete = false }
        }
        let seesWays = watchWays(to: wanted)
        guard isComplete else { return .partial }
        return seesWays ? .all : .directories
    }

    /// Watches the directories and links above, each for its own fate alone: of what else comes and goes in busy directories nothing is heard.
    /// A directory whose own directory is watched too needs no more.
    private func watchWays(to wanted: Set<String>) -> Bool {
        var needed: [String: Bool] = [:]
        for directory in wanted where !wanted.contains(Glob.parent(of: directory)) {
            for way in Self.ways(to: directory) where !wanted.contains(way.path) { needed[way.path] = way.isLink }
        }
        var found: Set<Int32> = []
        var isComplete = true
        for (path, isLink) in needed.sorted(by: { $0.key < $1.key }) {
            // A link that is replaced by another is first told of as having one name less.
            let kind = isLink ? UInt32(IN_DONT_FOLLOW) | UInt32(IN_ATTRIB) : UInt32(IN_ONLYDIR)
            // One inode under two paths has one watch.
            let mask = UInt32(IN_MOVE_SELF) | UInt32(IN_DELETE_SELF) | UInt32(IN_MASK_ADD)
            let watch = inotify_add_watch(descriptor, path, kind | mask)
            if watch >= 0 { found.insert(watch) } else { isComplete = false }
        }
        if !found.isSubset(of: ways) { hasBegun = true }
        for watch in ways.subtracting(found) where watched[watch] == nil { inotify_rm_watch(descriptor, watch) }
        ways = found
        return isComplete
    }

    /// The directories and links through which a path leads, itself included if it is a link.
    static func ways(to path: String) -> [(path: String, isLink: Bool)] {
        var rest = Array(path.split(separator: "/").reversed())
        var here: [Substring] = []
        var result: [(path: String, isLink: Bool)] = []
        var links = 0
        var room = [CChar](repeating: 0, count: Int(PATH_MAX))
        while let name = rest.popLast() {
            if name == "." { continue }
            if name == ".." {
                _ = here.popLast()
                continue
            }
            here.append(name)
            let path = "/" + here.joined(separator: "/")
            let length = readlink(path, &room, room.count)
            result.append((path, length > 0))
            guard length > 0, links < 40 else { continue }
            links += 1
            here.removeLast()
            let target = String(decoding: room[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if target.hasPrefix("/") { here = [] }
            rest += target.split(separator: "/").reversed().map { Substring(String($0)) }
        }
        return result
    }

    /// Drops all watches, so that the next call of `watch` finds what the paths lead to now: after a change of mounts.
    package func forget() {
        for watch in ways.union(watched.keys) { inotify_rm_watch(descriptor, watch) }
        watched = [:]
        directories = []
        ways = []
    }

    /// Whether inotify can be relied on in all of these: not on file systems that others change too, over a network.
    package static func tellsAll(_ directories: Set<String>) -> Bool {
        directories.allSatisfy { nudged_is_local($0) == 1 }
    }

    /// What the events tell that have come since the last call.
    package enum News: Equatable, Sendable {
        case none
        /// These files were written to, and nothing else happened in any directory.
        case written(Set<String>)
        /// Files came, went or were renamed, or the queue overflowed: only a scan tells.
        case other
    }

    /// Takes all waiting events.
    package func drain() -> News {
        guard descriptor >= 0 else { return .none }
        var news = News.none
        withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 8) { room in
            while true {
                let count = read(descriptor, room.baseAddress, room.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                take(UnsafeRawBufferPointer(rebasing: room[..<count]), into: &news)
            }
        }
        return news
    }

    private func take(_ events: UnsafeRawBufferPointer, into news: inout News) {
        var start = 0
        var last: (watch: Int32, name: UnsafeRawBufferPointer)?
        while start + 16 <= events.count {
            let watch = events.loadUnaligned(fromByteOffset: start, as: Int32.self)
            let mask = events.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self)
            let nameBytes = events.loadUnaligned(fromByteOffset: start + 12, as: UInt32.self)
            let name = UnsafeRawBufferPointer(rebasing: events[(start + 16)..<(start + 16 + Int(nameBytes))])
            start += 16 + Int(nameBytes)
            if watched[watch] == nil, ways.contains(watch) {
                news = .other
                forget()
                continue
            }
            let isWritten = mask & ~(UInt32(IN_MODIFY) | UInt32(IN_CLOSE_WRITE)) == 0
            if !isWritten {
                news = .other
                // A link to a directory may lead elsewhere now.
                if let path = path(name, in: watch), directories.remove(path) != nil {
                    for (watch, directory) in watched where directory == path { inotify_rm_watch(descriptor, watch) }
                    watched = watched.filter { $0.value != path }
                }
            } else if news != .other, last.map({ $0.watch != watch || !$0.name.elementsEqual(name) }) ?? true {
                last = (watch, name)
                note(name, in: watch, &news)
            }
            // A watch whose directory is gone is removed by the kernel; it may come back under the same name.
            if mask & UInt32(IN_MOVE_SELF) != 0 { inotify_rm_watch(descriptor, watch) }
            if mask & (UInt32(IN_IGNORED) | UInt32(IN_MOVE_SELF)) != 0, let directory = watched.removeValue(forKey: watch) {
                directories.remove(directory)
            }
        }
    }

    private func note(_ name: UnsafeRawBufferPointer, in watch: Int32, _ news: inout News) {
        guard let path = path(name, in: watch) else {
            news = .other
            return
        }
        if case .written(var paths) = news {
            paths.insert(path)
            news = .written(paths)
        } else {
            news = .written([path])
        }
    }

    private func path(_ name: UnsafeRawBufferPointer, in watch: Int32) -> String? {
        guard let directory = watched[watch], name.first ?? 0 != 0 else { return nil }
        return (directory == "/" ? "" : directory) + "/" + String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }
}
