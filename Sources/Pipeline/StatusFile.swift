import Engine
import Glibc
import Storage

/// What a running daemon leaves for `nudged status`, beside what the database says: replaced atomically about once a second while there is
/// something to do.
package struct StatusFile: Sendable {
    package var pid: Int
    package var startedAt: Instant
    package var writtenAt: Instant
    package var lines: Int
    package var events: Int
    package var duplicates: Int
    package var late: Int
    package var messages: Int
    package var commits: Int
    package var engineNow: Instant
    package var caughtUp: Bool
    package var blocked: Bool
    package var troubles: [String]
    /// A second, over about the last ten.
    package var linesPerSecond: Double
    package var messagesPerSecond: Double

    static let fileName = "status.json"
    /// So many troubles are told.
    private static let most = 20

    /// Best effort: no run fails for it.
    func write(to directory: String) {
        let more = troubles.count - Self.most
        let told = more > 0 ? troubles.prefix(Self.most) + ["and \(more) more"] : troubles
        let json = CanonicalJSON.object([
            ("pid", .number(Double(pid))), ("started_at", .number(Double(startedAt))), ("written_at", .number(Double(writtenAt))),
            ("lines", .number(Double(lines))), ("events", .number(Double(events))), ("duplicates", .number(Double(duplicates))),
            ("late", .number(Double(late))), ("messages", .number(Double(messages))), ("commits", .number(Double(commits))),
            ("engine_now", engineNow == .min ? .null : .number(Double(engineNow))), ("caught_up", .bool(caughtUp)),
            ("blocked", .bool(blocked)), ("troubles", .array(told.map { .string($0) })),
            ("lines_per_second", .number(linesPerSecond)), ("messages_per_second", .number(messagesPerSecond)),
        ]).bytes
        let path = directory + "/" + Self.fileName
        // That the disk is full is what people have to be told: then in the room that the last one has.
        if !ReplacedFile.write(json, to: path, mode: 0o600) { Self.overwrite(path, with: json) }
    }

    /// At once, and to the length that the file has.
    private static func overwrite(_ path: String, with json: [UInt8]) {
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { Glibc.close(file) }
        let length = Int(lseek(file, 0, SEEK_END))
        let padded = json + [UInt8](repeating: UInt8(ascii: " "), count: max(0, length - json.count))
        _ = padded.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
    }

    /// Whether a daemon holds the state, as the process says that wrote the file. A number alone may be another process's by now.
    package static func isRunning(in directory: String, _ file: StatusFile?) -> Bool {
        guard let file, kill(pid_t(file.pid), 0) == 0 || errno == EPERM else { return false }
        return Store.isHeld(directory: directory) ?? true
    }

    /// Nil if there is none, or it can't be read.
    package static func read(from directory: String) -> StatusFile? {
        let file = open(directory + "/" + fileName, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { Glibc.close(file) }
        guard let packed = PlainFile.contents(of: file).flatMap({ JSONText.pack($0) }) else { return nil }
        let view = JSONView(bytes: packed, offset: 0)
        func number(_ key: String) -> Int { Int(view[key]?.number ?? 0) }
        return StatusFile(
            pid: number("pid"), startedAt: Instant(number("started_at")), writtenAt: Instant(number("written_at")),
            lines: number("lines"),
            events: number("events"), duplicates: number("duplicates"), late: number("late"), messages: number("messages"),
            commits: number("commits"), engineNow: view["engine_now"]?.number.map { Instant($0) } ?? .min,
            caughtUp: view["caught_up"]?.bool ?? false, blocked: view["blocked"]?.bool ?? false,
            troubles: view["troubles"]?.elements.compactMap(\.string) ?? [],
            linesPerSecond: view["lines_per_second"]?.number ?? 0, messagesPerSecond: view["messages_per_second"]?.number ?? 0)
    }
}
