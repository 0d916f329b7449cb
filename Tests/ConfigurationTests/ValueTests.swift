import Configuration
import Engine
import Testing

/// Every key gives the value it says, and its default where it is left out.
@Suite struct ValueTests {
    @Test func defaultsAreThoseOfTheContract() throws {
        let folder = try Folder()
        let path = try folder.write("nudged.yaml", head + "rules: { r: { start: A } }\n")
        let (loaded, issues) = Configuration.load(path: path, environment: [:])
        #expect(issues == [])
        let configuration = try #require(loaded)
        #expect(configuration.instance == "shop" && configuration.definitions.instance == "shop")
        #expect(configuration.path == path && configuration.files == [path])
        #expect(configuration.state == "/var/lib/nudged")
        #expect(configuration.outboxes == [OutboxDefinition(name: "default", path: "/var/spool/nudged/outbox")])
        #expect(configuration.outboxes[0].claimTimeout == 900_000)
        #expect(configuration.lateness == 10_000 && configuration.clock == .wall && configuration.maxFuture == 300_000)
        #expect(configuration.maxLineBytes == 1_048_576 && configuration.memory == 268_435_456)
        #expect(configuration.templates == folder.path + "/templates")
        #expect(configuration.metrics == nil && configuration.secretFile == nil && configuration.safety == nil)
        #expect(configuration.retention.profiles == 400 * day && configuration.retention.deadLetters == 30 * day)
        #expect(configuration.retention.maxDeadLetters == 100_000)
        let definitions = configuration.definitions
        #expect(definitions.lateFor == 30 * day && definitions.dedupe == day && definitions.publishFrom == nil)
        #expect(definitions.cartsForget == 30 * day && definitions.waitlistForget == 180 * day)
        let source = try #require(configuration.sources.first)
        #expect(source.path == folder.path + "/shop.ndjson" && source.format == .preset(.segment) && source.lateness == 10_000)
        let rule = try #require(definitions.rules.first)
        #expect(
            rule.per == nil && rule.wait == 0 && !rule.restart && rule.cooldown == 0 && rule.expires == 7 * day
                && rule.priority == 0)
        #expect(rule.condition == nil && rule.limit == nil && rule.pace == nil && rule.outbox == nil && rule.include == [])
        #expect(configuration.ruleDelivery["r"] == RuleDeliveryDefinition())
    }

    private let day: Milliseconds = 86_400_000

    @Test func daemonKeysAreRead() throws {
        let folder = try Folder()
        let path = try folder.write(
            "etc/nudged.yaml",
            """
            instance: shop-2_x.y
            state: ./lib
            outbox: { a: { path: /a, claim_timeout: 1m, max_pending: 7, keep: 2d }, b: { path: b } }
            sources:
              - { name: one, path: "x/*.log", format: stripe, lateness: 1m }
              - name: two
                path: /y
                format:
                  { id: i, customer: u.id, anonymous: c, received: r, event: e, time: { path: t, unit: us },
                    names: { b: B, a: A }, properties: { p: q.r } }
              - { name: three, path: /z, format: { event: e, time: t, properties: data } }
              - { name: four, path: /w, format: { event: { always: Stock Seen }, time: t } }
            lateness: 2s
            clock: log
            max_future: 1h
            late_for: 2w
            dedupe: 0
            max_line_bytes: 64KiB
            publish_from: 2026-03-01T00:00:00+03:00
            carts: { forget: 1d }
            waitlist: { forget: 2d }
            memory: 1 GiB
            metrics: m
            secret_file: /s
            templates: t
            calendars: { c: { TR: [2026-01-02, 2026-01-01], default: 1970-01-02 } }
            segments: { s: true, t: "a: b" }

            """)
        let (loaded, issues) = Configuration.load(path: path, environment: [:])
        #expect(written(issues, main: path) == [])
        let configuration = try #require(loaded)
        let etc = folder.path + "/etc/"
        #expect(
            configuration.instance == "shop-2_x.y" && configuration.state == etc + "lib" && configuration.templates == etc + "t")
        #expect(configuration.metrics == etc + "m" && configuration.secretFile?.value == "/s")
        #expect(configuration.outboxes.map(\.name) == ["a", "b"] && configuration.outboxes.map(\.path) == ["/a", etc + "b"])
        #expect(configuration.outboxes[0].claimTimeout == 60_000 && configuration.outboxes[0].maxPending == 7)
        #expect(configuration.outboxes[0].keep == 2 * day)
        #expect(configuration.sources.map(\.path) == [etc + "x/*.log", "/y", "/z", "/w"])
        #expect(configuration.sources.map(\.lateness) == [60_000, 2000, 2000, 2000])
        #expect(configuration.sources[0].format == .preset(.stripe))
        guard case .mapping(let mapping) = configuration.sources[1].format,
            case .mapping(let other) = configuration.sources[2].format,
            case .mapping(let single) = configuration.sources[3].format
        else {
            Testing.Issue.record("no mapping")
            return
        }
        #expect(mapping.id == "i" && mapping.customer == "u.id" && mapping.anonymous == "c" && mapping.received == "r")
        #expect(single.always == "Stock Seen" && mapping.always == nil)
        #expect(mapping.event == "e" && mapping.time == "t" && mapping.unit == .us)
        #expect(mapping.names.map(\.from) == ["b", "a"] && mapping.names.map(\.to) == ["B", "A"])
        guard case .fields(let fields) = mapping.properties else {
            Testing.Issue.record("no fields")
            return
        }
        #expect(fields.map(\.name) == ["p"] && fields.map(\.path) == ["q.r"])
        #expect(other.properties == .object(path: "data") && other.unit == .rfc3339)
        #expect(configuration.clock == .log && configuration.maxFuture == 3_600_000 && configuration.maxLineBytes == 65_536)
        #expect(configuration.memory == 1 << 30)
        let definitions = configuration.definitions
        #expect(definitions.lateFor == 14 * day && definitions.dedupe == 0 && definitions.publishFrom == 1_772_312_400_000)
        #expect(definitions.cartsForget == day && definitions.waitlistForget == 2 * day)
        #expect(definitions.calendars.first?.days == ["TR": [20_454, 20_455], "default": [1]])
        #expect(definitions.segments.map(\.condition.value) == ["true", "a: b"])
    }

    @Test func rulesAreRead() throws {
        let (loaded, issues) = try load(
            head
                + """
                segments: { s: x }
                calendars: { c: { TR: 2026-01-01 } }
                outbox: { mail: { path: /m }, push: { path: /p } }
                rules:
                  r:
                    per: subscription
                    start: [A, { event: B, where: x > 1 }, { enters: s }, { leaves: s }, { calendar: c, before: 7d, at: "10:30" }]
                    cancel: { event: C }
                    wait: 1d12h
                    restart: true
                    if: size(cart.items) > 0
                    cooldown: 7d
                    expires: 24h
                    priority: -3
                    data: { b: 1.50, a: "x" }
                    include: [name, city]
                    outbox: push
                  p:
                    start: Product Stock Changed
                    audience: [waitlist, wishlist, cart, viewed 30d, segment s]
                    limit: product.available
                    pace: 60m

                """)
        #expect(issues == [])
        let rules = try #require(loaded).definitions.rules
        let rule = rules[0]
        #expect(rule.per?.value == .subscription && rule.wait == 129_600_000 && rule.restart && rule.priority == -3)
        #expect(
            rule.cooldown == 7 * day && rule.expires == day && rule.outbox?.value == "push" && rule.include == ["name", "city"])
        #expect(rule.condition?.value == "size(cart.items) > 0")
        #expect(rule.data.map(\.key.value) == ["b", "a"] && rule.data.map(\.expression.value) == ["1.50", "x"])
        let starts = rule.start.map { trigger in
            switch trigger {
            case .event(let name, let condition): "event \(name.value) \(condition?.value ?? "-")"
            case .enters(let name): "enters \(name.value)"
            case .leaves(let name): "leaves \(name.value)"
            case .calendar(let name, let before, let minute): "calendar \(name.value) \(before) \(minute)"
            }
        }
        #expect(starts == ["event A -", "event B x > 1", "enters s", "leaves s", "calendar c 604800000 630"])
        #expect(rule.cancel.count == 1)
        let audiences = rules[1].audience.map { audience in
            switch audience {
            case .waitlist: "waitlist"
            case .wishlist: "wishlist"
            case .cart: "cart"
            case .viewed(let within): "viewed \(within)"
            case .segment(let name): "segment \(name.value) \(name.position.line):\(name.position.column)"
            }
        }
        #expect(audiences == ["waitlist", "wishlist", "cart", "viewed 2592000000", "segment s 22:62"])
        #expect(rules[1].limit?.value == "product.available" && rules[1].pace == 3_600_000)
    }

    @Test func deliveryIsRead() throws {
        let (loaded, issues) = try load(
            head
                + """
                outbox: { mail: { path: /m }, push: { path: /p } }
                delivery:
                  channels: [{ name: email, outbox: mail }, push]
                  consent: { default: { email: denied, push: granted } }
                  timezone: Europe/Istanbul
                  quiet_hours: { from: "21:00", to: 9:05 }
                  caps: [{ at_most: 1, per: 24h }, { at_most: 3, per: 7d, tag: a, channel: email }]
                  holdout: 2.5%
                  salt: pepper
                  send_time: best
                retention: { profiles: 1d, decisions: 2d, messages: 3d, dead_letters: 4d, max_dead_letters: 5 }
                identity: { shop: a.b }
                safety: { at_most: 10, per: 1h }
                rules:
                  r: { start: A, channels: push, topic: t, tags: [a, b], exempt: true, uncounted: true, on_cap: drop, holdout: 10%,
                       variants: { A: 30, B: 70 }, experiment: e, send_time: now, template: x, retract: true,
                       conversion: { event: Order Completed, within: 3d } }

                """)
        #expect(issues == [])
        let configuration = try #require(loaded)
        let delivery = configuration.delivery
        #expect(delivery.channels.map(\.name.value) == ["email", "push"] && delivery.channels.map(\.outbox) == ["mail", nil])
        #expect(delivery.consent == ["email": .denied, "push": .granted] && delivery.timezone == "Europe/Istanbul")
        #expect(delivery.quietHours?.from == 1260 && delivery.quietHours?.to == 545)
        #expect(delivery.caps.map(\.atMost) == [1, 3] && delivery.caps.map(\.per) == [day, 7 * day])
        #expect(delivery.caps.map(\.tag) == [nil, "a"] && delivery.caps.map(\.channel) == [nil, "email"])
        #expect(delivery.holdout?.millionths == 25_000 && delivery.salt == "pepper" && delivery.sendTime == .best)
        #expect(configuration.retention.profiles == day && configuration.retention.decisions == 2 * day)
        #expect(configuration.retention.messages == 3 * day && configuration.retention.deadLetters == 4 * day)
        #expect(configuration.retention.maxDeadLetters == 5)
        #expect(configuration.identity.keys == [.init(name: "shop", path: "a.b")])
        #expect(configuration.sources.map { configuration.identity.key(of: $0)?.path } == ["a.b"])
        #expect(configuration.safety?.atMost == 10 && configuration.safety?.per == 3_600_000)
        let rule = try #require(configuration.ruleDelivery["r"])
        #expect(rule.channels == ["push"] && rule.topic == "t" && rule.tags == ["a", "b"] && rule.exempt && rule.uncounted)
        #expect(rule.onCap == .drop && rule.holdout?.millionths == 100_000 && rule.variants.map(\.weight) == [30, 70])
        #expect(rule.experiment == "e" && rule.sendTime == .now && rule.template?.value == "x" && rule.retract)
        #expect(rule.conversion?.event == "Order Completed" && rule.conversion?.within == 3 * day)
    }

    @Test func oneOutboxMayHaveSettingsWithoutAName() throws {
        let (loaded, issues) = try load(head + "outbox: { path: /x, claim_timeout: 5m }\n")
        #expect(issues == [])
        #expect(loaded?.outboxes.map(\.name) == ["default"] && loaded?.outboxes.first?.claimTimeout == 300_000)
    }
}
