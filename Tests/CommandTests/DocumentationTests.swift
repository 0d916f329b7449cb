import Testing

/// Every `nudged` line that `docs/operating.md` shows from "Looking at the state" on works.
@Suite struct DocumentationTests {
    private static let lines: [String] = {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        let text = Program.contents(root + "/docs/operating.md")
        var isCode = false
        var lines: [String] = []
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix("```") { isCode = line == "```sh" } else if isCode, line.hasPrefix("nudged ") { lines.append(line) }
        }
        return lines
    }()

    @Test func everyShownCommandWorks() {
        #expect(Self.lines.count > 15)
        let shop = Shop()
        defer { shop.program.remove() }
        shop.program.write("other.yaml", Shop.configuration.replacing("wait: 1h", with: "wait: 2h"))
        let row = shop.run("outbox list --rule welcome --json").output
        let message = row.split(separator: "\"id\":\"")[1].prefix { $0 != "\"" }
        let letters = shop.run("deadletters --reason bad_json --csv").output.split(whereSeparator: \.isNewline)
        let number = letters[1].split(separator: ",")[0]
        for line in Self.lines {
            if line.contains("requeue") { _ = shop.program.shell("mv outbox/new/*-\(message).json outbox/failed/") }
            let command = line.replacing("MESSAGE", with: String(message)).replacing("NUMBER", with: String(number))
            let result = shop.program.shell(command + " -c nudged.yaml")
            #expect(result.code == 0, "\(line)\n\(result.errors)")
        }
    }
}
