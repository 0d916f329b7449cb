import Engine
import Glibc
import Ingest

/// The daemon's own log of what the wall clock or a person decided (`time.md`): newline-delimited JSON in the state directory. A replay that
/// reads it decides the same; so does the daemon itself after a crash, because a note is durable before the commit that relies on it.
package struct ControlLog: Sendable {
    /// A change of the file, told to the observer just before it is made.
    package enum Operation: Sendable, Equatable {
        case create
        case write(offset: Int, [UInt8])
        case sync
        /// fsync of the directory it is in.
        case syncDirectory
    }

    /// Told of every change; throwing prevents it. For tests of crashes and faults.
    package typealias Observer = @Sendable (Operation) throws(ControlLogError) -> Void

    package let path: String
    private let observer: Observer?

    package init(path: String, observer: Observer? = nil) {
        self.path = path
        self.observer = observer
    }

    package static let fileName = "control.ndjson"

    /// Appends notes and makes them durable.
    package func append(_ notes: [ReadingNote]) throws(ControlLogError) {
        try append(lines: notes.map(Self.json))
    }

    /// Appends lines in one write and makes them durable; commands and the daemon do so beside each other.
    package func append(lines: [CanonicalJSON]) throws(ControlLogError) {
        var bytes: [UInt8] = []
        for line in lines {
            line.write(to: &bytes)
            bytes.append(0x0A)
        }
        if access(path, F_OK) != 0 { try observer?(.create) }
        let file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw ControlLogError(path: path, code: errno) }
        defer { close(file) }
        try giveToOwner(file)
        // Whoever writes has the file to itself meanwhile, so that no line stands within another.
        while flock(file, LOCK_EX) != 0 { guard errno == EINTR else { throw ControlLogError(path: path, code: errno) } }
        // A line that a crash or a full disk cut off must not swallow the next one.
        let size = lseek(file, 0, SEEK_END)
        var last: UInt8 = 0x0A
        if size > 0, pread(file, &last, 1, size - 1) == 1, last != 0x0A { bytes.insert(0x0A, at: 0) }
        try observer?(.write(offset: Int(size), bytes))
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes { write(file, $0.baseAddress.map { $0 + start }, bytes.count - start) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw ControlLogError(path: path, code: errno) }
            start += count
        }
        try observer?(.sync)
        guard fsync(file) == 0 else { throw ControlLogError(path: path, code: errno) }
        // Always: whoever made the file may have stopped before its name was durable. Without changes this costs nothing.
        try syncDirectory()
    }

    private func syncDirectory() throws(ControlLogError) {
        try observer?(.syncDirectory)
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        guard PlainFile.sync(directory: slash == path.startIndex ? "." : String(path[..<slash])) else {
            throw ControlLogError(path: path, code: errno)
        }
    }

    private static func json(_ note: ReadingNote) -> CanonicalJSON {
        .object([
            ("type", .string("note")), ("note", .string(note.kind.rawValue)), ("source", .string(note.source)),
            ("file", .string(note.head.digest.hexadecimal)), ("head", .number(Double(note.head.length))),
            ("offset", .number(Double(note.offset))), ("at", .number(Double(note.at))),
        ])
    }

    /// What root creates by a command belongs to whom the state directory belongs to, or the daemon could not write it.
    private func giveToOwner(_ file: Int32) throws(ControlLogError) {
        guard geteuid() == 0 else { return }
        var directory = stat()
        var own = stat()
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        guard stat(String(path[..<slash]), &directory) == 0, fstat(file, &own) == 0, own.st_uid != directory.st_uid else {
            return
        }
        guard fchown(file, directory.st_uid, directory.st_gid) == 0 else { throw ControlLogError(path: path, code: errno) }
    }

    /// In bytes; 0 if there is no such log.
    var size: Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// The bytes from an offset on; none if there is no such log, or it is shorter.
    func read(from offset: Int) throws(ControlLogError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return [] }
            throw ControlLogError(path: path, code: errno)
        }
        defer { close(file) }
        lseek(file, offset, SEEK_SET)
        guard let bytes = PlainFile.contents(of: file) else { throw ControlLogError(path: path, code: errno) }
        return bytes
    }

    /// Notes that from a time on another configuration decides. A replay has but one; it says so where there was another.
    static func reloaded(at: Instant) -> CanonicalJSON {
        .object([("type", .string("reloaded")), ("at", .number(Double(at)))])
    }

    /// Each line that is JSON, in order. One that a crash cut off was never relied on.
    func forEachLine(_ body: (JSONView) -> Void) throws(ControlLogError) {
        for line in try read(from: 0).split(separator: 0x0A) {
            if let packed = JSONText.pack(Array(line)) { body(JSONView(bytes: packed, offset: 0)) }
        }
    }

    /// When configurations were reloaded, in order.
    package func reloads() throws(ControlLogError) -> [Instant] {
        var result: [Instant] = []
        try forEachLine { view in
            if view["type"]?.string == "reloaded", let at = view["at"]?.milliseconds { result.append(at) }
        }
        return result
    }

    /// Replaces bytes by spaces, durably.
    func overwrite(_ range: Range<Int>) throws(ControlLogError) {
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw ControlLogError(path: path, code: errno) }
        defer { close(file) }
        let spaces = [UInt8](repeating: 0x20, count: range.count)
        try observer?(.write(offset: range.lowerBound, spaces))
        try observer?(.sync)
        guard pwrite(file, spaces, spaces.count, range.lowerBound) == spaces.count, fsync(file) == 0 else {
            throw ControlLogError(path: path, code: errno)
        }
    }

    /// What the notes prescribe; the first note of a line counts, but that it was retried counts more. Empty if there is no such log.
    package func prescriptions() throws(ControlLogError) -> [ReadingNote.Place: ReadingNote] {
        var result: [ReadingNote.Place: ReadingNote] = [:]
        try forEachLine { view in
            guard let kind = view["note"]?.string.flatMap(ReadingNote.Kind.init(rawValue:)), let source = view["source"]?.string,
                let digest = view["file"]?.string.flatMap(ContentDigest.init(hexadecimal:)), let length = view["head"]?.whole,
                let offset = view["offset"]?.whole.flatMap(UInt64.init(exactly:)), let at = view["at"]?.milliseconds
            else { return }
            let note = ReadingNote(
                kind: kind, source: source, head: ContentSample(length: Int(length), digest: digest), offset: offset,
                at: at)
            if result[note.place] == nil || kind == .retried { result[note.place] = note }
        }
        return result
    }
}

/// The control log can't be written or read.
package struct ControlLogError: Error, Sendable, CustomStringConvertible {
    package let path: String
    package let code: Int32

    package var description: String {
        "\(path): the control log can't be used (\(String(cString: strerror(code)))); check the state directory and its disk"
    }
}
