import Configuration
import Engine
import Testing

/// One wrong configuration and what is said about it.
struct Mistake: Sendable, CustomTestStringConvertible {
    /// Follows two lines that are right (`instance` and `sources`), so that it begins on line 3.
    var yaml: String
    /// `LINE:COLUMN message | hint`, warnings with a `?` in front.
    var issues: [String]

    init(_ yaml: String, _ issues: String...) {
        self.yaml = yaml
        self.issues = issues
    }

    var testDescription: String { yaml.split(separator: "\n").first.map(String.init) ?? yaml }
}

/// Issues as `Mistake` writes them; a file other than the main one stands in front.
func written(_ issues: [ConfigurationIssue], main: String) -> [String] {
    issues.map { issue in
        let file = issue.position.file == main ? "" : (issue.position.file.split(separator: "/").last.map { $0 + " " } ?? "")
        let severity = issue.severity == .warning ? "?" : ""
        return "\(severity)\(file)\(issue.position.line):\(issue.position.column) \(issue.message)"
            + (issue.hint.map { " | \($0)" } ?? "")
    }
}

func load(_ yaml: String, environment: [String: String] = [:]) throws -> (Configuration?, [String]) {
    let folder = try Folder()
    let path = try folder.write("nudged.yaml", yaml)
    let (configuration, issues) = Configuration.load(path: path, environment: environment)
    return (configuration, written(issues, main: path))
}

let head = "instance: shop\nsources: [{ name: shop, path: shop.ndjson }]\n"

@Suite struct ErrorTests {
    @Test(arguments: mistakes) func mistakesAreNamedWithTheirPlace(mistake: Mistake) throws {
        let (configuration, issues) = try load(head + mistake.yaml)
        #expect(issues == mistake.issues)
        #expect((configuration == nil) == mistake.issues.contains { !$0.hasPrefix("?") })
    }

    @Test func allErrorsComeAtOnce() throws {
        let (_, issues) = try load("instnce: a\nlateness: 5\nrules:\n  r: { start: A, wait: -1h }\n  s: { wiat: 1h, start: B }\n")
        #expect(
            issues == [
                "1:1 \"instnce\" is not a key of a configuration | Did you mean `instance`?",
                "1:1 `instance` is missing | Name this daemon, for example instance: shop.",
                "1:1 `sources` is missing | Say which logs to read: sources: [ { name: shop, path: /var/log/shop/*.ndjson } ].",
                "2:11 `lateness` is a duration, and \"5\" has no unit | Did you mean 5s, 5m, 5h or 5d?",
                "4:24 `wait` can't be negative | Write for example 90s, 15m, 48h, 7d, 2w or 1d12h.",
                "5:8 \"wiat\" is not a key of a rule | Did you mean `wait`?",
            ])
    }

    @Test func draftOfAWrongConfigurationKeepsWhatIsRight() throws {
        let folder = try Folder()
        let path = try folder.write("nudged.yaml", head + "lateness: x\nrules: { r: { start: A, if: 1 < } }\n")
        let draft = Configuration.draft(path: path, environment: [:])
        #expect(!draft.isUsable)
        #expect(draft.configuration?.definitions.rules.first?.condition?.value == "1 <")
        #expect(draft.issues.count == 1)
        #expect(draft.issues.first.flatMap { draft.line(of: $0.position) } == "lateness: x")
    }

    static let mistakes: [Mistake] = [
        // The root.
        Mistake("state: [a]\n", "3:8 `state` is a single value, but this is a list"),
        Mistake("clock: wal\n", "3:8 `clock` is wall or log, not \"wal\" | Did you mean `wall`?"),
        Mistake("clock: sundial\n", "3:8 `clock` is wall or log, not \"sundial\""),
        Mistake("clock: \"wal\"\n", "3:9 `clock` is wall or log, not \"wal\" | Did you mean `wall`?"),
        Mistake("clock:\n", "?3:1 `clock` has no value and counts as left out"),
        Mistake("segments:\nrules:\ncalendars: ~\ninclude:\n"),
        Mistake("memory: 1 MB\n", "3:9 `memory` is a size from 1048576 to 17592186044416 bytes, not \"1 MB\""),
        Mistake(
            "max_line_bytes: 1 Mb/s\n",
            "3:17 `max_line_bytes` is a size in bytes, not \"1 Mb/s\" | Write for example 65536, 64 KiB, 1 MiB or 2 GiB."),
        Mistake(
            "max_line_bytes: 99999999999 GiB\n",
            "3:17 `max_line_bytes` is a size in bytes, not \"99999999999 GiB\" | Write for example 65536, 64 KiB, 1 MiB or 2 GiB."
        ),
        Mistake(
            "publish_from: 2026-02-30\n",
            "3:15 `publish_from` is a time, not \"2026-02-30\" | Write for example 2026-03-01T00:00:00Z or 2026-03-01."),
        Mistake(
            "carts.forget: 3d\n",
            "3:1 \"carts.forget\" is not a key of a configuration | Write it as two levels: carts: { forget: … }."),
        Mistake("carts: { forget: 0 }\n", "3:18 `forget` is at least 1ms, not \"0\""),
        Mistake(
            "lateness: 10s\nlateness: 20s\n",
            "4:1 \"lateness\" is given twice; the first is at line 3, column 1 | Remove one of them."),
        Mistake("? [a]\n: b\n", "3:3 a key is a single word or text, but this is a list"),
        Mistake(
            "retention: { profile: 3d }\n", "3:14 \"profile\" is not a key of `retention` | Did you mean `profiles`?"),
        Mistake(
            "safety: { at_most: 0 }\n", "3:9 `safety` has no `per`",
            "3:20 `at_most` is a whole number from 1 to 1000000000, not \"0\""),

        // Outboxes.
        Mistake("outbox: {}\n", "3:9 `outbox` names no outbox"),
        Mistake("outbox: { mail: {} }\n", "3:11 the outbox \"mail\" has no `path`"),
        Mistake(
            "outbox: { path: a, mail: { path: b } }\n",
            "3:17 the outbox \"path\" is a mapping, but this is a single value | Write path: { path: … }."),
        Mistake("outbox: { a: { path: x }, b: { path: ./x } }\n", "3:27 the outboxes \"a\" and \"b\" have the same path"),
        Mistake(
            "outbox: { path: x, claim_timeut: 1h }\n",
            "3:20 \"claim_timeut\" is not a key of an outbox | Did you mean `claim_timeout`?"),

        // Rules.
        Mistake(
            "rules: [a]\n",
            "3:8 `rules` is a mapping of names, but this is a list | Leave the dash and `name:` out and write the name itself as the key, ended by a colon."
        ),
        Mistake(
            "rules: { r: { wait: 1h } }\n",
            "3:10 the rule \"r\" has no `start` | Name the events that start it: start: [Product Added]."),
        Mistake(
            "rules: { r: { cancel: A } }\n",
            "3:10 the rule \"r\" has only `cancel`: nothing ever starts it | Add `start` with the events that start it."),
        Mistake("rules: { r: { start: [] } }\n", "3:22 `start` is empty: nothing ever starts the rule \"r\""),
        Mistake(
            "rules: { r: { start: A, per: basket } }\n", "3:30 `per` is customer, cart, product or subscription, not \"basket\""),
        Mistake(
            "rules: { r: { start: A, per: costumer } }\n",
            "3:30 `per` is customer, cart, product or subscription, not \"costumer\" | Did you mean `customer`?"),
        Mistake(
            "rules: { r: { start: A, restart: yes } }\n", "3:34 `restart` is true or false, not \"yes\" | Did you mean `true`?"),
        Mistake(
            "rules: { r: { start: A, wait: soon } }\n",
            "3:31 `wait` is a duration, not \"soon\" | Write for example 90s, 15m, 48h, 7d, 2w or 1d12h."),
        Mistake(
            "rules: { r: { start: A, priority: 1.5 } }\n",
            "3:35 `priority` is a whole number from -1000000 to 1000000, not \"1.5\""),
        Mistake("rules: { r: { start: A, if: \"\" } }\n", "3:29 `if` is empty | Write a CEL expression, or leave the key out."),
        Mistake("rules: { r: { start: A, if: [a] } }\n", "3:29 `if` is a single value, but this is a list"),
        Mistake(
            "rules: { r: { start: A, data: { customer: profile.id } } }\n",
            "3:33 `customer` is a field that every message has; a computed one needs another name"),
        Mistake(
            "rules: { r: { start: A, outbox: mial } }\noutbox: { mail: { path: x } }\n",
            "3:33 there is no outbox \"mial\" | Did you mean `mail`?"),
        Mistake(
            "rules: { r: { start: A, outbox: carrier-pigeon } }\n",
            "3:33 there is no outbox \"carrier-pigeon\" | Declared are default."),

        // Triggers.
        Mistake(
            "rules: { r: { start: [A, [B]] } }\n",
            "3:26 an entry of `start` is a mapping, but this is a list | Its keys are event, where, enters, leaves, calendar, before, at."
        ),
        Mistake("rules: { r: { start: [A, ~] } }\n", "3:26 an item of `start` is empty"),
        Mistake(
            "rules: { r: { start: {} } }\n",
            "3:22 this entry of `start` names nothing | It has one of event, enters, leaves and calendar."),
        Mistake(
            "rules: { r: { start: { event: A, enters: B } } }\n",
            "3:34 an entry of `start` has one of event, enters, leaves and calendar, not both event and enters | Make two entries of it."
        ),
        Mistake(
            "segments: { s: a }\nrules: { r: { start: { enters: s, where: x } } }\n",
            "4:35 `where` goes with `event`, not with `enters`"),
        Mistake(
            "calendars: { c: { TR: 2026-01-01 } }\nrules: { r: { start: A, cancel: { calendar: c } } }\n",
            "4:35 `calendar` starts a rule; it can't cancel one"),
        Mistake(
            "calendars: { c: { TR: 2026-01-01 } }\nrules: { r: { start: { calendar: c, at: 10 } } }\n",
            "4:41 `at` is a time of day, not \"10\" | Write for example \"09:30\"."),
        Mistake("rules: { r: { start: { calendar: c } } }\n", "3:34 there is no calendar \"c\" | None is declared."),
        Mistake(
            "segments: { lapsed: x }\nrules: { r: { start: { enters: lapst } } }\n",
            "4:32 there is no segment \"lapst\" | Did you mean `lapsed`?"),

        // Audiences.
        Mistake(
            "rules: { r: { start: Product Stock Changed } }\n",
            "3:22 the rule \"r\" needs an `audience`: Product Stock Changed belongs to no customer | Add for example audience: waitlist."
        ),
        Mistake(
            "rules: { r: { start: Product Added, audience: cart } }\n",
            "3:22 the rule \"r\" has an `audience`, but no event of a product starts it | Remove `audience`, or start it by Product Stock Changed or Product Price Changed."
        ),
        Mistake("rules: { r: { start: New In, audience: cart } }\n"),
        Mistake(
            "rules: { r: { start: A, limit: 5 } }\n",
            "3:25 `limit` needs an `audience`: it bounds how many of the audience get a message | Add for example audience: waitlist."
        ),
        Mistake(
            "rules: { r: { start: Product Stock Changed, audience: waitlist, pace: 1h } }\n",
            "3:65 `pace` needs a `limit`: it says when the limit is judged anew"),
        Mistake(
            "rules: { r: { start: Product Stock Changed, audience: [waitlst, viewed, viewed x, segment nobody] } }\n",
            "3:56 \"waitlst\" is no audience: it is waitlist, wishlist, cart, viewed 30d or segment NAME | Did you mean `waitlist`?",
            "3:65 `viewed` needs a time | Write for example viewed 30d.",
            "3:80 \"x\" is not a duration above 0 | Write for example viewed 30d.",
            "3:91 there is no segment \"nobody\" | None is declared."),
        Mistake(
            "rules: { r: { start: Product Stock Changed, audience: everyone } }\n",
            "3:55 \"everyone\" is no audience: it is waitlist, wishlist, cart, viewed 30d or segment NAME"),
        Mistake(
            "calendars: { c: { TR: 2026-01-01 } }\nrules: { r: { start: { calendar: c }, audience: waitlist } }\n",
            "4:10 the rule \"r\" starts by a calendar: its `audience` can only be segments | Interests belong to a product, and a calendar has none."
        ),

        // Calendars and segments.
        Mistake(
            "calendars: { c: { tr: 2026-01-01 } }\n",
            "3:19 \"tr\" is no country: a calendar's keys are ISO 3166 codes of two capital letters, or default | Did you mean `TR`?"
        ),
        Mistake(
            "calendars: { c: { TR: [2026-01-01, 2026-13-01] } }\n",
            "3:36 \"2026-13-01\" is not a date | Write for example 2026-05-10."),
        Mistake("segments: { a: }\n", "3:13 the segment \"a\" has no condition"),
        Mistake("segments: { a: { b: c } }\n", "3:16 `a` is a single value, but this is a mapping (key: value)"),
    ]
}

extension Mistake {
    /// With its issues in the order of their places.
    fileprivate var sorted: Mistake {
        var copy = self
        copy.issues = issues.reversed()
        return copy
    }
}
