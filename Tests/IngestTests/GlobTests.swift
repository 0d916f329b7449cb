import Testing

@testable import Ingest

@Suite struct GlobTests {
    let directory = TestDirectory()

    init() {
        for name in ["a", "a/b", "a/b/c", ".hidden"] { directory.makeDirectory(name) }
        for name in ["x.log", "a/x.log", "a/y.log", "a/b/x.log", "a/b/c/z.txt", ".hidden/x.log", "a/.x.log", "[odd].log"] {
            directory.append("1", to: name)
        }
    }

    @Test(arguments: [
        ("x.log", ["x.log"]), ("*.log", ["[odd].log", "x.log"]), ("*/*.log", ["a/x.log", "a/y.log"]),
        ("a/[xy].log", ["a/x.log", "a/y.log"]), ("a/[!x].log", ["a/y.log"]), ("a/?.log", ["a/x.log", "a/y.log"]),
        ("**/x.log", ["a/b/x.log", "a/x.log", "x.log"]), ("a/**", ["a/b/c/z.txt", "a/b/x.log", "a/x.log", "a/y.log"]),
        ("**/**/x.log", ["a/b/x.log", "a/x.log", "x.log"]), (".hid*/x.log", [".hidden/x.log"]), ("a/.*.log", ["a/.x.log"]),
        ("\\[odd\\].log", ["[odd].log"]), ("missing/*.log", []), ("x.log/*", []),
    ])
    func `patterns match`(_ pattern: String, _ expected: [String]) {
        let walk = Glob(pattern: directory.file(pattern)).walk()
        #expect(walk.matches.map { String($0.path.dropFirst(directory.path.count + 1)) } == expected)
    }

    /// `é` as one character and as two: Swift calls such texts equal.
    @Test func `names that look alike are two files`() {
        for name in ["caf\u{E9}.txt", "cafe\u{301}.txt"] { directory.append("1", to: name) }
        #expect(Glob(pattern: directory.file("*.txt")).walk().matches.count == 2)
    }

    @Test func `the fixed directory ends before the first wildcard`() {
        #expect(Glob(pattern: "/var/log/*/x.log").fixedDirectory == "/var/log")
        #expect(Glob(pattern: "/var/log/x.log").fixedDirectory == "/var/log")
        #expect(Glob(pattern: "/*.log").fixedDirectory == "/")
    }

    @Test func `directories to watch are named also where they do not exist yet`() {
        let walk = Glob(pattern: directory.file("missing/*/x.log")).walk()
        #expect(walk.directories == [directory.file("missing")])
        #expect(walk.failures.isEmpty)
    }
}

@Suite struct ContentDigestTests {
    @Test func `it is the first half of SHA-256`() {
        let bytes = Array("abc".utf8)  // FIPS 180-2, B.1
        let digest = bytes.withUnsafeBytes { ContentDigest($0) }
        #expect(digest == ContentDigest(high: 0xBA78_16BF_8F01_CFEA, low: 0x4141_40DE_5DAE_2223))
    }

    @Test func `samples match the start of what they were taken of`() {
        let sample = Array("abc".utf8).withUnsafeBytes { ContentSample($0) }
        let longer = Array("abcd".utf8).withUnsafeBytes { sample.matchesStart(of: $0) }
        let shorter = Array("ab".utf8).withUnsafeBytes { sample.matchesStart(of: $0) }
        let other = Array("abx".utf8).withUnsafeBytes { sample.matchesStart(of: $0) }
        #expect(longer && !shorter && !other)
    }
}
