import CLinux
import Glibc

/// One line of a log, as a place in a buffer: nothing is copied.
package struct Line: Hashable, Sendable {
    /// Where its bytes lie in the buffer that was split: without the line ending, a byte-order mark and leading NULs. Of a
    /// line that is too long only the first 4 KiB.
    package var bytes: Range<Int>
    /// The offset of its first byte in the file (in uncompressed content). With the file it names the line for ever.
    package var offset: Int
    /// The offset behind its `\n`: what to commit once the line has been dealt with.
    package var end: Int
    /// How many bytes the line has without its ending, also where it is too long.
    package var length: Int
    /// Whether `length` is above the source's limit.
    package var isTooLong: Bool
}

/// A line above the limit that was too large for the buffer and was passed over in bounded memory.
package struct TooLongLine: Hashable, Sendable {
    /// As in `Line`.
    package var offset: Int
    /// As in `Line`.
    package var end: Int
    /// Bytes without the line ending.
    package var length: Int
    /// The first 4 KiB.
    package var head: [UInt8]
}

/// Splits a chunk of whole lines, as `Tailer.read` gives it.
///
/// A `\r` before the `\n` is dropped, a byte-order mark at the start of the file too; NULs at the start of a line, which a
/// crash leaves, are skipped and counted. Lines of nothing but spaces, tabs and `\r` are skipped. Everything else comes out as
/// it is, for the decoder to judge. The lines are the same however a file was cut into chunks. A last line without `\n` is
/// given too: the chunk of `Tailer.readUnterminated` ends so.
package struct LineSplitter: Sendable {
    /// How many bytes of a too long line are kept.
    package static let keptBytes = 4096

    /// NULs skipped so far at line starts.
    package private(set) var nulBytes = 0
    /// The offset of the first byte that has not been split.
    package var offset: Int { base + position }

    private var position: Int
    private let end: Int
    private let base: Int
    private let maxLineBytes: Int

    /// Splits `bytes[range]` of a buffer; `offset` is the file's offset of the range's first byte.
    package init(range: Range<Int>, offset: Int, maxLineBytes: Int) {
        position = range.lowerBound
        end = range.upperBound
        base = offset - range.lowerBound
        self.maxLineBytes = maxLineBytes
    }

    /// The next line that is not blank, or nil at the end of the range. `bytes` must be the same buffer every time.
    package mutating func next(in bytes: UnsafeRawBufferPointer) -> Line? {
        precondition(end <= bytes.count, "the range to split lies outside the buffer")
        guard let memory = bytes.baseAddress else { return nil }
        while position < end {
            let found = memchr(memory + position, 0x0A, end - position)
            var stop = found.map { UnsafeRawPointer($0) - memory } ?? end
            var start = position
            let isFirst = base + position == 0
            position = found == nil ? end : stop + 1

            let first = bytes[start]
            if first <= 0x20 || first == 0xEF {
                start = contentStart(memory, start, stop, isFirst)
            }
            if stop > start, bytes[stop - 1] == 0x0D { stop -= 1 }
            if stop <= start || (bytes[start] <= 0x20 && isBlank(bytes[start..<stop])) { continue }
            let length = stop - start
            let isTooLong = length > maxLineBytes
            let kept = isTooLong ? min(length, LineSplitter.keptBytes) : length
            return Line(
                bytes: start..<start + kept, offset: base + start, end: base + position, length: length,
                isTooLong: isTooLong)
        }
        return nil
    }

    /// Behind the NULs and the byte-order mark at the start of a line that ends at `stop`.
    private mutating func contentStart(_ memory: UnsafeRawPointer, _ start: Int, _ stop: Int, _ isFirst: Bool) -> Int {
        let nuls = nudged_leading_nuls(memory + start, stop - start)
        nulBytes += nuls
        let content = start + nuls
        let line = UnsafeRawBufferPointer(start: memory + content, count: stop - content)
        return isFirst && nuls == 0 && line.starts(with: byteOrderMark) ? content + byteOrderMark.count : content
    }

    private func isBlank(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
        line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    }
}

/// U+FEFF in UTF-8.
let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
