import Engine

/// The text of one log line while it is written: static pieces of JSON and values, appended by hand. The caller keeps it valid JSON.
struct LineText {
    private(set) var bytes: [UInt8] = []
    private var day: Instant = .min
    private var date: [UInt8] = []

    init() { bytes.reserveCapacity(4096) }

    mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    mutating func text(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func text(_ text: [UInt8]) { bytes.append(contentsOf: text) }

    mutating func byte(_ byte: UInt8) { bytes.append(byte) }

    /// A number from 0, in at least `width` digits.
    mutating func integer(_ value: Int, width: Int = 1) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 24) { digits in
            var rest = value.magnitude
            var position = 24
            repeat {
                position -= 1
                digits[position] = 48 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0 || 24 - position < min(width, 24)
            bytes.append(contentsOf: UnsafeMutableBufferPointer(rebasing: digits[position...]))
        }
    }

    /// An amount in hundredths as a decimal with two digits behind the point, as shops write prices: `19.90`.
    mutating func amount(_ hundredths: Int) {
        integer(hundredths / 100)
        byte(0x2E)
        integer(hundredths % 100, width: 2)
    }

    /// Degrees given in millionths, with six digits behind the point.
    mutating func degrees(_ millionths: Int) {
        if millionths < 0 { byte(0x2D) }
        integer(Int(millionths.magnitude) / 1_000_000)
        byte(0x2E)
        integer(Int(millionths.magnitude) % 1_000_000, width: 6)
    }

    mutating func hexadecimal(_ value: UInt64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { digits in
            for position in 0..<16 { digits[position] = Self.digit(value >> UInt64(60 - position * 4)) }
            bytes.append(contentsOf: UnsafeMutableBufferPointer(rebasing: digits[0..<16]))
        }
    }

    /// 128 bits in the form of a random UUID (RFC 9562, version 4).
    mutating func identifier(_ high: UInt64, _ low: UInt64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { digits in
            let upper = high & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
            let lower = low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
            var position = 0
            for half in 0..<2 {
                let value = half == 0 ? upper : lower
                for nibble in 0..<16 {
                    if position == 8 || position == 13 || position == 18 || position == 23 {
                        digits[position] = 0x2D
                        position += 1
                    }
                    digits[position] = Self.digit(value >> UInt64(60 - nibble * 4))
                    position += 1
                }
            }
            bytes.append(contentsOf: UnsafeMutableBufferPointer(rebasing: digits[0..<36]))
        }
    }

    /// RFC 3339 in UTC with milliseconds, the same as `Instant.rfc3339`. The date is kept until the day changes.
    mutating func time(_ time: Instant) {
        if time < day || time >= day + 86_400_000 {
            let days = time >= 0 ? time / 86_400_000 : (time - 86_399_999) / 86_400_000
            day = days * 86_400_000
            date = Array(time.rfc3339.utf8.prefix(11))
        }
        bytes.append(contentsOf: date)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 13) { digits in
            let rest = Int(time - day)
            func two(_ value: Int, at position: Int) {
                digits[position] = 48 + UInt8(truncatingIfNeeded: value / 10)
                digits[position + 1] = 48 + UInt8(truncatingIfNeeded: value % 10)
            }
            two(rest / 3_600_000, at: 0)
            digits[2] = 0x3A
            two(rest / 60_000 % 60, at: 3)
            digits[5] = 0x3A
            two(rest / 1000 % 60, at: 6)
            digits[8] = 0x2E
            digits[9] = 48 + UInt8(truncatingIfNeeded: rest % 1000 / 100)
            two(rest % 100, at: 10)
            digits[12] = 0x5A
            bytes.append(contentsOf: UnsafeMutableBufferPointer(rebasing: digits[0..<13]))
        }
    }

    private static func digit(_ value: UInt64) -> UInt8 {
        let nibble = UInt8(truncatingIfNeeded: value & 15)
        return nibble < 10 ? 48 + nibble : 87 + nibble
    }
}
