/// Finds a slot by a hash of what it holds: open addressing with linear probing over (hash, slot), eight to a line of the processor's cache, at most
/// two thirds full.
///
/// Who writes the log may choose ids, and must not be able to make them collide: the hash has a seed, which the engine is given. Nothing that comes out
/// depends on it. This is on the hot path: one look-up for each event.
struct SlotIndex: Sendable {
    private struct Entry {
        /// The lower half of the hash, which says where the entry belongs in a table of any size.
        var hash: UInt32
        /// Slot + 1; 0 is an empty place.
        var slot: UInt32
    }

    private var table = [Entry](repeating: Entry(hash: 0, slot: 0), count: 1024)
    private var count = 0
    private let seed: UInt64

    init(seed: UInt64) { self.seed = seed }

    func find(_ hash: UInt64, matches: (Int) -> Bool) -> Int? {
        let mask = table.count - 1
        let hash = UInt32(truncatingIfNeeded: hash)
        var place = Int(hash) & mask
        while table[place].slot != 0 {
            if table[place].hash == hash, matches(Int(table[place].slot) - 1) { return Int(table[place].slot) - 1 }
            place = (place + 1) & mask
        }
        return nil
    }

    mutating func insert(_ hash: UInt64, slot: Int) {
        if (count + 1) * 3 > table.count * 2 {
            let old = table
            table = [Entry](repeating: Entry(hash: 0, slot: 0), count: old.count * 2)
            for entry in old where entry.slot != 0 { place(entry) }
        }
        place(Entry(hash: UInt32(truncatingIfNeeded: hash), slot: UInt32(slot + 1)))
        count += 1
    }

    private mutating func place(_ entry: Entry) {
        let mask = table.count - 1
        var place = Int(entry.hash) & mask
        while table[place].slot != 0 { place = (place + 1) & mask }
        table[place] = entry
    }

    /// Takes an entry out and closes the gap (backward shift), so that there are no tombstones.
    mutating func remove(_ hash: UInt64, slot: Int) {
        let mask = table.count - 1
        let hash = UInt32(truncatingIfNeeded: hash)
        var gap = Int(hash) & mask
        while table[gap].slot != 0, table[gap].hash != hash || table[gap].slot != UInt32(slot + 1) { gap = (gap + 1) & mask }
        guard table[gap].slot != 0 else { return }
        count -= 1
        var next = (gap + 1) & mask
        while table[next].slot != 0 {
            let home = Int(table[next].hash) & mask
            if (next - home) & mask >= (next - gap) & mask {
                table[gap] = table[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        table[gap].slot = 0
    }
}

extension SlotIndex {
    /// By which a customer is found, also by an anonymous id that is linked to it.
    func hash(isAnonymous: Bool, _ id: UnsafeRawBufferPointer) -> UInt64 {
        StableHash.of(id, seed: (isAnonymous ? 0x9E37_79B9_7F4A_7C15 : 0xD1B5_4A32_D192_ED03) ^ seed)
    }

    func hash(isAnonymous: Bool, _ id: [UInt8]) -> UInt64 { id.withUnsafeBytes { hash(isAnonymous: isAnonymous, $0) } }

    /// By which a product is found.
    func hash(_ product: ProductKey) -> UInt64 {
        let own = StableHash.of(product.id, seed: seed)
        return product.variant.isEmpty ? own : own ^ StableHash.of(product.variant, seed: seed).byteSwapped
    }
}

/// Finds products by their keys; they are numbered in the order in which they come, and none ever goes.
struct ProductIndex: Sendable {
    private var index: SlotIndex
    private var keys: [ProductKey] = []

    init(seed: UInt64) { index = SlotIndex(seed: seed) }

    subscript(key: ProductKey) -> Int? { index.find(index.hash(key)) { keys[$0] == key } }

    mutating func append(_ key: ProductKey) {
        index.insert(index.hash(key), slot: keys.count)
        keys.append(key)
    }
}

/// A multiply-and-fold hash over 8 bytes at a time, in the manner of wyhash. With seed 0 it is stored (`Endings`), and so never changes.
enum StableHash {
    static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var hash = seed ^ UInt64(bytes.count) &* 0xA076_1D64_78BD_642F
        var offset = 0
        while offset &+ 8 <= bytes.count {
            hash = fold(hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self), 0xE703_7ED1_A0B4_28DB)
            offset &+= 8
        }
        var rest: UInt64 = 0
        while offset < bytes.count {
            rest = rest << 8 | UInt64(bytes[offset])
            offset &+= 1
        }
        return fold(hash ^ rest, 0x8EBC_6AF0_9C88_C6E3)
    }

    static func of(_ text: String, seed: UInt64 = 0) -> UInt64 {
        text.utf8.span.withUnsafeBytes { of($0, seed: 0xD1B5_4A32_D192_ED03 ^ seed) }
    }

    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
