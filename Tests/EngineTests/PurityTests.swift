import Foundation
import Testing

/// The core reads no clock, no file, no random number and no hash order: what could is not imported and not called.
@Suite struct PurityTests {
    static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources")

    /// The code of every Swift file of a target, without comments and texts.
    static func code(of target: String) throws -> [(file: String, line: Int, code: String)] {
        let folder = sources.appendingPathComponent(target).resolvingSymlinksInPath()
        let names = try #require(FileManager.default.enumerator(atPath: folder.path)).compactMap { $0 as? String }.sorted()
        var result: [(file: String, line: Int, code: String)] = []
        for name in names where name.hasSuffix(".swift") {
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            for (index, line) in text.components(separatedBy: "\n").enumerated() {
                let code = line.range(of: "//").map { String(line[..<$0.lowerBound]) } ?? line
                result.append((target + "/" + name, index + 1, code))
            }
        }
        return result
    }

    @Test(arguments: ["Engine", "CEL"]) func theCoreImportsNothingButTheStandardLibrary(_ target: String) throws {
        let code = try Self.code(of: target)
        #expect(code.count > 1000, "the sources were not found")
        for line in code where line.code.trimmingCharacters(in: .whitespaces).hasPrefix("import ") {
            #expect(target == "Engine" && line.code == "import CEL", "\(line.file):\(line.line): \(line.code)")
        }
    }

    @Test(
        arguments: ["Engine", "CEL"],
        [
            #"\bDate\("#, #"\bUUID\("#, #"\.random"#, "SystemRandomNumberGenerator", "ContinuousClock", "SuspendingClock",
            #"\.hashValue\b"#,
            #"\bHasher\("#, "Foundation", "Glibc", #"\bgetenv\b"#, #"\bprint\("#, #"\bTask\b"#,
        ]) func theCoreCallsNothingThatDiffersFromRunToRun(_ target: String, _ banned: String) throws
    {
        for line in try Self.code(of: target) {
            #expect(line.code.range(of: banned, options: .regularExpression) == nil, "\(line.file):\(line.line): \(line.code)")
        }
    }
}
