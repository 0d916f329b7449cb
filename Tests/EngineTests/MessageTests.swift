import Testing

@testable import Engine

@Suite struct MessageTests {
    /// FIPS 180-4's own examples, of one block and of two.
    @Test(arguments: [
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ]) func sha256OfTheseTestsIsTheRealOne(_ text: String, _ expected: String) {
        let hex = SHA256.hash(Array(text.utf8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        #expect(hex == expected)
    }

    /// Ids computed by python3: hashlib.sha256 over json.dumps(…, separators=(",", ":"), ensure_ascii=False), base64.b32encode.
    @Test(arguments: [
        ("abandoned-cart", "u1", "c1", "5nkytue7sl55xmy33y3mjwediyr7gfx7"),
        ("welcome", "anonymous:a-é\"1", "", "jlbc22k2qvcusbvjyhxrdwjvt2oodt64"),
    ]) func anIdIsAFunctionOfItsCause(_ rule: String, _ customer: String, _ key: String, _ expected: String) throws {
        var world = World()
        var spec = RuleSpec(rule)
        spec.start = [.event("X")]
        world.rules = [spec]
        let engine = Engine(rules: try RuleSet.compiled(world.definitions), hasStore: false, sha256: SHA256.hash)
        #expect(engine.messageID(rule: 0, customer: customer, key: key, startedAt: 1_767_225_600_000) == expected)
    }

    @Test func aMessageIsOneLineOfCanonicalJSON() throws {
        var world = World()
        var spec = RuleSpec("abandoned-cart", per: .cart)
        spec.start = [.event("Product Added")]
        spec.wait = 48 * hour
        world.rules = [spec]
        let added = LogLine(
            1_767_225_600_000, "Product Added", user: "u1", id: "m1",
            ["cart_id": "c1", "product_id": "p", "quantity": 3, "price": 19.99, "currency": "EUR"])
        let told = try Driver(rules: try RuleSet.compiled(world.definitions)).run(
            OrderedLine.sorted([added], lateness: 0), until: added.time + 3 * day)
        #expect(
            told.messages == [
                #"{"data":{"because":["m1"],"cart":{"currency":"EUR","id":"c1","items":[{"currency":"EUR","price":"19.99","product_id":"p","#
                    + #""quantity":3}],"total":"59.97"},"customer":{"id":"u1"},"due_at":"2026-01-03T00:00:00.000Z","key":"c1","#
                    + #""rule":"abandoned-cart","started_at":"2026-01-01T00:00:00.000Z"},"datacontenttype":"application/json","#
                    + #""expirytime":"2026-01-10T00:00:00.000Z","id":"5nkytue7sl55xmy33y3mjwediyr7gfx7","sequence":"0000000000000001","#
                    + #""source":"/nudged/shop","specversion":"1.0","subject":"u1","time":"2026-01-03T00:00:00.000Z","type":"nudged.message"}"#
            ])
    }
}

/// Fair stock, as the contract has it, each with the smallest log that shows it.
@Suite struct AudienceLineTests {
    /// When which customer's message came, and how instances ended, as `customer@time verdict`.
    private func run(_ log: [LogLine], wait: Milliseconds = 0, pace: Milliseconds? = nil, until end: Instant = 10 * hour) throws
        -> [String]
    {
        var world = World()
        var spec = RuleSpec("back-in-stock")
        spec.start = [.event("Product Stock Changed", Templates.backInStock)]
        spec.audience = [.waitlist]
        spec.limit = Condition("product.available") { _ in nil }
        spec.condition = Templates.productConditions[0]
        spec.wait = wait
        spec.pace = pace
        spec.cancel = [.event("Order Completed")]
        world.rules = [spec]
        let told = try Driver(rules: try RuleSet.compiled(world.definitions)).run(
            OrderedLine.sorted(log, lateness: 0), until: end)
        return told.decisions.map { decision in
            let words = decision.split(separator: " ")
            return "\(words[2])@\((Int64(words[0]) ?? 0) / minute) \(words[4])"
        }
    }

    private func requests(_ customers: String...) -> [LogLine] {
        customers.enumerated().map {
            LogLine(Instant($0.offset), "Back In Stock Requested", user: $0.element, ["product_id": "p"])
        }
    }

    private func stock(_ available: Int, at time: Instant) -> LogLine {
        LogLine(time, "Product Stock Changed", ["product_id": "p", "available": .number(Double(available))])
    }

    @Test func noMoreAreServedThanThereArePiecesAndTheEarliestFirst() throws {
        #expect(try run(requests("c", "a", "b") + [stock(2, at: hour)]) == ["c@60 published", "a@60 published"])
    }

    @Test func whoWasNotServedKeepsThePlaceForTheNextStart() throws {
        let log = requests("c", "a", "b") + [stock(1, at: hour), stock(0, at: 2 * hour), stock(1, at: 3 * hour)]
        #expect(try run(log) == ["c@60 published", "a@180 published"])
    }

    @Test(arguments: ["profile.count(\"A\")", "event.properties.n", "size(cart.items)"])
    func aLimitThatAsksForACustomerIsRefused(_ limit: String) {
        var spec = RuleSpec("back-in-stock")
        spec.start = [.event("Product Stock Changed")]
        spec.audience = [.waitlist]
        spec.limit = Condition(limit) { _ in nil }
        var world = World()
        world.rules = [spec]
        let issues = RuleSet.compile(world.definitions) { _ in nil }.1
        #expect(issues.map(\.message) == ["limit is judged for a product, where there is no customer and no event"])
    }

    @Test(arguments: ["profile.count(\"A\") > 1", "size(cart.items) > 0", "interest.kind == 'waitlist'"])
    func aStartOfAProductThatAsksForACustomerIsRefused(_ condition: String) {
        var spec = RuleSpec("back-in-stock")
        spec.start = [.event("Product Stock Changed", Condition(condition) { _ in nil })]
        spec.audience = [.waitlist]
        var world = World()
        world.rules = [spec]
        let issues = RuleSet.compile(world.definitions) { _ in nil }.1
        #expect(issues.map(\.message) == ["Product Stock Changed is about a product, where there is no customer yet"])
    }

    @Test func theLimitIsJudgedAgainWhenTheMessageGoesOut() throws {
        let log = requests("c", "a", "b") + [stock(3, at: hour), stock(1, at: hour + 30 * minute)]
        #expect(try run(log, wait: hour) == ["c@120 published"])
    }

    @Test func whoCancelsGivesTheShareToTheNextAtOnce() throws {
        let order = LogLine(hour + 30 * minute, "Order Completed", user: "c", ["products": [["product_id": "p"]]])
        let log = requests("c", "a", "b") + [stock(1, at: hour), order]
        #expect(try run(log, wait: hour) == ["c@90 cancelled", "a@120 published"])
    }

    @Test func afterThePaceTheNextAreTaken() throws {
        let log = requests("c", "a", "b") + [stock(1, at: hour)]
        #expect(try run(log, pace: hour) == ["c@60 published", "a@120 published", "b@180 published"])
    }

    @Test func thePaceEndsWhenTheConditionFails() throws {
        let log = requests("c", "a", "b") + [stock(1, at: hour), stock(0, at: hour + 30 * minute)]
        #expect(try run(log, pace: hour) == ["c@60 published"])
    }

    @Test func thePacesOfTwoRulesAtOneProductRunByThemselves() throws {
        var world = World()
        for (name, pace) in [("quick", hour), ("slow", 2 * hour)] {
            var spec = RuleSpec(name)
            spec.start = [.event("Product Stock Changed")]
            spec.audience = [name == "quick" ? .wishlist : .waitlist]
            spec.limit = Condition("product.available") { _ in nil }
            spec.pace = pace
            world.rules.append(spec)
        }
        let told = try Driver(rules: try RuleSet.compiled(world.definitions)).run(
            OrderedLine.sorted(requests("c", "a") + [stock(1, at: hour)], lateness: 0), until: 10 * hour)
        #expect(told.messages.count == 2)
    }
}
