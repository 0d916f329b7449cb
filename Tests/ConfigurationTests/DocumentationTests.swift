import Configuration
import Foundation
import Testing

/// What is written for people and editors says the same as the parser.
@Suite struct DocumentationTests {
    @Test(arguments: Section.allCases) func schemaKnowsTheKeysOfTheParser(section: Section) throws {
        let schema = try #require(
            try JSONSerialization.jsonObject(with: Data(Folder.text("share/nudged.schema.json").utf8)) as? [String: Any])
        let definitions = try #require(schema["$defs"] as? [String: Any])
        let part =
            section == .configuration ? schema : try #require(definitions[section.rawValue] as? [String: Any], "no $defs for it")
        let properties = try #require(part["properties"] as? [String: Any])
        #expect(properties.keys.sorted() == section.keys.sorted())
        #expect(part["additionalProperties"] as? Bool == false)
        for (key, property) in properties {
            #expect((property as? [String: Any])?["description"] is String, "\(section.rawValue).\(key) has no description")
        }
    }

    @Test func schemaHasNoMappingThatTheParserLacks() throws {
        let schema = try #require(
            try JSONSerialization.jsonObject(with: Data(Folder.text("share/nudged.schema.json").utf8)) as? [String: Any])
        let definitions = try #require(schema["$defs"] as? [String: [String: Any]])
        let mappings = definitions.filter { $0.value["properties"] != nil }.keys.sorted()
        #expect(mappings == Section.allCases.filter { $0 != .configuration }.map(\.rawValue).sorted())
        var references: Set<String> = []
        func walk(_ value: Any) {
            if let object = value as? [String: Any] {
                if let reference = object["$ref"] as? String { references.insert(reference) }
                object.values.forEach(walk)
            } else if let list = value as? [Any] {
                list.forEach(walk)
            }
        }
        walk(schema)
        #expect(references.subtracting(definitions.keys.map { "#/$defs/" + $0 }) == [])
    }

    @Test(arguments: Section.allCases) func documentationMentionsEveryKey(section: Section) throws {
        let text = try Folder.text("docs/configuration.md")
        for key in section.keys {
            #expect(text.contains("`\(key)`"), "\(section.rawValue).\(key) isn't in docs/configuration.md")
        }
    }
}
