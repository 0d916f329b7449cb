import Glibc

/// Tells systemd how the service is (sd_notify(3)): one datagram to the socket that `NOTIFY_SOCKET` names; nothing where there is none.
package struct ServiceNotification: Sendable {
    private let path: String?

    package init(socket: String? = getenv("NOTIFY_SOCKET").map { String(cString: $0) }) { path = socket }

    package func ready() { send("READY=1") }
    package func reloading(at monotonicMicroseconds: UInt64) { send("RELOADING=1\nMONOTONIC_USEC=\(monotonicMicroseconds)") }
    package func stopping() { send("STOPPING=1") }
    package func status(_ text: String) { send("STATUS=" + text) }
    /// Fed by progress of the loop.
    package func watchdog() { send("WATCHDOG=1") }

    private func send(_ message: String) {
        guard let path, !path.isEmpty else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        // An abstract socket is written with @ for the leading NUL.
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                sendto(descriptor, message, message.utf8.count, Int32(MSG_NOSIGNAL), target, length)
            }
        }
    }
}
