import Foundation

/// Runs programs to their end.
enum Program {
    struct Outcome {
        var status: Int32
        var output: String
        var error: String

        var lines: [Substring] { output.split(separator: "\n") }
    }

    static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
    /// The daemon that this build made.
    static let nudged = root + "/.build/debug/nudged"

    /// Runs a program found by its path, or by its name.
    @discardableResult
    static func run(
        _ arguments: String..., input: String? = nil, environment: [String: String] = [:], in directory: String = root
    ) throws -> Outcome {
        try run(arguments, input: input, environment: environment, in: directory)
    }

    static func run(
        _ arguments: [String], input: String? = nil, environment: [String: String] = [:], in directory: String = root
    ) throws -> Outcome {
        let scratch = try Scratch()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        var inherited = ProcessInfo.processInfo.environment
        inherited["PATH"] = (inherited["PATH"] ?? "/usr/bin:/bin") + ":/usr/sbin:/sbin"
        inherited["SWIFT_BACKTRACE"] = "enable=no"
        process.environment = inherited.merging(environment) { $1 }
        // Files, not pipes: nothing blocks, however much is written.
        try scratch.write("", to: "output")
        try scratch.write("", to: "error")
        try scratch.write(input ?? "", to: "input")
        process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: scratch.path + "/input"))
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: scratch.path + "/output"))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: scratch.path + "/error"))
        try process.run()
        process.waitUntilExit()
        return Outcome(status: process.terminationStatus, output: try scratch.text("output"), error: try scratch.text("error"))
    }

    /// Whether the command is there, installed now if need be.
    static func has(_ command: String, package: String) -> Bool {
        (try? run(root + "/scripts/need", command, package).status == 0) ?? false
    }
}

/// A directory that vanishes with the value.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/nudged-service-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String) throws {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: file).deletingLastPathComponent().path, withIntermediateDirectories: true)
        try text.write(toFile: file, atomically: false, encoding: .utf8)
    }

    func append(_ text: String, to name: String) throws {
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path + "/" + name))
        defer { try? handle.close() }
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(text.utf8))
    }

    func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)), as: UTF8.self)
    }

    func names(_ directory: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path + "/" + directory)) ?? []).sorted()
    }
}
