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
