import Configuration
import Engine
import Glibc

/// A temporary directory that goes away with the test.
final class Folder {
    let path: String

    struct Failure: Error { var code: Int32 }

    init() throws {
        var template = Array("/tmp/nudged-configuration-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Failure(code: errno) }
        path = String(cString: made)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR, let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                if name != ".", name != ".." { remove(path + "/" + name) }
            }
            closedir(directory)
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    /// Writes a file, its directories too, and gives its path.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String { try write(name, bytes: Array(text.utf8)) }

    @discardableResult
    func write(_ name: String, bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        let parts = name.split(separator: "/").dropLast()
        for count in 0..<parts.count { mkdir(path + "/" + parts[...count].joined(separator: "/"), 0o755) }
        guard let stream = fopen(file, "w") else { throw Failure(code: errno) }
        defer { fclose(stream) }
        guard fwrite(bytes, 1, bytes.count, stream) == bytes.count else { throw Failure(code: errno) }
        return file
    }

    /// The repository's root and its `share`.
    static var repository: String { #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } }
    static var share: String { repository + "/share" }

    /// A file of the repository.
    static func text(_ name: String) throws -> String {
        guard let stream = fopen(repository + "/" + name, "r") else { throw Failure(code: errno) }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&buffer, 1, buffer.count, stream)
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
