import Foundation
import Testing

/// A daemon that runs in a scratch directory, and what it tells its manager.
final class Daemon {
    let scratch: Scratch
    private let process = Process()
    private let socket: Int32
    private(set) var notes: [String] = []

    /// A rule that says something half a minute after a cart was touched, by the log's own time.
    static func configuration(clock: String = "log", format: String = "segment") -> String {
        """
        instance: test
        state: state
        outbox: outbox
        clock: \(clock)
        lateness: 1s
        metrics: nudged.prom
        sources:
          - { name: shop, path: "logs/*.ndjson", format: \(format) }
        rules:
          cart:
            per: cart
            start: Product Added
            wait: 30s
            restart: true
            cancel: [Order Completed]
            if: size(cart.items) > 0
        """
    }

    /// A line of the log; the time is seconds after the beginning of 2026.
    static func added(_ customer: String, at second: Int, id: String, product: String = "p1") -> String {
        let time = ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: 1_767_225_600 + Double(second)))
        return #"{"type":"track","event":"Product Added","messageId":"\#(id)","userId":"\#(customer)","timestamp":"\#(time)","#
            + #""properties":{"cart_id":"c-\#(customer)","product_id":"\#(product)","price":1,"quantity":1}}"# + "\n"
    }

    init(
        configuration: String = Daemon.configuration(), logs: String = "", watchdog: String? = nil, once: Bool = false
    ) throws {
        scratch = try Scratch()
        try scratch.write(configuration, to: "nudged.yaml")
        try scratch.write(logs, to: "logs/shop.ndjson")
        socket = Self.receiver(scratch.path + "/notify")
        try start(watchdog: watchdog, once: once)
    }

    private static func receiver(_ path: String) -> Int32 {
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return descriptor
    }

    private func start(watchdog: String?, once: Bool) throws {
        try scratch.write("", to: "log")
        process.executableURL = URL(fileURLWithPath: Program.nudged)
        process.arguments = ["run", "--config", scratch.path + "/nudged.yaml"] + (once ? ["--once"] : [])
        var environment = ProcessInfo.processInfo.environment
        environment["NOTIFY_SOCKET"] = scratch.path + "/notify"
        environment["WATCHDOG_USEC"] = watchdog
        environment["SWIFT_BACKTRACE"] = "enable=no"
        process.environment = environment
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: scratch.path + "/log"))
        try process.run()
    }

    deinit {
        if process.isRunning { process.terminate() }
        close(socket)
    }

    var identifier: Int32 { process.processIdentifier }
    var log: String { (try? scratch.text("log")) ?? "" }
    var metrics: String { (try? scratch.text("nudged.prom")) ?? "" }

    /// Takes what has been told until `isSeen`, or until the time is over.
    @discardableResult
    func wait(seconds: Double = 30, until isSeen: ([String]) -> Bool) -> Bool {
        let end = Date().addingTimeInterval(seconds)
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            while true {
                let count = recv(socket, &room, room.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { break }
                notes.append(String(decoding: room[..<count], as: UTF8.self))
            }
            if isSeen(notes) { return true }
            if Date() >= end || !process.isRunning { return false }
            usleep(20_000)
        }
    }

    func signal(_ number: Int32) { kill(identifier, number) }

    /// Ends it; gives the exit code and how long it took.
    func end() -> (status: Int32, seconds: Double) {
        let start = Date()
        signal(SIGTERM)
        process.waitUntilExit()
        return (process.terminationReason == .exit ? process.terminationStatus : -1, Date().timeIntervalSince(start))
    }

    func forgetNotes() { notes = [] }

    /// How often it has slept and woken.
    var wakeUps: Int {
        let text = (try? String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") }
        return line?.split(separator: "\t").last.flatMap { Int($0) } ?? -1
    }
}
