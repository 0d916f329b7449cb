import Engine
import Glibc

/// Reads the control log as it grows: whole lines, in order, from an offset that the checkpoint keeps.
struct ControlTail: Sendable {
    let log: ControlLog
    /// The first byte that was not read yet.
    private var offset: Int
    /// Up to here everything has been applied; what a checkpoint stores.
    private(set) var applied: Int
    /// Lines whose turn has not come, in order, each with the engine time of its turn where that is known.
    private(set) var waiting: [ControlLine] = []
    /// Where in the order lines were applied before a crash, or in the run that a replay repeats: by byte offset of the line.
    private var turns: [Int: Instant] = [:]

    /// - Parameter offset: where a checkpoint stands; the whole log is looked through once for notes.
    init(_ log: ControlLog, from offset: Int) throws(ControlLogError) {
        self.log = log
        self.offset = 0
        let offset = log.size < offset ? 0 : offset
        applied = offset
        for (start, end, view) in try lines() {
            if view["type"]?.string == "applied", let line = view["line"]?.whole, let at = view["at"]?.milliseconds {
                turns[Int(line)] = at
            }
            if start >= offset, let line = ControlLine(view, start: start, end: end) { waiting.append(line) }
        }
    }

    /// Takes in what was appended since. The daemon's own notes are passed over.
    mutating func poll() throws(ControlLogError) {
        // Somebody has emptied or replaced it: what stands there now has not been obeyed.
        if log.size < offset, waiting.isEmpty { (offset, applied, turns) = (0, 0, [:]) }
        guard log.size > offset else { return }
        for (start, end, view) in try lines() {
            if let line = ControlLine(view, start: start, end: end) { waiting.append(line) }
        }
    }

    /// The whole lines that were not read yet and are JSON.
    private mutating func lines() throws(ControlLogError) -> [(start: Int, end: Int, view: JSONView)] {
        let bytes = try log.read(from: offset)
        defer { offset += bytes.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0 }
        return Self.lines(of: bytes, at: offset)
    }

    /// Whole lines that are JSON, with the offsets where they begin and where the next does.
    static func lines(of bytes: [UInt8], at offset: Int) -> [(start: Int, end: Int, view: JSONView)] {
        var result: [(start: Int, end: Int, view: JSONView)] = []
        var start = 0
        while let end = bytes[start...].firstIndex(of: 0x0A) {
            if let packed = JSONText.pack(Array(bytes[start..<end])) {
                result.append((offset + start, offset + end + 1, JSONView(bytes: packed, offset: 0)))
            }
            start = end + 1
        }
        return result
    }

    /// The next line and the engine time of its turn: as noted, else now, but never before it was written.
    func next(now: Instant) -> (line: ControlLine, turn: Instant)? {
        guard let line = waiting.first else { return nil }
        if let turn = turns[line.start] { return (line, turn) }
        return (line, now == .min ? .min : max(now, line.at))
    }

    var isNoted: Bool { waiting.first.map { turns[$0.start] != nil } ?? false }

    /// In a replay a line that was never applied has its turn when it was written.
    func nextInReplay() -> (line: ControlLine, turn: Instant)? {
        waiting.first.map { ($0, turns[$0.start] ?? $0.at) }
    }

    mutating func removeFirst() {
        applied = waiting.removeFirst().end
    }
}
