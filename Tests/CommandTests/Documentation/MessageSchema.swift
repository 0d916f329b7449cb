import Foundation
import Testing

/// `share/message.schema.json`, by a validator from PyPI.
enum MessageSchema {
    /// A Python that has it; nil where PyPI can't be reached.
    static let python: String? = {
        let result = Program.shell("scripts/python-with jsonschema jsonschema==4.26.0", in: Page.root)
        return result.code == 0 ? result.lines.last : nil
    }()

    private static let program = """
        import json, sys, jsonschema
        schema = json.load(open(sys.argv[1]))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        faults = [f"{e.json_path}: {e.message}" for text in json.load(sys.stdin) for e in validator.iter_errors(json.loads(text))]
        print("\\n".join(faults), end="")
        """

    /// What is wrong with these messages, each as JSON text; nil if nothing is, or nobody can say.
    static func problem(_ messages: [String]) -> String? {
        guard let python, let input = try? JSONEncoder().encode(messages) else { return nil }
        let files = Program()
        defer { files.remove() }
        files.write("validate.py", program)
        files.write("messages", String(decoding: input, as: UTF8.self))
        let result = files.shell("'\(python)' validate.py '\(Page.root)/share/message.schema.json' < messages 2>&1")
        return result.code == 0 && result.output.isEmpty ? nil : result.output
    }
}

@Suite struct MessageSchemaTests {
    static let cases = (try? FileManager.default.contentsOfDirectory(atPath: Page.root + "/Tests/Cases").sorted()) ?? []

    @Test(.enabled(if: MessageSchema.python != nil, "jsonschema can't be had from PyPI here"))
    func messagesOfAllCasesFit() {
        let messages = Self.cases.flatMap { name in
            Program.shell("'\(Program.path)' replay -c Tests/Cases/\(name)/nudged.yaml", in: Page.root).lines
        }
        #expect(messages.count > 150)
        #expect(messages.contains { $0.contains("nudged.retract") })
        #expect(MessageSchema.problem(messages) == nil)
    }

    @Test(
        .enabled(if: MessageSchema.python != nil, "jsonschema can't be had from PyPI here"),
        arguments: [
            ("\"1.0\"", "\"0.3\""), ("\"id\":\"4rc", "\"id\":\"1rc"),
            ("\"type\":\"nudged.message\"", "\"type\":\"nudged.retract\""),
            ("\"rule\":\"nudge\",", ""), ("T11:00:00.000Z", "T11:00:00Z"), ("\"data\":", "\"host\":\"a\",\"data\":"),
        ])
    func whatIsNoMessageDoesNot(part: String, wrong: String) {
        let message =
            #"{"data":{"because":["ping"],"customer":{"id":"ann"},"due_at":"2026-03-01T11:00:00.000Z","rule":"nudge","started_at":"2026-03-01T10:00:00.000Z"},"datacontenttype":"application/json","expirytime":"2026-03-08T11:00:00.000Z","id":"4rcxpsbvltp2zb46mav6aurwsjslusnn","sequence":"0000000000000001","source":"/nudged/shop","specversion":"1.0","subject":"ann","time":"2026-03-01T11:00:00.000Z","type":"nudged.message"}"#
        #expect(MessageSchema.problem([message]) == nil)
        #expect(MessageSchema.problem([message.replacing(part, with: wrong)]) != nil)
    }
}
