import Engine

/// Whole lines of one file, as they were read.
struct RawLines: Sendable {
    var text: LineBuffer
    /// How many bytes of `text` are lines.
    var count: Int
    /// Of the first byte in the file.
    var offset: Int
    var source: Int
    var sourceName: String
    var file: Int
    var maxLineBytes: Int
    /// An empty batch, perhaps with room of an earlier one.
    var batch: EventBatch

    /// Decodes the lines, and takes the empty batch for it. It depends on nothing but them, so that it may happen on any core.
    mutating func decoded(by cell: DecoderCell) -> DecodedLines {
        var result = DecodedLines(text: text)
        swap(&result.batch, &batch)
        result.batch.reserve(lines: count)
        var splitter = LineSplitter(range: 0..<count, offset: offset, maxLineBytes: maxLineBytes)
        text.withBytes { bytes in
            while let line = splitter.next(in: bytes) {
                result.lineCount += 1
                let text = UnsafeRawBufferPointer(rebasing: bytes[line.bytes])
                guard !line.isTooLong else {
                    result.refuse(
                        DeadLetter(
                            reason: .tooLong, message: LogReader.tooLongMessage, line: text, source: UInt32(source),
                            file: UInt32(file), offset: UInt64(line.offset), length: UInt32(clamping: line.length)), sourceName)
                    continue
                }
                let first = result.batch.events.count
                switch cell.decoder.decode(
                    line: text, source: UInt32(source), file: UInt32(file), offset: UInt64(line.offset),
                    length: UInt32(clamping: line.length), receivedBefore: nil, into: &result.batch)
                {
                case .event:
                    let place = ArenaText(offset: UInt32(line.bytes.lowerBound), length: UInt32(line.bytes.count))
                    for index in first..<result.batch.events.count { result.batch.events[index].raw = place }
                case .deadLetter(let letter): result.refuse(letter, sourceName)
                case .ignored: break
                }
            }
        }
        return result
    }
}

extension EventBatch {
    /// Makes room for the events of so many bytes of lines, and for the few that the sequencer adds to them.
    fileprivate mutating func reserve(lines bytes: Int) {
        events.reserveCapacity(bytes / 256 + 64)
        arena.reserveCapacity(bytes / 2)
    }
}

/// Lines after decoding, before anything that depends on what came before them: `order` of each event is its own time, and `raw` its
/// line's place in `text`.
struct DecodedLines: Sendable {
    var batch = EventBatch()
    var deadLetters: [DeadLetter] = []
    var lineCount = 0
    var text: LineBuffer

    init(text: LineBuffer) { self.text = text }

    mutating func refuse(_ letter: DeadLetter, _ sourceName: String) {
        var letter = letter
        letter.sourceName = sourceName
        deadLetters.append(letter)
    }
}

/// Holds the decoder of one source: a decoder owns a parser and can't be copied, so it can't be in an array by itself.
final class DecoderCell {
    var decoder: Decoder

    init(vocabulary: Vocabulary, source: LogSource) {
        decoder = Decoder(vocabulary: vocabulary, format: source.format, identity: source.identity)
    }
}
