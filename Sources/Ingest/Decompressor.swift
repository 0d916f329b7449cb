import CCompression
import Glibc

/// Decodes a gzip or zstd file from its start, a piece at a time.
///
/// Members (gzip) and frames (zstd) that follow each other are one content. The input may still be growing: where it ends
/// inside a member, decoding goes on from there when there is more. Memory is bounded: 64 KiB of input, the codec's window
/// (gzip 32 KiB; zstd what the frame asks for, at most 128 MiB, else it is refused as corrupt).
final class Decompressor {
    enum Format {
        case gzip
        case zstd
    }

    /// Why no more came out.
    enum Stop: Equatable {
        /// The room was filled.
        case full
        /// The input ended where a member ended: the content is whole.
        case end
        /// The input ended inside a member: the file is still being written, or was cut.
        case inputEnded
        /// What follows is not compressed data; sticky.
        case corrupt
        /// read(2) failed.
        case failed(Int32)
    }

    private static let inputBytes = 65536

    /// Bytes of the file that were read so far.
    private(set) var inputOffset = 0
    private let codec: Codec
    private var input = [UInt8](repeating: 0, count: Decompressor.inputBytes)
    private var inputStart = 0
    private var inputEnd = 0
    private var isBetweenMembers = true
    /// Whether the codec may have decoded bytes that there was no room for: it must be asked before more is read.
    private var holdsOutput = false
    private var isCorrupt = false

    private enum Codec {
        case gzip(UnsafeMutablePointer<z_stream>)
        case zstd(OpaquePointer)
    }

    /// Nil when there is no memory for the codec.
    init?(_ format: Format) {
        switch format {
        case .gzip:
            let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
            stream.initialize(to: z_stream())
            guard inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
                stream.deallocate()
                return nil
            }
            codec = .gzip(stream)
        case .zstd:
            guard let stream = ZSTD_createDStream() else { return nil }
            codec = .zstd(stream)
        }
    }

    deinit {
        switch codec {
        case .gzip(let stream):
            inflateEnd(stream)
            stream.deallocate()
        case .zstd(let stream):
            ZSTD_freeDStream(stream)
        }
    }

    /// The format that a file's first four bytes speak of, `nil` for plain text.
    static func format(of magic: some Collection<UInt8>) -> Format? {
        if magic.starts(with: [0x1F, 0x8B]) { return .gzip }
        if magic.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) { return .zstd }
        // A skippable frame may come first.
        if magic.count >= 4, magic.dropFirst().starts(with: [0x2A, 0x4D, 0x18]), (magic.first ?? 0) & 0xF0 == 0x50 {
            return .zstd
        }
        return nil
    }

    /// Fills `room` as far as it can; returns how many bytes came out and why it stopped.
    func produce(from descriptor: Int32, into room: UnsafeMutableRawBufferPointer) -> (count: Int, stop: Stop) {
        guard let base = room.baseAddress else { return (0, .full) }
        var filled = 0
        while filled < room.count {
            if isCorrupt { return (filled, .corrupt) }
            if inputStart == inputEnd, !holdsOutput {
                let count = input.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(inputOffset)) }
                if count < 0 {
                    if errno == EINTR { continue }
                    return (filled, .failed(errno))
                }
                if count == 0 {
                    return (filled, isBetweenMembers && inputOffset > 0 ? .end : .inputEnded)
                }
                inputStart = 0
                inputEnd = count
                inputOffset += count
            }
            let produced = step(into: base + filled, count: room.count - filled)
            filled += produced
            holdsOutput = filled == room.count
        }
        return (filled, .full)
    }

    /// One call of the codec; returns the bytes that came out.
    private func step(into destination: UnsafeMutableRawPointer, count: Int) -> Int {
        switch codec {
        case .gzip(let stream): return inflateStep(stream, destination, min(count, 1 << 30))
        case .zstd(let stream): return zstdStep(stream, destination, count)
        }
    }

    private func inflateStep(
        _ stream: UnsafeMutablePointer<z_stream>, _ destination: UnsafeMutableRawPointer, _ count: Int
    ) -> Int {
        if isBetweenMembers, inputOffset > inputEnd || inputStart > 0 {
            // gzip itself skips zeros that pad the last member, as on tapes.
            while inputStart < inputEnd, input[inputStart] == 0 { inputStart += 1 }
            if inputStart == inputEnd { return 0 }
        }
        let available = inputEnd - inputStart
        let (result, used, produced) = input.withUnsafeMutableBufferPointer { bytes -> (Int32, Int, Int) in
            stream.pointee.next_in = bytes.baseAddress.map { $0 + inputStart }
            stream.pointee.avail_in = UInt32(available)
            stream.pointee.next_out = destination.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(count)
            let result = inflate(stream, Z_NO_FLUSH)
            return (result, available - Int(stream.pointee.avail_in), count - Int(stream.pointee.avail_out))
        }
        inputStart += used
        switch result {
        case Z_OK, Z_BUF_ERROR:
            if used > 0 || produced > 0 { isBetweenMembers = false }
        case Z_STREAM_END:
            isBetweenMembers = true
            inflateReset(stream)
        default:
            isCorrupt = true
        }
        return produced
    }

    private func zstdStep(_ stream: OpaquePointer, _ destination: UnsafeMutableRawPointer, _ count: Int) -> Int {
        var output = ZSTD_outBuffer(dst: destination, size: count, pos: 0)
        let (result, used) = input.withUnsafeBytes { bytes -> (Int, Int) in
            var source = ZSTD_inBuffer(src: bytes.baseAddress, size: inputEnd, pos: inputStart)
            let result = ZSTD_decompressStream(stream, &output, &source)
            return (result, source.pos)
        }
        let moved = used > inputStart
        inputStart = used
        if ZSTD_isError(result) != 0 {
            isCorrupt = true
        } else if moved || output.pos > 0 {
            isBetweenMembers = result == 0
        }
        return output.pos
    }
}
