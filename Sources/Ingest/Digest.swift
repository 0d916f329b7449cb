import CDigest

/// SHA-256 from libmd for what is small; the engine is given it, so that it needs no library itself.
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
        let bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
