import Engine
import Glibc

/// The bytes of one configuration file and where its lines begin, so that places can be named in lines and characters.
struct SourceText: Sendable {
    /// The largest file that is read: 4 MiB.
    static let sizeLimit = 4 << 20

    /// The absolute path, as issues name it.
    let file: String
    /// Without a byte-order mark.
    let bytes: [UInt8]
    /// The offset of each line's first byte; lines end as YAML has it: LF, CR LF, CR, NEL, LS, PS.
    private let lineStarts: [Int]

    init(file: String, bytes: [UInt8]) {
        let content = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        self.file = file
        self.bytes = content
        var starts = [0]
        var index = 0
        while index < content.count {
            let width = Self.lineBreak(content, at: index)
            index += max(width, 1)
            if width > 0 { starts.append(index) }
        }
        lineStarts = starts
    }

    /// The length in bytes of the line break at an offset; 0 if there is none.
    private static func lineBreak(_ bytes: [UInt8], at index: Int) -> Int {
        switch bytes[index] {
        case 0x0A: return 1
        case 0x0D: return index + 1 < bytes.count && bytes[index + 1] == 0x0A ? 2 : 1
        case 0xC2: return index + 1 < bytes.count && bytes[index + 1] == 0x85 ? 2 : 0
        case 0xE2:
            guard index + 2 < bytes.count, bytes[index + 1] == 0x80 else { return 0 }
            return bytes[index + 2] == 0xA8 || bytes[index + 2] == 0xA9 ? 3 : 0
        default: return 0
        }
    }

    /// The place of a byte.
    func position(atByte offset: Int) -> Position {
        var low = 0
        var high = lineStarts.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle - 1 }
        }
        let end = min(max(offset, lineStarts[low]), bytes.count)
        let characters = bytes[lineStarts[low]..<end].count { $0 & 0xC0 != 0x80 }
        return Position(file: file, line: low + 1, column: characters + 1)
    }

    /// A place by line and column from 1; behind the end of a last line without a break, where libyaml counts one more, it is
    /// that end.
    func position(line: Int, column: Int) -> Position {
        line <= lineStarts.count ? Position(file: file, line: line, column: column) : position(atByte: bytes.count)
    }

    /// The offset of the first byte of a line (from 1), or nil beyond the last.
    func start(ofLine line: Int) -> Int? {
        line >= 1 && line <= lineStarts.count ? lineStarts[line - 1] : nil
    }

    /// The offset of a place, at most the end of its line; found from another place if that is before it on the same line.
    func offset(of position: Position, from other: (position: Position, offset: Int)? = nil) -> Int {
        guard var offset = start(ofLine: position.line) else { return bytes.count }
        var column = 1
        if let other, other.position.line == position.line, other.position.column <= position.column {
            offset = other.offset
            column = other.position.column
        }
        while column < position.column, offset < bytes.count, Self.lineBreak(bytes, at: offset) == 0 {
            offset += 1
            while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
            column += 1
        }
        return offset
    }

    /// The text of a line without its break, or nil beyond the last; what `check` shows under an error.
    func line(_ number: Int) -> String? {
        guard let start = start(ofLine: number) else { return nil }
        var end = start
        while end < bytes.count, Self.lineBreak(bytes, at: end) == 0 { end += 1 }
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    /// The offset of the first byte that is not UTF-8, or nil if all is.
    var firstInvalidByte: Int? {
        if String(validating: bytes, as: UTF8.self) != nil { return nil }
        // Lines are short, so that the broken one is found by trying each, and the byte in it by trying each prefix.
        var low = 0
        for start in lineStarts.dropFirst() + [bytes.count] {
            if String(validating: bytes[low..<start], as: UTF8.self) == nil { break }
            low = start
        }
        var decoder = UTF8()
        var input = bytes[low...].makeIterator()
        var offset = low
        while true {
            switch decoder.decode(&input) {
            case .scalarValue(let scalar): offset += UTF8.width(scalar)
            case .emptyInput, .error: return offset
            }
        }
    }

    /// Reads a regular file of at most `sizeLimit` bytes; a FIFO or device is refused without waiting for it.
    static func read(file: String) throws(Unreadable) -> SourceText {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let code = errno
            throw Unreadable(reason: code == ENOENT ? "there is no such file" : String(cString: strerror(code)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Unreadable(reason: String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Unreadable(reason: status.st_mode & S_IFMT == S_IFDIR ? "it is a directory" : "it is not a regular file")
        }
        guard status.st_size <= sizeLimit else { throw Unreadable(reason: "it is larger than 4 MiB") }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw Unreadable(reason: String(cString: strerror(errno)))
            }
            if count == 0 { break }
            bytes += buffer[..<count]
            guard bytes.count <= sizeLimit else { throw Unreadable(reason: "it is larger than 4 MiB") }
        }
        return SourceText(file: file, bytes: bytes)
    }

    /// Why a file could not be read, as the end of a sentence.
    struct Unreadable: Error { var reason: String }
}
