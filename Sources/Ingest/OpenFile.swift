import CCompression
import CLinux
import Glibc

/// A file that is held open, plain or compressed, read by offset of its uncompressed content.
///
/// Owns the codec, and holds the descriptor. Of compressed content a window is kept that
/// starts 4 KiB before the bytes last asked for, so that a partial line can be read again and the bytes before an offset can
/// be sampled; asking for bytes before the window decodes from the start.
final class OpenFile {
    /// What came of asking for bytes.
    enum Outcome: Equatable {
        /// So many bytes; fewer than asked for means that there are no more at present.
        case bytes(Int)
        /// Decoding has to go on before the offset is reached; ask again.
        case working
        case failed(Int32)
    }

    /// How the end of the content looks, for what has been read so far.
    enum Ending: Equatable {
        /// Not reached, or plain, or a compressed file that may be still being written.
        case open
        /// A compressed file is whole and was decoded to its end.
        case whole
        case corrupt
    }

    /// Bytes that one call decodes at most on the way to an offset: keeps the caller's loop alive.
    private static let skipBytes = 16 << 20

    let file: FileDescriptor
    private var descriptor: Int32 { file.number }
    let inode: InodeIdentity
    let isCompressed: Bool
    private(set) var ending = Ending.open
    /// Whether the last decoding stopped because the compressed file ended inside a member.
    private(set) var isCutShort = false

    private let format: Decompressor.Format?
    private var decompressor: Decompressor?
    /// Decoded bytes from offset `windowStart` on, `windowCount` of them; the rest is room.
    private var window: [UInt8] = []
    private var windowStart = 0
    private var windowCount = 0
    private var windowEnd: Int { windowStart + windowCount }

    /// Takes over `descriptor`, of a regular file whose status is `status`; looks at its first bytes for the format.
    init(owning descriptor: Int32, status: FileStatus) {
        file = FileDescriptor(owning: descriptor)
        var generation: UInt32 = 0
        _ = nudged_inode_generation(descriptor, &generation)
        inode = InodeIdentity(device: status.key.device, number: status.key.number, generation: generation)
        var magic: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
        format = withUnsafeMutableBytes(of: &magic) { bytes in
            let count = pread(descriptor, bytes.baseAddress, bytes.count, 0)
            return Decompressor.format(of: UnsafeRawBufferPointer(bytes).prefix(max(0, count)))
        }
        isCompressed = format != nil
    }

    /// The status now; nil on an error of fstat(2).
    var status: FileStatus? { FileStatus(descriptor: descriptor) }

    /// Bytes of the compressed file that were taken in.
    var inputOffset: Int { decompressor?.inputOffset ?? 0 }

    /// Behind the last byte that was decoded.
    var contentEnd: Int { windowEnd }

    /// Reads up to `room.count` bytes from `offset` of the content.
    func read(at offset: Int, into room: UnsafeMutableRawBufferPointer) -> Outcome {
        guard let format else { return file.read(at: offset, into: room) }
        if decompressor == nil || offset < windowStart {
            guard let fresh = Decompressor(format) else { return .failed(ENOMEM) }
            decompressor = fresh
            windowStart = 0
            windowCount = 0
            ending = .open
        }
        var skipped = 0
        while windowEnd < offset {
            if skipped >= OpenFile.skipBytes { return .working }
            let before = windowEnd
            if let code = decode(atMost: min(offset - windowEnd, 1 << 18)) { return .failed(code) }
            if windowEnd == before { return .bytes(0) }
            skipped += windowEnd - before
            drop(before: windowEnd - Fingerprint.sampleBytes)
        }
        drop(before: offset - Fingerprint.sampleBytes)
        let missing = offset + room.count - windowEnd
        if missing > 0, let code = decode(atMost: missing) { return .failed(code) }
        let count = min(room.count, max(0, windowEnd - offset))
        if count > 0 {
            window.withUnsafeBytes { bytes in
                let start = offset - windowStart
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
            }
        }
        return .bytes(count)
    }

    /// The sample of `bytes` ending at `offset`, or nil where they can't be read (any more).
    func sample(endingAt offset: Int, length: Int) -> ContentSample? {
        guard length > 0 else { return ContentSample.none }
        let start = offset - length
        guard start >= 0, format == nil || start >= windowStart else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: length, alignment: 8) { room in
            guard read(at: start, into: room) == .bytes(length) else { return nil }
            return ContentSample(UnsafeRawBufferPointer(room))
        }
    }

    /// Whether the content of this compressed file is that of a plain one as far as the shorter of them goes; nil where decoding has to go on.
    /// `contentEnd` tells then which one that is: it lies behind `size` if this one goes on.
    func isAlike(_ plain: OpenFile, ofSize size: Int) -> Result<Bool?, SystemError> {
        let length = min(size, Fingerprint.sampleBytes)
        let outcome = withUnsafeTemporaryAllocation(byteCount: length + 1, alignment: 8) { read(at: size - length, into: $0) }
        switch outcome {
        case .working: return .success(nil)
        case .failed(let code): return .failure(SystemError(code: code))
        case .bytes: break
        }
        let end = min(contentEnd, size)
        let common = min(end, Fingerprint.sampleBytes)
        let own = sample(endingAt: end, length: common)
        return .success(own != nil && own == plain.sample(endingAt: end, length: common))
    }

    /// Whether these bytes end at `offset`, or nil where that can't be read (any more).
    func holds(_ bytes: [UInt8], endingAt offset: Int) -> Bool? {
        let start = offset - bytes.count
        guard start >= 0, format == nil || start >= windowStart else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: bytes.count, alignment: 8) { room in
            guard read(at: start, into: room) == .bytes(bytes.count), let read = room.baseAddress else { return nil }
            return bytes.withUnsafeBytes { $0.baseAddress.map { memcmp($0, read, bytes.count) == 0 } }
        }
    }

    /// The first bytes of the content, `Fingerprint.sampleBytes` at most; nil on a read error. Of a compressed file only cheap
    /// before much of it has been read.
    func headBytes() -> [UInt8]? {
        var head = [UInt8](repeating: 0, count: Fingerprint.sampleBytes)
        let outcome = head.withUnsafeMutableBytes { read(at: 0, into: $0) }
        guard case .bytes(let count) = outcome else { return nil }
        head.removeSubrange(count...)
        return head
    }

    /// What of these first bytes the file can be known by: all but NULs at their end, which may still be filled where
    /// nothing else follows them.
    func lasting(_ head: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard head.last == 0, !isCompressed else { return head }
        if head.count == Fingerprint.sampleBytes, let size = status?.size, holds([0], endingAt: size) == false { return head }
        var head = head
        while head.last == 0 { head = UnsafeRawBufferPointer(rebasing: head.dropLast()) }
        return head
    }

    /// Decodes up to `count` more bytes into the window; returns an error number when reading failed.
    private func decode(atMost count: Int) -> Int32? {
        guard let decompressor, ending == .open || ending == .whole else { return nil }
        if window.count < windowCount + count {
            var larger = [UInt8](repeating: 0, count: max(windowCount + count, window.count * 2))
            larger.withUnsafeMutableBytes { target in
                window.withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<windowCount])) }
            }
            window = larger
        }
        let room = windowCount..<windowCount + count
        let (produced, stop) = window.withUnsafeMutableBytes {
            decompressor.produce(from: descriptor, into: UnsafeMutableRawBufferPointer(rebasing: $0[room]))
        }
        windowCount += produced
        isCutShort = stop == .inputEnded
        switch stop {
        case .full, .inputEnded: ending = .open
        case .end: ending = .whole
        case .corrupt: ending = .corrupt
        case .failed(let code): return code
        }
        return nil
    }

    private func drop(before offset: Int) {
        let count = min(offset - windowStart, windowCount)
        guard count > 0, count >= 1 << 16 || count == windowCount else { return }
        window.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            memmove(base, base + count, windowCount - count)
        }
        windowCount -= count
        windowStart += count
    }
}

/// A descriptor of a regular file, closed when the last reference goes. It is read by offset alone, so that any thread may.
final class FileDescriptor: Sendable {
    let number: Int32

    init(owning number: Int32) { self.number = number }

    deinit { close(number) }

    /// Reads up to `room.count` bytes as they are in the file.
    func read(at offset: Int, into room: UnsafeMutableRawBufferPointer) -> OpenFile.Outcome {
        var filled = 0
        while filled < room.count {
            let count = pread(number, room.baseAddress.map { $0 + filled }, room.count - filled, off_t(offset + filled))
            if count > 0 { filled += count }
            if count == 0 { break }
            if count < 0, errno != EINTR { return filled > 0 ? .bytes(filled) : .failed(errno) }
        }
        return .bytes(filled)
    }
}
