/// Finds the slot of a customer by its id, or by an anonymous id that is linked to it: open addressing over slot numbers.
///
/// Its hash is fixed, not seeded, so that the order of probes is the same in every run. This is on the hot path: one probe for each event.
struct CustomerIndex: Sendable {
    /// Slot + 1 in the low half, the upper half of the hash above; 0 is an empty place.
    private var table: [UInt64] = [UInt64](repeating: 0, count: 1024)
    private(set) var count = 0

    /// A multiply-and-fold hash over 8 bytes at a time, in the manner of wyhash.
    static func hash(isAnonymous: Bool, _ id: ArraySlice<UInt8>) -> UInt64 {
        id.withUnsafeBytes { bytes in
            var hash: UInt64 = isAnonymous ? 0x9E37_79B9_7F4A_7C15 : 0xD1B5_4A32_D192_ED03
            hash ^= UInt64(bytes.count) &* 0xA076_1D64_78BD_642F
            var offset = 0
            while offset + 8 <= bytes.count {
                hash = fold(hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self), 0xE703_7ED1_A0B4_28DB)
                offset += 8
            }
            var rest: UInt64 = 0
            while offset < bytes.count {
                rest = rest << 8 | UInt64(bytes[offset])
                offset += 1
            }
            return fold(hash ^ rest, 0x8EBC_6AF0_9C88_C6E3)
        }
    }

    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    func find(_ hash: UInt64, matches: (Int) -> Bool) -> Int? {
        let mask = table.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        while table[place] != 0 {
            let entry = table[place]
            if entry >> 32 == hash >> 32 {
                let slot = Int(entry & 0xFFFF_FFFF) - 1
                if matches(slot) { return slot }
            }
            place = (place + 1) & mask
        }
        return nil
    }

    mutating func insert(_ hash: UInt64, slot: Int, rehash: (Int) -> [UInt64]) {
        if (count + 1) * 2 > table.count {
            // Hashes are only half stored, so that growing asks for them anew: once for every key of every slot.
            var slots: Set<Int> = []
            let old = table
            table = [UInt64](repeating: 0, count: old.count * 2)
            for entry in old where entry != 0 {
                let slot = Int(entry & 0xFFFF_FFFF) - 1
                guard slots.insert(slot).inserted else { continue }
                for hash in rehash(slot) { place(hash, slot) }
            }
        }
        place(hash, slot)
        count += 1
    }

    private mutating func place(_ hash: UInt64, _ slot: Int) {
        let mask = table.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        while table[place] != 0 { place = (place + 1) & mask }
        table[place] = (hash >> 32) << 32 | UInt64(slot + 1)
    }

    /// Takes an entry out and closes the gap (backward shift), so that there are no tombstones.
    mutating func remove(_ hash: UInt64, slot: Int, hashOf: (Int) -> [UInt64]) {
        let mask = table.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        let wanted = (hash >> 32) << 32 | UInt64(slot + 1)
        while table[place] != 0, table[place] != wanted { place = (place + 1) & mask }
        guard table[place] == wanted else { return }
        count -= 1
        var gap = place
        var next = (gap + 1) & mask
        while table[next] != 0 {
            let slot = Int(table[next] & 0xFFFF_FFFF) - 1
            let upper = table[next] >> 32
            let home = hashOf(slot).first { $0 >> 32 == upper }.map { Int(truncatingIfNeeded: $0) & mask } ?? next
            if (next - home) & mask >= (next - gap) & mask {
                table[gap] = table[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        table[gap] = 0
    }
}
