import Foundation
import Testing

/// Messages are CloudEvents: what the cases send validates against the specification's JSON Schema, by python3's jsonschema.
@Suite struct MessageSchemaTests {
    static let schema =
        (ProcessInfo.processInfo.environment["NUDGED_DATA"] ?? Case.root + "/../shared/data") + "/cloudevents/cloudevents.json"

    private static func python(_ script: String, _ arguments: [String], input: String) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-W", "ignore", "-c", script] + arguments
        let stdin = Pipe()
        let stdout = Pipe()
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stdout
        try process.run()
        try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try stdin.fileHandleForWriting.close()
        let output = String(decoding: stdout.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    static let canValidate: Bool = {
        guard FileManager.default.isReadableFile(atPath: schema) else { return false }
        return (try? python("import jsonschema", [], input: "").status) == 0
    }()

    @Test(
        .enabled(
            if: canValidate, "needs cloudevents/cloudevents.json in ../shared/data or NUDGED_DATA, and python3 with jsonschema"))
    func messagesAreCloudEvents() throws {
        var messages: [String] = []
        for name in Case.names where name.hasPrefix("format-") || name.hasPrefix("rule-") {
            messages += try Case(name: name).replay(keepsState: false).messages
        }
        #expect(messages.count > 20)
        let script = """
            import json, sys, jsonschema
            validator = jsonschema.Draft7Validator(json.load(open(sys.argv[1])), format_checker=jsonschema.FormatChecker())
            faults = [f"{line}: {error.message}" for line in sys.stdin if line.strip() for error in validator.iter_errors(json.loads(line))]
            print("\\n".join(faults), end="")
            """
        let (status, output) = try Self.python(script, [Self.schema], input: messages.joined(separator: "\n") + "\n")
        #expect(status == 0 && output == "")
    }
}
