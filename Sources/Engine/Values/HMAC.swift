/// HMAC (RFC 2104) with SHA-256: who does not have the key can't find out by trying what was hashed.
package struct HMAC: Sendable {
    private let inner: [UInt8]
    private let outer: [UInt8]
    private let sha256: @Sendable ([UInt8]) -> [UInt8]

    package init(key: [UInt8], sha256: @escaping @Sendable ([UInt8]) -> [UInt8]) {
        var block = key.count > 64 ? sha256(key) : key
        block += [UInt8](repeating: 0, count: 64 - block.count)
        inner = block.map { $0 ^ 0x36 }
        outer = block.map { $0 ^ 0x5C }
        self.sha256 = sha256
    }

    /// 32 bytes.
    package func of(_ message: [UInt8]) -> [UInt8] { sha256(outer + sha256(inner + message)) }
}
