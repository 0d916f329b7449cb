import CDigest

/// 128 bits of SHA-256: what identity by content rests on.
///
/// Cryptographic and 16 bytes long because a collision would silently skip a log; the first half of SHA-256 keeps the
/// checkpoint small. Ordered as its bytes are, so that files can be numbered by it.
package struct ContentDigest: Hashable, Comparable, Sendable {
    /// The first eight bytes, big-endian.
    package let high: UInt64
    /// The next eight bytes, big-endian.
    package let low: UInt64

    /// From stored halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The digest of `bytes`; that of nothing is the digest of the empty string.
    package init(_ bytes: UnsafeRawBufferPointer) {
        var context = SHA2_CTX()
        SHA256Init(&context)
        if let base = bytes.baseAddress, !bytes.isEmpty {
            SHA256Update(&context, base.assumingMemoryBound(to: UInt8.self), bytes.count)
        }
        let halves = withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { digest in
            digest.initializeMemory(as: UInt8.self, repeating: 0)
            if let base = digest.baseAddress { SHA256Final(base.assumingMemoryBound(to: UInt8.self), &context) }
            return (
                UInt64(bigEndian: digest.load(as: UInt64.self)),
                UInt64(bigEndian: digest.load(fromByteOffset: 8, as: UInt64.self))
            )
        }
        (high, low) = halves
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension ContentDigest {
    /// From 32 hexadecimal digits.
    package init?(hexadecimal text: String) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
        else {
            return nil
        }
        self.init(high: high, low: low)
    }

    /// 32 hexadecimal digits.
    package var hexadecimal: String {
        func text(_ value: UInt64) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }
        return text(high) + text(low)
    }
}
