import Glibc

/// A gzip or zstd file, for those who only look at its beginning.
package enum CompressedLog {
    /// The first bytes of its content, and whether they are all of it; nil if the file is not compressed, or damaged from the start.
    package static func head(of path: String, limit: Int) -> (bytes: [UInt8], isWhole: Bool)? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var magic = [UInt8](repeating: 0, count: 4)
        guard pread(descriptor, &magic, 4, 0) == 4, let format = Decompressor.format(of: magic),
            let decompressor = Decompressor(format)
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: limit)
        let (count, stop) = bytes.withUnsafeMutableBytes { decompressor.produce(from: descriptor, into: $0) }
        guard count > 0 else { return nil }
        return (Array(bytes[..<count]), stop == .end)
    }
}
