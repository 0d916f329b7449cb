import Configuration
import Engine
import Glibc
import Testing

@Suite struct IncludeTests {
    private func load(_ files: [String: String]) throws -> (configuration: Configuration?, issues: [String], folder: Folder) {
        let folder = try Folder()
        for (name, text) in files.sorted(by: { $0.key < $1.key }) { try folder.write(name, text) }
        let path = folder.path + "/main.yaml"
        let (configuration, issues) = Configuration.load(path: path, environment: ["DIR": "rules"])
        return (configuration, written(issues, main: path).map { $0.replacing(folder.path, with: "") }, folder)
    }

    @Test func rulesAreOverriddenFieldByField() throws {
        let (configuration, issues, folder) = try load([
            "main.yaml": head + "include: [\"${DIR}/*.yaml\"]\nrules:\n  a: { wait: 2h, data: { y: 2 } }\n  own: { start: O }\n",
            "rules/1.yaml": "rules:\n  a: { start: A, wait: 1h, if: x, data: { x: 1 } }\n  b: { start: B }\n",
            "rules/2.yaml": "include: sub/*.yaml\nsegments: { s: x }\n",
            "rules/sub/3.yaml": "calendars: { c: { default: 2026-01-01 } }\nsegments: { t: y }\n",
        ])
        #expect(issues == [])
        let definitions = try #require(configuration?.definitions)
        #expect(definitions.rules.map(\.name.value) == ["a", "b", "own"])
        let rule = definitions.rules[0]
        #expect(rule.wait == 7_200_000)
        #expect(rule.start.count == 1)
        #expect(rule.data.map(\.key.value) == ["y"])
        #expect(rule.condition?.position == Position(file: folder.path + "/rules/1.yaml", line: 2, column: 32))
        #expect(rule.name.position.file == folder.path + "/main.yaml")
        #expect(definitions.segments.map(\.name.value) == ["t", "s"])
        #expect(definitions.calendars.map(\.name.value) == ["c"])
        #expect(
            configuration?.files.map { $0.replacing(folder.path, with: "") } == [
                "/main.yaml", "/rules/1.yaml", "/rules/2.yaml", "/rules/sub/3.yaml",
            ])
    }

    @Test func segmentsAndCalendarsAreReplacedWhole() throws {
        let (configuration, issues, _) = try load([
            "main.yaml": head + "include: a.yaml\nsegments: { s: new }\ncalendars: { c: { GB: 2026-01-02 } }\n",
            "a.yaml": "segments: { s: old }\ncalendars: { c: { TR: 2026-01-01 } }\n",
        ])
        #expect(issues == [])
        #expect(configuration?.definitions.segments.map(\.condition.value) == ["new"])
        #expect(configuration?.definitions.calendars.first?.days == ["GB": [Civil.days(year: 2026, month: 1, day: 2)]])
    }

    @Test func errorsOfIncludedFilesNameThem() throws {
        let (_, issues, _) = try load([
            "main.yaml": head + "include: [a.yaml, b.yaml, none.yaml, none*.yaml]\nrules: { r: { wait: x } }\n",
            "a.yaml": "rules: { r: { start: A, wait: y, cooldown: z } }\nsources: []\n",
            "b.yaml": "rules: { r: { start: [ }\n",
        ])
        #expect(
            issues == [
                "3:27 /none.yaml can't be read: there is no such file",
                "?3:38 no file matches /none*.yaml",
                "4:21 `wait` is a duration, not \"x\" | Write for example 90s, 15m, 48h, 7d, 2w or 1d12h.",
                "a.yaml 1:44 `cooldown` is a duration, not \"z\" | Write for example 90s, 15m, 48h, 7d, 2w or 1d12h.",
                "a.yaml 2:1 `sources` belongs into the main file; an included file holds rules, segments, calendars and include",
                "b.yaml 1:24 this is not YAML: did not find expected node content (while parsing a flow node)",
            ])
    }

    @Test func namesThatABrokenFileMayDeclareAreNotMissed() throws {
        let (_, issues, _) = try load([
            "main.yaml": head + "include: a.yaml\nrules: { r: { wait: 1h }, s: { start: { enters: t } } }\nsegments: { u: }\n",
            "a.yaml": "rules: [",
        ])
        #expect(issues.count == 2)
        #expect(issues.first == "5:13 the segment \"u\" has no condition")
    }

    @Test func circlesAreErrors() throws {
        let (_, issues, _) = try load([
            "main.yaml": head + "include: a.yaml\n", "a.yaml": "include: b.yaml\n",
            "b.yaml": "rules: { r: { start: A } }\ninclude: ['a.yaml']\n",
        ])
        #expect(issues == ["b.yaml 2:11 this file includes itself: a.yaml → b.yaml → a.yaml | Remove one of the includes."])
        let (_, own, _) = try load(["main.yaml": head + "include: '*.yaml'\n"])
        #expect(own == ["3:10 this file includes itself: main.yaml → main.yaml | Remove one of the includes."])
    }

    @Test func oneFileReachedTwiceIsOne() throws {
        let (configuration, issues, _) = try load([
            "main.yaml": head + "include: [a.yaml, b.yaml, c.yaml, ./c.yaml]\n", "a.yaml": "include: c.yaml\n",
            "b.yaml": "include: c.yaml\n",
            "c.yaml": "rules: { r: { start: A } }\n",
        ])
        #expect(issues == [])
        #expect(configuration?.definitions.rules.count == 1)
    }

    @Test func neighboursCannotDeclareOneName() throws {
        let (_, issues, _) = try load([
            "main.yaml": head + "include: [a.yaml, b.yaml]\n", "a.yaml": "rules: { r: { start: A } }\n",
            "b.yaml": "rules: { r: { start: B } }\n",
        ])
        #expect(
            issues == [
                "b.yaml 1:10 the rule \"r\" is declared twice; the first is in /a.yaml, line 1 | Only the file that includes it can override a declaration."
            ])
    }

    @Test func overrideOfAnUnknownRuleGuesses() throws {
        let (_, issues, _) = try load([
            "main.yaml": head + "include: a.yaml\nrules: { abandoned-carts: { wait: 1h } }\n",
            "a.yaml": "rules: { abandoned-cart: { start: A } }\n",
        ])
        #expect(issues == ["4:10 the rule \"abandoned-carts\" has no `start` | Did you mean the included rule `abandoned-cart`?"])
    }
}
