import Glibc
import Ingest

/// The key under which erased customers are known again: the configured `secret_file`, or one the daemon makes for itself in its state directory.
package enum Secret {
    package static let fileName = "secret"

    /// Why a file gives no key.
    package enum Fault: Error, Equatable {
        case unreadable(Int32)
        /// It holds less than was ever used as a key.
        case short
    }

    /// The bytes of a file without line ends after them.
    package static func read(_ path: String) throws(Fault) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .unreadable(errno) }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0 else { throw .unreadable(errno) }
        bytes.removeLast(bytes.count - count)
        while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
        guard bytes.count >= leastBytes else { throw .short }
        return bytes
    }

    package static let leastBytes = 16

    /// Reads the state's own, made at first need. One that is there and can't be read is no first need: with another key nobody who was erased would be
    /// known again.
    ///
    /// - Parameter isUsed: somebody was erased under it, so that another one would not do.
    static func own(in directory: String, isUsed: Bool) throws -> [UInt8] {
        let path = directory + "/" + fileName
        do {
            return try read(path)
        } catch .unreadable(let code) where code != ENOENT {
            throw ControlLogError(path: path, code: code)
        } catch {}
        guard !isUsed else { throw SecretLost(path: path) }
        let draft = path + ".new"
        let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw ControlLogError(path: draft, code: errno) }
        defer { close(file) }
        let text = Array((Digest.randomID() + Digest.randomID()).utf8)
        guard write(file, text, text.count) == text.count, fsync(file) == 0, rename(draft, path) == 0 else {
            throw ControlLogError(path: path, code: errno)
        }
        // Its name has to be there as long as what is hashed under it.
        guard PlainFile.sync(directory: directory) else { throw ControlLogError(path: directory, code: errno) }
        return text
    }
}

/// The key is gone under which erased customers are known.
package struct SecretLost: Error, Sendable, CustomStringConvertible {
    package let path: String

    package init(path: String) { self.path = path }

    package var description: String {
        "\(path): is missing or too short, and customers were erased under it: without that key old logs bring them back. Restore it from a "
            + "backup; to give it up for good, write a new one of at least 16 bytes"
    }
}
