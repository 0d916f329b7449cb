import Configuration
import Engine
import Testing

/// Where the characters of a condition stand in the file.
@Suite struct PlaceTests {
    /// Finds the `@` of a condition where the file has it.
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
    ]) func placesAreThoseOfTheFile(text: String) throws {
        let folder = try Folder()
        let yaml = head + "rules:\n  r:\n    start: A\n    \(text)\n    wait: 1h\n"
        let path = try folder.write("nudged.yaml", yaml)
        let (configuration, issues) = Configuration.load(path: path, environment: [:])
        #expect(issues == [])
        let condition = try #require(configuration?.definitions.rules.first?.condition)
        func place(in text: String) -> (line: Int, column: Int)? {
            for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                if let at = line.firstIndex(of: "@") { return (index + 1, line.distance(from: line.startIndex, to: at) + 1) }
            }
            return nil
        }
        let (line, column) = try #require(place(in: condition.value))
        let expected = try #require(place(in: yaml))
        let found = Configuration.position(ofLine: line, column: column, in: condition)
        #expect(found == Position(file: path, line: expected.line, column: expected.column))
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
