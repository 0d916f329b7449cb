import CEL
import Glibc
import Synchronization

/// The system's time zones by name, read when first asked for and kept.
package final class ZoneDatabase: Sendable {
    private let directory: String
    private let zones = Mutex<[String: TimeZone?]>([:])

    private static let most = 2000

    package init(directory: String = "/usr/share/zoneinfo") { self.directory = directory }

    /// The zone, or nil if there is none of this name: `Area/City`, `UTC`, or a fixed offset (`+02:00`).
    package func zone(_ name: String) -> TimeZone? {
        if let fixed = TimeZone(fixed: name) { return fixed }
        return zones.withLock { zones in
            if let known = zones[name] { return known }
            // A profile's time zone comes from a log: it must not name another file, nor the zone of this machine.
            let isName =
                !name.isEmpty && name != "localtime" && name.utf8.count < 64 && !name.hasPrefix("/") && !name.contains("..")
                && name.utf8.allSatisfy {
                    ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || "/_+-".utf8.contains($0)
                }
            let zone = isName ? read(directory + "/" + name).flatMap { TimeZone(tzif: $0) } : nil
            // Names come from logs: what is kept of them is bounded. There are some six hundred zones.
            if zones.count >= Self.most { zones.removeAll() }
            if name.utf8.count < 64 { zones[name] = .some(zone) }
            return zone
        }
    }

    private func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = Glibc.read(file, &bytes, bytes.count)
        return count > 0 ? Array(bytes[..<count]) : nil
    }
}
