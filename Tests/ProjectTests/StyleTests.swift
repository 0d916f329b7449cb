import Foundation
import Testing

/// The root of the checkout, from this file's place in it.
let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

@Suite struct StyleTests {
    @Test("the sources are as `swift format` with the project's configuration has them")
    func everySourceIsFormatted() throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "swift", "format", "lint", "--strict", "--parallel", "--recursive", "Sources", "Tests", "Package.swift",
        ]
        process.currentDirectoryURL = root
        let output = Pipe()
        process.standardError = output
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text.prefix(4000))")
    }

    @Test(
        "a target imports no other than the map allows",
        arguments: [
            ("CEL", [String]()), ("Engine", ["CEL"]),
            ("Ingest", ["Engine", "CSimdjson", "CCompression", "CDigest", "CLinux", "Glibc", "Dispatch", "Synchronization"]),
            ("Storage", ["Engine", "CLogBuffer", "CSQLite", "CUnusedBytes", "Glibc", "Dispatch", "Synchronization"]),
            ("Outbox", ["Engine", "CLinux", "Glibc"]),
            ("Simulation", ["Engine"]),
        ])
    func importsPointInwards(_ target: String, _ allowed: [String]) throws {
        var found: Set<String> = []
        for file in try files(in: "Sources/\(target)", endingWith: ".swift") {
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                let words = line.split(separator: " ")
                if let place = words.firstIndex(of: "import"), place <= 1, place + 1 < words.count {
                    found.insert(String(words[place + 1]))
                }
            }
        }
        #expect(found.subtracting(allowed).isEmpty, "\(target) imports \(found.subtracting(allowed).sorted())")
    }

    @Test("nothing in the libraries stops the process on input")
    func noTraps() throws {
        for file in try files(in: "Sources", endingWith: ".swift") {
            let text = try String(contentsOf: file, encoding: .utf8)
            for banned in ["fatalError(", "try!", "@unchecked Sendable", "as!"] {
                #expect(!text.contains(banned), "\(file.lastPathComponent) has \(banned)")
            }
        }
    }

    @Test("documents link to what exists")
    func linksLeadSomewhere() throws {
        let documents =
            try files(in: "docs", endingWith: ".md") + [
                root.appending(path: "README.md"), root.appending(path: "ARCHITECTURE.md"),
            ]
        for document in documents {
            let text = try String(contentsOf: document, encoding: .utf8)
            for match in text.matches(of: /\]\(([^)#:]*)(?:#([^)]*))?\)/) {
                let target = match.1.isEmpty ? document : document.deletingLastPathComponent().appending(path: String(match.1))
                let place = "\(document.lastPathComponent): \(match.0)"
                #expect(FileManager.default.fileExists(atPath: target.path(percentEncoded: false)), "\(place)")
                guard let anchor = match.2 else { continue }
                #expect(Self.anchors(try String(contentsOf: target, encoding: .utf8)).contains(String(anchor)), "\(place)")
            }
        }
    }

    /// What GitHub makes of a page's headings.
    private static func anchors(_ page: String) -> [String] {
        page.matches(of: /(?m)^#+ (.*)$/).map { heading in
            String(heading.1.lowercased().filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }).replacing(" ", with: "-")
        }
    }

    @Test("every row of docs/faults.md names tests that exist")
    func faultsAreTested() throws {
        let sources = try files(in: "Tests", endingWith: ".swift").map { try String(contentsOf: $0, encoding: .utf8) }
        let text = try String(contentsOf: root.appending(path: "docs/faults.md"), encoding: .utf8)
        var rows = 0
        for line in text.split(separator: "\n") where line.hasPrefix("| ") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 4, cells[0] != "fault", !cells[0].hasPrefix("-"), let last = cells.last else { continue }
            rows += 1
            let names = last.matches(of: /`([A-Za-z.]+)`/).map { $0.1.split(separator: ".") }
            // "the same" is the row above.
            #expect(!names.isEmpty || last == "the same", "\(line)")
            for parts in names {
                let suite = parts.last { $0.first?.isUppercase ?? false } ?? ""
                let function = parts.last.flatMap { $0.first?.isLowercase ?? false ? $0 : nil }
                let exists = sources.contains { source in
                    source.contains("struct \(suite) ") && (function.map { source.contains("func \($0)(") } ?? true)
                }
                #expect(exists, "there is no \(parts.joined(separator: "."))")
            }
        }
        #expect(rows > 35)
    }

    private func files(in folder: String, endingWith suffix: String) throws -> [URL] {
        let all = try #require(FileManager.default.enumerator(at: root.appending(path: folder), includingPropertiesForKeys: nil))
        return all.compactMap { $0 as? URL }.filter { $0.lastPathComponent.hasSuffix(suffix) }.sorted { $0.path < $1.path }
    }
}
