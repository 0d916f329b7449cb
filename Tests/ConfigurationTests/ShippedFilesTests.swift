import Configuration
import Engine
import Foundation
import Glibc
import Testing

@Suite struct ShippedFilesTests {
    @Test func starterLoadsWithoutErrors() throws {
        let folder = try Folder()
        let path = try folder.write("nudged.yaml", Starter.text(instance: "shop", share: Folder.share))
        let (configuration, issues) = Configuration.load(path: path, environment: [:])
        #expect(issues == [])
        let rules = try #require(configuration).definitions.rules
        #expect(rules.map(\.name.value) == ["abandoned-cart", "back-in-stock", "churn-risk"])
    }

    @Test func theStarterNamesEveryShippedRule() throws {
        let folder = try Folder()
        let all = Starter.text(instance: "shop", share: Folder.share).replacing("# - /", with: "- /")
        let (configuration, issues) = Configuration.load(path: try folder.write("nudged.yaml", all), environment: [:])
        #expect(issues == [])
        let shipped = try FileManager.default.contentsOfDirectory(atPath: Folder.share + "/rules").count {
            $0.hasSuffix(".yaml") && $0 != "segments.yaml"
        }
        #expect(configuration?.definitions.rules.count == shipped)
    }
}
