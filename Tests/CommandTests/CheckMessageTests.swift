import Testing

/// What people who write rules get wrong, and what `nudged check` tells them to do.
@Suite struct CheckMessageTests {
    private static func check(_ text: String) -> Program.Result {
        let program = Program()
        defer { program.remove() }
        program.write("events.ndjson", "")
        program.write("nudged.yaml", "instance: shop\nsources: [{ name: web, path: events.ndjson }]\n" + text)
        return program.run("check -c nudged.yaml")
    }

    @Test(arguments: [
        (
            "rules:\n  a:\n    start: Order Completed\n    if: profile.since(\"Page Viewed\") > 14d\n",
            "a duration is written duration(\"336h\")"
        ),
        (
            "rules:\n  a:\n    start: Order Completed\n    if: event.total > 3\n",
            "what the log says of an event is in event.properties"
        ),
        ("rules:\n  a:\n    start: Product Added\n    if: cart.total > \"20\"\n", "a text stands in quotes, a number does not"),
        ("rules:\n  - name: a\n    start: Order Completed\n", "Leave the dash and `name:` out"),
        ("segments: { vip: profile.sum(\"Order Completed\", \"total\") > 1000 }\n", "into quotes of the other kind"),
        ("segments: { vip: profile.sum(\"Order Completed\", total) > 1000 }\n", "put the condition into quotes"),
        ("rules:\n  a:\n    start: Order Completed\n    if: !has(cart.total)\n", "Put the whole value in quotes"),
        ("rules:\n  a:\n    start: Order Completed\n    if: !profile.ever(\"X\")\n", "begins with `!` in quotes"),
        ("rules:\n  a:\n    start: Order Completed\n    if: *x\n", "begins with `*` in quotes"),
        (
            "rules:\n  a:\n    start: Product Added\n    if: cel.bind(c, cart, c.total > 5.0)\n",
            "nudged.yaml:6:21: error: 'cart' has no value as a whole"
        ),
        (
            "rules:\n  a:\n    start: Product Added\n    data: { c: cart }\n",
            "take its fields where they are needed, such as cart.total"
        ),
        ("rules:\n  a:\n    start: Product Added\n    data: { c: '[dyn(event).x, profile]' }\n", "such as profile.traits"),
        ("segments:\n  new: now < timestamp(\"2026-01-01T00:00:00Z\")\n", "a segment is about the profile alone"),
    ])
    func aMistakeComesWithWhatToDo(text: String, hint: String) {
        let result = Self.check(text)
        #expect(result.code == 78)
        #expect(result.errors.contains(hint), "\(result.errors)")
    }

    @Test(arguments: [
        ("rules: { a: { start: Product Stock Changed } }\n", "needs an `audience`"),
        ("rules: { a: { start: Product Stock Changed, audience: waitlits } }\n", "is no audience"),
        ("rules: { a: { start: Order Completed, limit: 3 } }\n", "`limit` needs an `audience`"),
        ("rules: { a: { start: Order Completed, template: ../x } }\n", "`template` is a name, not a path"),
        (
            "calendars: { c: { TR: 2026-13-01 } }\nrules: { a: { start: { calendar: c, before: 7d, at: \"10:00\" } } }\n",
            "is not a date"
        ),
    ])
    func oneMistakeIsToldOnce(text: String, message: String) {
        let result = Self.check(text)
        #expect(result.code == 78)
        #expect(result.errors.contains(message) && result.errors.contains(": 1 error\n"), "\(result.errors)")
        #expect(!result.errors.contains("warning"), "\(result.errors)")
    }

    /// What `run` would refuse.
    @Test func aSecretThatCanNotBeUsedIsAnErrorWithItsPlace() {
        let program = Program()
        defer { program.remove() }
        program.write("nudged.yaml", "instance: shop\nsources: { name: web, path: events.ndjson }\nstate: s\nsecret_file: key\n")
        let missing = program.run("check -c nudged.yaml")
        #expect(missing.code == 78, "\(missing)")
        #expect(
            missing.errors.contains("nudged.yaml:4:14: error: the `secret_file` can't be read (No such file"), "\(missing.errors)"
        )
        #expect(missing.errors.contains("make one with head -c 32 /dev/urandom | base64 > "), "\(missing.errors)")
        #expect(program.run("run --once -c nudged.yaml").code == 78)
        program.write("key", "short\n")
        let short = program.run("check -c nudged.yaml")
        #expect(short.code == 78)
        #expect(
            short.errors.contains("nudged.yaml:4:14: error: the key in `secret_file` has fewer than 16 bytes"), "\(short.errors)")
        program.write("key", "0123456789abcdef\n")
        #expect(program.run("check -c nudged.yaml").code == 0)
        guard program.shell("test $(id -u) = 0 && setpriv --version").code == 0 else { return }
        _ = program.shell("chmod 600 key; chmod 755 .")
        let hidden = program.shell("setpriv --reuid 65534 --clear-groups nudged check -c nudged.yaml")
        #expect(hidden.code == 0 && hidden.errors.contains(":4:14: warning: the `secret_file` can't be read"), "\(hidden)")
    }

    @Test func aNameThatTheSourcesOwnMappingGivesIsKnown() {
        let program = Program()
        defer { program.remove() }
        program.write(
            "nudged.yaml",
            """
            instance: shop
            sources:
              - { name: web, path: e, format: { customer: u, event: e, time: t, names: { pv: Product View, x: Order Complete } } }
            rules: { a: { start: [Product View, Order Complete] } }

            """)
        let result = program.run("check -c nudged.yaml")
        #expect(result.code == 0 && result.errors.isEmpty, "\(result.errors)")
    }

    /// Other segments, rules and members name segments by their place.
    @Test func aBrokenSegmentIsOneErrorBesideTheOthers() {
        let result = Self.check(
            """
            segments:
              vip: profile.sum("Order Completed", "total") >= 1000 and true
              lapsed: profile.since("Order Completed") >= days(14)
              both: profile.member("lapsed") && profile.member("vip")
              odd: profile.since("Page Viewed") > days(-9223372036854775808)
            rules:
              win-back: { start: { enters: lapsed }, cancel: { leaves: both } }
              other: { start: { enters: nowhere } }

            """)
        #expect(result.code == 78, "\(result)")
        #expect(result.errors.contains("nudged.yaml:4:56: error"), "\(result.errors)")
        #expect(result.errors.contains("there is no segment \"nowhere\""), "\(result.errors)")
        #expect(!result.errors.contains("cycle"), "\(result.errors)")
    }

    @Test func aCycleNamesItsSegments() {
        let result = Self.check(
            """
            segments:
              a: profile.cont("X") > 1
              b: profile.member("c")
              c: profile.member("b")

            """)
        #expect(result.errors.contains("in a cycle: b → c → b"), "\(result.errors)")
    }

    @Test func oneSlipIsOneError() {
        let result = Self.check("rules:\n  a:\n    start: Order Completed\n    if: profile.traits.country = \"TR\"\n")
        #expect(result.errors.contains(": 1 error\n"), "\(result.errors)")
    }

    @Test func errorsComeInTheOrderOfTheirLines() {
        let result = Self.check("rules:\n  a:\n    start: Order Completed\n    if: nope\n    cooldwn: 7d\n")
        let lines = result.errors.matches(of: /nudged.yaml:([0-9]+):[0-9]+: error/).map { Int($0.1) }
        #expect(lines == [6, 7])
    }

    @Test(arguments: [
        "event.properties.quantity * 2 > 3", "2 + profile.traits.age > 3", "cart.items.exists(i, i.quantity * 2 > 3)",
        "event.properties.?quantity.orValue(1) * 2 > 3",
    ])
    func aWholeNumberBesideANumberOfALogIsWarnedOf(condition: String) {
        let result = Self.check("rules:\n  a:\n    start: Product Added\n    if: \(condition)\n")
        #expect(result.code == 0)
        #expect(result.errors.contains("warning: numbers of a log are doubles"), "\(result.errors)")
        #expect(result.errors.contains("Write 2.0"), "\(result.errors)")
    }

    @Test(arguments: [
        ("event.properties.n.orValue(5) > 3", "event.properties.?n"), ("event.properties.n.hasValue()", "event.properties.?n"),
        ("event.properties.a.b.optMap(x, x > 1).orValue(true)", "event.properties.a.?b"),
    ])
    func aFieldThatIsAskedAsIfItWereOptionalIsWarnedOf(condition: String, right: String) {
        let result = Self.check("rules:\n  a:\n    start: Product Added\n    if: \(condition)\n")
        #expect(result.code == 0)
        #expect(result.errors.contains("a field taken with '.' is not optional"), "\(result.errors)")
        #expect(result.errors.contains("Write \(right)."), "\(result.errors)")
    }

    @Test(arguments: [
        "event.properties.quantity * 2.0 > 3", "event.properties.quantity > 3", "size(cart.items) + 1 > 2",
        "int(event.properties.n) + 1 > 2",
    ])
    func whatIsRightIsNotWarnedOf(condition: String) {
        let result = Self.check("rules:\n  a:\n    start: Product Added\n    if: \(condition)\n")
        #expect(result.code == 0)
        #expect(result.errors == "")
    }

    @Test func aNameThatTheFormatReplacesIsWarnedOf() {
        let old = "rules:\n  a:\n    start: Added Product\n    if: profile.count(\"Completed Order\", \"7d\") > 1\n"
        let result = Self.check(old)
        #expect(result.code == 0)
        #expect(
            result.errors.contains(
                "nudged.yaml:5:12: warning: no event comes as \"Added Product\": the format calls it `Product Added`"),
            "\(result.errors)")
        #expect(result.errors.contains("nudged.yaml:6:23: warning: no event comes as \"Completed Order\""), "\(result.errors)")

        // From the other log such an event may come.
        let program = Program()
        defer { program.remove() }
        program.write("events.ndjson", "")
        let sources = "[{ name: web, path: events.ndjson }, { name: till, path: events.ndjson.*, format: cloudevents }]"
        program.write("nudged.yaml", "instance: shop\nsources: \(sources)\n" + old)
        #expect(program.run("check -c nudged.yaml").errors == "")
    }

    @Test func aNameThatAMappingReplacesIsWarnedOf() {
        let program = Program()
        defer { program.remove() }
        program.write("events.ndjson", "")
        let mapping = "{ event: e, customer: c, time: { path: t }, names: { bought: Order Completed, sold: bought } }"
        program.write(
            "nudged.yaml",
            "instance: shop\nsources: [{ name: web, path: events.ndjson, format: \(mapping) }]\nrules: { a: { start: [sold, bought] } }\n"
        )
        let result = program.run("check -c nudged.yaml")
        #expect(result.code == 0)
        #expect(result.errors.contains("no event comes as \"sold\": the format calls it `bought`"), "\(result.errors)")
        #expect(!result.errors.contains("comes as \"bought\""), "\(result.errors)")
    }

    @Test func aCapForATagThatNoRuleHasIsWarnedOf() {
        let cap = "delivery: { caps: [{ at_most: 1, per: 24h, tag: marketting }] }\n"
        let result = Self.check(cap + "rules: { a: { start: A, tag: marketing } }\n")
        #expect(result.code == 0)
        #expect(
            result.errors.contains(
                "nudged.yaml:3:49: warning: no rule has the tag \"marketting\", so that this cap counts nothing"),
            "\(result.errors)")
        #expect(result.errors.contains("Did you mean `marketing`?"), "\(result.errors)")
        #expect(Self.check(cap + "rules: { a: { start: A, tags: [marketting] } }\n").errors == "")
    }

    @Test func aMissingConfigurationIsSaidToBeMissing() {
        let program = Program()
        defer { program.remove() }
        let result = program.run("check -c none.yaml")
        #expect(result.code == 78)
        #expect(result.errors.contains("`nudged init` writes one"), "\(result.errors)")
        #expect(program.shell("NUDGED_CONFIG=none.yaml nudged check").errors.contains("none.yaml"))
    }
}
