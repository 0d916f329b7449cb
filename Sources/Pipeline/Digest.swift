import CDigest
import Glibc

/// SHA-256 from libmd, which the engine is given so that it needs no library itself.
package enum Digest {
    package static let sha256: @Sendable ([UInt8]) -> [UInt8] = { bytes in
        var context = SHA2_CTX()
        SHA256Init(&context)
        bytes.withUnsafeBufferPointer { if let start = $0.baseAddress { SHA256Update(&context, start, $0.count) } }
        var digest = [UInt8](repeating: 0, count: 32)
        SHA256Final(&digest, &context)
        return digest
    }

    /// A random id, for what needs an identity of its own: 32 hexadecimal digits from the system.
    package static func randomID() -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { getrandom($0.baseAddress.map { $0 + filled }, 16 - filled, 0) }
            if count > 0 { filled += count } else if errno != EINTR { break }
        }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
