// Comparing texts byte by byte, eight at a time. The generic comparisons of the standard library's sequences cost twenty times as much, and
// comparing `String`s normalises them, which ids must not be.

/// Whether two stretches of memory hold the same bytes.
@inline(__always)
func areEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    var offset = 0
    while offset &+ 8 <= left.count {
        if left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            != right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        {
            return false
        }
        offset &+= 8
    }
    while offset < left.count {
        if left[offset] != right[offset] { return false }
        offset &+= 1
    }
    return true
}

/// The length of the longest common beginning.
@inline(__always)
func commonPrefix(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Int {
    let count = min(left.count, right.count)
    var index = 0
    while index < count, left[index] == right[index] { index &+= 1 }
    return index
}

/// Order by bytes; of two of which one begins the other the shorter is first.
@inline(__always)
func bytesPrecede(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
    let index = commonPrefix(left, right)
    return index < left.count && index < right.count ? left[index] < right[index] : left.count < right.count
}

extension String {
    /// Order by UTF-8 bytes, which is the order of code points and needs no Unicode tables.
    package func precedes(_ other: String) -> Bool {
        let result = utf8.withContiguousStorageIfAvailable { left in
            other.utf8.withContiguousStorageIfAvailable { right in bytesPrecede(left, right) }
        }
        return result.flatMap { $0 } ?? utf8.lexicographicallyPrecedes(other.utf8)
    }

    /// The same bytes, without Unicode normalisation.
    package func same(as other: String) -> Bool {
        let result = utf8.withContiguousStorageIfAvailable { left in
            other.utf8.withContiguousStorageIfAvailable { areEqual(UnsafeRawBufferPointer(left), UnsafeRawBufferPointer($0)) }
        }
        return result.flatMap { $0 } ?? utf8.elementsEqual(other.utf8)
    }

    /// Whether these are its bytes.
    func same(as bytes: UnsafeRawBufferPointer) -> Bool {
        utf8.withContiguousStorageIfAvailable { areEqual(UnsafeRawBufferPointer($0), bytes) } ?? utf8.elementsEqual(bytes)
    }
}

extension [UInt8] {
    func same(as other: UnsafeRawBufferPointer) -> Bool { withUnsafeBytes { areEqual($0, other) } }
}
