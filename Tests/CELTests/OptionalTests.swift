import CEL
import Testing

/// Optional values: `a.?b`, `a[?b]`, `[?a]`, `{?k: a}`, and the functions of `optional`.
@Suite struct OptionalTests {
    @Test(
        "an expression has its value",
        arguments: [
            // Making them, and looking into them.
            ("optional.of(1).hasValue()", "true"), ("optional.none().hasValue()", "false"), ("optional.of(1).value()", "1"),
            ("optional.of(null).hasValue()", "true"), ("optional.ofNonZeroValue(null).hasValue()", "false"),
            ("optional.ofNonZeroValue('').orValue('x')", "'x'"), ("optional.ofNonZeroValue('a').orValue('x')", "'a'"),
            ("[0, 0u].map(x, optional.ofNonZeroValue(x).hasValue())", "[false, false]"),
            ("optional.ofNonZeroValue(0.0) == optional.none()", "true"), ("optional.ofNonZeroValue(b'').hasValue()", "false"),
            ("optional.ofNonZeroValue([]).hasValue() || optional.ofNonZeroValue({}).hasValue()", "false"),
            ("optional.ofNonZeroValue(duration('0s')).hasValue()", "false"),
            ("optional.ofNonZeroValue(false).hasValue()", "false"),
            ("optional.ofNonZeroValue(timestamp(0)).hasValue()", "false"),
            ("type(optional.none()) == optional_type && type(optional.of(1)) == optional_type", "true"),
            // Fields and elements.
            ("{'a': 1}.?a == optional.of(1)", "true"), ("{'a': 1}.?b == optional.none()", "true"),
            ("{'a': {'b': 2}}.?a.b == optional.of(2)", "true"), ("{'a': {'b': 2}}.?a.?b.value()", "2"),
            ("{'a': {'b': 2}}.?x.b.hasValue()", "false"), ("{'a': {'b': 2}}.?a.c.hasValue()", "false"),
            ("has({'a': {'b': 2}}.?a.b)", "true"), ("has({'a': {'b': 2}}.?x.b)", "false"),
            ("{'a': [1, 2]}.?a[1].orValue(0)", "2"), ("{'a': [1, 2]}.?a[7].orValue(0)", "0"),
            ("[1, 2][?0].orValue(9)", "1"), ("[1, 2][?2].orValue(9)", "9"), ("[1, 2][?-1].hasValue()", "false"),
            ("[[1]][?0][?0].value()", "1"), ("{1: 'a'}[?1].value()", "'a'"), ("{1: 'a'}[?1.0].value()", "'a'"),
            ("{'a-b': 1}.?`a-b`.value()", "1"), ("{'a': optional.of(1)}.?a == optional.of(1)", "true"),
            ("dyn({'a': 1}).?a.orValue(0) + 1", "2"), ("dyn(optional.of({'a': 1})).a.value()", "1"),
            ("true ? .5 : 1.0", "0.5"), ("{'a': true}.?a.orValue(false) ? .5 : 1.0", "0.5"),
            // What stands in for what is missing is judged only then.
            ("optional.none().or(optional.of(2)).value()", "2"), ("optional.of(1).or(optional.of(2)).value()", "1"),
            ("optional.none().or(optional.none()).orValue(42)", "42"),
            ("[1].map(x, optional.of(x).orValue(1 / (x - 1)))", "[1]"),
            ("[1].map(x, optional.of(x).or(optional.of(1 / (x - 1))).value())", "[1]"),
            // Equality.
            ("optional.none() == optional.none()", "true"), ("optional.of(1) == optional.of(1.0)", "true"),
            ("optional.of(1) != optional.none()", "true"), ("optional.of(optional.none()) == optional.none()", "false"),
            ("optional.of(1) in [optional.none(), optional.of(1)]", "true"),
            // Lists and maps.
            ("[1, ?optional.none(), ?optional.of(2), 3]", "[1, 2, 3]"), ("[?optional.none()]", "[]"), ("[?{'a': 1}.?a,]", "[1]"),
            ("{'a': 1, ?'b': optional.none(), ?'c': optional.of(3)}", "{'a': 1, 'c': 3}"),
            ("{?'a': {'x': 1}.?x}", "{'a': 1}"), ("[optional.of(1)][0].value()", "1"),
            ("[1, 2].map(x, [?x > 1 ? optional.of(x) : optional.none()])", "[[], [2]]"),
            // Macros.
            ("optional.of(2).optMap(x, x * x).value()", "4"), ("optional.none().optMap(x, x + 1).hasValue()", "false"),
            ("{'a': {'b': 1}}.?a.optFlatMap(m, m.?b).value()", "1"), ("{'a': {}}.?a.optFlatMap(m, m.?b).hasValue()", "false"),
            ("[1, 2].map(i, optional.of(i).optMap(x, [3].map(y, x + y + i)).value())", "[[5], [7]]"),
            ("cel.bind(x, 2 + 1, x * x)", "9"), ("cel.bind(x, 'a', cel.bind(y, x + 'b', y + x))", "'aba'"),
            ("cel.bind(x, 1, [1, 2].exists(y, y == x))", "true"), ("[1, 2].map(x, cel.bind(y, x + 1, y * y))", "[4, 9]"),
            ("cel.bind(x, 1 / 0, true) || true", "true"), ("cel.bind(x, 1, cel.bind(x, x + 1, x))", "2"),
            ("cel.bind(a, [1, 2], a.all(x, x in a))", "true"),
            // base64.
            ("base64.encode(b'hello')", "'aGVsbG8='"),
            ("base64.encode(b'') + base64.encode(b'ab') + base64.encode(b'abc')", "'YWI=YWJj'"),
            ("base64.decode('aGVsbG8=') == b'hello' && base64.decode('aGVsbG8') == b'hello'", "true"),
            ("base64.decode(base64.encode(b'\\xff\\x00\\x10\\x80'))", "b'\\xff\\x00\\x10\\x80'"), ("base64.decode('')", "b''"),
        ])
    func value(text: String, expected: String) throws {
        var environment = Environment()
        environment.refusesFailingConstants = false
        let result = try evaluate(text, environment)
        let wanted = try evaluate(expected, environment).value
        #expect(result.value != nil && result.value == wanted, "\(result)")
        // Types known only at run time come to the same.
        environment.isUnchecked = true
        #expect(try evaluate(text, environment).value == wanted)
    }

    @Test(
        "an expression fails",
        arguments: [
            ("optional.none().value()", "the optional has no value"), ("{'a': 1}.?b.value()", "the optional has no value"),
            ("dyn(1).?a", "no such overload: int has no fields, so no 'a'"),
            ("[1][?dyn('x')]", "invalid argument: a list is indexed by int, not string"),
            ("dyn({}).b.?a", "no such field 'b'"), ("[?dyn(1)]", "no such overload: expected an optional value, got int"),
            ("{?'a': dyn(1)}", "no such overload: expected an optional value, got int"),
            ("dyn(1).orValue(2)", "no such overload: expected an optional value, got int"),
            ("optional.none().or(dyn(1))", "no such overload: expected an optional value, got int"),
            ("optional.of(1).optFlatMap(x, dyn(x))", "no such overload: expected an optional value, got int"),
            ("'%s'.format([optional.of(1)])", "invalid argument: an optional is no text: take .orValue(…) of it"),
            ("base64.decode('a')", "invalid argument: not base64"), ("base64.decode('a=b=')", "invalid argument: not base64"),
            ("base64.decode('====')", "invalid argument: not base64"), ("base64.decode('ç===')", "invalid argument: not base64"),
        ])
    func failure(text: String, message: String) throws {
        var environment = Environment()
        environment.refusesFailingConstants = false
        #expect(try evaluate(text, environment).error?.message == message)
    }

    @Test(
        "an error names its place and what to do",
        arguments: [
            ("event.?nmae.orValue('') == ''", "1:8: Event has no field 'nmae' (did you mean 'name'?)"),
            ("profile.traits.?age > 3", "1:1: '>' cannot take optional_type(dyn) and int"),
            ("event.properties.?total.orVlaue(0.0) > 1.0", "1:25: unknown function 'orVlaue' (did you mean 'orValue'?)"),
            ("[?event.name]", "1:3: '?' needs an optional value, got string (optional.of(x) makes one, and so does x.?field)"),
            ("event.name.optMap(x, x)", "1:1: optMap() needs an optional value, got string"),
            ("optional.of(1).optFlatMap(x, x)", "1:30: optFlatMap() needs an optional value, got int"),
            ("optional.of(1).optMap(1, 2)", "1:23: optMap() needs a plain name for its variable here"),
            ("cel.bind(a.b, 1, 2)", "1:10: cel.bind() needs a plain name for its variable here"),
            ("cel.bind(a, 1)", "1:1: cel.bind() takes a name, its value and what is made of it: cel.bind(x, value, …)"),
            ("bind(a, 1, a)", "1:1: unknown function 'bind' (write it as cel.bind(x, value, …))"),
            ("event.?name()", "1:12: unexpected '('"), ("event.?", "1:8: the expression ends too early, expected a field name"),
            ("optional.of(1).orValue('a') == 'a'", "1:16: 'orValue' cannot be called as optional_type(int).orValue(string)"),
            ("event.?name + 'a'", "1:1: '+' cannot take optional_type(string) and string"),
            ("has(event.properties.?a)", "1:5: has() takes a field: has(a.b)"),
        ])
    func message(text: String, expected: String) {
        let found = CompileErrorTests.errors(text).map(\.description)
        #expect(found.contains { $0.hasPrefix(expected) }, "\(found)")
    }

    @Test("a missing field is no reason to ask the host for all that lies about it") func references() throws {
        let program = try CompileErrorTests.environment.compile(
            "event.properties.?a.b.orValue('') == event.properties[?'c'].orValue('') || has(event.properties.d) || event.properties.e.?f.hasValue()"
        )
        func path(_ keys: String...) -> Reference { .path(variable: "event", (["properties"] + keys).map { .string($0) }) }
        // Below a field that may be missing itself, its value is asked for: only it can tell which of them is.
        #expect(program.references == [path("a"), path("c"), path("d"), path("e")])
    }

    @Test("what a host does not have is a missing value, and what fails for another reason is an error") func host() throws {
        let environment = CompileErrorTests.environment
        let event = Value.map(
            ValueMap([(.string("properties"), .map(ValueMap([(.string("a"), .null), (.string("b"), .double(2))])))]))
        let host = Bindings(variables: ["event": event])
        func value(_ text: String) throws -> Value? { try environment.compile(text).evaluate(host).value }
        #expect(try value("event.properties.?b.orValue(1.0)") == .double(2))
        #expect(try value("event.properties.?c.orValue(1.0)") == .double(1))
        #expect(try value("event.properties[?'c'].orValue(1.0)") == .double(1))
        #expect(try value("event.properties.?b == optional.of(2.0)") == .bool(true))
        #expect(try value("event.properties.?a.hasValue()") == .bool(true))
        #expect(try value("event.properties.?x.y.z.hasValue()") == .bool(false))
        #expect(try value("event.properties.?b.c.hasValue()") == nil)
        #expect(try value("event.properties.x.?y.hasValue()") == nil)
        #expect(try value("event.?name.hasValue()") == .bool(false))
        #expect(try value("cel.bind(p, event.properties, p.?b.orValue(0.0) + p.?c.orValue(1.0))") == .double(3))
    }

    @Test("a trace shows what an optional was made of") func trace() throws {
        let program = try CompileErrorTests.environment.compile("cel.bind(x, event.properties.?a.orValue(1), x > 0)")
        let shown = program.trace(Bindings()).map { "\($0.depth) \($0.text): \($0.result.value.map { "\($0)" } ?? "")" }
        #expect(
            shown == [
                "0 cel.bind(x, event.properties.?a.orValue(1), x > 0): bool(true)", "1 event.properties.?a.orValue(1): int(1)",
                "2 event.properties.?a: optional(nil)",
            ])
    }
}
