import Glibc

/// What several files of the state directory need of the system. After a failure `errno` says why.
enum PlainFile {
    /// What is there from the descriptor's position to the end; nil if it can't be read.
    static func contents(of file: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(file, &room, room.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes += room[..<count]
        }
    }

    /// Makes the names in a directory durable.
    static func sync(directory path: String) -> Bool {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return false }
        defer { close(directory) }
        return fsync(directory) == 0
    }
}
