import Engine

/// Lines that were read and whose turn has not come, as a store is to keep them.
package struct WaitingLines: Sendable {
    /// Packed, one behind the other.
    package var bytes: [UInt8] = []
    /// The largest order time among them.
    package var lastOrder = Instant.min
    /// They take the place of all that is kept, and are not added to it.
    package var replacesKept: Bool

    /// One of the lines that a store keeps, for people.
    package struct Line: Sendable {
        package let source: String
        package let file: UInt32
        package let offset: UInt64
        /// When its turn is.
        package let order: Instant
        package let text: [UInt8]
    }

    /// The lines of what a store keeps.
    package static func lines(of chunks: [[UInt8]]) -> [Line] {
        var result: [Line] = []
        for chunk in chunks {
            var position = 0
            while let line = KeptLine(in: chunk, at: &position) {
                result.append(
                    Line(
                        source: line.source, file: line.file, offset: line.offset, order: line.order, text: Array(line.text)))
            }
        }
        return result
    }
}

/// One waiting line, and where it stands.
struct KeptLine {
    var source: String
    var file: UInt32
    var offset: UInt64
    var order: Instant
    /// With its end.
    var length: UInt32
    var text: ArraySlice<UInt8>
}

extension KeptLine {
    /// What stands between the source's name and the text.
    private static let fixedBytes = 36

    func pack(into bytes: inout [UInt8]) {
        let name = Array(source.utf8)
        bytes.appendLittle(UInt32(name.count))
        bytes.append(contentsOf: name)
        bytes.appendLittle(UInt64(file))
        bytes.appendLittle(offset)
        bytes.appendLittle(UInt64(bitPattern: order))
        bytes.appendLittle(UInt64(length))
        bytes.appendLittle(UInt32(text.count))
        bytes.append(contentsOf: text)
    }

    /// Reads the line at `position` and moves that past it; nil where no whole line follows.
    init?(in bytes: [UInt8], at position: inout Int) {
        guard position + 4 <= bytes.count else { return nil }
        let name = position + 4
        let place = name + bytes.littleUInt32(at: position)
        let start = place + Self.fixedBytes
        guard start <= bytes.count else { return nil }
        let end = start + bytes.littleUInt32(at: place + 32)
        guard end <= bytes.count else { return nil }
        source = String(decoding: bytes[name..<place], as: UTF8.self)
        file = UInt32(truncatingIfNeeded: bytes.littleUInt64(at: place))
        offset = bytes.littleUInt64(at: place + 8)
        order = Instant(bitPattern: bytes.littleUInt64(at: place + 16))
        length = UInt32(clamping: bytes.littleUInt64(at: place + 24))
        text = bytes[start..<end]
        position = end
    }
}
