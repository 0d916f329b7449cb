import Glibc

/// A pattern of absolute paths, walked by hand rather than by glob(3) so that a directory that cannot be read is told apart
/// from one that holds nothing, and one file under two names from two files.
///
/// `*`, `?` and `[…]` match within a name as fnmatch(3) does, a leading dot only by a dot; a whole component `**` matches any
/// number of directories (links to directories are not descended into by it, so that none goes round in circles). Any other link is followed, wherever it
/// leads.
struct Glob: Sendable {
    /// A regular file that matches.
    struct Match {
        /// The path that matches the pattern.
        var path: String
        /// The path to open: the same, or what a link resolves to.
        var target: String
        var status: FileStatus
    }

    /// What was found, and what stood in the way.
    struct Walk {
        /// In order of path.
        var matches: [Match] = []
        /// Directories that were listed or would be if they existed, and those that links lead into: the ones to watch.
        var directories: Set<String> = []
        /// Paths that match but are not regular files: kept out.
        var irregular: [String] = []
        /// What could not be read. Where there is any, a file that was not found may still exist.
        var failures: [Failure] = []
    }

    struct Failure {
        var path: String
        var errno: Int32
        var isDirectory: Bool
    }

    /// The directory of the components before the first one with a wildcard.
    let fixedDirectory: String
    private let components: [String]

    /// `pattern` is absolute; empty components are dropped.
    init(pattern: String) {
        let all = pattern.split(separator: "/").map(String.init)
        let fixed = all.dropLast().prefix { !Glob.isWildcard($0) }
        fixedDirectory = "/" + fixed.joined(separator: "/")
        var rest = Array(all[fixed.count...])
        if rest.last == "**" { rest.append("*") }
        components = rest
    }

    func walk() -> Walk {
        var walk = Walk()
        visit(fixedDirectory, 0, &walk)
        // Names are bytes: two that Swift calls equal, because they look alike, are two files.
        walk.matches.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
        var paths = Set<[UInt8]>()
        walk.matches.removeAll { !paths.insert(Array($0.path.utf8)).inserted }  // `**/**` finds a path twice
        return walk
    }

    private static func isWildcard(_ component: String) -> Bool {
        component.utf8.contains { $0 == 0x2A || $0 == 0x3F || $0 == 0x5B || $0 == 0x5C }
    }

    private func visit(_ directory: String, _ index: Int, _ walk: inout Walk) {
        guard index < components.count else { return }
        let component = components[index]
        let prefix = directory == "/" ? "/" : directory + "/"
        if component == "**" { visit(directory, index + 1, &walk) }
        guard Glob.isWildcard(component) else {
            walk.directories.insert(directory)
            return take(prefix + component, index, &walk)
        }
        walk.directories.insert(directory)
        let names: [String]
        switch DirectoryListing.names(in: directory) {
        case .success(let found): names = found
        case .failure(let error):
            if error.code != ENOENT { walk.failures.append(Failure(path: directory, errno: error.code, isDirectory: true)) }
            return
        }
        for name in names {
            if component == "**" {
                guard !name.hasPrefix("."), FileStatus(linkAt: prefix + name)?.isDirectory == true else { continue }
                visit(prefix + name, index, &walk)
            } else if fnmatch(component, name, FNM_PERIOD) == 0 {
                take(prefix + name, index, &walk)
            }
        }
    }

    /// Goes on with a path that matches up to component `index`.
    private func take(_ path: String, _ index: Int, _ walk: inout Walk) {
        let isLast = index == components.count - 1
        guard let link = FileStatus(linkAt: path) else {
            let code = errno
            if code != ENOENT { walk.failures.append(Failure(path: path, errno: code, isDirectory: !isLast)) }
            return
        }
        var target = path
        var status = link
        if link.isLink {
            guard let resolved = Glob.resolved(path), let followed = FileStatus(linkAt: resolved) else {
                let code = errno
                if code != ENOENT { walk.failures.append(Failure(path: path, errno: code, isDirectory: !isLast)) }
                return
            }
            target = resolved
            status = followed
        }
        if !isLast {
            if status.isDirectory { visit(path, index + 1, &walk) }
        } else if status.isRegular {
            // Who writes to it changes the directory that it lies in.
            if link.isLink { walk.directories.insert(Glob.parent(of: target)) }
            walk.matches.append(Match(path: path, target: target, status: status))
        } else {
            walk.irregular.append(path)
        }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    private static func resolved(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(validatingCString: found)
    }
}

/// An error number of a system call.
struct SystemError: Error, Hashable {
    var code: Int32

    /// What strerror(3) says.
    static func text(_ code: Int32) -> String { strerror(code).map { String(cString: $0) } ?? "error \(code)" }
}

enum DirectoryListing {
    /// The names in a directory without `.` and `..`, sorted; names that are not UTF-8 are left out.
    static func names(in directory: String) -> Result<[String], SystemError> {
        guard let stream = opendir(directory) else { return .failure(SystemError(code: errno)) }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(validatingCString: $0) }
            }
            if let name, name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        let code = errno
        if code != 0 { return .failure(SystemError(code: code)) }
        names.sort()
        return .success(names)
    }
}

/// What stat(2) says of a file, as far as tailing needs it.
struct FileStatus: Hashable {
    var key: InodeKey
    var mode: UInt32
    /// Bytes.
    var size: Int
    var links: UInt64
    /// Nanoseconds; compared, never taken for the time of day.
    var modified: Int64
    /// Nanoseconds; the kernel sets it at every change of content or metadata.
    var changed: Int64

    var isRegular: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFREG) }
    var isDirectory: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }
    var isLink: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFLNK) }

    /// Of the path itself, links not followed; nil with `errno` when there is none.
    init?(linkAt path: String) {
        var raw = stat()
        guard lstat(path, &raw) == 0 else { return nil }
        self.init(raw)
    }

    /// Of an open descriptor; nil with `errno` on failure.
    init?(descriptor: Int32) {
        var raw = stat()
        guard fstat(descriptor, &raw) == 0 else { return nil }
        self.init(raw)
    }

    private init(_ raw: stat) {
        key = InodeKey(device: UInt64(raw.st_dev), number: UInt64(raw.st_ino))
        mode = raw.st_mode
        size = Int(raw.st_size)
        links = UInt64(raw.st_nlink)
        modified = Int64(raw.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(raw.st_mtim.tv_nsec)
        changed = Int64(raw.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(raw.st_ctim.tv_nsec)
    }
}
