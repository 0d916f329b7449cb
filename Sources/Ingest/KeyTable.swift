/// A fixed set of short texts with a number each: the fields a format looks for, the event names a rule set knows.
///
/// Texts are told apart by their length and their first and last 8 bytes, which settles nearly every look-up without a loop.
struct KeyTable: Sendable {
    private struct Slot {
        var first: UInt64 = 0
        var last: UInt64 = 0
        /// Length of the text, -1 in an empty slot.
        var count: Int32 = -1
        var number: Int32 = -1
    }

    /// Open addressing.
    private var slots: [Slot]
    /// The whole texts by slot, for those of more than 16 bytes.
    private var texts: [[UInt8]]
    private let mask: Int

    /// Of a text that comes twice the last number counts.
    init(_ keys: [(text: [UInt8], number: Int)]) {
        var size = 16
        while size < keys.count * 4 { size *= 2 }
        slots = [Slot](repeating: Slot(), count: size)
        texts = [[UInt8]](repeating: [], count: size)
        mask = size - 1
        for key in keys {
            let padded = key.text + [UInt8](repeating: 0, count: 8)
            let (first, last) = padded.withUnsafeBytes { bytes in
                Self.words(UnsafeRawBufferPointer(rebasing: bytes[..<key.text.count]))
            }
            var slot = Self.slot(first, last, key.text.count) & mask
            while slots[slot].count >= 0, texts[slot] != key.text { slot = (slot + 1) & mask }
            slots[slot] = Slot(first: first, last: last, count: Int32(key.text.count), number: Int32(key.number))
            texts[slot] = key.text
        }
    }

    @inline(__always)
    private static func words(_ text: UnsafeRawBufferPointer) -> (first: UInt64, last: UInt64) {
        guard let start = text.baseAddress else { return (0, 0) }
        let word = start.loadUnaligned(as: UInt64.self)
        if text.count > 8 { return (word, start.loadUnaligned(fromByteOffset: text.count &- 8, as: UInt64.self)) }
        return (text.count == 8 ? word : word & ((1 &<< UInt64(truncatingIfNeeded: text.count &* 8)) &- 1), 0)
    }

    @inline(__always)
    private static func slot(_ first: UInt64, _ last: UInt64, _ count: Int) -> Int {
        let mixed = (first ^ (last &* 0x9E37_79B9_7F4A_7C15) ^ UInt64(truncatingIfNeeded: count)) &* 0xD6E8_FEB8_6659_FD93
        return Int(truncatingIfNeeded: mixed &>> 40)
    }

    /// The number of a text, -1 if it is not in the table. 8 bytes after the text's start and end have to be readable.
    @inline(__always)
    func find(_ text: UnsafeRawBufferPointer) -> Int {
        let (first, last) = Self.words(text)
        var slot = Self.slot(first, last, text.count) & mask
        while true {
            let found = slots[slot]
            if found.first == first, found.last == last, Int(found.count) == text.count,
                text.count <= 16 || text.elementsEqual(texts[slot])
            {
                return Int(found.number)
            }
            if found.count < 0 { return -1 }
            slot = (slot &+ 1) & mask
        }
    }
}
