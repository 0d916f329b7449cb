import Engine
import Glibc
import Testing

@testable import Storage

/// The built program, run as a process of its own.
struct Program {
    static let path: String = {
        var candidates: [String] = []
        for argument in CommandLine.arguments where argument.contains(".xctest") {
            candidates.append(String(argument[..<(argument.lastIndex(of: "/") ?? argument.startIndex)]) + "/nudged")
        }
        var room = [UInt8](repeating: 0, count: 4096)
        let count = room.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink("/proc/self/exe", $0.assumingMemoryBound(to: CChar.self), 4096) } ?? 0
        }
        if count > 0 {
            let own = String(decoding: room[..<count], as: UTF8.self)
            candidates.append(String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)]) + "/nudged")
        }
        candidates.append(root + "/.build/debug/nudged")
        return candidates.first { access($0, X_OK) == 0 } ?? "nudged"
    }()

    static let root: String = String(
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/"))

    /// Where another program is, or nil.
    static func find(_ name: String) -> String? {
        ["/usr/bin/", "/bin/", "/usr/local/bin/"].map { $0 + name }.first { access($0, X_OK) == 0 }
    }

    let process: pid_t
    let output: String
    let errors: String

    /// Starts `nudged` with the arguments, or another program.
    init(_ arguments: [String], program: String = path, in directory: String, name: String = "run") {
        output = "\(directory)/\(name).out"
        errors = "\(directory)/\(name).err"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The program must get its signals whatever the test process blocks.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var pid: pid_t = 0
        let words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { (text: String) in strdup(text) }
        let environment: [UnsafeMutablePointer<CChar>?] = ["PATH=/usr/bin:/bin", "SWIFT_BACKTRACE=enable=no", "LC_ALL=C"].map {
            (text: String) in strdup(text)
        }
        defer { for word in words + environment { free(word) } }
        let code = posix_spawn(&pid, program, &actions, &attributes, words + [nil], environment + [nil])
        if code != 0 { Issue.record("\(program) can't be started: \(String(cString: strerror(code)))") }
        process = code == 0 ? pid : -1
    }

    func send(_ signal: Int32) { if process > 0 { kill(process, signal) } }

    /// Exit code, or minus the signal.
    func wait() -> Int32 {
        guard process > 0 else { return -1000 }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 { if errno != EINTR { return -1000 } }
        return Self.code(status)
    }

    /// Exit code once it has ended, nil if it runs on.
    func poll() -> Int32? {
        guard process > 0 else { return -1000 }
        var status: Int32 = 0
        return waitpid(process, &status, WNOHANG) == process ? Self.code(status) : nil
    }

    private static func code(_ status: Int32) -> Int32 { status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F) }

    static func run(_ arguments: [String], program: String = path, in directory: String, name: String = "run") -> Int32 {
        Program(arguments, program: program, in: directory, name: name).wait()
    }

    var said: String { Files.text(errors) }
}

/// Waits for something to become visible, a minute at most.
func eventually(_ what: String, _ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<6000 {
        if try condition() { return true }
        usleep(10_000)
    }
    Issue.record("\(what): not within a minute")
    return false
}

/// A sender that claims, finishes and deletes at random, and remembers what it saw.
struct SimulatedSender {
    let outbox: String
    private(set) var seen: [String: [UInt8]] = [:]
    private(set) var faults: [String] = []

    init(outbox: String) { self.outbox = outbox }

    /// Claims some of what is new. Each file must be whole, and new to us.
    mutating func work(_ random: inout SeededNumbers, share: Int) {
        for name in Files.names(outbox + "/new") where random.chance(share) {
            guard rename("\(outbox)/new/\(name)", "\(outbox)/cur/\(name)") == 0 else { continue }
            take(name, from: "\(outbox)/cur/\(name)")
            if random.chance(50) {
                #expect(rename("\(outbox)/cur/\(name)", "\(outbox)/done/\(name)") == 0)
                if random.chance(50) { unlink("\(outbox)/done/\(name)") }
            } else {
                unlink("\(outbox)/cur/\(name)")
            }
        }
    }

    private mutating func take(_ name: String, from path: String) {
        let bytes = Files.read(path) ?? []
        if bytes.last != 0x0A || bytes.first != UInt8(ascii: "{") || JSONText.pack(Array(bytes.dropLast())) == nil {
            faults.append("half: \(name)")
        }
        if seen[name] != nil { faults.append("twice: \(name)") }
        seen[name] = bytes
    }

    /// Everything that is there, at the end.
    mutating func finish() {
        for name in Files.names(outbox + "/new") { take(name, from: "\(outbox)/new/\(name)") }
    }
}

/// A shop with a configuration, logs being written, and the program run on them.
struct LiveShop {
    let scratch: Scratch
    var path: String { scratch.path }
    var configuration: String { path + "/nudged.yaml" }
    var outbox: String { path + "/outbox" }
    var state: String { path + "/state" }

    init(onDisk: Bool = false, extra: String = "", rules: String = ShopLog.rules) {
        scratch = Scratch(onDisk: onDisk)
        mkdir(scratch.path + "/logs", 0o755)
        Files.write(ShopLog.configuration(in: scratch.path, extra: extra, rules: rules), to: configuration)
    }

    func start(_ arguments: [String] = []) -> Program { Program(["run", "--config", configuration] + arguments, in: path) }

    func drain() -> Int32 { Program.run(["run", "--config", configuration, "--once", "--drain"], in: path) }

    /// One replay of all the logs, as file name to bytes.
    func replay(_ extra: [String] = []) -> [String: [UInt8]] {
        Files.removeTree(path + "/replayed")
        let code = Program.run(
            ["replay", "--config", configuration, "--progress", "none", "--outbox", path + "/replayed"] + extra, in: path,
            name: "replay")
        #expect(code == 0, "\(Files.text(path + "/replay.err"))")
        return published(path + "/replayed")
    }

    /// The database is whole, nothing waits, and every message was published.
    func checkState(_ what: String) throws {
        let store = try Store.reader(directory: state)
        #expect(try store.database.text("PRAGMA integrity_check") == "ok", "\(what)")
        #expect(try store.integer("SELECT count(*) FROM message WHERE state <> 'published'") == 0, "\(what)")
        #expect(try store.integer("SELECT count(*) FROM waiting") == 0, "\(what)")
        #expect(Files.names(outbox + "/tmp").isEmpty, "\(what)")
    }
}
