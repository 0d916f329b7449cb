import Engine

/// The text of one log line while it is written: static pieces of JSON and values, written by hand into memory that is used again for
/// every line. The caller keeps it valid JSON.
struct LineText {
    private var bytes: [UInt8] = Array(repeating: 0, count: LineText.capacity)
    private(set) var count = 0
    private var day: Instant = 0
    private var date: [UInt8] = LineText.date(of: 0)

    /// More than four times the longest line: a checkout of a full cart.
    private static let capacity = 16_384

    init() {}

    mutating func clear() { count = 0 }

    func withBytes(_ read: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { read(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    /// Makes room for `length` bytes, which `write` fills.
    @inline(__always)
    private mutating func put(_ length: Int, _ write: (UnsafeMutableRawPointer) -> Void) {
        let position = count
        precondition(length <= Self.capacity - position, "a simulated line is longer than \(Self.capacity) bytes")
        bytes.withUnsafeMutableBytes { space in
            if let base = space.baseAddress { write(base + position) }
        }
        count = position + length
    }

    mutating func text(_ text: StaticString) {
        put(text.utf8CodeUnitCount) { $0.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount) }
    }

    mutating func text(_ text: [UInt8]) {
        text.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            put(source.count) { $0.copyMemory(from: start, byteCount: source.count) }
        }
    }

    mutating func byte(_ byte: UInt8) { put(1) { $0.storeBytes(of: byte, as: UInt8.self) } }

    /// A number from 0, in at least `width` digits.
    mutating func integer(_ value: Int, width: Int = 1) {
        var length = 1
        var bound = 10
        while length < width || (length < 19 && value >= bound) {
            length += 1
            bound = bound &* 10
        }
        put(length) { space in
            var rest = UInt64(value.magnitude)
            for position in stride(from: length - 1, through: 0, by: -1) {
                space.storeBytes(of: 48 + UInt8(truncatingIfNeeded: rest % 10), toByteOffset: position, as: UInt8.self)
                rest /= 10
            }
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
        put(16) { space in
            space.storeBytes(of: Self.digits(value >> 32), as: UInt64.self)
            space.storeBytes(of: Self.digits(value), toByteOffset: 8, as: UInt64.self)
        }
    }

    /// 128 bits in the form of a random UUID (RFC 9562, version 4).
    mutating func identifier(_ high: UInt64, _ low: UInt64) {
        let first = Self.digits(high >> 32)
        let second = Self.digits(high & 0xFFFF_0FFF | 0x4000)
        let third = Self.digits(low >> 32 & 0x3FFF_FFFF | 0x8000_0000)
        let fourth = Self.digits(low)
        put(36) { space in
            space.storeBytes(of: first, as: UInt64.self)
            space.storeBytes(of: 0x2D, toByteOffset: 8, as: UInt8.self)
            space.storeBytes(of: UInt32(truncatingIfNeeded: second), toByteOffset: 9, as: UInt32.self)
            space.storeBytes(of: 0x2D, toByteOffset: 13, as: UInt8.self)
            space.storeBytes(of: UInt32(truncatingIfNeeded: second >> 32), toByteOffset: 14, as: UInt32.self)
            space.storeBytes(of: 0x2D, toByteOffset: 18, as: UInt8.self)
            space.storeBytes(of: UInt32(truncatingIfNeeded: third), toByteOffset: 19, as: UInt32.self)
            space.storeBytes(of: 0x2D, toByteOffset: 23, as: UInt8.self)
            space.storeBytes(of: UInt32(truncatingIfNeeded: third >> 32), toByteOffset: 24, as: UInt32.self)
            space.storeBytes(of: fourth, toByteOffset: 28, as: UInt64.self)
        }
    }

    /// The low 32 bits as eight hexadecimal digits, the first in the lowest byte: the nibbles are spread over the bytes, and those from
    /// ten are moved up to the letters, all eight at a time.
    private static func digits(_ value: UInt64) -> UInt64 {
        var spread = UInt64(UInt32(truncatingIfNeeded: value).byteSwapped)
        spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
        spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
        spread = (spread >> 4 | spread << 8) & 0x0F0F_0F0F_0F0F_0F0F
        let letters = (spread &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (spread &+ 0x3030_3030_3030_3030 &+ letters &* 39).littleEndian
    }

    /// RFC 3339 in UTC with milliseconds, the same as `Instant.rfc3339`. The date is kept until the day changes.
    mutating func time(_ time: Instant) {
        if time < day || time >= day + 86_400_000 {
            day = (time >= 0 ? time / 86_400_000 : (time - 86_399_999) / 86_400_000) * 86_400_000
            date = Self.date(of: day)
        }
        text(date)
        let rest = UInt32(truncatingIfNeeded: time - day)
        put(13) { space in
            func two(_ value: UInt32, at position: Int) {
                space.storeBytes(of: 48 + UInt8(truncatingIfNeeded: value / 10), toByteOffset: position, as: UInt8.self)
                space.storeBytes(of: 48 + UInt8(truncatingIfNeeded: value % 10), toByteOffset: position + 1, as: UInt8.self)
            }
            two(rest / 3_600_000, at: 0)
            space.storeBytes(of: 0x3A, toByteOffset: 2, as: UInt8.self)
            two(rest / 60_000 % 60, at: 3)
            space.storeBytes(of: 0x3A, toByteOffset: 5, as: UInt8.self)
            two(rest / 1000 % 60, at: 6)
            space.storeBytes(of: 0x2E, toByteOffset: 8, as: UInt8.self)
            space.storeBytes(of: 48 + UInt8(truncatingIfNeeded: rest % 1000 / 100), toByteOffset: 9, as: UInt8.self)
            two(rest % 100, at: 10)
            space.storeBytes(of: 0x5A, toByteOffset: 12, as: UInt8.self)
        }
    }

    /// `2026-03-01T`
    private static func date(of time: Instant) -> [UInt8] { Array(time.rfc3339.utf8.prefix(11)) }
}
