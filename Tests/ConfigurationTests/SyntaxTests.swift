import Configuration
import Engine
import Glibc
import Testing

/// What is no YAML, and what is YAML only to do harm.
@Suite struct SyntaxTests {
    @Test(arguments: [
        ("", "1:1 the file is empty"),
        ("# nothing\n", "1:1 the file is empty"),
        ("a\n", "1:1 a configuration is a mapping, but this is a single value"),
        ("a: 1\n\tb: 2\n", "2:1 this is not YAML: found a tab character that violates indentation"),
        ("a:\n\tb: 2\n", "2:1 this is not YAML: found character that cannot start any token"),
        ("a: b: c\n", "1:5 this is not YAML: mapping values are not allowed in this context"),
        ("a: [1, 2\nb: 3\n", "2:2 this is not YAML: "),
        ("a: \"x\n", "2:1 this is not YAML: found unexpected end of stream"),
        ("a: *b\n", "1:4 nothing above is anchored as &b"),
        ("instance: &x a\nlateness: *y\n", "2:11 nothing above is anchored as &y | Did you mean *x?"),
        (
            "state: !include a\n",
            "1:8 YAML takes !include for a tag, which means nothing here | Put the whole value in quotes, or remove the tag."
        ),
        ("%a\n%b\n%c\n%d\n%e\n%f\n%g\n%h\n%i\n", "9:1 there are more than 8 lines that begin with %"),
        ("a: \u{7}\n", "1:4 this is not YAML: control characters are not allowed"),
    ]) func syntaxErrorsKeepTheirPlace(text: String, expected: String) throws {
        let (configuration, issues) = try load(text)
        #expect(configuration == nil)
        #expect(issues.contains { $0.hasPrefix(expected) }, "\(issues)")
    }

    @Test func secondDocumentIsNamed() throws {
        let (_, issues) = try load(head + "---\na: b\n")
        #expect(
            issues == ["3:1 a second YAML document begins here; a file holds one | Put it in a file of its own and `include` it."]
        )
    }

    @Test func bytesThatAreNotUnicodeAreNamed() throws {
        let folder = try Folder()
        let path = try folder.write("a.yaml", bytes: Array("a: ä\nb: ö".utf8) + [0xFF, 0x0A])
        #expect(
            written(Configuration.load(path: path, environment: [:]).issues, main: path) == [
                "2:5 this is not UTF-8 | Save the file as UTF-8."
            ])
    }

    @Test func byteOrderMarkAndCarriageReturnsAreFine() throws {
        let (configuration, issues) = try load("\u{FEFF}" + head.replacing("\n", with: "\r\n") + "lateness: 1s\r\n")
        #expect(issues == [])
        #expect(configuration?.lateness == 1000)
    }

    @Test func aliasBombIsRefused() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...40 {
            text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
        }
        let (_, issues) = try load(text)
        #expect(issues.count == 1)
        #expect(issues.first?.hasSuffix("the file holds more than 100000 values, aliases followed") == true)
    }

    @Test(arguments: ["[", "{a: ", "- ", "? "]) func deepNestingIsRefused(opening: String) throws {
        let (_, issues) = try load(String(repeating: opening, count: 50_000))
        #expect(issues.count == 1)
        #expect(
            issues.first?.contains(": ") == false || issues.first?.contains("nested deeper than 64 levels") == true
                || issues.first?.contains("not YAML") == true)
    }

    // What takes time by the square of its length would not end here within an hour.

    @Test func manyKeysAreRead() throws {
        let (configuration, issues) = try load(head + "segments:\n" + (0..<30_000).map { "  s\($0): x\n" }.joined())
        #expect(issues == [])
        #expect(configuration?.definitions.segments.count == 30_000)
    }

    @Test(arguments: ["x, ", "&a x, ", "!!str 'x', ", "\"x\", "]) func oneLongLineIsRead(item: String) throws {
        let (configuration, issues) = try load(head + "outbox: [" + String(repeating: item, count: 90_000) + "]\n")
        #expect(configuration == nil)
        #expect(!issues.isEmpty)
    }

    @Test func whatIsNoRegularFileIsRefused() throws {
        let folder = try Folder()
        #expect(mkfifo(folder.path + "/fifo", 0o600) == 0)
        for (name, reason) in [
            ("fifo", "it is not a regular file"), ("", "it is a directory"), ("none", "there is no such file"),
        ] {
            let path = folder.path + "/" + name
            let issues = Configuration.load(path: path, environment: [:]).issues
            #expect(issues.map(\.message) == ["the configuration can't be read: \(reason)"])
            #expect(issues.first?.position.line == 1)
        }
        let big = try folder.write("big", String(repeating: "# much\n", count: 700_000))
        #expect(
            Configuration.load(path: big, environment: [:]).issues.map(\.message) == [
                "the configuration can't be read: it is larger than 4 MiB"
            ])
    }

    @Test func anchorsAndMergesWork() throws {
        let (configuration, issues) = try load(
            head
                + """
                rules:
                  a: &base { start: A, wait: &w 1h, cooldown: 2h }
                  b: { <<: *base, wait: 3h }
                  c: { <<: [*base], expires: *w }

                """)
        #expect(issues == [])
        let rules = configuration?.definitions.rules ?? []
        #expect(rules.map(\.wait) == [3_600_000, 10_800_000, 3_600_000])
        #expect(rules.map(\.cooldown) == [7_200_000, 7_200_000, 7_200_000])
        #expect(rules.last?.expires == 3_600_000)
    }
}
