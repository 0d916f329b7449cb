import Foundation
import Testing

/// Does what a page says, block by block, in a directory of its own.
///
/// Directory and exported variables carry over from one block to the next, as they do for a reader. `NUDGED_CONFIG` names the
/// directory's `nudged.yaml`, as on a machine where that is the one configuration.
struct PageRun {
    static let formats = ["segment", "cloudevents", "stripe", "revenuecat", "shopify"]
    /// Pages whose `cel` blocks other suites evaluate.
    static let celPages = ["docs/cel.md", "docs/writing-rules.md"]

    private let page: Page
    /// Where the reader begins.
    private let here: Program
    /// The test's own files.
    private let program = Program()
    /// What a page about the sample shop writes for an id, and the id.
    private var sample: [(String, String)] = []

    init(_ page: Page) {
        self.page = page
        let shop = page.text.contains("<!-- sample shop -->") ? Shop() : nil
        here = shop?.program ?? Program()
        program.write("surroundings", "cd '\(here.directory)'\nexport NUDGED_CONFIG='\(here.directory)/nudged.yaml'\n")
        guard let shop else { return }
        let id = shop.run("outbox list --rule welcome --json").output.firstMatch(of: /"id":"([a-z2-7]+)"/)?.1 ?? ""
        let rows = shop.run("deadletters --reason bad_json --csv").output.split(whereSeparator: \.isNewline)
        let number = rows.dropFirst().first?.prefix { $0 != "," } ?? ""
        sample = [("MESSAGE", String(id)), ("NUMBER", String(number))]
        // A sender has given it up.
        _ = here.shell("mv outbox/new/*-\(id).json outbox/failed/")
    }

    func remove() {
        here.remove()
        program.remove()
    }

    func run() {
        for block in page.blocks {
            let place = "\(page.name):\(block.line)"
            if let problem = problem(block) { Issue.record("\(place): \(problem)") }
        }
    }

    /// What is wrong with a block; nil if nothing is.
    private func problem(_ block: Page.Block) -> String? {
        if let file = block.file, !["sh", "console"].contains(block.language) {
            if let failure = write(block.text, to: file) { return failure }
        }
        switch block.language {
        case "sh": return block.file.map { problem(block, in: $0) } ?? shell(block.text)
        case "console": return console(block)
        case "yaml": return yaml(block)
        case "ndjson": return log(block)
        case "json": return block.words.contains("message") ? MessageSchema.problem([block.text]) : json(block.text)
        case "sql": return sql(block)
        case "python": return python(block)
        case "toml", "ini", "mustache": return foreign(block)
        case "cel": return Self.celPages.contains(page.name) ? nil : "no suite evaluates the expressions of this page"
        case "text":
            return block.text.contains(/(?m)^\s*(\$ |nudged [a-z])/) ? "a command is not text: make it `sh` or `console`" : nil
        default: return "there is no convention for ```\(block.language): see docs/README.md"
        }
    }

    /// What the package installs is in the checkout here.
    private func localised(_ text: String) -> String {
        var text = text.replacing("/usr/share/nudged/", with: Page.root + "/share/")
            .replacing("/usr/lib/nudged/senders/", with: Page.root + "/scripts/senders/")
        for (name, value) in sample { text = text.replacing(name, with: value) }
        return text
    }

    private func execute(_ commands: String, stopping: Bool = true) -> Program.Result {
        program.write(
            "block",
            """
            . '\(program.directory)/surroundings'
            trap '{ echo "cd \\"$PWD\\""; export -p; } > "\(program.directory)/surroundings"' EXIT
            \(stopping ? "set -e" : "")
            \(localised(commands))
            """)
        return program.shell("bash block 2>&1")
    }

    private func shell(_ commands: String) -> String? {
        let result = execute(commands)
        return result.code == 0 ? nil : "exit \(result.code)\n\(result.output)"
    }

    /// Where the reader is.
    private func write(_ text: String, to file: String) -> String? {
        program.write("content", localised(text))
        return shell("mkdir -p \"$(dirname '\(file)')\" && cp '\(program.directory)/content' '\(file)'")
    }

    /// The lines stand in a script that runs them where they can be run.
    private func problem(_ block: Page.Block, in script: String) -> String? {
        func words(_ line: String) -> String { line.split(separator: " ").joined(separator: " ") }
        let text = words(Program.contents(Page.root + "/" + script).replacing("\n", with: " "))
        let missing = block.lines.map { words(String($0.prefix { $0 != "#" })) }.filter { !$0.isEmpty && !text.contains($0) }
        return missing.isEmpty ? nil : "not in \(script): \(missing.joined(separator: " ¦ "))"
    }

    private func console(_ block: Page.Block) -> String? {
        var steps: [(command: String, shown: [String])] = []
        for line in block.lines {
            if line.hasPrefix("$ ") {
                steps.append((String(line.dropFirst(2)), []))
            } else if steps.isEmpty {
                return "begins without a command"
            } else if line.hasPrefix("> "), steps[steps.count - 1].shown.isEmpty {
                steps[steps.count - 1].command += "\n" + line.dropFirst(2)
            } else {
                steps[steps.count - 1].shown.append(line)
            }
        }
        for step in steps {
            let result = execute(step.command, stopping: false)
            guard result.code == 0 else { return "\(step.command): exit \(result.code)\n\(result.output)" }
            let found = result.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            if !Shown.matches(step.shown.dropLast(while: { $0.isEmpty }), found.dropLast(while: { $0.isEmpty })) {
                return "\(step.command) printed\n\(result.output)"
            }
        }
        return nil
    }

    private func yaml(_ block: Page.Block) -> String? {
        // Rules of Prometheus: `alertsAreRulesOfPrometheus`.
        if block.text.hasPrefix("- alert:") { return nil }
        if let file = block.file {
            // A part of a configuration is checked by the commands of its page.
            return block.text.contains("instance:") ? shell("nudged check -c '\(file)'") : nil
        }
        var text = block.text
        if !text.contains("instance:") { text += "\ninstance: shop\n" }
        if !text.contains("sources:") { text += "\nsources: [{ name: shop, path: events.ndjson }]\n" }
        if let failure = write(text, to: ".fragment.yaml") { return failure }
        let result = execute("nudged check -c .fragment.yaml > /dev/null")
        return result.code == 0 && result.output.isEmpty ? nil : result.output
    }

    private func log(_ block: Page.Block) -> String? {
        if block.words.contains("messages") { return MessageSchema.problem(block.lines) }
        var source = "log"
        if let named = block.words.first(where: { $0.hasPrefix("source=") }) {
            source = String(named.dropFirst(7))
            program.write("sample.yaml", execute("cat nudged.yaml").output)
        } else {
            let format = block.words.first { Self.formats.contains($0) } ?? "segment"
            program.write("sample.yaml", "instance: test\nsources: [{ name: log, path: x, format: \(format) }]\n")
        }
        program.write("sample.ndjson", block.text)
        let result = program.shell("nudged check -c sample.yaml --sample sample.ndjson --source \(source)")
        return result.output.contains("dead letters none") ? nil : result.output + result.errors
    }

    private func json(_ text: String) -> String? {
        do {
            _ = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
            return nil
        } catch { return "not JSON: \(text)" }
    }

    private func sql(_ block: Page.Block) -> String? {
        if block.words.contains("postgresql") { return nil }
        if let failure = write(block.text, to: ".query") { return failure }
        let result = execute("sqlite3 -readonly -bail state/nudged.db < .query")
        guard result.code == 0 else { return result.output }
        return result.output.isEmpty && !block.words.contains("empty") ? "no rows" : nil
    }

    private func python(_ block: Page.Block) -> String? {
        if let file = block.file { return shell("python3 -m py_compile '\(file)'") }
        return write(block.text, to: ".block.py") ?? shell("python3 .block.py")
    }

    private func foreign(_ block: Page.Block) -> String? {
        guard let file = block.file else { return "name the file that this is, behind the fence" }
        switch block.language {
        case "toml": return shell("python3 -c 'import sys, tomllib; tomllib.load(open(sys.argv[1], \"rb\"))' '\(file)'")
        default: return nil
        }
    }
}

extension Array {
    fileprivate func dropLast(while predicate: (Element) -> Bool) -> [Element] {
        var copy = self
        while let last = copy.last, predicate(last) { copy.removeLast() }
        return copy
    }
}
