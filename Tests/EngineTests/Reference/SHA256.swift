/// SHA-256 by the letter of FIPS 180-4, so that tests need no library.
enum SHA256 {
    private static let primes: [Int] = {
        var found: [Int] = []
        var candidate = 2
        while found.count < 64 {
            if !found.contains(where: { candidate % $0 == 0 }) { found.append(candidate) }
            candidate += 1
        }
        return found
    }()

    /// The first 32 bits of the fraction of the root of this order.
    private static func fraction(_ prime: Int, root: Int) -> UInt32 {
        // The largest x with x^root <= prime * 2^(32 * root), by bisection in 128 bits.
        var low = Int128(0)
        var high = Int128(1) << 37
        while low + 1 < high {
            let middle = (low + high) / 2
            // Exact while middle^3 < 2^127: primes are below 312, so that middle is below 2^35.
            let power = root == 2 ? middle * middle : middle * middle * middle
            if power <= Int128(prime) << Int128(32 * root) { low = middle } else { high = middle }
        }
        return UInt32(truncatingIfNeeded: low)
    }

    private static let start = primes.prefix(8).map { fraction($0, root: 2) }
    private static let constants = primes.map { fraction($0, root: 3) }

    private static func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 { value >> count | value << (32 - count) }

    @Sendable static func hash(_ message: [UInt8]) -> [UInt8] {
        var bytes = message + [0x80]
        while bytes.count % 64 != 56 { bytes.append(0) }
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: (message.count * 8) >> shift))
        }
        var state = start
        var words = [UInt32](repeating: 0, count: 64)
        let constants = constants
        for block in stride(from: 0, to: bytes.count, by: 64) {
            for index in 0..<16 {
                let place = block + index * 4
                words[index] =
                    UInt32(bytes[place]) << 24 | UInt32(bytes[place + 1]) << 16 | UInt32(bytes[place + 2]) << 8
                    | UInt32(bytes[place + 3])
            }
            for index in 16..<64 {
                let a = words[index - 15]
                let b = words[index - 2]
                let first = rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)
                let second = rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10)
                words[index] = words[index - 16] &+ first &+ words[index - 7] &+ second
            }
            var s = state
            for index in 0..<64 {
                let e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)
                let choice = (s[4] & s[5]) ^ (~s[4] & s[6])
                let one = s[7] &+ e &+ choice &+ constants[index] &+ words[index]
                let a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)
                let majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2])
                s = [one &+ a &+ majority, s[0], s[1], s[2], s[3] &+ one, s[4], s[5], s[6]]
            }
            for index in 0..<8 { state[index] = state[index] &+ s[index] }
        }
        return state.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } }
    }

    /// Lower-case base32 without padding, by the bits written out.
    static func base32(_ bytes: [UInt8]) -> String {
        let bits = bytes.flatMap { byte in (0..<8).map { byte >> UInt8(7 - $0) & 1 } }
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")
        return String(
            stride(from: 0, to: bits.count, by: 5).map { start in
                alphabet[(0..<5).reduce(0) { $0 * 2 + (start + $1 < bits.count ? Int(bits[start + $1]) : 0) }]
            })
    }
}
