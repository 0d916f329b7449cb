import Configuration
import Glibc

extension Configuration {
    /// The key in `secret_file`, without the white space at its end; nil where `identity` needs none.
    ///
    /// Throws if it is needed but can't be read, or is so short that it could be guessed.
    func readSecret() throws -> [UInt8]? {
        guard let secretFile, !identity.keys.isEmpty else { return nil }
        guard let stream = fopen(secretFile, "r") else {
            throw Failure(
                .configuration,
                "\(secretFile): the key of `secret_file` can't be read (\(String(cString: strerror(errno)))); "
                    + "make one with head -c 32 /dev/urandom | base64 > \(secretFile)")
        }
        defer { fclose(stream) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = fread(&buffer, 1, buffer.count, stream)
        var key = buffer.prefix(count)
        while let last = key.last, last <= 0x20 { key.removeLast() }
        guard key.count >= 16 else {
            throw Failure(
                .configuration,
                "\(secretFile): the key of `secret_file` has fewer than 16 bytes; make one with head -c 32 /dev/urandom | base64")
        }
        return Array(key)
    }
}
