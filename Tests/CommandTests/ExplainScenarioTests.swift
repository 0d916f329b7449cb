import Testing

/// What a person in support asks, and what `explain` answers by itself.
@Suite struct ExplainScenarioTests {
    private static let base = """
        instance: test
        state: state
        outbox: outbox
        clock: log
        lateness: 1s
        sources: [ { name: web, path: "logs/*.ndjson", format: segment } ]

        """

    private static func shop(_ configuration: String, _ log: String...) -> Shop {
        let shop = Shop(configuration: base + configuration, runs: false)
        shop.program.write("logs/web.ndjson", log.joined())
        let result = shop.run("run --once")
        #expect(result.code == 0, "\(result.errors)")
        return shop
    }

    private static func added(_ user: String, at time: String, id: String) -> String {
        Shop.line("Product Added", at: time, user: user, id: id, #"{"product_id":"tea","price":4.5,"currency":"EUR"}"#)
    }

    private static func end(_ time: String) -> String { Shop.line("Other", at: time, user: "zoe", id: "end-\(time)") }

    private static let cart = """
        rules:
          cart: { per: cart, start: Product Added, cancel: Order Completed, wait: 2h, if: size(cart.items) > 0 }

        """

    @Test func itWasNotSentBecauseSheBought() {
        let shop = Self.shop(
            Self.cart, Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"),
            Shop.line("Order Completed", at: "2026-03-01T11:00:00Z", user: "ada", id: "bought"), Self.end("2026-03-02T10:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada").output
        #expect(result.contains("cart started, because of event a1, due 2026-03-01T12:00:00.000Z"), "\(result)")
        #expect(result.contains("cancelled: cancelled before it was due (by event bought)"), "\(result)")
    }

    /// A rule about a subscription is judged about the newest one, also after its instance has ended.
    @Test func whatASubscriptionsRuleWouldSeeNow() {
        func payment(_ event: String, at time: String, id: String) -> String {
            Shop.line(event, at: time, user: "ada", id: id, #"{"subscription_id":"s1"}"#)
        }
        let shop = Self.shop(
            """
            rules:
              churn: { per: subscription, start: Payment Failed, cancel: Payment Succeeded, wait: 1d, if: subscription.issue_open }

            """, payment("Payment Failed", at: "2026-03-01T10:00:00Z", id: "p1"),
            payment("Payment Succeeded", at: "2026-03-01T11:00:00Z", id: "p2"),
            payment("Payment Failed", at: "2026-03-01T12:00:00Z", id: "p3"), Self.end("2026-03-03T10:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada churn").output
        #expect(result.contains("if: holds\n  subscription.issue_open  =  true"), "\(result)")
    }

    /// What waited long ends after what started later and was quick.
    @Test func theTimelineIsInTheOrderOfStarts() {
        let shop = Self.shop(
            """
            rules:
              slow: { start: Signed Up, wait: 5h }
              quick: { start: Liked, wait: 1m }

            """, Shop.line("Signed Up", at: "2026-03-01T10:00:00Z", user: "ada", id: "a1"),
            Shop.line("Liked", at: "2026-03-01T11:00:00Z", user: "ada", id: "a2"), Self.end("2026-03-02T10:00:00Z"))
        defer { shop.program.remove() }
        let lines = shop.run("explain ada").output.split(separator: "\n")
        let starts = lines.filter { $0.contains(" started, because of event ") }.map { $0.prefix(24) }
        #expect(starts == ["2026-03-01T10:00:00.000Z", "2026-03-01T11:00:00.000Z"])
    }

    @Test func sheGotItBecauseOfTheseEvents() {
        let shop = Self.shop(
            Self.cart, Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"),
            Self.added("ada", at: "2026-03-01T10:30:00Z", id: "a2"),
            Self.end("2026-03-02T10:00:00Z"))
        defer { shop.program.remove() }
        let sent = shop.run("explain ada").output
        #expect(sent.contains("cart started, because of event a1, due 2026-03-01T12:00:00.000Z"), "\(sent)")
        #expect(sent.contains("published: it was decided to send the message"))
        #expect(sent.contains("in outbox default, no sender has taken it yet"), "\(sent)")
        _ = shop.program.shell("mv outbox/new/* outbox/failed/")
        #expect(shop.run("explain ada cart").output.contains("gave it up: failed/"))
        _ = shop.program.shell("rm outbox/failed/*")
        #expect(shop.run("explain ada cart").output.contains("its file is gone, as a sender leaves it that has sent it"))
    }

    @Test func theConditionSawTheseValues() {
        let shop = Self.shop(
            Self.cart.replacing("cancel: Order Completed, ", with: ""), Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"),
            Shop.line("Product Removed", at: "2026-03-01T11:00:00Z", user: "ada", id: "a2", #"{"product_id":"tea"}"#),
            Self.end("2026-03-02T10:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada cart").output
        #expect(
            result.contains("condition_false: its condition did not hold when it was due (it saw size(cart.items) = 0)"),
            "\(result)")
        #expect(result.contains("if: does not hold") && result.contains("size(cart.items)  =  0"))
    }

    private static let quiet = "delivery: { timezone: Europe/Istanbul, quiet_hours: { from: \"21:00\", to: \"09:00\" } }\n"

    @Test func itIsHeldByTheNight() {
        let shop = Self.shop(
            Self.quiet + Self.cart, Self.added("ada", at: "2026-03-01T18:00:00Z", id: "a1"), Self.end("2026-03-01T22:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada").output
        #expect(
            result.contains("held: it was due at 2026-03-01T20:00:00.000Z, and is judged again at 2026-03-02T06:00:00.000Z"),
            "\(result)")
        #expect(result.contains("by quiet hours: 00:59 at the customer's is quiet, until 2026-03-02T06:00:00.000Z"), "\(result)")
        #expect(
            shop.run("explain ada cart").output.contains("quiet hours: holds it until 2026-03-02T06:00:00.000Z"))
    }

    @Test func itExpiredInTheNight() {
        let shop = Self.shop(
            Self.quiet + Self.cart.replacing("wait: 2h", with: "wait: 2h, expires: 3h"),
            Self.added("ada", at: "2026-03-01T18:00:00Z", id: "a1"), Self.end("2026-03-02T22:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada").output
        #expect(result.contains("due 2026-03-01T20:00:00.000Z") && result.contains("), 3h after it was due"), "\(result)")
        #expect(
            result.contains("expired: it could not be sent in time (held by quiet hours: 02:00 at the customer's is quiet"),
            "\(result)")
    }

    @Test func itWentOutInTheMorning() {
        let shop = Self.shop(
            Self.quiet + Self.cart, Self.added("ada", at: "2026-03-01T18:00:00Z", id: "a1"), Self.end("2026-03-02T22:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada").output
        #expect(
            result.contains("published: it was decided to send the message (held by quiet hours), 10h after it was due"),
            "\(result)")
    }

    /// What is decided after it was due was not held for that.
    @Test func itsStartCameLate() {
        let shop = Self.shop(
            Self.quiet + Self.cart, Self.end("2026-03-01T16:00:00Z"), Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"),
            Self.end("2026-03-02T10:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada").output
        #expect(
            result.contains("published: it was decided to send the message, 3h59m59s after it was due")
                && !result.contains("held"),
            "\(result)")
    }

    @Test func itWasTakenBackAfterItHadGoneOutInTime() {
        let shop = Self.shop(
            Self.cart, Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"), Self.end("2026-03-01T16:00:00Z"),
            Shop.line("Order Completed", at: "2026-03-01T11:00:00Z", user: "ada", id: "bought"), Self.end("2026-03-01T17:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada").output
        #expect(
            result.contains(
                "withdrawn: taken back by a late event (by event bought); the message had been decided at 2026-03-01T12:00:00.000Z\n"
            ),
            "\(result)")
    }

    @Test func itWasDroppedByACap() {
        let shop = Self.shop(
            "delivery: { caps: [ { at_most: 1, per: 24h } ] }\n" + Self.cart.replacing("wait: 2h", with: "wait: 2h, on_cap: drop")
                + "  hello: { start: Signed Up }\n",
            Shop.line("Signed Up", at: "2026-03-01T10:00:00Z", user: "ada", id: "s1"),
            Self.added("ada", at: "2026-03-01T10:10:00Z", id: "a1"), Self.end("2026-03-01T22:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada cart").output
        #expect(
            result.contains("capped: too many messages already (1 of 1 within 1d, until 2026-03-02T10:00:00.000Z)"), "\(result)")
        #expect(result.contains("caps: drops it: capped, 1 of 1 within 1d"), "\(result)")
    }

    @Test func sheIsInTheHoldout() {
        let shop = Self.shop(
            Self.cart.replacing("wait: 2h", with: "wait: 2h, holdout: 99.9999%"),
            Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"), Self.end("2026-03-01T22:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada cart").output
        #expect(result.contains("holdout: deliberately not sent: the customer is in the holdout"), "\(result)")
        #expect(result.contains("of a million, and those below 999999 are held out"), "\(result)")
    }

    private static let channels = "delivery: { channels: [email], consent: { default: denied } }\n"

    @Test func thereIsNoConsent() {
        let shop = Self.shop(
            Self.channels + Self.cart, Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"), Self.end("2026-03-01T22:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada cart").output
        #expect(result.contains("no_consent: no channel has consent (email: denied by default)"), "\(result)")
        #expect(result.contains("consent: drops it: no_consent, email: denied by default"), "\(result)")
    }

    @Test func sheIsSuppressed() {
        let shop = Self.shop(
            Self.channels.replacing("denied", with: "granted") + Self.cart,
            Shop.line("Unsubscribed", at: "2026-03-01T09:00:00Z", user: "ada", id: "u1"),
            Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"), Self.end("2026-03-01T22:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada cart").output
        #expect(
            result.contains("suppressed: the customer is suppressed (unsubscribed from everything at 2026-03-01T09:00:00.000Z)"),
            "\(result)")
    }

    @Test func itStillWaitsOrItsRuleIsPaused() {
        let shop = Self.shop(
            Self.cart, Self.added("ada", at: "2026-03-01T10:00:00Z", id: "a1"), Self.end("2026-03-01T11:00:00Z"))
        defer { shop.program.remove() }
        #expect(shop.run("explain ada").output.contains("still waits: it is judged at 2026-03-01T12:00:00.000Z"))
        #expect(shop.run("pause cart").code == 0)
        shop.program.write("logs/more.ndjson", Self.end("2026-03-02T11:00:00Z"))
        #expect(shop.run("run --once").code == 0)
        let result = shop.run("explain ada cart").output
        #expect(result.contains("paused: rule cart since 2026-03-01T10:59:59.000Z, nudged pause"), "\(result)")
        #expect(result.contains("it waits to be put into outbox default: paused since"), "\(result)")
    }

    @Test func itIsBackInStockButSheStandsInLine() {
        let rule = """
            rules:
              stock: { start: { event: Product Stock Changed, where: product.available > product.was_available }, audience: waitlist, limit: product.available, pace: 60m, if: product.available > 0 }

            """
        func wants(_ user: String, at time: String) -> String {
            Shop.line("Back In Stock Requested", at: time, user: user, id: user, #"{"product_id":"tea"}"#)
        }
        let shop = Self.shop(
            rule, wants("bob", at: "2026-03-01T09:00:00Z"), wants("ada", at: "2026-03-01T09:01:00Z"),
            #"{"type":"track","event":"Product Stock Changed","messageId":"k1","timestamp":"2026-03-01T10:00:00Z","#
                + #""properties":{"product_id":"tea","available":1,"price":4.5}}"# + "\n",
            Self.end("2026-03-01T10:30:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada stock").output
        #expect(
            result.contains(
                "stands in line for its product: place 1 of 1, behind 0 taken and 1 published; the limit is 1\n"),
            "\(result)")
        #expect(result.contains("the pace takes the next at 2026-03-01T11:00:00.000Z"), "\(result)")
        #expect(result.contains("available  1, before that 0, since 2026-03-01T10:00:00.000Z"), "\(result)")
        #expect(result.contains("interest   waitlist since 2026-03-01T09:01:00.000Z"), "\(result)")
        #expect(shop.run("explain bob stock").output.contains("published"))
        #expect(shop.run("explain ada stock --json").output.contains(#""available":"1""#))
        shop.program.write("logs/more.ndjson", Self.end("2026-03-01T12:00:00Z"))
        #expect(shop.run("run --once").code == 0)
        let served = shop.run("explain ada").output
        #expect(served.contains("decided to send the message (stood in line), 1h after it was due"), "\(served)")
    }

    private static let fans = """
        segments:
          buyer: profile.ever("Order Completed")
          fan: |
            profile.member("buyer")   // has bought
              && profile.count("Product Viewed", "7d") >= 2

        """

    @Test func sheNeverEnteredTheSegmentThatStartsIt() {
        let shop = Self.shop(
            Self.fans + "rules: { hello: { start: { enters: fan } }, bye: { start: { leaves: buyer } } }\n",
            Shop.line("Product Viewed", at: "2026-03-01T10:00:00Z", user: "ada", id: "v1"),
            Shop.line("Order Completed", at: "2026-03-01T10:30:00Z", user: "bob", id: "o1"), Self.end("2026-03-01T11:00:00Z"))
        defer { shop.program.remove() }
        let hello = shop.run("explain ada hello").output
        #expect(hello.contains("it starts on entering segment fan, in which the customer is not\n"), "\(hello)")
        #expect(hello.contains("segment buyer: does not hold\n  profile.ever(\"Order Completed\")  =  false\n"), "\(hello)")
        #expect(
            hello.contains(
                """
                segment fan: does not hold
                  profile.member("buyer") && profile.count("Product Viewed", "7d") >= 2  =  false
                    profile.member("buyer")  =  false
                    profile.count("Product Viewed", "7d") >= 2  =  false
                      profile.count("Product Viewed", "7d")  =  1

                """), "\(hello)")
        let bye = shop.run("explain bob bye").output
        #expect(
            bye.contains("it starts on leaving segment buyer, in which the customer has been since 2026-03-01T10:30:00.000Z\n"),
            "\(bye)")
        #expect(bye.contains("segment buyer: holds\n"), "\(bye)")
        #expect(
            shop.run("explain bob bye --json").output.contains(
                #""starts":[{"on":"leaves","segment":"buyer","since":"2026-03-01T10:30:00.000Z"}]"#))
    }

    @Test func theCalendarsMomentIsStillToComeOrFoundHerOutsideOfItsAudience() {
        let shop = Self.shop(
            Self.fans
                + """
                calendars: { md: { TR: [2026-03-10], default: [2026-06-01] } }
                rules: { md: { start: { calendar: md, before: 7d, at: "10:00" }, audience: segment fan } }

                """,
            #"{"type":"identify","userId":"ada","messageId":"i1","timestamp":"2026-03-01T10:00:00Z","#
                + #""context":{"locale":"tr-TR","timezone":"Europe/Istanbul"}}"# + "\n",
            Shop.line("Product Viewed", at: "2026-03-01T10:00:00Z", user: "bob", id: "v1"), Self.end("2026-03-02T11:00:00Z"))
        defer { shop.program.remove() }
        let before = shop.run("explain ada md").output
        #expect(
            before.contains(
                "it starts at 10:00, 7d before a day of calendar md; the next for this customer (country TR, time zone Europe/Istanbul) is at "
                    + "2026-03-03T07:00:00.000Z\n"), "\(before)")
        #expect(before.contains("its audience is segment fan, in which the customer is not\n"), "\(before)")
        #expect(before.contains("segment fan: does not hold\n"), "\(before)")
        #expect(
            shop.run("explain bob md").output.contains(
                "the next for this customer (no country known, no time zone known) is at 2026-05-25T10:00:00.000Z"))
        shop.program.write("logs/more.ndjson", Self.end("2026-03-05T11:00:00Z"))
        #expect(shop.run("run --once").code == 0)
        let after = shop.run("explain ada md").output
        #expect(after.contains("was at 2026-03-03T07:00:00.000Z, and was taken\n"), "\(after)")
        #expect(
            shop.run("explain ada md --json").output.contains(
                #""starts":[{"at":"10:00","before":"7d","calendar":"md","country":"TR","moment":"2026-03-03T07:00:00.000Z","on":"calendar","#
                    + #""taken":true,"timezone":"Europe/Istanbul"}]"#))
    }

    @Test func sheIsNotInTheSegmentThatIsAProductsAudience() {
        let shop = Self.shop(
            Self.fans + "rules: { drop: { start: Product Price Changed, audience: segment fan } }\n",
            Shop.line("Product Viewed", at: "2026-03-01T10:00:00Z", user: "ada", id: "v1"), Self.end("2026-03-01T11:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada drop").output
        #expect(
            result.contains("it starts on Product Price Changed\nits audience is segment fan, in which the customer is not\n"),
            "\(result)")
        #expect(result.contains("segment fan: does not hold\n"), "\(result)")
        #expect(shop.run("explain ada drop --json").output.contains(#""audience":[{"segment":"fan","since":null}]"#))
    }

    /// An empty cart that was touched last is not the current one.
    @Test func theCartIsTheCurrentOne() {
        func cart(_ event: String, at time: String, _ cart: String, _ products: String) -> String {
            Shop.line(event, at: time, user: "ada", id: time, #"{"cart_id":"\#(cart)","products":[\#(products)]}"#)
        }
        let shop = Self.shop(
            "rules: { gap: { start: Checkout Started, if: size(cart.items) > 0 } }\n",
            cart("Cart Updated", at: "2026-03-01T10:00:00Z", "full", #"{"product_id":"tea"}"#),
            cart("Cart Updated", at: "2026-03-01T10:30:00Z", "empty", ""), Self.end("2026-03-01T11:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain ada gap").output
        #expect(result.contains("if: holds\n"), "\(result)")
    }

    @Test func whatIsMissingIsNoNullAndWhatTheEventBringsIsOpen() {
        let shop = Self.shop(
            """
            rules:
              mark:
                start: { event: Liked, where: has(event.properties.src) }
                if: event.properties.?src.orValue("") == "" && profile.traits.?name.orValue("") == "x"

            """,
            Shop.line("Liked", at: "2026-03-01T10:00:00Z", user: "ada", id: "l1", #"{"src":null}"#),
            Shop.line("Liked", at: "2026-03-01T10:00:00Z", user: "bob", id: "l2", #"{}"#), Self.end("2026-03-01T11:00:00Z"))
        defer { shop.program.remove() }
        let null = shop.run("explain ada mark").output
        #expect(null.contains("(it saw event.properties.?src = null, profile.traits.?name = missing)"), "\(null)")
        let open = shop.run("explain bob mark").output
        #expect(
            open.contains(
                "where of start on Liked: depends on the event\n  has(event.properties.src)  =  depends on the event\n"),
            "\(open)")
        #expect(open.contains("if: does not hold\n"), "\(open)")
        #expect(open.contains("event.properties.?src  =  depends on the event\n"), "\(open)")
        #expect(open.contains("profile.traits.?name  =  missing\n"), "\(open)")
        #expect(shop.run("explain bob mark --json").output.contains(#""holds":null"#))
    }

    @Test func whatIsRunningBringsItsEvent() {
        let shop = Self.shop(
            """
            rules:
              mark:
                start: { event: Liked, where: event.properties.?src.orValue("web") == "web" }
                wait: 2h
                if: has(event.properties.src) && event.properties.?src.orValue("") == "web"

            """,
            Shop.line("Liked", at: "2026-03-01T10:00:00Z", user: "bob", id: "l2", #"{"n":1}"#), Self.end("2026-03-01T11:00:00Z"))
        defer { shop.program.remove() }
        let result = shop.run("explain bob mark").output
        #expect(result.contains("where of start on Liked: holds\n"), "\(result)")
        #expect(result.contains("event.properties.?src  =  missing\n"), "\(result)")
        #expect(result.contains("if: does not hold\n") && result.contains("has(event.properties.src)  =  false\n"), "\(result)")
        shop.program.write("logs/more.ndjson", Self.end("2026-03-01T13:00:00Z"))
        #expect(shop.run("run --once").code == 0)
        let ended = shop.run("explain bob mark").output
        #expect(ended.contains("where of start on Liked: depends on the event\n"), "\(ended)")
        #expect(ended.contains("(it saw has(event.properties.src) = false, event.properties.?src = missing)"), "\(ended)")
    }

    @Test func idsThatAreUnknownErasedOrMerged() {
        let shop = Shop()
        defer { shop.program.remove() }
        let unknown = shop.run("explain nobody")
        #expect(unknown.code == 65 && unknown.errors.contains("no event of this id was read"))
        #expect(shop.run("explain zelda").errors.contains("dead letter holds this text: `nudged deadletters show 1`"))
        #expect(shop.run("explain anonymous:v1").output.hasPrefix("ada\nanonymous:v1 became ada: all of it is told here\n"))
        #expect(shop.run("forget ada").code == 0)
        #expect(shop.run("run --once").code == 0)
        let erased = shop.run("explain ada")
        #expect(erased.code == 65 && erased.errors.contains("ada was erased: what it did up to"), "\(erased.errors)")
        #expect(shop.run("explain anonymous:v1").errors.contains("was erased"))
        shop.program.write("logs/new.ndjson", Shop.line("Signed Up", at: "2026-03-05T10:00:00Z", user: "ada", id: "n1"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("explain ada").output.contains("was erased: what happened up to"))
    }
}
