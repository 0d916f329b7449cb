import CEL
import Foundation
import Testing

@Suite struct DocumentationTests {
    static let examples: [(text: String, expected: String)] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = (try? String(contentsOf: root.appendingPathComponent("docs/cel.md"), encoding: .utf8)) ?? ""
        var result: [(String, String)] = []
        var isExample = false
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isExample = line == "```cel"
            } else if isExample, let arrow = line.range(of: "=> ") {
                result.append((String(line[..<arrow.lowerBound]), String(line[arrow.upperBound...])))
            }
        }
        return result
    }()

    @Test("there are examples in docs/cel.md") func examplesAreFound() {
        #expect(Self.examples.count > 100)
    }

    @Test("an example of docs/cel.md gives what it says", arguments: examples)
    func example(text: String, expected: String) throws {
        var environment = Environment(timeZone: ConformanceCases.zones)
        environment.declare(Structure("Event", fields: [("name", .string), ("properties", .map(.string, .dyn))]))
        environment.declare("event", .structure("Event"))
        environment.refusesFailingConstants = false
        let properties: [(Key, Value)] = [
            (.string("total"), .double(24.9)), (.string("quantity"), .double(2)), (.string("country"), .string("TR")),
            (.string("tags"), .list([.string("new"), .string("sale")])), (.string("note"), .null),
        ]
        let event = Value.map(ValueMap([(Key.string("properties"), Value.map(ValueMap(properties)))]))
        let result = try environment.compile(text).evaluate(Bindings(variables: ["event": event]))
        if expected == "error" {
            #expect(result.error != nil)
        } else {
            #expect(try result.value == evaluate(expected).value)
            #expect(result.value != nil)
        }
    }
}
