import Configuration
import Engine
import Testing

/// Mistakes in sources and in what delivery.md and operations.md have.
@Suite struct SectionErrorTests {
    @Test(arguments: sources) func mistakesInSources(mistake: Mistake) throws {
        let (_, issues) = try load("instance: shop\n" + mistake.yaml)
        #expect(issues == mistake.issues)
    }

    static let sources: [Mistake] = [
        Mistake("sources: []\n", "2:10 `sources` is empty"),
        Mistake(
            "sources: a\n",
            "2:10 a source is a mapping, but this is a single value | Its keys are name, path, format, lateness."),
        Mistake(
            "sources: [a]\n",
            "2:11 a source is a mapping, but this is a single value | Its keys are name, path, format, lateness."),
        Mistake("sources: [{}]\n", "2:11 this source has no `name`", "2:11 this source has no `path`"),
        Mistake(
            "sources:\n  - { name: a, path: b }\n  - { name: a, path: c }\n",
            "4:13 two sources are called \"a\"; the first is at line 3, column 13"),
        Mistake(
            "sources: [{ name: a, path: b, format: stripes }]\n",
            "2:39 `format` is segment, cloudevents, stripe, revenuecat or shopify, not \"stripes\" | Did you mean `stripe`?"),
        Mistake(
            "sources: [{ name: a, path: b, format: { evnt: x, time: t } }]\n",
            "2:39 this format has no `event` | Say which field names the event.",
            "2:41 \"evnt\" is not a key of a format | Did you mean `event`?"),
        Mistake(
            "sources: [{ name: a, path: b, format: { event: x, time: { path: t, unit: sec } } }]\n",
            "2:74 `unit` is s, ms, us or rfc3339, not \"sec\""),
        Mistake(
            "sources: [{ name: a, path: b, format: { event: x, time: { unit: s } } }]\n", "2:57 `time` has no `path`"),
        Mistake(
            "sources: [{ name: a, path: b, format: { event: { allways: X }, time: t } }]\n",
            "2:48 `event` has no `always` | Write event: { always: NAME }, or the path of the name.",
            "2:50 \"allways\" is not a key of `event` | Did you mean `always`?"),
        Mistake(
            "sources: [{ name: a, path: b, format: { event: x..y, time: t, names: [a] } }]\n",
            "2:48 `event` is a path of field names with dots, not \"x..y\" | Write for example user.id.",
            "2:70 `names` is a mapping of names, but this is a list"),
    ]

    /// A single one where a list of one is meant.
    @Test func oneSourceAndOneCapNeedNoList() throws {
        let folder = try Folder()
        let path = try folder.write(
            "nudged.yaml",
            "instance: shop\nsources: { name: a, path: b }\ndelivery: { caps: { at_most: 1, per: 24h } }\n")
        let (configuration, issues) = Configuration.load(path: path, environment: [:])
        #expect(issues.isEmpty)
        #expect(configuration?.sources.map(\.name.value) == ["a"])
        #expect(configuration?.definitions.delivery.caps.map(\.atMost) == [1])
    }

    @Test(arguments: delivery) func mistakesInDelivery(mistake: Mistake) throws {
        let (_, issues) = try load(head + mistake.yaml)
        #expect(issues == mistake.issues)
    }

    static let delivery: [Mistake] = [
        Mistake(
            "delivery: { channels: [email] }\n",
            "3:13 with channels, `consent` must say what counts while a customer has said nothing | Add consent: { default: denied } or, by channel, consent: { default: { email: granted } }."
        ),
        Mistake("delivery: { channels: [a, a], consent: { default: denied } }\n", "3:27 the channel \"a\" is listed twice"),
        Mistake(
            "delivery: { channels: [{ name: a, outbox: b }], consent: { default: denid } }\n",
            "3:43 there is no outbox \"b\" | Declared are default.",
            "3:69 `default` is denied or granted, not \"denid\" | Did you mean `denied`?"),
        Mistake(
            "delivery: { channels: [email, push], consent: { default: { emial: denied, push: granted } } }\n",
            "3:49 `default` says nothing of the channel \"email\"",
            "3:60 there is no channel \"emial\" | Did you mean `email`?"),
        Mistake(
            "delivery: { quiet_hours: { from: \"21:00\", to: \"25:00\" } }\n",
            "3:13 with `quiet_hours`, `timezone` must say what counts for customers without one | Add for example timezone: Europe/Istanbul.",
            "3:48 `to` is a time of day, not \"25:00\" | Write for example \"09:30\"."),
        Mistake("delivery: { timezone: ../etc }\n", "3:23 there is no time zone \"../etc\" | Write for example Europe/Istanbul."),
        Mistake(
            "delivery: { holdout: 0.1 }\n", "3:22 `holdout` is a percentage from 0% to 100%, not \"0.1\" | Write for example 10%."
        ),
        Mistake(
            "delivery: { holdout: 101% }\n",
            "3:22 `holdout` is a percentage from 0% to 100%, not \"101%\" | Write for example 10%."),
        Mistake(
            "delivery: { caps: [{ per: 1d, channel: x }] }\n", "3:20 this cap has no `at_most`",
            "3:40 there is no channel \"x\" | None is declared."),
        Mistake(
            "rules: { r: { start: A, on_cap: deferr } }\n",
            "3:33 `on_cap` is defer or drop, not \"deferr\" | Did you mean `defer`?"),
        Mistake(
            "rules: { r: { start: A, tags: { a: b } } }\n",
            "3:31 `tags` is a list, but this is a mapping (key: value) | Begin each item with a dash: - …"),
        Mistake(
            "include: {}\n",
            "3:10 `include` is a list, but this is a mapping (key: value) | Begin each item with a dash: - …"),
        Mistake("rules: { r: { start: A, tag: a, tags: [b] } }\n", "3:33 give `tag` or `tags`, not both | `tags` takes a list."),
        Mistake(
            "rules: { r: { start: A, uncounted: true } }\n",
            "3:25 `uncounted` goes with `exempt: true` | A rule that caps hold back is counted by them."),
        Mistake(
            "rules: { r: { start: A, variants: { A: 0 } } }\n",
            "3:35 `variants` needs at least one share above 0 | Write for example { A: 50, B: 50 }."),
        Mistake(
            "rules: { r: { start: A, template: ../x } }\n",
            "3:35 `template` is a name, not a path | Templates are files NAME.LOCALE.mustache in `templates`."),
        Mistake("rules: { r: { start: A, conversion: { event: B } } }\n", "3:37 `conversion` has no `within`"),
        Mistake("rules: { r: { start: A, channels: email } }\n", "3:35 there is no channel \"email\" | None is declared."),
        Mistake(
            "identity: { shop: a..b }\n",
            "3:19 `shop` is a path of field names with dots, not \"a..b\" | Write for example user.id."),
        Mistake("identity: [a]\n", "3:11 `identity` is a mapping of names, but this is a list"),
        Mistake(
            "identity: { shop: context.traits.email }\n",
            "3:19 an e-mail address is an id only as a keyed hash, and there is no `secret_file` with the key"
                + " | Make one with head -c 32 /dev/urandom | base64 > FILE, and write secret_file: FILE."),
        Mistake(
            "identity: { stripe: metadata.user_id }\n",
            "?3:13 there is no source and no source's format \"stripe\", so this has no effect"),
    ]
}
