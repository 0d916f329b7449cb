/// Bytes that are filled, split and filled again without being allocated or cleared in between.
///
/// `padding` readable bytes always follow the last one, as simdjson needs. Memory grows to the largest fill and stays.
package struct LineBuffer: Sendable {
    /// Readable bytes that are kept past the end.
    package static let padding = 64

    /// How many bytes are filled, from index 0 on.
    package private(set) var count = 0
    private var storage: [UInt8]

    /// A buffer with room for `capacity` bytes; it grows when more are needed.
    package init(capacity: Int = 0) {
        storage = [UInt8](repeating: 0, count: max(0, capacity) + LineBuffer.padding)
    }

    /// A buffer in the memory of another one's bytes.
    init(reusing bytes: consuming [UInt8]) {
        storage = bytes.count < LineBuffer.padding ? [UInt8](repeating: 0, count: LineBuffer.padding) : bytes
    }

    /// Makes it empty and keeps the memory.
    package mutating func removeAll() { count = 0 }

    /// Keeps the first `count` bytes at most.
    mutating func truncate(to count: Int) { self.count = min(self.count, max(0, count)) }

    /// The filled bytes and whatever follows them.
    var bytes: [UInt8] { storage }

    /// The filled bytes; `padding` more may be read after them.
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try storage.withUnsafeBytesTyped { (all) throws(Failure) -> Result in
            try body(UnsafeRawBufferPointer(rebasing: all[..<count]))
        }
    }

    /// Gives `fill` room for `room` bytes after the filled ones, and takes over as many as it says it wrote.
    mutating func append<Failure: Error>(
        room: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) {
        reserve(room)
        let start = count
        let filled = try storage.withUnsafeMutableBytesTyped { (all) throws(Failure) -> Int in
            try fill(UnsafeMutableRawBufferPointer(rebasing: all[start..<start + room]))
        }
        count += min(max(0, filled), room)
    }

    private mutating func reserve(_ room: Int) {
        let needed = count + room + LineBuffer.padding
        guard storage.count < needed else { return }
        let size = max(needed, storage.count * 2)
        // Not cleared: a live log's buffers are made for much and filled with little, and memory that is not touched is none.
        storage = [UInt8](unsafeUninitializedCapacity: size) { target, initialized in
            _ = target.update(fromContentsOf: storage[..<count])
            initialized = size
        }
    }
}

extension Array where Element == UInt8 {
    /// `withUnsafeBytes` with a typed error, which the standard library does not have yet.
    fileprivate func withUnsafeBytesTyped<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBufferPointer { (bytes) throws(Failure) -> Result in try body(UnsafeRawBufferPointer(bytes)) }
    }

    fileprivate mutating func withUnsafeMutableBytesTyped<Result, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeMutableBufferPointer { (bytes) throws(Failure) -> Result in
            try body(UnsafeMutableRawBufferPointer(bytes))
        }
    }
}
