import CLinux
import Glibc

/// inotify as a hint that a scan may find something; a scan at intervals finds the same without it.
///
/// Watches directories, which also tells of changes to the files in them.
package final class FileWatch {
    /// Readable when something changed: for poll(2). -1 where inotify is not to be had; then nothing is ever reported.
    package let descriptor: Int32
    private var watched: [Int32: String] = [:]
    private var directories: Set<String> = []

    /// Never fails: without inotify there are no hints.
    package init() { descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC)) }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Watches exactly `wanted` from now on. Directories that do not exist yet, or for which the system has no watch left, are
    /// tried again at the next call; returns false when there are any.
    @discardableResult
    package func watch(_ wanted: Set<String>) -> Bool {
        guard descriptor >= 0 else { return false }
        for (watch, directory) in watched where !wanted.contains(directory) {
            inotify_rm_watch(descriptor, watch)
            watched[watch] = nil
            directories.remove(directory)
        }
        let mask =
            UInt32(IN_CREATE) | UInt32(IN_MODIFY) | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO) | UInt32(IN_DELETE)
            | UInt32(IN_CLOSE_WRITE) | UInt32(IN_ATTRIB) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
        for directory in wanted.subtracting(directories).sorted() {
            let watch = inotify_add_watch(descriptor, directory, mask)
            guard watch >= 0 else { continue }
            if let replaced = watched.updateValue(directory, forKey: watch) { directories.remove(replaced) }
            directories.insert(directory)
        }
        return directories.isSuperset(of: wanted)
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
            let isWritten = mask & ~(UInt32(IN_MODIFY) | UInt32(IN_CLOSE_WRITE)) == 0
            if !isWritten {
                news = .other
            } else if news != .other, last.map({ $0.watch != watch || !$0.name.elementsEqual(name) }) ?? true {
                last = (watch, name)
                note(name, in: watch, &news)
            }
            // A watch whose directory is gone is removed by the kernel; it may come back under the same name.
            if mask & UInt32(IN_MOVE_SELF) != 0 { inotify_rm_watch(descriptor, watch) }
            if mask & (UInt32(IN_IGNORED) | UInt32(IN_MOVE_SELF)) != 0, let directory = watched.removeValue(forKey: watch) {
                directories.remove(directory)
            }
            start += 16 + Int(nameBytes)
        }
    }

    private func note(_ name: UnsafeRawBufferPointer, in watch: Int32, _ news: inout News) {
        guard let directory = watched[watch] else {
            news = .other
            return
        }
        let path = (directory == "/" ? "" : directory) + "/" + String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        if case .written(var paths) = news {
            paths.insert(path)
            news = .written(paths)
        } else {
            news = .written([path])
        }
    }
}
