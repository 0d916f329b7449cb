import Configuration
import Engine
import Testing

/// What `check` warns of once conditions are compiled.
@Suite struct WarningTests {
    @Test(arguments: [
        Mistake("rules: { r: { start: A, if: false } }\n", "?3:29 the rule \"r\" can never fire: its `if` is always false"),
        Mistake(
            "rules: { r: { start: A, if: cart.id == 'c' && 2 < 1 } }\n",
            "?3:29 the rule \"r\" can never fire: its `if` is always false"),
        Mistake("rules: { r: { start: A, if: cart.id == 'c' || 2 < 1 } }\n"),
        Mistake("rules: { r: { start: [A, { event: B, where: false }] } }\n"),
        Mistake(
            "rules: { r: { start: { event: B, where: 1 > 2 } } }\n",
            "?3:10 the rule \"r\" can never fire: nothing of its `start` can happen"),
        Mistake(
            "segments: { all: 1 < 2 }\nrules: { r: { start: { leaves: all } }, s: { start: { enters: all } } }\n",
            "?4:10 the rule \"r\" can never fire: nothing of its `start` can happen"),
        Mistake(
            "segments: { none: 'profile.id == \"a\" && false' }\nrules: { r: { start: { enters: none } } }\n",
            "?4:10 the rule \"r\" can never fire: nothing of its `start` can happen"),
        Mistake(
            "rules: { r: { start: Product Added, per: cart, wait: 40d } }\n",
            "?3:10 the rule \"r\" waits 40d, but a cart is forgotten after 30d | Make `carts: { forget: … }` longer than the wait."
        ),
        Mistake(
            "rules: { r: { start: Product Stock Changed, audience: waitlist, limit: 3 - 3 } }\n",
            "?3:72 the rule \"r\" can never fire: its `limit` is below 1"),
        Mistake(
            "rules: { r: { start: [product_added, Order Complete, Page Viewed, Card Shown], cancel: Payment Suceeded } }\n",
            "?3:23 no event that nudged knows of is called \"product_added\" | Did you mean `Product Added`? Names of events are compared letter by letter.",
            "?3:38 no event that nudged knows of is called \"Order Complete\" | Did you mean `Order Completed`? Names of events are compared letter by letter.",
            "?3:88 no event that nudged knows of is called \"Payment Suceeded\" | Did you mean `Payment Succeeded`? Names of events are compared letter by letter."
        ),
        Mistake(
            "rules:\n  r:\n    start: A\n    if: profile.count(\"Prodct Added\") > 1 &&\n      (profile.ever(\"Shown\") || profile.sum(\"order completed\", \"total\", \"7d\") > 5.0)\n",
            "?6:23 no event that nudged knows of is called \"Prodct Added\" | Did you mean `Product Added`? Names of events are compared letter by letter.",
            "?7:45 no event that nudged knows of is called \"order completed\" | Did you mean `Order Completed`? Names of events are compared letter by letter."
        ),
        Mistake(
            "segments: { s: profile.since('Page Vieved') > days(3) }\n",
            "?3:30 no event that nudged knows of is called \"Page Vieved\" | Did you mean `Page Viewed`? Names of events are compared letter by letter."
        ),
    ]) func whatIsHardlyMeantIsNamedWithItsPlace(mistake: Mistake) throws {
        let folder = try Folder()
        let path = try folder.write("nudged.yaml", head + mistake.yaml)
        let (configuration, issues) = Configuration.load(path: path, environment: [:])
        #expect(issues.isEmpty)
        let compiled = RuleSet.compile(try #require(configuration).definitions) { _ in nil }
        #expect(written(compiled.issues, main: path) == mistake.issues)
        #expect(compiled.rules != nil)
    }
}
