import Configuration
import Engine
import Testing

/// Where the characters of a condition stand in the file.
@Suite struct PlaceTests {
    /// An `@` is no CEL; the error is where the file has it.
    @Test(arguments: [
        "if: a @ b",
        "if:   a @ b  # comment",
        "if: 'a @ b'",
        "if: \"a @ b\"",
        "if: &anchor a @ b",
        "if: !!str \"a @ b\"",
        "if: &anchor !!str 'a @ b'",
        "\"if\": äöü @ b",
        "if: |\n      a @ b",
        "if: |\n      a &&\n        b @ c\n      && d",
        "if: |-\n          a &&\n\n          b @ c\n\n",
        "if: |\n\n\n      a @ b",
        "if: |2\n        a @ b",
        "if: | # comment\n      a\n      @ b",
        "if: !!str |\n      a\n      @ b",
        "if: >\n      a @ b",
        "if:\n      a @ b",
        "if: >\n      a &&\n      b @ c",
        "if: >-\n      a &&\n        b\n      @ c\n",
        "if:\n      a &&\n      b @ c",
        "if:\n      a &&\n        b\n      @ c",
        "if: |\n      size(cart.items) > 0 &&\n        @",
        "if: size(cart.items) > 0 &&\n        @",
        "if: \"size(cart.items) > 0 &&\n        @\"",
        "if: 'a == \"it''s\" && @'",
        "if: 'a ==\n\n       ''b'' @'",
        "if: \"\\u00e7 && @\"",
        "if: \"\\x61 == \\\"b\\\" && \\\n        @\"",
        "if: \"a\\t\\U00000040\"",
        "if: &anchor \"\\\\ @\"",
        "if: !!str >\n      'a' ==\n      'it' && ö @",
        "if: >\n      'a\n      b' == @",
        "if: a == b\r\n     && @",
    ]) func placesAreThoseOfTheFile(text: String) throws {
        let folder = try Folder()
        let yaml = head + "rules:\n  r:\n    start: A\n    \(text)\n    wait: 1h\n"
        let path = try folder.write("nudged.yaml", yaml)
        let (configuration, issues) = Configuration.load(path: path, environment: [:])
        #expect(issues == [])
        let definitions = try #require(configuration?.definitions)
        let found = RuleSet.compile(definitions) { _ in nil }.issues
        let lines = yaml.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map(Array.init)
        let line = try #require(lines.firstIndex { $0.contains("@") || $0.contains("U") && text.contains("U0000") })
        let column = try #require(lines[line].firstIndex { $0 == "@" } ?? lines[line].firstIndex { $0 == "U" }.map { $0 - 1 })
        let expected = Position(file: path, line: line + 1, column: column + 1)
        #expect(found.contains { $0.position == expected && $0.message.hasPrefix("unexpected character") }, "\(found)")
    }

    @Test(arguments: [
        ("if: >\n      'a\n      b' == c", "'a b' == c"),
        ("if: \"a &&\n      b\"", "a && b"),
        ("if: \"a == \\\"b\\\"\"", "a == \"b\""),
        ("if: a &&\n      b", "a &&\nb"),
        ("if: >\n      a${NONE:- }&&\n      b", "a && b"),
        ("if: |\n      a\n\n", "a"),
    ]) func foldedTextsKeepTheirMeaning(text: String, expected: String) throws {
        let (configuration, issues) = try load(head + "rules:\n  r:\n    start: A\n    \(text)\n    wait: 1h\n")
        #expect(issues == [])
        #expect(configuration?.definitions.rules.first?.condition?.value == expected)
    }
}
