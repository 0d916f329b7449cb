import Glibc

/// Paths as text: joined, never resolved, because what a glob names may not exist yet.
enum FilePath {
    /// A path made absolute: a relative one is looked for in the directory of `file`.
    static func absolute(_ path: String, besides file: String) -> String {
        path.hasPrefix("/") ? clean(path) : clean(directory(of: file) + "/" + path)
    }

    /// A path made absolute from the working directory.
    static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return clean(path) }
        guard let working = getcwd(nil, 0) else { return clean("/" + path) }
        defer { free(working) }
        return clean(String(cString: working) + "/" + path)
    }

    static func directory(of file: String) -> String {
        guard let slash = file.lastIndex(of: "/") else { return "." }
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }

    /// Without `.` and empty components. `..` stays: behind a symbolic link it isn't the directory above.
    private static func clean(_ path: String) -> String {
        "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    /// The file itself, links followed; the path as it is if there is none.
    static func canonical(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Whether a path is a pattern.
    static func isPattern(_ path: String) -> Bool { path.contains { "*?[".contains($0) } }

    /// The files that a pattern names, sorted; empty if there are none.
    static func matches(_ pattern: String) -> [String] {
        var result = glob_t()
        defer { globfree(&result) }
        guard glob(pattern, 0, nil, &result) == 0 else { return [] }
        return (0..<Int(result.gl_pathc)).compactMap { index in
            guard let path = result.gl_pathv[index] else { return nil }
            return String(cString: path)
        }
    }
}
