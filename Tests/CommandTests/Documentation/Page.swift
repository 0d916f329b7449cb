import Foundation
import Testing

/// A page of the documentation and its fenced blocks. `docs/README.md` says what a block's fence may say.
struct Page: CustomTestStringConvertible, Sendable {
    struct Block: Sendable {
        /// The first word behind the fence.
        let language: String
        /// Its further words.
        let words: [String]
        let text: String
        /// Of the block's first line, from 1.
        let line: Int

        /// The word that names a file, if there is one.
        var file: String? { words.first { $0.contains(".") || $0.contains("/") } }

        var lines: [String] { text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init) }
    }

    let name: String
    let text: String
    private(set) var blocks: [Block] = []
    /// What is outside of blocks.
    private(set) var prose: [String] = []
    /// Lines that look like code and would be run by nobody.
    private(set) var strays: [Int] = []

    var testDescription: String { name }

    static let root = #filePath.split(separator: "/").dropLast(4).reduce("") { $0 + "/" + $1 }

    static let all: [Page] = {
        let docs = (try? FileManager.default.contentsOfDirectory(atPath: root + "/docs")) ?? []
        let names = ["README.md", "ARCHITECTURE.md"] + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/" + $0 }
        return names.map { Page($0, text: Program.contents(root + "/" + $0)) }
    }()

    static func named(_ name: String) -> Page? { all.first { $0.name == name } }

    init(_ name: String, text: String) {
        self.name = name
        self.text = text
        var open: (words: [String], line: Int, text: String)?
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).enumerated() {
            if let block = open {
                if line == "```" {
                    blocks.append(
                        Block(
                            language: block.words.first ?? "", words: Array(block.words.dropFirst()), text: block.text,
                            line: block.line))
                    open = nil
                } else {
                    open?.text += line + "\n"
                }
            } else if line.hasPrefix("```") {
                open = (line.dropFirst(3).split(separator: " ").map(String.init), index + 2, "")
            } else {
                prose.append(line)
                if line.hasPrefix("    ") || line.contains("```") { strays.append(index + 1) }
            }
        }
        if let open { strays.append(open.line - 1) }
    }
}
