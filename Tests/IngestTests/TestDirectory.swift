import CCompression
import Glibc
import Testing

@testable import Ingest

/// A temporary directory of one test, removed with it.
final class TestDirectory {
    let path: String

    init() {
        var template = Array("/tmp/nudged-ingest-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { name in
            name.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        precondition(made != nil, "no temporary directory can be made in /tmp")
        path = made ?? "/tmp/nudged-ingest-none"
    }

    deinit { remove(path) }

    private func remove(_ path: String) {
        if FileStatus(linkAt: path)?.isDirectory == true {
            chmod(path, 0o700)
            if case .success(let names) = DirectoryListing.names(in: path) {
                for name in names { remove(path + "/" + name) }
            }
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    func file(_ name: String) -> String { path + "/" + name }

    func makeDirectory(_ name: String) { mkdir(file(name), 0o755) }

    func append(_ text: String, to name: String) { write(Array(text.utf8), name, O_APPEND) }

    func append(_ bytes: [UInt8], to name: String) { write(bytes, name, O_APPEND) }

    /// Cuts the file to nothing under its inode, as copytruncate does, and writes `text`.
    func rewrite(_ name: String, _ text: String = "") { write(Array(text.utf8), name, O_TRUNC) }

    private func write(_ bytes: [UInt8], _ name: String, _ flag: Int32) {
        let descriptor = open(file(name), O_WRONLY | O_CREAT | flag, 0o644)
        defer { close(descriptor) }
        #expect(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    }

    func move(_ old: String, to new: String) { #expect(rename(file(old), file(new)) == 0) }

    func delete(_ name: String) { #expect(unlink(file(name)) == 0) }

    func link(_ name: String, to target: String) { #expect(symlink(target, file(name)) == 0) }

    func contents(_ name: String) -> [UInt8] {
        let descriptor = open(file(name), O_RDONLY)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: FileStatus(descriptor: descriptor)?.size ?? 0)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return Array(bytes.prefix(max(0, count)))
    }

    /// Writes a compressed copy beside the original and leaves that.
    func compress(_ name: String, to copy: String, _ format: Decompressor.Format = .gzip) {
        append(compressed(contents(name), format), to: copy)
    }
}

/// One gzip member or zstd frame.
func compressed(_ bytes: [UInt8], _ format: Decompressor.Format) -> [UInt8] {
    switch format {
    case .gzip:
        var stream = z_stream()
        let opened = deflateInit2_(
            &stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard opened == Z_OK else { return [] }
        defer { deflateEnd(&stream) }
        var input = bytes
        var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
        let count = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                deflate(&stream, Z_FINISH)
                return target.count - Int(stream.avail_out)
            }
        }
        return Array(output.prefix(count))
    case .zstd:
        var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
        let count = ZSTD_compress(&output, output.count, bytes, bytes.count, 1)
        return Array(output.prefix(count))
    }
}

/// Everything that came out of a run, by file.
struct Collector {
    /// Lines in order of reading.
    var lines: [String] = []
    var byFile: [FileID: [String]] = [:]
    /// Too long lines: offset and length.
    var tooLong: [TooLongLine] = []
    var warnings: [TailWarning] = []
    var losses: [ScanReport.PossibleLoss] = []
    var nulBytes = 0
    var chunkBytes = 1 << 16

    var kinds: [TailWarning.Kind] { warnings.map(\.kind) }

    /// Scans and reads until there is nothing more; with `confirming` also what only a second scan settles.
    mutating func drain(_ tailer: inout Tailer, confirming: Bool = false, forgetting: Bool = true) {
        for _ in 0..<10 {
            let report = tailer.scan()
            warnings += report.warnings
            losses += report.possibleLosses
            let progressed = readAll(&tailer)
            if forgetting { for id in report.ended { tailer.forget(id) } }
            if !confirming || (!progressed && !tailer.needsAnotherScan) { return }
        }
        Issue.record("the tailer does not settle")
    }

    /// Reads every file to its end; true when something came.
    @discardableResult
    mutating func readAll(_ tailer: inout Tailer, unterminated: Bool = false) -> Bool {
        var progressed = false
        var buffer = LineBuffer()
        for file in tailer.files {
            reading: while true {
                buffer.removeAll()
                let outcome =
                    unterminated
                    ? tailer.readUnterminated(file.id, upTo: chunkBytes, into: &buffer)
                    : tailer.read(file.id, upTo: chunkBytes, into: &buffer)
                switch outcome {
                case .lines(let offset, let count):
                    progressed = true
                    take(buffer, offset, count, file.id, tailer.sources[file.source].maxLineBytes)
                case .tooLong(let line):
                    progressed = true
                    tooLong.append(line)
                case .working: continue
                case .copy:
                    progressed = true
                    break reading
                case .caughtUp, .ended, .truncated, .unavailable: break reading
                }
            }
        }
        return progressed
    }

    mutating func take(_ buffer: LineBuffer, _ offset: Int, _ count: Int, _ id: FileID, _ limit: Int) {
        var splitter = LineSplitter(range: buffer.count - count..<buffer.count, offset: offset, maxLineBytes: limit)
        buffer.withBytes { bytes in
            while let line = splitter.next(in: bytes) {
                if line.isTooLong {
                    tooLong.append(
                        TooLongLine(offset: line.offset, end: line.end, length: line.length, head: Array(bytes[line.bytes])))
                } else {
                    let text = String(decoding: bytes[line.bytes], as: UTF8.self)
                    lines.append(text)
                    byFile[id, default: []].append(text)
                }
            }
        }
        nulBytes += splitter.nulBytes
    }

    /// Every file's checkpoint at its read position.
    static func checkpoints(_ tailer: borrowing Tailer) -> [FileCheckpoint] {
        var stored: [FileCheckpoint] = []
        for file in tailer.files where !file.isHeld {
            if let checkpoint = tailer.checkpoint(of: file.id, at: file.offset) { stored.append(checkpoint) }
        }
        return stored
    }
}
