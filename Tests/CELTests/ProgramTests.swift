import CEL
import Testing

@Suite struct ProgramTests {
    @Test("references are the longest paths and the calls with constants, once each, in order") func references() throws {
        var environment = CompileErrorTests.environment
        environment.declare(HostFunction("days", [Overload([Parameter(.int)], .duration)]))
        let program = try environment.compile(
            """
            profile.count("Page" + " Viewed", "7d") >= 5 && event.properties.cart.total > 20.0 && event.properties["cart"].total < 90
                && has(event.properties.coupon) && profile.traits["country"] == event.properties.items[0].country
                && profile.segments[0] == "vip" && days(3) > duration("1h") && days(int(profile.id)) > duration("1h")
            """)
        func path(_ variable: String, _ keys: Key...) -> Reference { .path(variable: variable, keys) }
        #expect(
            program.references == [
                .call(function: "count", overload: 0, variable: "profile", [.string("Page Viewed"), .string("7d")]),
                path("event", .string("properties"), .string("cart"), .string("total")),
                path("event", .string("properties"), .string("coupon")),
                path("profile", .string("traits"), .string("country")),
                path("event", .string("properties"), .string("items"), .int(0), .string("country")),
                path("profile", .string("segments")),
                .call(function: "days", overload: 0, variable: nil, [.int(3)]),
                path("profile", .string("id")),
            ])
        #expect(program.calls == [HostCall(function: "days", overload: 0, variable: nil)])
        let other = try environment.compile("event.properties.cart.total == 1.0")
        #expect(other.references[0] == program.references[1])
    }

    @Test("has() asks for presence, and a value that is absent is an error") func presence() throws {
        let environment = CompileErrorTests.environment
        #expect(try environment.compile("has(event.properties.x)").evaluateBool(Bindings()) == .success(false))
        let error = try environment.compile("event.properties.x == 1").evaluate(Bindings()).error
        #expect(error?.message == "no such field 'x'")
        #expect(error?.span.offset == 0)
        #expect(try environment.compile("event.properties.x == 1 || true").evaluateBool(Bindings()) == .success(true))
        #expect(
            try environment.compile("event.properties.x || event.properties.y").evaluate(Bindings()).error?.message
                == "no such field 'x'")
    }

    @Test("calls with dynamic arguments reach the host") func dynamicCall() throws {
        var environment = Environment()
        environment.declare("x", .int)
        environment.declare(HostFunction("twice", [Overload([Parameter(.int)], .int)]))
        let host = Bindings(variables: ["x": .int(4)]) { name, arguments in
            if case .int(let value)? = arguments.first, name == "twice" { .value(.int(2 * value)) } else { .absent }
        }
        #expect(try environment.compile("twice(x + 1) + twice(1)").evaluate(host).value == .int(12))
        #expect(try environment.compile("[1, 2].map(i, twice(i))").evaluate(host).value == .list([.int(2), .int(4)]))
    }

    @Test("a host that knows a size need not make the value") func knownSize() throws {
        /// Knows the size of `items`, and of nothing else.
        struct Sized: Host {
            var bindings = Bindings(variables: ["text": .string("abc"), "list": .list([.int(1)])])

            func size(of reference: Int, of program: Program) -> Int? {
                if case .path("items", []) = program.references[reference] { 7 } else { nil }
            }

            func load(_ reference: Int, of program: Program) -> Loaded { bindings.load(reference, of: program) }
            func has(_ reference: Int, of program: Program) -> Bool { bindings.has(reference, of: program) }
            func call(_ call: Int, of program: Program, target: Value?, arguments: [Value]) -> Loaded { .absent }
        }
        var environment = Environment()
        environment.declare("items", .list(.int))
        environment.declare("list", .list(.int))
        environment.declare("text", .string)
        func value(_ text: String) throws -> Evaluation { try environment.compile(text).evaluate(Sized()) }
        // `items` itself is absent: to make it would be an error.
        #expect(try value("size(items) > 6 && size(text) == 3 && list.size() + items.size() == 8").value == .bool(true))
        #expect(try value("[size(items), size(list)].exists(n, n == size(items))").value == .bool(true))
        #expect(try value("size(items) > 7 ? 'more' : 'less'").value == .string("less"))
        #expect(try value("items.exists(i, i > 0)").error != nil)
    }

    @Test("constants are folded") func folding() throws {
        let program = try Environment().compile(
            "duration('1h') + duration('30m') * 1 == duration('90m')".replacing(" * 1", with: ""))
        #expect(program.expression.constant == .bool(true))
        #expect(try Environment().compile("[1, 2 + 3]").expression.constant == .list([.int(1), .int(5)]))
    }

    @Test("the tree knows types and references") func tree() throws {
        let program = try CompileErrorTests.environment.compile("profile.count('x', '7d') >= 5")
        guard case .binary(.greaterOrEqual, let left, let right) = program.expression.kind else { throw Unexpected() }
        #expect(left.reference == 0 && left.type == .int && right.constant == .int(5) && program.type == .bool)
        #expect(program.source.text(of: left.span) == "profile.count('x', '7d')")
    }

    @Test("a trace shows a part in one line, without its comments") func traceOfLines() throws {
        var environment = Environment()
        environment.declare("a", .string)
        let program = try environment.compile("a == 'x' // enough\n  \t|| a   == \"\"\"b\nc\"\"\"\r\n")
        #expect(
            program.trace(Bindings(variables: ["a": .string("x")])).map(\.text) == [
                "a == 'x' || a   == \"\"\"b\\nc\"\"\"", "a == 'x'", "a", "a   == \"\"\"b\\nc\"\"\"", "a",
            ])
    }

    @Test("a trace shows each part") func trace() throws {
        var environment = Environment()
        environment.declare("a", .int)
        environment.declare("b", .map(.string, .dyn))
        let program = try environment.compile("a > 1 && b.c == 2 || [1, 2].exists(x, x == a)")
        let entries = program.trace(Bindings(variables: ["a": .int(1)]))
        let shown = entries.map { "\($0.depth) \($0.text): \($0.result.value.map { "\($0)" } ?? $0.result.error?.message ?? "")" }
        #expect(
            shown == [
                "0 a > 1 && b.c == 2 || [1, 2].exists(x, x == a): bool(true)", "1 a > 1 && b.c == 2: bool(false)",
                "2 a > 1: bool(false)", "3 a: int(1)", "2 b.c == 2: no such field 'c'", "3 b.c: no such field 'c'",
                "1 [1, 2].exists(x, x == a): bool(true)",
            ])
    }

    @Test(
        "work is bounded",
        arguments: [
            "[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, [1,2,3,4,5,6,7,8,9,10].map(c, [1,2,3,4,5,6,7,8,9,10].map(d, [1,2,3,4,5,6,7,8,9,10].map(e, a)))))",
            "['0123456789']" + String(repeating: ".map(x, x + x + x + x + x + x + x + x)", count: 30),
            "'%s'.format([[1]" + String(repeating: ".map(x, [x, x, x, x])", count: 60) + "])",
            "[1]" + String(repeating: ".map(x, [x, x, x, x])", count: 60) + " == [1]"
                + String(repeating: ".map(x, [x, x, x, x])", count: 60),
            "['a']" + String(repeating: ".map(x, x.replace('', 'bbbbbbbbbbbbbbbb'))", count: 20),
            "[1,2,3].exists(x, ['" + String(repeating: "a", count: 20_000) + "'].exists(t, t.matches('(a*)*b' + string(x))))",
        ])
    func budget(text: String) throws {
        #expect(try evaluate(text, budget: 20_000).error?.fault == .budgetExceeded)
        // No operator may absorb it.
        #expect(try evaluate("(\(text)) == 1 || true", Self.unchecked, budget: 20_000).error?.fault == .budgetExceeded)
    }

    static let unchecked: Environment = {
        var environment = Environment()
        environment.isUnchecked = true
        return environment
    }()

    struct Unexpected: Error {}
}

@Suite struct LanguageTests {
    /// Beyond the conformance cases: corners of the specification.
    @Test(
        "an expression has its value",
        arguments: [
            (#""\uD83D\uDE00" == "😀""#, "true"), ("'e\u{301}' == '\u{e9}'", "false"), ("size('e\u{301}')", "2"),
            ("'\u{1F600}' > '\u{FFFF}'", "true"), ("1 == 1.0 && 1u == 1 && !(1 == 1.5)", "true"), ("1 in [1.0]", "true"),
            ("{1: 'a', 2u: 'b'}[2]", "'b'"), ("{'a': 1}.a", "1"), ("dyn({'a': {'b': 2}}).a.b", "2"), ("-7 / 2", "-3"),
            ("-7 % 2", "-1"),
            ("[1, 2, 3,]", "[1, 2, 3]"), ("{'a': 1,}", "{'a': 1}"), ("1 + 2 // comment\n + 3", "6"),
            ("true ? (false ? 1 : 2) : 3", "2"),
            ("1 - 2 - 3", "-4"), ("-(-5)", "5"), ("!!true", "true"), ("--1", "1"), ("7 > 3 == true", "true"),
            ("string(1e20)", "'100000000000000000000'"), ("string(1e22)", "'1e+22'"), ("string(0.000001)", "'0.000001'"),
            ("string(1e-7)", "'1e-07'"), ("string(100.0)", "'100'"), ("string(-0.0)", "'-0'"), ("string(5e-324)", "'5e-324'"),
            ("'%.2f'.format([0.125])", "'0.12'"), ("'%.0f'.format([0.5])", "'0'"), ("'%.1f'.format([99.95])", "'100.0'"),
            ("'%.3e'.format([0.00012345])", "'1.234e-04'"), ("'%e'.format([0.0])", "'0.000000e+00'"),
            ("'%.2f'.format([-0.001])", "'-0.00'"),
            ("'%f'.format([1e20])", "'100000000000000000000.000000'"), ("'%x'.format([-30])", "'-1e'"),
            ("'abc'.split('')", "['a', 'b', 'c']"), ("'abc'.split('', 2)", "['a', 'bc']"), ("''.split(',')", "['']"),
            ("'ab'.replace('', '-')", "'-a-b-'"), ("'ab'.replace('', '-', 1)", "'-ab'"), ("'aaa'.replace('aa', 'b')", "'ba'"),
            ("duration('1.5h') == duration('90m')", "true"), ("duration('-1m30s').getSeconds()", "-90"),
            ("string(duration('1ms'))", "'0.001s'"), ("string(duration('-1.5s'))", "'-1.5s'"),
            ("duration('1us') == duration('1µs')", "true"),
            ("string(timestamp('1969-12-31T23:59:59.5Z'))", "'1969-12-31T23:59:59.5Z'"),
            ("timestamp('1969-12-31T23:59:59.5Z').getMilliseconds()", "500"),
            ("string(timestamp('2024-02-29T12:00:00-05:30'))", "'2024-02-29T17:30:00Z'"),
            ("timestamp('2024-12-31T00:00:00Z').getDayOfYear()", "365"),
            ("[[1], []][1].size()", "0"), ("type([]) == list && type({}) == map", "true"), ("type(type(1)) == type", "true"),
            ("google.protobuf.Timestamp == type(timestamp(0))", "true"),
            ("[1, 2].map(x, [3, 4].map(y, x * y))", "[[3, 4], [6, 8]]"),
            ("[1, 2].exists(x, [0].exists(y, x / y == 1) || x == 2)", "true"), ("[0, 1].all(x, 1 / x == 1 || x == 0)", "true"),
            ("[[1, 2], [3]].map(x, x.filter(x, x > 1))", "[[2], [3]]"), ("math.greatest([1, 2.5, 2u])", "2.5"),
            ("{'a': 1, 'b': 2}.map(k, k)", "['a', 'b']"), ("{'b': 1}.transformMap(k, v, v > 5, v)", "{}"),
            ("b'\\xff' > b'\\x00'", "true"),
            ("int(-9223372036854775807.0 / 2.0)", "-4611686018427387904"), ("-9223372036854775808", "-9223372036854775807 - 1"),
        ])
    func value(text: String, expected: String) throws {
        let result = try evaluate(text)
        #expect(try result.value == evaluate(expected).value, "\(result)")
        #expect(result.value != nil)
    }

    @Test(
        "an expression fails",
        arguments: [
            "9223372036854775807 + 1", "-9223372036854775807 - 2", "0u - 1u", "-9223372036854775808 / -1", "1 / 0", "1 % 0",
            "int('x')",
            "int('+1')", "int('')", "uint('-1')", "double('0x1')", "int(-9223372036854775808.0)", "uint(-1.0)", "int(0.0 / 0.0)",
            "timestamp('2026-02-29T00:00:00Z')", "timestamp('2026-01-01')", "timestamp('2026-01-01T00:00:00')", "duration('1')",
            "duration('1d')", "duration('')",
            "duration('300000h') * 1 == duration('1h') || duration('9999999h') > duration('1h')",
            "'a'.substring(2)", "'a'.substring(-1)", "[1][-1]", "[1][1]", "{'a': 1}['b']", "{'a': 1, 'a': 2}", "'%'.format([])",
            "'%.9999f'.format([1.0])", "timestamp(0).getHours('Nowhere/Land')", "math.abs(-9223372036854775808)",
            "'\\uD800' == ''",
        ])
    func failure(text: String) {
        var environment = Environment()
        environment.refusesFailingConstants = false
        #expect(throws: (any Error).self) {
            if let error = try evaluate(text, environment).error { throw error }
        }
    }
}
