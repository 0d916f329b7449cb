import CCompression
import Configuration
import Engine
import Glibc
import Ingest
import Testing

@testable import Pipeline

/// SplitMix64: the same numbers from the same seed everywhere.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}

/// A directory of one test, removed with it; in memory where possible, because most of these tests are about the order of things.
final class Scratch {
    let path: String

    init(onDisk: Bool = false) {
        let parent = !onDisk && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(parent)/nudged-pipeline-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { name in
            name.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        precondition(made != nil, "no temporary directory can be made in \(parent)")
        path = made ?? parent
    }

    deinit { Files.removeTree(path) }
}

enum Files {
    static func names(_ directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            guard let start = MemoryLayout<dirent>.offset(of: \.d_name) else { break }
            let name = String(cString: (UnsafeRawPointer(entry) + start).assumingMemoryBound(to: CChar.self))
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &room, room.count)
            if count <= 0 { return bytes }
            bytes += room[..<count]
        }
    }

    static func text(_ path: String) -> String { String(decoding: read(path) ?? [], as: UTF8.self) }

    static func write(_ bytes: [UInt8], to path: String, flags: Int32 = O_TRUNC) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o644)
        guard file >= 0 else {
            Issue.record("\(path): \(String(cString: strerror(errno)))")
            return
        }
        defer { close(file) }
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress.map { $0 + start }, bytes.count - start) }
            guard count > 0 else { return }
            start += count
        }
    }

    static func write(_ text: String, to path: String) { write(Array(text.utf8), to: path) }

    static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            chmod(path, 0o700)
            for name in names(path) { removeTree(path + "/" + name) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    /// One gzip member.
    static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        guard
            deflateInit2_(
                &stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { return [] }
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
    }
}

/// A line on its way into a log.
struct LoggedLine {
    var time: Instant
    /// Which stream of files it prefers: an index into the feeder's streams.
    var stream: Int
    var text: String
}

/// A small shop's events with many collisions: few customers, products and carts, several events in one millisecond.
struct ShopLog {
    static let lateness: Milliseconds = 5000
    static let start: Instant = 1_772_323_200_000  // 2026-03-01

    /// The lines in the order in which they are written: out of order within the lateness.
    static func lines(_ count: Int, streams: Int, seed: UInt64, disorder: Milliseconds = lateness) -> [LoggedLine] {
        var random = SeededNumbers(seed: seed)
        var now = start
        var lines: [(arrival: Instant, line: LoggedLine)] = []
        for number in 0..<count {
            switch random.below(10) {
            case 0...2: break
            case 3: now += 1
            case 4: now += Int64(random.below(5)) * 1000
            case 5: now += 3_600_000 / 2 * Int64(1 + random.below(3))
            default: now += 60_000 * Int64(random.below(15))
            }
            let line = LoggedLine(time: now, stream: random.below(streams), text: event(number, at: now, &random))
            lines.append((now + Int64(random.below(Int(disorder) + 1)), line))
        }
        return lines.enumerated().sorted { ($0.element.arrival, $0.offset) < ($1.element.arrival, $1.offset) }.map(\.element.line)
    }

    private static func event(_ number: Int, at time: Instant, _ random: inout SeededNumbers) -> String {
        let customer = random.below(7)
        let product = "p\(random.below(4))"
        let cart = random.chance(60) ? ",\"cart_id\":\"c\(customer)-\(random.below(2))\"" : ""
        // Now and then an id that was used before: a producer that repeats itself.
        let id = random.chance(85) ? "\"messageId\":\"m\(random.chance(95) ? number : max(0, number - random.below(9)))\"," : ""
        var who = "\"userId\":\"u\(customer)\""
        if random.chance(25) { who = "\"anonymousId\":\"a\(customer)\"" }
        if random.chance(5) { who = "\"userId\":\"u\(customer)\",\"anonymousId\":\"a\(random.below(7))\"" }
        let stamp = "\"timestamp\":\"\(time.rfc3339)\""
        func track(_ name: String, _ properties: String) -> String {
            "{\(id)\"type\":\"track\",\"event\":\"\(name)\",\(who),\(stamp),\"properties\":{\(properties)}}"
        }
        switch random.below(24) {
        case 0...4:
            return track(
                "Product Added",
                "\"product_id\":\"\(product)\",\"quantity\":\(1 + random.below(3)),\"price\":\(random.below(90)).5\(cart)")
        case 5: return track("Product Removed", "\"product_id\":\"\(product)\"\(cart)")
        case 6: return track("Cart Viewed", "\"n\":1\(cart)")
        case 7, 8: return track("Order Completed", "\"order_id\":\"o\(number)\"\(cart)")
        case 9: return track("Order Completed", "\"products\":[{\"product_id\":\"\(product)\",\"quantity\":1}]\(cart)")
        case 10, 11: return track("Product Viewed", "\"product_id\":\"\(product)\"")
        case 12, 13: return "{\(id)\"type\":\"page\",\(who),\(stamp),\"name\":\"Home\"}"
        case 14, 15: return track("Back In Stock Requested", "\"product_id\":\"\(product)\"")
        case 16, 17, 18:
            return
                "{\(id)\"type\":\"track\",\"event\":\"Product Stock Changed\",\(stamp),\"properties\":{\"product_id\":\"\(product)\",\"available\":\(random.chance(50) ? 0 : 1 + random.below(3))}}"
        case 19: return track("Payment Failed", "\"subscription_id\":\"s\(customer)\"")
        case 20: return track("Payment Succeeded", "\"subscription_id\":\"s\(customer)\",\"amount\":9.5")
        case 21: return "{\(id)\"type\":\"identify\",\(who),\(stamp),\"traits\":{\"plan\":\"t\(random.below(3))\"}}"
        case 22: return track("Signed Up", "\"n\":\(number)")
        default:
            return random.chance(50)
                ? "{\"broken\":\(number)"
                : "{\"type\":\"alias\",\"userId\":\"u\(customer)\",\"previousId\":\"a\(customer)\",\(stamp)}"
        }
    }

    /// Rules of every kind, with waits that are short beside the log's pace.
    static let rules = """
        segments:
          busy: profile.count("Page Viewed", "1d") >= 2
          lapsed: profile.ever("Order Completed") && profile.since("Order Completed") > duration("3h")
        rules:
          abandoned:
            per: cart
            start: [Product Added, Product Removed, Cart Updated, Cart Viewed]
            wait: 40m
            restart: true
            cancel: [Order Completed]
            if: size(cart.items) > 0
            cooldown: 2h
            data: { items: size(cart.items) }
          back-in-stock:
            per: product
            start:
              - event: Product Stock Changed
                where: product.available > 0 && product.was_available == 0
            audience: waitlist
            limit: product.available
            if: product.available > 0
          paced:
            per: product
            start:
              - event: Product Stock Changed
                where: product.available > 0
            audience: [viewed 2d, cart]
            limit: product.available
            pace: 20m
            if: product.available > 0
          churn:
            per: subscription
            start: [Payment Failed]
            wait: 1h
            cancel: [Payment Succeeded]
            if: subscription.issue_open
          welcome:
            start: [Signed Up]
            include: [plan]
          looked:
            per: product
            start: [Product Viewed]
            wait: 25m
            cancel: [Product Added]
          busy-now:
            start: [{enters: busy}]
            cancel: [{leaves: busy}]
            wait: 1m
          lapsed-now:
            start: [{enters: lapsed}]
        """

    /// Streams of the sources below: two files of one, one of the other.
    static let streams = [
        LogFeeder.Stream(source: "app", name: "app-1.log"), LogFeeder.Stream(source: "app", name: "app-2.log"),
        LogFeeder.Stream(source: "shop", name: "shop.log"),
    ]

    static func configuration(in directory: String, extra: String = "", rules: String = rules) -> String {
        """
        instance: test
        state: \(directory)/state
        outbox: \(directory)/outbox
        clock: log
        lateness: 5s
        dedupe: 2h
        max_line_bytes: 4096
        sources:
          - { name: app, path: "\(directory)/logs/app-*.log*", format: segment }
          - { name: shop, path: "\(directory)/logs/shop.log*", format: segment }
        \(extra)
        \(rules)
        """
    }

    /// The rules, compiled once.
    static let compiled: RuleSet? = {
        let scratch = Scratch()
        Files.write(configuration(in: scratch.path), to: scratch.path + "/nudged.yaml")
        let draft = Configuration.draft(path: scratch.path + "/nudged.yaml", environment: [:])
        guard draft.isUsable, let configuration = draft.configuration else {
            Issue.record("the configuration of the tests is wrong: \(draft.issues)")
            return nil
        }
        let zones = ZoneDatabase()
        let result = RuleSet.compile(configuration.definitions) { zones.zone($0) }
        if result.rules == nil { Issue.record("the rules of the tests are wrong: \(result.issues)") }
        return result.rules
    }()

    static func settings(in directory: String) -> Settings {
        var settings = Settings(sources: [
            LogSource(name: "app", patterns: [directory + "/logs/app-*.log*"], format: .segment, lateness: lateness),
            LogSource(name: "shop", patterns: [directory + "/logs/shop.log*"], format: .segment, lateness: lateness),
        ])
        settings.maxLineBytes = 4096
        settings.stagedAhead = 2
        settings.outboxes = [
            Settings.OutboxSettings(
                name: "default", path: directory + "/outbox", claimTimeout: .max, maxPending: .max, keep: .max)
        ]
        return settings
    }
}

/// Writes lines into growing files, rotates and compresses them.
///
/// Files of one source begin in the order in which they are made, strictly: so that files have the same numbers whether they are found one
/// after the other or all at once (`time.md`, Order: "later found ones follow").
struct LogFeeder {
    struct Stream {
        var source: String
        var name: String
        var isOpen = false
        var wantsRotation = false
        var generation = 0

        init(source: String, name: String) {
            self.source = source
            self.name = name
        }
    }

    let directory: String
    private(set) var streams: [Stream]
    private var firsts: [String: Instant] = [:]
    private var rest: [Int: [UInt8]] = [:]
    /// Rotated files that are not compressed yet.
    private(set) var rotated: [String] = []

    init(directory: String, streams: [Stream]) {
        self.directory = directory
        self.streams = streams
        mkdir(directory, 0o755)
    }

    private func path(_ stream: Int) -> String { directory + "/" + streams[stream].name }

    mutating func rotate(_ stream: Int) { if streams[stream].isOpen { streams[stream].wantsRotation = true } }

    /// Completes what the last call left unfinished.
    mutating func complete() {
        for (stream, bytes) in rest { Files.write(bytes, to: path(stream), flags: O_APPEND) }
        rest = [:]
    }

    /// - Parameter keeping: so many bytes of the last line are left for later.
    mutating func write(_ lines: ArraySlice<LoggedLine>, keeping: Int = 0) {
        complete()
        for (index, line) in zip(lines.indices, lines) {
            var stream = line.stream
            let source = streams[stream].source
            // A line that is no event has no time to number its file by.
            let isFirstAllowed = (firsts[source].map { line.time > $0 } ?? true) && !line.text.hasPrefix("{\"broken\"")
            if !isFirstAllowed, !streams[stream].isOpen {
                stream = streams.indices.first { streams[$0].source == source && streams[$0].isOpen } ?? stream
            }
            if streams[stream].wantsRotation, isFirstAllowed {
                streams[stream].wantsRotation = false
                streams[stream].generation += 1
                let old = path(stream) + ".\(streams[stream].generation)"
                #expect(rename(path(stream), old) == 0)
                rotated.append(old)
                streams[stream].isOpen = false
            }
            if !streams[stream].isOpen {
                streams[stream].isOpen = true
                firsts[source] = line.time
            }
            let bytes = Array((line.text + "\n").utf8)
            let kept = index == lines.endIndex - 1 ? min(keeping, bytes.count) : 0
            Files.write(Array(bytes.dropLast(kept)), to: path(stream), flags: O_APPEND)
            if kept > 0 { rest[stream] = Array(bytes.suffix(kept)) }
        }
    }

    mutating func compress(_ index: Int) { compress(index) {} }

    /// Compresses one rotated file, as logrotate does: first the copy, then the original goes.
    mutating func compress(_ index: Int, between: () throws -> Void) rethrows {
        let path = rotated.remove(at: index)
        Files.write(Files.gzip(Files.read(path) ?? []), to: path + ".gz")
        try between()
        unlink(path)
    }
}

/// The messages in an outbox's `new/`: file name to bytes.
func published(_ outbox: String) -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for name in Files.names(outbox + "/new") { result[name] = Files.read(outbox + "/new/" + name) }
    return result
}

/// Compares two outboxes, and says what differs in few words.
func compare(_ live: [String: [UInt8]], _ replay: [String: [UInt8]], _ seed: String) { expectSame(live, replay, seed) }

/// Compares two outboxes, and says what differs in few words.
func expectSame(_ live: [String: [UInt8]], _ replay: [String: [UInt8]], _ seed: String) {
    if live == replay { return }
    let missing = replay.keys.filter { live[$0] == nil }.sorted()
    let extra = live.keys.filter { replay[$0] == nil }.sorted()
    let other = live.keys.filter { key in replay[key].map { $0 != live[key] } ?? false }.sorted()
    var text =
        "\(seed): \(live.count) messages live, \(replay.count) in the replay; \(missing.count) missing, \(extra.count) extra, \(other.count) different"
    for name in missing.prefix(2) { text += "\nmissing " + String(decoding: replay[name] ?? [], as: UTF8.self) }
    for name in extra.prefix(2) { text += "\nextra " + String(decoding: live[name] ?? [], as: UTF8.self) }
    for name in other.prefix(2) {
        text += "\nlive   " + String(decoding: live[name] ?? [], as: UTF8.self)
        text += "\nreplay " + String(decoding: replay[name] ?? [], as: UTF8.self)
    }
    Issue.record(Comment(rawValue: text))
}
