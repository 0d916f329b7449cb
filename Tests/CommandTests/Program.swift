import Glibc

/// The built program, run as people run it.
struct Program {
    struct Result {
        let code: Int32
        let output: String
        let errors: String

        var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    /// Beside this test bundle, in the build directory.
    static let path: String = {
        var room = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &room, room.count - 1)
        let executable = String(decoding: room[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let beside = executable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/nudged"
        if access(beside, X_OK) == 0 { return beside }
        // The test runner may be the toolchain's own program.
        return #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/.build/debug/nudged"
    }()

    let directory: String

    init() {
        var template = Array("/tmp/nudged-commands-XXXXXX".utf8CString)
        directory = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
    }

    func remove() { _ = Self.shell("rm -rf '\(directory)'", in: "/") }

    func write(_ name: String, _ text: String) {
        guard let stream = fopen(directory + "/" + name, "w") else { return }
        fputs(text, stream)
        fclose(stream)
    }

    func read(_ name: String) -> String { Self.contents(directory + "/" + name) }

    static func contents(_ path: String) -> String {
        guard let stream = fopen(path, "r") else { return "" }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&room, 1, room.count, stream)
            if count == 0 { break }
            bytes += room[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `nudged` with arguments as a shell reads them.
    func run(_ arguments: String) -> Result { Self.shell("'\(Self.path)' \(arguments)", in: directory) }

    /// A line as the documentation shows it.
    func shell(_ line: String) -> Result {
        let parts = Self.path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        return Self.shell("PATH='\(parts)':$PATH; \(line)", in: directory)
    }

    static func shell(_ command: String, in directory: String) -> Result {
        var template = Array("/tmp/nudged-output-XXXXXX".utf8CString)
        let scratch = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
        let status = system("cd '\(directory)' && ( \(command) ) >'\(scratch)/out' 2>'\(scratch)/err' </dev/null")
        let output = contents(scratch + "/out")
        let errors = contents(scratch + "/err")
        system("rm -rf '\(scratch)'")
        return Result(code: status >> 8 & 0xFF, output: output, errors: errors)
    }
}

/// A small shop's day: what the commands look at.
struct Shop {
    let program = Program()

    static let configuration = """
        instance: test
        state: state
        outbox: outbox
        clock: log
        sources: [ { name: web, path: "logs/*.ndjson", format: segment } ]
        segments:
          buyer: profile.ever("Order Completed")
          regular: profile.count("Product Viewed", "7d") >= 2
        rules:
          welcome:
            start: Signed Up
            wait: 1h
            conversion: { event: Order Completed, within: 3d }
          vip:
            start: { event: Order Completed, where: 'event.properties.total > 100.0' }
            if: profile.member("buyer") && profile.count("Order Completed", "30d") >= 2
          reminder:
            per: cart
            start: Product Added
            cancel: Order Completed
            wait: 2h

        """

    static func line(
        _ event: String, at time: String, user: String? = nil, anonymous: String? = nil, id: String, _ properties: String = "{}"
    ) -> String {
        var who: [String] = []
        if let user { who.append("\"userId\":\"\(user)\"") }
        if let anonymous { who.append("\"anonymousId\":\"\(anonymous)\"") }
        return
            "{\"type\":\"track\",\"event\":\"\(event)\",\(who.joined(separator: ",")),\"messageId\":\"\(id)\",\"timestamp\":\"\(time)\",\"properties\":\(properties)}\n"
    }

    static let log =
        line("Product Viewed", at: "2026-03-01T09:00:00Z", anonymous: "v1", id: "e1", #"{"product_id":"tea"}"#)
        + line("Signed Up", at: "2026-03-01T10:00:00Z", user: "ada", anonymous: "v1", id: "e2")
        + line("Product Viewed", at: "2026-03-01T10:05:00Z", user: "ada", id: "e3", #"{"product_id":"tea"}"#)
        + line(
            "Product Added", at: "2026-03-01T10:10:00Z", user: "ada", id: "e4",
            #"{"product_id":"tea","price":4.5,"currency":"EUR","quantity":2}"#)
        + "{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"zelda\",\"timestamp\":\"2026-03-01T10:20:00Z\",}\n"
        + line(
            "Order Completed", at: "2026-03-01T10:30:00Z", user: "bob", id: "e5",
            #"{"total":250,"products":[{"product_id":"pot","quantity":1}]}"#)
        + "{\"type\":\"track\",\"event\":\"Signed Up\",\"timestamp\":\"2026-03-01T10:40:00Z\"}\n"
        + line("Signed Up", at: "2026-03-01T12:30:00Z", user: "cem", id: "e6")
        + line("Product Viewed", at: "2026-03-01T13:00:00Z", user: "dan", id: "e7", #"{"product_id":"tea"}"#)

    init(configuration: String = Shop.configuration, runs: Bool = true) {
        _ = program.shell("mkdir logs")
        program.write("nudged.yaml", configuration)
        program.write("logs/web.ndjson", Self.log)
        if runs { _ = run("run --once") }
    }

    func run(_ arguments: String) -> Program.Result { program.run(arguments + " -c nudged.yaml") }
}
