import Glibc
import Testing

@testable import Ingest

/// The tailer against a model that knows which lines must come out, over random steps on a real directory.
///
/// Every line names its file and its place in it ("g3-17-…"), so what came out can be checked whatever the file was called when
/// it was read. Set NUDGED_TAILER_SEED to repeat one run, NUDGED_TAILER_RUNS for more of them, both
/// for so many from that one on.
@Suite struct TailerModelTests {
    @Test func `random steps give every line exactly once and in order`() {
        let seed = getenv("NUDGED_TAILER_SEED").flatMap { UInt64(String(cString: $0)) }
        let runs = getenv("NUDGED_TAILER_RUNS").flatMap { UInt64(String(cString: $0)) } ?? (seed == nil ? 600 : 1)
        for run in (seed ?? 1)..<((seed ?? 1) + runs) {
            var model = TailerModel(seed: run)
            if let trouble = model.run() {
                Issue.record("seed \(run): \(trouble)\n\(model.history.joined(separator: "\n"))")
                return
            }
        }
    }
}

private struct TailerModel {
    /// One sequence of lines, whatever files carry it.
    struct Generation {
        var name: String
        var lines: [String] = []
        var partial = ""
        var isPlain = true
        /// A compressed copy of which this much is still to be written.
        var compressing: (name: String, rest: [UInt8])?
        var isGone = false
        /// Whether lines may be missing at its end.
        var isLossy = false
    }

    let seed: UInt64
    var random: SeededGenerator
    let directory = TestDirectory()
    var generations: [Generation] = []
    var live = 0
    var nextName = 0
    var history: [String] = []

    var stored: [FileCheckpoint] = []
    /// Committed lines, by generation.
    var durable: [Int: [String]] = [:]
    /// Read since, by file, with the offset behind each.
    var fresh: [FileID: [(text: String, end: Int)]] = [:]
    var losses = 0
    var truncationsToReport = 0
    var mustCommit = false
    var hasUnseenCopy = false
    var trouble: String?

    init(seed: UInt64) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
    }

    mutating func run() -> String? {
        var limits = Tailer.Limits()
        if chance(3) {
            limits.descriptors = 3
            limits.decompressors = 1
        }
        let sources = [
            TailedSource(name: "app", patterns: [directory.file("app.log*")], maxLineBytes: 16384)
        ]
        var tailer = Tailer(sources: sources, resuming: [], limits: limits)
        startLive()
        for _ in 0..<Int.random(in: 10...60, using: &random) {
            step(&tailer, sources, limits)
            if let trouble { return trouble }
        }
        finishCompressing()
        for _ in 0..<4 {
            scan(&tailer)
            readAll(&tailer)
        }
        return trouble ?? verdict()
    }

    mutating func step(_ tailer: inout Tailer, _ sources: [TailedSource], _ limits: Tailer.Limits) {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30: write(to: live)
        case 30..<36:
            if let late = pick({ $0.isPlain && !$0.isGone && $0.compressing == nil }) { write(to: late) }
        case 36..<46: scan(&tailer)
        case 46..<62:
            scan(&tailer)
            readAll(&tailer)
        case 62..<68: readSome(&tailer)
        case 68..<74: rotate()
        case 74..<77: renameOne()
        case 77..<82:
            noticeCopy(&tailer)
            compress()
        case 82..<85:
            noticeCopy(&tailer)
            finishCompressing()
        case 85..<88: copyTruncate(&tailer)
        case 88..<89: truncate(&tailer)
        case 89..<91:
            noticeCopy(&tailer)
            delete(&tailer)
        case 91..<95: commit(tailer, exactly: chance(2))
        default:
            if mustCommit {
                scan(&tailer)
                readAll(&tailer)
                commit(tailer, exactly: true)
                mustCommit = false
            } else if chance(2) {
                commit(tailer, exactly: false)
            }
            log("restart")
            fresh = [:]
            tailer = Tailer(sources: sources, resuming: stored, limits: limits)
        }
    }

    /// A plain copy is known for one only while the truncated inode is still there to tell: the tailer has to see both
    /// before that one may vanish.
    mutating func noticeCopy(_ tailer: inout Tailer) {
        guard hasUnseenCopy else { return }
        scan(&tailer)
        readAll(&tailer)
        commit(tailer, exactly: true)
        hasUnseenCopy = false
    }

    // MARK: What the world does

    mutating func startLive() {
        live = generations.count
        generations.append(Generation(name: "app.log"))
        directory.append("", to: "app.log")
    }

    mutating func write(to index: Int) {
        var text = ""
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            if generations[index].partial.isEmpty {
                let length = [0, 5, 40, 40, 300, 5000].randomElement(using: &random) ?? 0
                let filler = String(repeating: "x", count: length == 0 ? 0 : Int.random(in: 0...length, using: &random))
                generations[index].partial = "g\(index)-\(generations[index].lines.count)-\(filler)"
                text += generations[index].partial
            }
            if chance(6) { break }
            text += "\n"
            generations[index].lines.append(generations[index].partial)
            generations[index].partial = ""
        }
        log("write g\(index) \(generations[index].name) +\(text.utf8.count) (lines \(generations[index].lines.count))")
        directory.append(text, to: generations[index].name)
    }

    mutating func rotate() {
        let name = freshName()
        log("rotate g\(live) to \(name)")
        directory.move("app.log", to: name)
        generations[live].name = name
        startLive()
    }

    mutating func renameOne() {
        guard let index = pick({ !$0.isGone && $0.name != "app.log" && $0.compressing == nil }) else { return }
        let name = freshName() + (generations[index].isPlain ? "" : ".z")
        log("rename g\(index) to \(name)")
        directory.move(generations[index].name, to: name)
        generations[index].name = name
    }

    mutating func compress() {
        guard let index = pick({ $0.isPlain && !$0.isGone && $0.name != "app.log" && $0.compressing == nil }) else { return }
        let plain = directory.contents(generations[index].name)
        guard !plain.isEmpty else { return }
        let format: Decompressor.Format = chance(2) ? .gzip : .zstd
        var bytes: [UInt8]
        if chance(3), plain.count > 2 {
            let cut = Int.random(in: 1..<plain.count, using: &random)
            bytes = compressed(Array(plain[..<cut]), format) + compressed(Array(plain[cut...]), format)
        } else {
            bytes = compressed(plain, format)
        }
        let name = generations[index].name + (format == .gzip ? ".gz" : ".zst")
        let now = chance(2) ? bytes.count : Int.random(in: 0..<bytes.count, using: &random)
        log("compress g\(index) to \(name), \(now) of \(bytes.count) bytes")
        directory.append(Array(bytes[..<now]), to: name)
        bytes.removeFirst(now)
        generations[index].compressing = (name, bytes)
    }

    mutating func finishCompressing() {
        for index in generations.indices {
            guard let (name, rest) = generations[index].compressing else { continue }
            log("finish compressing g\(index)")
            directory.append(rest, to: name)
            directory.delete(generations[index].name)
            generations[index].name = name
            generations[index].isPlain = false
            generations[index].compressing = nil
        }
    }

    /// The copy matches the pattern and is whole before the original is cut, with no scan in between: nothing is lost.
    mutating func copyTruncate(_ tailer: inout Tailer) {
        guard !directory.contents("app.log").isEmpty else { return }
        let name = freshName()
        log("copytruncate g\(live) to \(name)")
        hasUnseenCopy = true
        // Caught in the act: the original was known, and a scan finds both whole.
        let isCaught = chance(2)
        if isCaught { scan(&tailer) }
        directory.append(directory.contents("app.log"), to: name)
        if isCaught {
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                scan(&tailer)
                if chance(2) { readAll(&tailer) }
            }
        }
        directory.rewrite("app.log")
        generations[live].name = name
        live = generations.count
        generations.append(Generation(name: "app.log"))
    }

    /// Without a copy: what was not read is lost, and that has to be reported.
    mutating func truncate(_ tailer: inout Tailer) {
        scan(&tailer)
        guard !directory.contents("app.log").isEmpty else { return }
        log("truncate g\(live)")
        directory.rewrite("app.log")
        generations[live].isLossy = true
        generations[live].isGone = true
        truncationsToReport += 1
        live = generations.count
        generations.append(Generation(name: "app.log"))
        scan(&tailer)
    }

    /// Only what is durable, or what the tailer holds open and gets time to read.
    mutating func delete(_ tailer: inout Tailer) {
        guard let index = pick({ !$0.isGone && $0.name != "app.log" && $0.compressing == nil }) else { return }
        let generation = generations[index]
        let path = directory.file(generation.name)
        let isHeldOpen = tailer.tracked.values.contains {
            $0.open != nil && $0.path == path && $0.claim == nil && !$0.isCompressed
        }
        guard durable[index, default: []].count == generation.lines.count || isHeldOpen else { return }
        log("delete g\(index) \(generation.name)")
        directory.delete(generation.name)
        generations[index].isGone = true
        mustCommit = true
    }

    // MARK: What the caller does

    mutating func scan(_ tailer: inout Tailer) {
        let report = tailer.scan()
        losses += report.possibleLosses.count
        log(
            "scan: found \(report.found.map(\.rawValue)) ended \(report.ended.map(\.rawValue)) losses \(report.possibleLosses.map(\.reason)) "
                + "\(report.warnings.map(\.kind))")
    }

    mutating func readAll(_ tailer: inout Tailer) {
        for file in tailer.files { while read(&tailer, file.id, 1 << 14) {} }
    }

    mutating func readSome(_ tailer: inout Tailer) {
        for file in tailer.files where chance(2) { _ = read(&tailer, file.id, Int.random(in: 1...4000, using: &random)) }
    }

    mutating func read(_ tailer: inout Tailer, _ id: FileID, _ maxBytes: Int) -> Bool {
        var buffer = LineBuffer()
        let outcome = tailer.read(id, upTo: maxBytes, into: &buffer)
        if outcome != .caughtUp, outcome != .ended { log("read \(id.rawValue): \(outcome)") }
        guard case .lines(let offset, let count) = outcome else { return outcome == .working }
        var splitter = LineSplitter(range: 0..<count, offset: offset, maxLineBytes: 16384)
        buffer.withBytes { bytes in
            while let line = splitter.next(in: bytes) {
                fresh[id, default: []].append((String(decoding: bytes[line.bytes], as: UTF8.self), line.end))
            }
        }
        return true
    }

    mutating func commit(_ tailer: borrowing Tailer, exactly: Bool) {
        var checkpoints: [FileCheckpoint] = []
        for file in tailer.files where !file.isHeld {
            var lines = fresh[file.id] ?? []
            var offset = file.offset
            // Offsets before this run's first line were committed already.
            if !exactly, !lines.isEmpty, chance(2) {
                let kept = Int.random(in: 0..<lines.count, using: &random)
                if kept > 0 {
                    offset = lines[kept - 1].end
                    lines.removeSubrange(kept...)
                }
            }
            guard let checkpoint = tailer.checkpoint(of: file.id, at: offset) else { continue }
            log("commit \(file.id.rawValue) \(file.path) at \(offset) of \(file.offset) mark \(checkpoint.mark.length)")
            checkpoints.append(checkpoint)
            for line in lines { note(line.text) }
            fresh[file.id]?.removeFirst(lines.count)
        }
        stored = checkpoints
    }

    mutating func note(_ line: String) {
        let parts = line.split(separator: "-", maxSplits: 1)
        guard let index = parts.first.flatMap({ Int($0.dropFirst()) }), generations.indices.contains(index) else {
            trouble = trouble ?? "a line of no file: \(line.prefix(40))"
            return
        }
        let place = durable[index, default: []].count
        guard generations[index].lines.indices.contains(place), generations[index].lines[place] == line else {
            trouble = trouble ?? "g\(index) gave \(line.prefix(20)) in place \(place) of \(generations[index].lines.count)"
            return
        }
        durable[index, default: []].append(line)
    }

    mutating func verdict() -> String? {
        for id in fresh.keys.sorted() { for line in fresh[id] ?? [] { note(line.text) } }
        if let trouble { return trouble }
        for (index, generation) in generations.enumerated() where !generation.isLossy {
            let count = durable[index, default: []].count
            if count != generation.lines.count {
                return "g\(index) \(generation.name): \(count) of \(generation.lines.count) lines"
            }
        }
        if losses < truncationsToReport { return "\(truncationsToReport) truncations, \(losses) reported" }
        return nil
    }

    mutating func pick(_ condition: (Generation) -> Bool) -> Int? {
        generations.indices.filter { condition(generations[$0]) }.randomElement(using: &random)
    }

    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    mutating func freshName() -> String {
        nextName += 1
        return "app.log.\(nextName)"
    }

    mutating func log(_ text: String) { history.append(text) }
}
