/// A fixed set of short texts with a number each: the fields a format looks for, the event names a rule set knows.
///
/// Texts are told apart by their length and their first and last 8 bytes, which settles nearly every look-up without a loop.
struct KeyTable: Sendable {
    private struct Entry {
        var count: Int
        var first: UInt64
        var last: UInt64
        var number: Int
        var bytes: [UInt8]
    }

    private var entries: [Entry] = []
    /// Open addressing over `entries`, place + 1; 0 is an empty slot.
    private var slots: [Int32]
    private let mask: Int

    /// Of a text that comes twice the last number counts.
    init(_ keys: [(text: [UInt8], number: Int)]) {
        var size = 16
        while size < keys.count * 4 { size *= 2 }
        slots = [Int32](repeating: 0, count: size)
        mask = size - 1
        for key in keys {
            let padded = key.text + [UInt8](repeating: 0, count: 8)
            let (first, last) = padded.withUnsafeBytes { bytes in
                Self.words(UnsafeRawBufferPointer(rebasing: bytes[..<key.text.count]))
            }
            var slot = Self.slot(first, last, key.text.count) & mask
            while slots[slot] != 0, entries[Int(slots[slot]) - 1].bytes != key.text { slot = (slot + 1) & mask }
            if slots[slot] != 0 {
                entries[Int(slots[slot]) - 1].number = key.number
            } else {
                entries.append(Entry(count: key.text.count, first: first, last: last, number: key.number, bytes: key.text))
                slots[slot] = Int32(entries.count)
            }
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
            let place = Int(slots[slot])
            if place == 0 { return -1 }
            let found = matches(place &- 1, first, last, text)
            if found >= 0 { return found }
            slot = (slot &+ 1) & mask
        }
    }

    @inline(__always)
    private func matches(_ place: Int, _ first: UInt64, _ last: UInt64, _ text: UnsafeRawBufferPointer) -> Int {
        guard entries[place].first == first, entries[place].last == last, entries[place].count == text.count else { return -1 }
        if text.count > 16, !text.elementsEqual(entries[place].bytes) { return -1 }
        return entries[place].number
    }
}
