import Glibc
import Testing

@testable import Ingest

@Suite struct TailerCompressionTests {
    let directory = TestDirectory()

    func tailer(resuming: [FileCheckpoint] = [], limits: Tailer.Limits = .init()) -> Tailer {
        Tailer(
            sources: [TailedSource(name: "app", patterns: [directory.file("app.log*")])], resuming: resuming, limits: limits)
    }

    func text(_ prefix: String, _ lines: Range<Int>) -> String {
        lines.map { "\(prefix)-\($0)-\($0 &* 2_654_435_761 % 1_000_003)\n" }.joined()
    }

    func expected(_ prefix: String, _ lines: Range<Int>) -> [String] {
        text(prefix, lines).split(separator: "\n").map(String.init)
    }

    @Test(arguments: [Decompressor.Format.gzip, .zstd])
    func `a compressed file alone is read once, also over a restart`(_ format: Decompressor.Format) {
        directory.append(compressed(Array(text("a", 0..<3000).utf8), format), to: "app.log.1.z")
        var out = Collector()
        var stored: [FileCheckpoint] = []
        do {
            var tailer = tailer()
            out.drain(&tailer, confirming: true)
            stored = Collector.checkpoints(tailer)
        }
        #expect(out.lines == expected("a", 0..<3000))
        #expect(stored.map(\.isComplete) == [true])
        var tailer = tailer(resuming: stored)
        out.drain(&tailer, confirming: true)
        #expect(out.lines.count == 3000)
        #expect(out.warnings.isEmpty)
    }

    @Test(arguments: [Decompressor.Format.gzip, .zstd])
    func `several members are one content, also when one is appended later`(_ format: Decompressor.Format) {
        let parts = [text("a", 0..<2000), text("a", 2000..<2001), text("a", 2001..<9000)].map {
            compressed(Array($0.utf8), format)
        }
        directory.append(parts[0] + parts[1], to: "app.log.1.z")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer)
        #expect(out.lines.count == 2001)
        directory.append(parts[2], to: "app.log.1.z")
        out.drain(&tailer)
        #expect(out.lines == expected("a", 0..<9000))
    }

    @Test func `a plain file and its copy that exist together are read once`() {
        directory.append(text("a", 0..<1000), to: "app.log.1")
        directory.compress("app.log.1", to: "app.log.1.gz")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer, confirming: true)
        #expect(out.lines == expected("a", 0..<1000))
        directory.delete("app.log.1")
        out.drain(&tailer, confirming: true)
        out.drain(&tailer)
        #expect(out.lines.count == 1000)
        #expect(tailer.files.map(\.isFinished) == [true])
        #expect(tailer.files.map(\.path) == [directory.file("app.log.1.gz")])
        directory.move("app.log.1.gz", to: "app.log.2.gz")
        out.drain(&tailer, confirming: true)
        #expect(out.lines.count == 1000)
        #expect(out.warnings.isEmpty)
    }

    @Test(arguments: [Decompressor.Format.gzip, .zstd])
    func `compressed while down, it goes on at the uncompressed offset`(_ format: Decompressor.Format) {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        do {
            var tailer = tailer()
            directory.append(text("a", 0..<500), to: "app.log")
            out.drain(&tailer)
            tailer.setNumber(7, of: tailer.files[0].id)
            stored = Collector.checkpoints(tailer)
        }
        directory.append(text("a", 500..<900), to: "app.log")
        directory.compress("app.log", to: "app.log.1.z", format)
        directory.delete("app.log")
        directory.append(text("b", 0..<3), to: "app.log")
        var tailer = tailer(resuming: stored)
        out.drain(&tailer, confirming: true)
        #expect(out.lines.filter { $0.hasPrefix("a") } == expected("a", 0..<900))
        #expect(out.lines.filter { $0.hasPrefix("b") } == expected("b", 0..<3))
        #expect(tailer.files.compactMap(\.number) == [7])
        #expect(out.kinds == [])
    }

    @Test func `a copy that is still being written is waited for`() {
        directory.append(text("a", 0..<2000), to: "app.log.1")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer)
        let bytes = compressed(directory.contents("app.log.1"), .gzip)
        for cut in [0..<1, 1..<10, 10..<bytes.count / 2, bytes.count / 2..<bytes.count] {
            directory.append(Array(bytes[cut]), to: "app.log.1.gz")
            out.drain(&tailer)
        }
        directory.delete("app.log.1")
        out.drain(&tailer, confirming: true)
        #expect(out.lines == expected("a", 0..<2000))
    }

    @Test(arguments: [Decompressor.Format.gzip, .zstd])
    func `a compressed file of which a few bytes decode is not taken for a copy because they agree`(_ format: Decompressor.Format)
    {
        // Only the first byte of the two logs is the same, and only few decode before the writer stalls.
        let other = text("b", 0..<500)
        directory.append("b\n" + text("a", 0..<50), to: "app.log.1")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer)
        let bytes = compressed(Array(other.utf8), format)
        var cut = 1
        // As much as it takes until something decodes, byte by byte, with scans that find it unchanged.
        while cut < bytes.count / 2 {
            directory.append([bytes[cut - 1]], to: "app.log.2.z")
            cut += 1
            for _ in 0..<3 { out.drain(&tailer) }
        }
        directory.delete("app.log.1")
        out.drain(&tailer, confirming: true)
        directory.append(Array(bytes.dropFirst(cut - 1)), to: "app.log.2.z")
        out.drain(&tailer, confirming: true)
        #expect(out.lines == ["b"] + expected("a", 0..<50) + expected("b", 0..<500))
    }

    @Test func `another log that begins with the same 4 KiB is read as well`() {
        let preamble = text("preamble", 0..<400)
        directory.append(preamble + text("a", 0..<50), to: "app.log.1")
        directory.append(compressed(Array((preamble + text("b", 0..<60)).utf8), .gzip), to: "app.log.2.gz")
        directory.append(compressed(Array((preamble + text("c", 0..<60)).utf8), .gzip), to: "app.log.3.gz")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer, confirming: true)
        #expect(out.lines.count == 1200 + 170)
        for (prefix, count) in [("a", 50), ("b", 60), ("c", 60)] {
            #expect(out.lines.filter { $0.hasPrefix(prefix) } == expected(prefix, 0..<count))
        }
    }

    @Test(arguments: [Decompressor.Format.gzip, .zstd])
    func `a log that begins with a hole is read, plain and compressed once`(_ format: Decompressor.Format) {
        for (index, hole) in [3000, 5000].enumerated() {
            let lines = (0..<5).map { "\(hole)-\($0)\n" }.joined()
            directory.append([UInt8](repeating: 0, count: hole) + Array(lines.utf8), to: "app.log.\(index)")
            directory.compress("app.log.\(index)", to: "app.log.\(index).z", format)
            if index == 0 { directory.delete("app.log.\(index)") }
        }
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer, confirming: true)
        #expect(out.lines.count == 10 && Set(out.lines).count == 10 && !out.kinds.contains(.corrupt))
    }

    @Test(arguments: [Decompressor.Format.gzip, .zstd], ["", "\n", "header\n"])
    func `what holds more than the other is no copy of it`(_ format: Decompressor.Format, _ beginning: String) {
        let start = [0xEF, 0xBB, 0xBF] + Array(beginning.utf8)
        for (index, isPlainShort) in [true, false].enumerated() {
            let (short, long) = ("app.log.\(index).short", "app.log.\(index).long")
            directory.append(isPlainShort ? start : compressed(start, format), to: short)
            var tailer = tailer()
            var out = Collector()
            out.drain(&tailer, confirming: true)
            let content = start + Array(text("a\(index)", 0..<5).utf8)
            directory.append(isPlainShort ? compressed(content, format) : content, to: long)
            out.drain(&tailer, confirming: true)
            #expect(out.lines.filter { $0.hasPrefix("a\(index)") } == expected("a\(index)", 0..<5))
            // Neither is a plain one that goes on only later.
            if !isPlainShort {
                directory.append(text("a\(index)", 5..<9), to: long)
                out.drain(&tailer, confirming: true)
                #expect(out.lines.filter { $0.hasPrefix("a\(index)") } == expected("a\(index)", 0..<9))
            }
            directory.delete(short)
            directory.delete(long)
        }
    }

    @Test func `of several that begin alike the one that agrees furthest is the original`() {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        func run() {
            var tailer = tailer(resuming: stored)
            out.drain(&tailer, confirming: true, forgetting: false)
            stored = Collector.checkpoints(tailer)
        }
        directory.append("header\n", to: "app.log")
        run()
        directory.delete("app.log")
        run()
        directory.append("header\n" + text("a", 0..<5), to: "app.log.1")
        run()
        directory.compress("app.log.1", to: "app.log.1.gz")
        run()
        directory.delete("app.log.1")
        run()
        #expect(out.lines.filter { $0.hasPrefix("a") } == expected("a", 0..<5))
    }

    /// Nothing but the head is known of content that has gone: to read what may have been read is better than not to read what may not have been.
    @Test func `a file that ends before what was read of another with the same head is read, with a warning`() {
        let preamble = text("preamble", 0..<400)
        var out = Collector()
        var stored: [FileCheckpoint] = []
        directory.append(preamble + text("a", 0..<500), to: "app.log")
        do {
            var tailer = tailer()
            out.drain(&tailer)
            stored = Collector.checkpoints(tailer)
        }
        directory.delete("app.log")
        directory.append(compressed(Array((preamble + text("b", 0..<3)).utf8), .zstd), to: "app.log.1.zst")
        var tailer = tailer(resuming: stored)
        out.drain(&tailer, confirming: true)
        #expect(out.lines.suffix(3) == expected("b", 0..<3)[...])
        #expect(out.kinds.contains(.sameHead))
    }

    /// Nothing is left to be read in the one that carries the content on.
    @Test func `two compressed forms of a log that was read whole are none the less read once`() {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        directory.append(text("a", 0..<900), to: "app.log")
        func look() {
            var tailer = tailer(resuming: stored)
            for _ in 0..<3 {
                out.warnings += tailer.scan().warnings
                for file in tailer.files where file.isHeld || tailer.hasCompleteLine(file.id) { out.readAll(&tailer) }
            }
            stored = Collector.checkpoints(tailer)
        }
        look()
        directory.compress("app.log", to: "app.log.1.gz")
        directory.compress("app.log", to: "app.log.1.zst", .zstd)
        directory.delete("app.log")
        look()
        look()
        #expect(out.lines == expected("a", 0..<900) && out.warnings.isEmpty)
    }

    @Test func `two compressed forms that appear with a restart are read once`() {
        var out = Collector()
        var stored: [FileCheckpoint] = []
        directory.append(text("a", 0..<50), to: "app.log")
        do {
            var tailer = tailer()
            out.drain(&tailer)
            stored = Collector.checkpoints(tailer)
        }
        directory.append(text("a", 50..<90), to: "app.log")
        directory.compress("app.log", to: "app.log.1.gz")
        directory.compress("app.log", to: "app.log.1.zst", .zstd)
        directory.delete("app.log")
        var tailer = tailer(resuming: stored)
        out.drain(&tailer, confirming: true)
        #expect(out.lines == expected("a", 0..<90) && out.warnings.isEmpty)
        let needsScan = tailer.needsAnotherScan
        #expect(!needsScan)
        var again = self.tailer(resuming: Collector.checkpoints(tailer))
        out.drain(&again, confirming: true)
        #expect(out.lines.count == 90 && out.warnings.isEmpty)
    }

    @Test func `a plain file being unpacked beside its compressed form is not read again`() {
        let bytes = Array(text("a", 0..<800).utf8)
        directory.append(compressed(bytes, .gzip), to: "app.log.1.gz")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer)
        for piece in [0..<6000, 6000..<9000, 9000..<bytes.count] {
            directory.append(Array(bytes[piece]), to: "app.log.1")
            out.drain(&tailer)
        }
        #expect(out.lines == expected("a", 0..<800) && out.warnings.isEmpty)
    }

    @Test func `a plain file that comes back beside its compressed form is not read again`() {
        let bytes = Array(text("a", 0..<800).utf8)
        directory.append(compressed(bytes, .gzip), to: "app.log.1.gz")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer)
        directory.append(bytes, to: "app.log.1")
        out.drain(&tailer)
        directory.delete("app.log.1.gz")
        out.drain(&tailer, confirming: true)
        #expect(out.lines == expected("a", 0..<800))
    }

    @Test(arguments: [Decompressor.Format.gzip, .zstd])
    func `a file cut short is a warning and its readable part is read`(_ format: Decompressor.Format) {
        let bytes = compressed(Array(text("a", 0..<20000).utf8), format)
        directory.append(Array(bytes.prefix(bytes.count * 2 / 3)), to: "app.log.1.z")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer, confirming: true)
        #expect(out.lines.count > 1000)
        #expect(out.lines == expected("a", 0..<out.lines.count))
        #expect(out.kinds == [.cutShort])
        out.drain(&tailer)
        #expect(out.kinds == [.cutShort], "told once")
        directory.append(Array(bytes.dropFirst(bytes.count * 2 / 3)), to: "app.log.1.z")
        out.drain(&tailer, confirming: true)
        #expect(out.lines == expected("a", 0..<20000))
        #expect(out.kinds == [.cutShort])
    }

    @Test(arguments: [Decompressor.Format.gzip, .zstd])
    func `garbage in a file is a warning and what came before is read`(_ format: Decompressor.Format) {
        let member = compressed(Array(text("a", 0..<2000).utf8), format)
        directory.append(member + Array("garbage that is no member".utf8), to: "app.log.1.z")
        directory.append([0x1F, 0x8B] + Array("nothing of this decodes at all".utf8), to: "app.log.2.gz")
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer, confirming: true)
        out.drain(&tailer, confirming: true)
        #expect(out.lines == expected("a", 0..<2000))
        #expect(out.kinds.sorted { $0.rawValue < $1.rawValue } == [.corrupt, .corrupt])
    }

    @Test func `few decoders at a time give the same lines`() {
        var limits = Tailer.Limits()
        limits.decompressors = 1
        limits.descriptors = 2
        for index in 0..<4 {
            directory.append(
                compressed(Array(text("f\(index)", 0..<3000).utf8), index % 2 == 0 ? .gzip : .zstd), to: "app.log.\(index)")
        }
        var tailer = tailer(limits: limits)
        _ = tailer.scan()
        var out = Collector()
        var buffer = LineBuffer()
        var isAnyMore = true
        while isAnyMore {
            isAnyMore = false
            for file in tailer.files {
                buffer.removeAll()
                if case .lines(let offset, let count) = tailer.read(file.id, upTo: 9000, into: &buffer) {
                    out.take(buffer, offset, count, file.id, 1 << 20)
                    isAnyMore = true
                }
            }
            #expect(tailer.tracked.values.count { $0.open != nil } <= 2)
        }
        for index in 0..<4 { #expect(out.lines.filter { $0.hasPrefix("f\(index)") } == expected("f\(index)", 0..<3000)) }
    }

    @Test func `highly compressible content comes out whole in small pieces`() {
        let line = String(repeating: "z", count: 100_000)
        let content = Array((0..<40).map { "\($0)\(line)\n" }.joined().utf8)
        for format in [Decompressor.Format.gzip, .zstd] {
            let name = "app.log.\(format)"
            directory.append(compressed(content, format), to: name)
        }
        var tailer = tailer()
        var out = Collector()
        out.drain(&tailer, confirming: true)
        #expect(out.lines.count == 80)
    }
}
