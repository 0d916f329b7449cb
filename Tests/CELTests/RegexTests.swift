import Testing

@testable import CEL

@Suite struct RegexTests {
    @Test(
        "a pattern matches",
        arguments: [
            ("", "abc"), ("b", "abc"), ("^a.c$", "abc"), ("a|b", "xb"), ("^(ab)+$", "abab"), ("^a*?b+?$", "aab"),
            ("^a{2,3}$", "aaa"),
            ("^a{2,}$", "aaaa"), ("^[a-c]+$", "abc"), ("^[^a-c]+$", "xyz"), ("^[]a]+$", "]a"), ("^[a-]+$", "a-"),
            (#"^\d{3}$"#, "123"),
            (#"^\w+\s\S$"#, "ab c"), (#"^[\d\s]+$"#, "1 2"), ("^[[:alpha:]]+$", "aB"), ("^[[:^digit:]]+$", "aB"),
            ("(?i)ÇAY", "çay"),
            ("(?i)^[a-z]+$", "ABC"), ("a(?i)b", "aB"), ("^a(?i:b)c$", "aBc"), ("(?s)^a.b$", "a\nb"), ("(?m)^b$", "a\nb"),
            (#"\bfoo\b"#, "a foo b"),
            (#"\Bo"#, "foo"), (#"\Aa\z"#, "a"), (#"^\p{Lu}\pL+$"#, "Çay"), (#"^\P{L}+$"#, "12"), (#"^\x41\x{1F431}$"#, "A🐱"),
            ("^.$", "🐱"),
            ("(?P<name>a)(?<other>b)", "ab"), (#"^\Qa.b\E$"#, "a.b"), ("a{,2}", "a{,2}"), ("(a*)*", ""), ("^(a|b|)+$", "ab"),
            ("x{0}", ""),
            (#"^\.\*\\$"#, #".*\"#), ("^(a{0,10}){0,10}$", "aaaaaaaa"), ("^[а-я]+$", "завтра"),
        ])
    func matches(pattern: String, text: String) throws {
        #expect(try steps(pattern, text).matched)
    }

    @Test(
        "a pattern does not match",
        arguments: [
            ("^b", "ab"), ("a$", "ab"), ("a.b", "a\nb"), ("^a{2}$", "aaa"), ("^[^a]$", "a"), (#"\d"#, "x"), ("abc", "ab"),
            ("^(ab|cd)$", "abcd"),
            (#"\bfoo\b"#, "food"), ("(?i:a)b", "AB"), (#"\p{Lu}"#, "abc"), ("$^", "a"), ("^b$", "a\nb"),
        ])
    func doesNotMatch(pattern: String, text: String) throws {
        #expect(try !steps(pattern, text).matched)
    }

    @Test(
        "a pattern is refused",
        arguments: [
            "(", ")", "[a", "*a", "a**", "a{1001}", "a{3,2}", #"\1"#, "(?=a)", "(?<!a)", #"\"#, "[b-a]", #"\p{Nope}"#,
            "[[:nope:]]", "(?z)",
            "((a{1000}){1000}){1000}", #"\x1"#, #"\y"#, String(repeating: "(", count: 5000), "(?P<n", "(?i",
        ])
    func refused(pattern: String) {
        #expect(throws: Regex.Failure.self) { try Regex(pattern) }
    }

    /// Doubling the text may double the work, and no more.
    @Test(
        "pathological patterns stay linear",
        arguments: ["(a*)*b", "(a|a)*b", "(a|aa)+b", "^(([a-z])+.)+[A-Z]$", "(.*)(.*)(.*)(.*)x", "(a?){50}a{50}b"])
    func linear(pattern: String) throws {
        let short = try steps(pattern, String(repeating: "a", count: 1000)).count
        let long = try steps(pattern, String(repeating: "a", count: 2000)).count
        #expect(long < short * 5 / 2)
        #expect(long < 100_000)
    }

    private func steps(_ pattern: String, _ text: String) throws -> (matched: Bool, count: Int) {
        var work = Work(1_000_000)
        let matched = try Regex(pattern).matches(text, &work)
        return (matched, 1_000_000 - work.left)
    }
}
