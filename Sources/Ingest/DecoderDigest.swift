import CDigest
import Engine

extension IDDigest {
    /// The digest of a message id: the id itself where it is a UUID in lower-case 8-4-4-4-12 form, else the first 128 bits of
    /// its SHA-256. A UUID in capitals is another text and so another id.
    package init(id: UnsafeRawBufferPointer) {
        if id.count == 36, let digest = IDDigest(uuid: id) {
            self = digest
            return
        }
        var context = SHA2_CTX()
        SHA256Init(&context)
        SHA256Update(&context, id.baseAddress?.assumingMemoryBound(to: UInt8.self), id.count)
        var hash: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &hash) { bytes in
            SHA256Final(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &context)
        }
        self.init(high: hash.0.bigEndian, low: hash.1.bigEndian)
    }

    private init?(uuid text: UnsafeRawBufferPointer) {
        guard let start = text.baseAddress, text[8] == 0x2D, text[13] == 0x2D, text[18] == 0x2D, text[23] == 0x2D else {
            return nil
        }
        func four(_ offset: Int) -> UInt64 {
            UInt64(UInt32(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        guard let a = Self.hex(four(0) | four(4) << 32), let b = Self.hex(four(9) | four(14) << 32),
            let c = Self.hex(four(19) | four(24) << 32), let d = Self.hex(four(28) | four(32) << 32)
        else { return nil }
        self.init(high: a << 32 | b, low: c << 32 | d)
    }

    /// Eight lower-case hexadecimal digits, the first in the lowest byte, all at once; nil if one of them is none.
    private static func hex(_ text: UInt64) -> UInt64? {
        let isLetter = (text &>> 6) & 0x0101_0101_0101_0101
        let value = (text & 0x0F0F_0F0F_0F0F_0F0F) &+ isLetter &* 9
        // Written back it has to be the same text, and letters stand for 10 and above, digits for less.
        guard value &+ 0x3030_3030_3030_3030 &+ isLetter &* 0x27 == text,
            (value &+ 0x0606_0606_0606_0606) & 0x1010_1010_1010_1010 == isLetter &<< 4, value & 0xF0F0_F0F0_F0F0_F0F0 == 0
        else { return nil }
        var nibbles = value.byteSwapped
        nibbles = (nibbles | nibbles &>> 4) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles &>> 8) & 0x0000_FFFF_0000_FFFF
        return (nibbles | nibbles &>> 16) & 0xFFFF_FFFF
    }
}
