import Glibc

/// What the service says to whoever runs it. Never a payload or a trait: what is said names files, rules, settings and errors of the
/// system, nothing that an event held.
///
/// To the journal, where standard error leads there: with a priority and fields of their own, as one datagram (its native protocol). To
/// anything else: lines on standard error.
package struct ServiceLog: Sendable {
    package enum Priority: Int, Sendable {
        case error = 3
        case warning = 4
        case notice = 5
    }

    /// A field besides message and priority; in the journal as `NUDGED_…`.
    package struct Field: Sendable {
        package let name: String
        package let value: String

        /// What happened, as a stable word: to count and to alert on.
        package static func event(_ word: String) -> Field { Field(name: "NUDGED_EVENT", value: word) }
        package static func path(_ path: String) -> Field { Field(name: "NUDGED_PATH", value: path) }
    }

    private let isJournal: Bool
    private let socketPath: String

    /// - Parameter journalStream: what systemd says of the journal's end of standard output and error: device and inode.
    package init(
        journalStream: String? = getenv("JOURNAL_STREAM").map { String(cString: $0) },
        socketPath: String = "/run/systemd/journal/socket"
    ) {
        self.socketPath = socketPath
        var status = stat()
        isJournal = journalStream.map { fstat(2, &status) == 0 && $0 == "\(status.st_dev):\(status.st_ino)" } ?? false
    }

    package func callAsFunction(_ priority: Priority, _ text: String, _ fields: Field...) {
        if isJournal {
            let datagram = Self.datagram(priority, text, fields)
            if DatagramSocket.send(datagram, to: socketPath) { return }
        }
        let line = text.split(separator: "\n", omittingEmptySubsequences: true).map {
            (isJournal ? "<\(priority.rawValue)>" : "nudged: ") + $0 + "\n"
        }.joined()
        var bytes = Array(line.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }

    /// The journal's native protocol: `NAME=value` lines; a value with line breaks as name, length (64 bits, little-endian), value.
    static func datagram(_ priority: Priority, _ text: String, _ fields: [Field]) -> [UInt8] {
        let all =
            [
                Field(name: "MESSAGE", value: text), Field(name: "PRIORITY", value: String(priority.rawValue)),
                Field(name: "SYSLOG_IDENTIFIER", value: "nudged"),
            ] + fields
        var bytes: [UInt8] = []
        for field in all {
            let value = Array(field.value.utf8)
            bytes += Array(field.name.utf8)
            if value.contains(0x0A) {
                bytes.append(0x0A)
                bytes += (0..<8).map { UInt8(truncatingIfNeeded: UInt64(value.count) >> UInt64($0 * 8)) }
            } else {
                bytes.append(UInt8(ascii: "="))
            }
            bytes += value
            bytes.append(0x0A)
        }
        return bytes
    }
}
