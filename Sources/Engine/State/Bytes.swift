/// Writes the compact columns of a record: variable-length integers (LEB128, zigzag for signed ones), length-prefixed texts.
struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func unsigned(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func signed(_ value: Int64) { unsigned(UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

    mutating func blob(_ value: some Collection<UInt8>) {
        unsigned(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func text(_ value: String) { blob(value.utf8) }
}

/// Reads them back. Past the end it gives zeros and `failed`, so that a damaged record cannot crash the reader.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var position = 0
    private(set) var failed = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position >= bytes.count || failed }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else {
            failed = true
            return 0
        }
        position += 1
        return bytes[position - 1]
    }

    mutating func unsigned() -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 64 {
            let next = byte()
            value |= UInt64(next & 0x7F) << shift
            if next < 0x80 { return failed ? 0 : value }
            shift += 7
        }
        failed = true
        return 0
    }

    /// How many of something follow: as many as it says, however damaged.
    mutating func count() -> Int { Int(clamping: unsigned()) }

    mutating func signed() -> Int64 {
        let value = unsigned()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    mutating func blob() -> [UInt8] {
        let count = unsigned()
        guard count <= UInt64(bytes.count - position) else {
            failed = true
            return []
        }
        defer { position += Int(count) }
        return Array(bytes[position..<(position + Int(count))])
    }

    mutating func text() -> String { String(decoding: blob(), as: UTF8.self) }
}
