import Engine
import Glibc
import Synchronization

/// Tells systemd how the service is (sd_notify(3)): one datagram to the socket that `NOTIFY_SOCKET` names; nothing where there is none.
package struct ServiceNotification: Sendable {
    private let path: String?
    /// How long the service may go without a sign of progress (sd_watchdog_enabled(3)); nil: as long as it likes.
    package let watchdogPeriod: Milliseconds?
    private let lastSign = LastSign()

    /// When the last sign of progress was given, in milliseconds of the monotonic clock.
    private final class LastSign: Sendable { let at = Atomic<Int64>(.min) }

    package init(environment: (String) -> String? = { getenv($0).map { String(cString: $0) } }) {
        path = environment("NOTIFY_SOCKET").flatMap { $0.isEmpty ? nil : $0 }
        let isMine = environment("WATCHDOG_PID").map { $0 == String(getpid()) } ?? true
        watchdogPeriod = isMine ? environment("WATCHDOG_USEC").flatMap { Milliseconds($0) }.map { max(1, $0 / 1000) } : nil
    }

    package func ready() { send("READY=1") }
    package func reloading(at monotonicMicroseconds: UInt64) { send("RELOADING=1\nMONOTONIC_USEC=\(monotonicMicroseconds)") }
    package func stopping() { send("STOPPING=1") }
    package func status(_ text: String) { send("STATUS=" + text.split(separator: "\n").joined(separator: " ")) }
    /// A sign of progress, at most four in the time in which one is expected; nothing if nobody watches.
    package func watchdog() {
        guard let watchdogPeriod else { return }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let now = Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        let last = lastSign.at.load(ordering: .relaxed)
        guard last == .min || now - last >= watchdogPeriod / 4 else { return }
        lastSign.at.store(now, ordering: .relaxed)
        send("WATCHDOG=1")
    }

    private func send(_ message: String) { if let path { DatagramSocket.send(Array(message.utf8), to: path) } }
}

/// Datagrams to a local socket that somebody else owns.
enum DatagramSocket {
    /// Sends one, without waiting for long; false if nobody takes it.
    @discardableResult
    static func send(_ message: [UInt8], to path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        // An abstract socket is written with @ for the leading NUL.
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        // A manager that hangs must not hang the service.
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let count = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), target, length)
            }
        }
        return count == message.count
    }
}
