import Testing

/// `nudged init`, and what `nudged check` says of what it wrote.
@Suite struct StarterTests: ~Copyable {
    private let program = Program()

    deinit { program.remove() }

    /// With every shipped rule included, their templates are found where the rules are; messages carry the words.
    @Test func itsRulesFindTheirWords() {
        #expect(program.run("init nudged.yaml").code == 0)
        let all = program.read("nudged.yaml").replacing("# - /", with: "- /").replacing("/var/log/shop/events*", with: "events*")
        program.write("all.yaml", all)
        let check = program.run("check -c all.yaml")
        #expect(check.code == 0, "\(check.errors)")
        program.write(
            "events.ndjson",
            #"{"type":"track","event":"Product Added","userId":"ada","timestamp":"2026-03-01T10:00:00Z","messageId":"e1","context":{"locale":"tr-TR"},"properties":{"product_id":"tea","name":"Çay"}}"#
                + "\n")
        let replay = program.run("replay -c all.yaml --until 2026-03-04T00:00:00Z --progress none")
        #expect(replay.output.contains(#""subject":"Sepetiniz sizi bekliyor""#), "\(replay.output) \(replay.errors)")
        // Words of one's own, language by language.
        _ = program.shell("mkdir templates")
        program.write("templates/abandoned-cart.tr.mustache", "subject: Unuttunuz mu?\n\n{{#cart.items}}{{name}}{{/cart.items}}")
        let own = program.run("replay -c all.yaml --until 2026-03-04T00:00:00Z --progress none")
        #expect(own.output.contains(#""content":{"body":"Çay","content_type":"text/plain","subject":"Unuttunuz mu?"}"#))
    }

    /// Whoever tries the shipped rules on the simulated week sees what each of them does.
    @Test func everyShippedRuleComesToAVerdictInASimulatedWeek() {
        _ = program.shell("nudged simulate --output week.ndjson")
        let here = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        program.write(
            "nudged.yaml",
            "instance: shop\nstate: state\noutbox: outbox\nclock: log\nsources: { name: web, path: week.ndjson }\n"
                + "include: \(here)/share/rules/*.yaml\n")
        let replay = program.run("replay -c nudged.yaml --state replayed --progress none")
        #expect(replay.code == 0, "\(replay.errors)")
        let rules = program.shell("cd '\(here)/share/rules' && grep -l '^rules:' *.yaml | sed 's/.yaml//'").lines
        #expect(rules.count == 19)
        let decided = program.shell("sqlite3 replayed/nudged.db 'SELECT DISTINCT rule FROM decisions ORDER BY 1'").lines
        #expect(decided == rules.sorted())
    }

    @Test func aNameThatCheckWouldRefuseIsRefused() {
        let refused = program.run("init --instance 'a b'")
        #expect(refused.code == 64, "\(refused)")
        #expect(refused.errors.contains("--instance takes 1 to 64 of the characters"), "\(refused.errors)")
        #expect(program.shell("ls").output.isEmpty)
    }

    @Test(arguments: ["init -", "init new.yaml", "check -c nudged.yaml", "segments -c nudged.yaml"])
    func whatCanNotBeWrittenIsAnError(command: String) {
        program.write(
            "nudged.yaml", "instance: shop\nsources: { name: web, path: e.ndjson }\nstate: state\noutbox: outbox\nclock: log\n")
        program.write("e.ndjson", "")
        #expect(program.run("run --once -c nudged.yaml").code == 0)
        let result = program.shell("nudged \(command) > /dev/full")
        #expect(result.code == 73, "\(result)")
        #expect(result.errors.contains("standard output can't be written (No space left on device)"), "\(result.errors)")
    }

    @Test func missingAndBrokenTemplatesAreShownWithTheirPlace() {
        program.write(
            "nudged.yaml",
            """
            instance: shop
            sources: [{ name: web, path: web.ndjson }]
            rules:
              thanks:
                start: Order Completed
                template: thanks
            """)
        let missing = program.run("check -c nudged.yaml")
        #expect(missing.code == 78)
        #expect(missing.errors.contains("nudged.yaml:6:15: error: there is no template \"thanks\" in "), "\(missing.errors)")
        #expect(missing.errors.contains("        template: thanks\n                  ^\n"), "\(missing.errors)")
        _ = program.shell("mkdir templates")
        program.write("templates/thanks.en.mustache", "subject: Thanks\n\nDear {{#customer}}{{id}},\n")
        let broken = program.run("check -c nudged.yaml")
        #expect(broken.code == 78)
        #expect(
            broken.errors.contains("templates/thanks.en.mustache:3:6: error: this section is never ended\n"), "\(broken.errors)")
    }
}
