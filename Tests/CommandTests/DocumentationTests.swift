import Foundation
import Testing

/// Everything that the documentation shows in a block is done as it stands there; `docs/README.md` says how.
@Suite struct DocumentationTests {
    @Test("what a page shows works", arguments: Page.all) func everyBlockHolds(page: Page) {
        let run = PageRun(page)
        defer { run.remove() }
        run.run()
        #expect(page.strays == [], "code outside of a block, or a block that isn't closed, in these lines")
    }

    @Test func thereAreBlocks() {
        #expect(Page.all.count > 15)
        #expect(Page.all.flatMap(\.blocks).count > 150)
    }

    /// Commands in the middle of a sentence exist, with their options.
    @Test("commands in the text exist", arguments: Page.all) func inlineCommandsExist(page: Page) {
        var helps: [String: String] = [:]
        for match in page.prose.joined(separator: "\n").matches(of: /`nudged ([a-z]+)([^`]*)`/) {
            let name = String(match.1)
            let help = helps[name] ?? Program.shell("'\(Program.path)' help \(name) 2>&1", in: "/").output
            helps[name] = help
            #expect(help.contains("USAGE: nudged \(name)"), "\(page.name): there is no `nudged \(name)`")
            for option in match.2.matches(of: /(?:^|[ \[])(--[a-z-]+)/) {
                #expect(help.contains(option.1), "\(page.name): `nudged \(name)` has no \(option.1)")
            }
        }
    }

    /// Prometheus' own tool reads every alert of the documentation.
    @Test(.enabled(if: Self.promtool != nil, "promtool can't be had here")) func alertsAreRulesOfPrometheus() throws {
        let alerts = Page.all.flatMap(\.blocks).filter { $0.language == "yaml" && $0.text.hasPrefix("- alert:") }
        #expect(alerts.count > 20)
        let program = Program()
        defer { program.remove() }
        let rules = alerts.map { $0.text.replacing(/(?m)^/, with: "    ") }.joined(separator: "\n")
        program.write("rules.yaml", "groups:\n- name: nudged\n  rules:\n\(rules)\n")
        let result = program.shell("'\(try #require(Self.promtool))' check rules rules.yaml")
        #expect(result.code == 0, "\(result.output)\(result.errors)")
    }

    private static let promtool: String? = {
        let result = Program.shell("scripts/promtool", in: Page.root)
        return result.code == 0 ? result.lines.first : nil
    }()

    /// What would make the documentation untrue is found.
    @Test(
        "a page that is wrong fails",
        arguments: [
            "```sh\nfalse\n```", "```sh\nnudged chekc\n```", "```sh scripts/service-test\nsystemctl eat nudged\n```",
            "```console\n$ echo a b\na …c\n```", "```console\n$ printf 'a\\nb\\n'\na\n```", "```console\n$ false\n```",
            "```yaml\nrules: { r: { strat: Page Viewed } }\n```", "```yaml other.yaml\ninstance: 1, 2\n```",
            "```toml a.toml\na: 1\n```", "```ndjson\n{\"a\":1}\n```",
            "```json\n{a: 1}\n```", "```sql\nSELECT 1 FROM nothing;\n```", "```python\n1 +\n```",
            "```python\nraise ValueError\n```",
            "```text\nnudged check\n```", "```cel\n1 => 1\n```", "```fortran\n```", "```\nnothing\n```", "    nudged check",
            "```sh\n",
        ])
    func aWrongPageFails(text: String) {
        let page = Page("wrong.md", text: text + "\n")
        let run = PageRun(page)
        defer { run.remove() }
        withKnownIssue {
            run.run()
            #expect(page.strays == [])
        }
    }

    @Test func shownOutputMayVary() {
        #expect(Shown.matches(["a … c"], ["a b c"]))
        #expect(Shown.matches(["a", "…", "c"], ["a", "c"]))
        #expect(Shown.matches(["a", "…", "c"], ["a", "b", "b", "c"]))
        #expect(!Shown.matches(["a", "…", "c"], ["a", "b"]))
        #expect(!Shown.matches(["a … c"], ["a b d"]))
        #expect(!Shown.matches(["a"], ["a", "b"]))
    }
}
