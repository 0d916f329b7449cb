import Configuration
import Engine
import Glibc
import Ingest
import Pipeline
import Testing

/// What is written for people who write rules is run: the examples in the shipped files load, every expression of the page has the value
/// that stands beside it. (Every block of the documentation is run by `CommandTests`.)
@Suite struct DocumentationTests {
    struct Block: Sendable, CustomTestStringConvertible {
        let kind: String
        let text: String
        let place: String
        var testDescription: String { place }
    }

    /// The fenced blocks of a page, each with the words behind its opening fence.
    static func blocks(_ page: String) -> [Block] {
        var blocks: [Block] = []
        var open: (kind: String, line: Int, text: String)?
        let lines = (Case.text(Case.root + "/" + page) ?? "").split(separator: "\n", omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            if let block = open {
                if line == "```" {
                    blocks.append(Block(kind: block.kind, text: block.text, place: "\(page):\(block.line)"))
                    open = nil
                } else {
                    open?.text += line + "\n"
                }
            } else if line.hasPrefix("```") {
                open = (String(line.dropFirst(3)), number + 2, "")
            }
        }
        return blocks
    }

    static let writing = blocks("docs/writing-rules.md")

    static var shipped: [String] {
        guard let directory = opendir(Case.root + "/share/rules") else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(".yaml") { names.append(String(name.dropLast(5))) }
        }
        return names.sorted()
    }

    /// The examples in the comments at the head of the shipped files: indented lines, laid over the file itself.
    static let comments: [Block] = shipped.compactMap { name in
        var text = ""
        for line in (Case.text(Case.root + "/share/rules/\(name).yaml") ?? "").split(separator: "\n") where line.hasPrefix("#   ")
        {
            text += line.dropFirst(4) + "\n"
        }
        return text.isEmpty
            ? nil
            : Block(
                kind: "yaml", text: "include: [/usr/share/nudged/rules/\(name).yaml]\n" + text, place: "share/rules/\(name).yaml")
    }

    /// Loads and compiles a text; what is missing to be a whole configuration is added.
    static func compile(_ text: String, in directory: TemporaryDirectory) throws -> (
        configuration: Configuration?, rules: RuleSet?, issues: [String]
    ) {
        var text = text.replacing("/usr/share/nudged/", with: Case.root + "/share/")
        if !text.contains("instance:") { text += "\ninstance: shop\n" }
        if !text.contains("sources:") { text += "\nsources: [{ name: shop, path: events.ndjson }]\n" }
        let path = directory.path + "/nudged.yaml"
        try Case.write(text, to: path)
        let (configuration, issues) = Configuration.load(path: path, environment: [:])
        let found = issues.map { "\($0.position.line):\($0.position.column): \($0.message)" }
        guard let configuration else { return (nil, nil, found) }
        let zones = ZoneDatabase()
        let compiled = RuleSet.compile(configuration.definitions) { zones.zone($0) }
        return (
            configuration, compiled.rules,
            found + compiled.issues.map { "\($0.position.line):\($0.position.column): \($0.message)" }
        )
    }

    @Test func thereAreExamples() {
        #expect(Self.expressions.count >= 70)
        #expect(Self.comments.count >= 18)
    }

    @Test(arguments: comments) func configurationsCompileWithoutIssue(block: Block) throws {
        let (_, rules, issues) = try Self.compile(block.text, in: TemporaryDirectory())
        #expect(issues == [])
        #expect(rules != nil)
    }

    @Test(arguments: shipped) func shippedRulesHaveACaseAndASection(name: String) throws {
        guard name != "segments" else { return }
        #expect(Case.names.contains("rule-" + name))
        let page = try #require(Case.text(Case.root + "/docs/rules.md"))
        #expect(page.contains(": `\(name)`\n"))
        #expect(page.contains("include: [/usr/share/nudged/rules/\(name).yaml]"))
    }

    static func replay(_ configuration: String, _ log: String, in directory: TemporaryDirectory, until: Instant?) throws
        -> [String]
    {
        try Case.write(log, to: directory.path + "/events.ndjson")
        let (_, rules, issues) = try compile(configuration, in: directory)
        guard let rules else { throw Case.Failure(description: "\(issues)") }
        var messages: [String] = []
        var pipeline = try Pipeline(
            settings: Settings(sources: [
                LogSource(name: "shop", patterns: [directory.path + "/events.ndjson"], format: .segment, lateness: 10_000)
            ]),
            rules: rules, store: nil, destination: .lines { messages.append(String(decoding: $0.dropLast(), as: UTF8.self)) })
        pipeline.scan()
        while !pipeline.isCaughtUp { try pipeline.step(wallNow: nil, until: until) }
        try pipeline.finish(until: until, wallNow: nil)
        return messages
    }

    static let expressions: [String] = writing.filter { $0.kind == "cel" }.flatMap { block in
        block.text.split(separator: "\n").map(String.init)
    }

    /// Each line of a `cel` block is `expression => value as JSON`, or `absent` where a message leaves the field out.
    @Test(arguments: expressions) func expressionsHaveTheirValue(line: String) throws {
        let parts = line.split(separator: " => ", maxSplits: 1).map { String($0).trimmed }
        try #require(parts.count == 2)
        let (expression, value) = (parts[0], parts[1])
        let log = try #require(Self.writing.first { $0.kind == "ndjson history" }).text
        let configuration = """
            segments:
              regular: profile.count("Page Viewed") >= 3
            rules:
              asked:
                start: Asked
                data:
                  value: |
                    \(expression)
            """
        let messages = try Self.replay(configuration, log, in: TemporaryDirectory(), until: nil)
        let message = try #require(messages.first)
        let packed = try #require(JSONText.pack(Array(message.utf8)))
        let found = JSONView(bytes: packed, offset: 0)["data"]?["value"].map { CanonicalJSON($0).text } ?? "absent"
        let expected =
            value == "absent"
            ? "absent" : try #require(JSONText.pack(Array(value.utf8)).map { CanonicalJSON(JSONView(bytes: $0, offset: 0)).text })
        #expect(found == expected)
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
