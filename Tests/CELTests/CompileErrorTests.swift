import CEL
import Testing

@Suite struct CompileErrorTests {
    static let environment: Environment = {
        var environment = Environment()
        environment.declare(
            Structure("Event", fields: [("name", .string), ("time", .timestamp), ("properties", .map(.string, .dyn))]))
        environment.declare(
            Structure("Profile", fields: [("id", .string), ("traits", .map(.string, .dyn)), ("segments", .list(.string))]))
        environment.declare("event", .structure("Event"))
        environment.declare("profile", .structure("Profile"))
        let window = Parameter(.string, literal: true) { value in
            value == .string("7d") ? nil : "not a window"
        }
        environment.declare(
            HostFunction("count", [Overload(target: .structure("Profile"), [Parameter(.string, literal: true), window], .int)]))
        return environment
    }()

    static func errors(_ text: String, expecting: Type? = nil) -> [CompileError] {
        do {
            _ = try environment.compile(text, expecting: expecting)
            return []
        } catch {
            return error.errors
        }
    }

    @Test(
        "an error names its place and what to do",
        arguments: [
            ("1 +", "1:4: the expression ends too early, expected a value"),
            ("(1 + 2", "1:7: expected ')' to close the bracket at 1:1"),
            ("a = 1", "1:3: unexpected character '=' (compare with '==')"),
            ("true and false", "1:6: unexpected 'and' ('and' is '&&')"),
            ("'abc", "1:1: the text has no closing quote"),
            (#"'\q'"#, #"1:2: unknown escape '\q' (a backslash itself is '\\'; r"…" takes no escapes)"#),
            ("99999999999999999999", "1:1: the number does not fit 64 bits (write it as a double: 1e20)"),
            ("12abc", "1:1: not a number: '12abc'"),
            ("14d", "1:1: not a number: '14d' (a duration is written duration(\"336h\"), a window \"14d\")"),
            (
                "event.properties.total > 90m",
                "1:26: not a number: '90m' (a duration is written duration(\"90m\"), a window \"90m\")"
            ),
            ("2.0 > '20'", "1:1: '>' cannot take double and string (a text stands in quotes, a number does not)"),
            ("for", "1:1: 'for' is a reserved word"),
            ("evnt.name", "1:1: unknown name 'evnt' (did you mean 'event'?)"),
            ("event.nmae == 'x'", "1:7: Event has no field 'nmae' (did you mean 'name'?)"),
            ("event.name.startWith('x')", "1:12: unknown function 'startWith' (did you mean 'startsWith'?)"),
            ("1 + 1.0", "1:1: '+' cannot take int and double (convert one of them: double(x), int(x) or uint(x))"),
            ("event.name == 1", "1:1: '==' cannot take string and int"),
            ("event.name && true", "1:1: '&&' needs bool, got string"),
            ("\n\n  'é' + 1", "3:3: '+' cannot take string and int (convert the other to text: string(x))"),
            ("'é' == 1 || unknown", "1:13: unknown name 'unknown'"),
            ("size(1)", "1:1: 'size' cannot be called as size(int)"),
            ("[1].map(1, 2)", "1:9: map() needs a plain name for its variable here"),
            ("has(event)", "1:5: has() takes a field: has(a.b)"),
            ("profile.count(event.name, '7d') > 1", "1:15: this argument of count() must be a literal"),
            ("profile.count('x', '8d') > 1", "1:20: not a window"),
            ("event.name.matches('(')", "1:20: the regular expression is wrong: there is no ')' for a '('"),
            ("duration('7d') > duration('1h')", "1:1: out of range: '7d' is no duration; its units are h, m, s, ms, us and ns"),
            ("true ? 1 : 'a'", "1:1: the two results of '?:' are int and string (wrap one in dyn(…))"),
            ("1.all(x, x)", "1:1: all() goes through a list or a map, not int"),
        ])
    func message(text: String, expected: String) throws {
        let found = Self.errors(text).map(\.description)
        #expect(found.contains { $0.hasPrefix(expected) }, "\(found)")
    }

    @Test("all errors of a text are reported, in its order") func several() {
        let found = Self.errors("nope > 1 && event.nmae == 'x' && foo(1)")
        #expect(found.map(\.column) == [1, 19, 34])
        #expect(Self.errors("[1 +, 2 2, 3]").count == 2)
        #expect(Self.errors("event.name = 'x'").count == 1)
    }

    @Test("a result of the wrong type is an error, dyn is not") func expecting() {
        #expect(Self.errors("1 + 1", expecting: .bool).map(\.message) == ["the expression gives int, but bool is needed"])
        #expect(Self.errors("event.properties.x", expecting: .bool).isEmpty)
    }

    @Test(
        "nesting and length are bounded",
        arguments: [
            String(repeating: "(", count: 100_000), String(repeating: "[", count: 50_000),
            String(repeating: "-", count: 90_000) + "1",
            "1" + String(repeating: "+1", count: 40_000), "a" + String(repeating: ".a", count: 40_000),
            String(repeating: "!", count: 90_000) + "true", String(repeating: "true?", count: 10_000),
            String(repeating: "{1:", count: 20_000), String(repeating: " ", count: 200_000),
            "[0]" + String(repeating: "[0]", count: 20_000), String(repeating: "size(", count: 15_000),
        ])
    func hostile(text: String) {
        #expect(!Self.errors(text).isEmpty)
    }

    @Test("a long chain of conditions is no deep tree") func longChain() throws {
        let text = Array(repeating: "event.name == 'x'", count: 2000).joined(separator: " || ")
        #expect(try Self.environment.compile(text).references.count == 1)
    }
}
