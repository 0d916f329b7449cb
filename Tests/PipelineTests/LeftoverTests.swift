import Testing

@testable import Storage

/// What a state still holds of customers who have become others, or were erased.
@Suite struct LeftoverTests {
    private static let cheaper =
        "rules: { cheaper: { per: product, start: [{ event: Product Price Changed, where: product.price < product.was_price }], audience: cart } }"

    /// The price falls when the cart has just been forgotten, so that the profile loses it with no event of its own.
    private func forgottenCart(_ shop: ChangingShop) throws {
        shop.append("10:00", "Product Price Changed", nil, #"{"product_id":"p","price":10}"#)
        shop.append("10:00", "Product Added", "ann", #"{"product_id":"p","price":10}"#)
        shop.append("10:10", "N", "bob")
        #expect(try shop.run(Self.short) == [])
        #expect(try shop.store().integer("SELECT count(*) FROM follower") == 1)
        shop.append("12:00", "Product Price Changed", nil, #"{"product_id":"p","price":9}"#)
        shop.append("12:30", "N", "bob")
        #expect(try shop.run(Self.short) == [])
    }

    private static let short = "carts: { forget: 1h }\n" + cheaper

    @Test(arguments: [1, 256 << 20]) func aForgottenCartLeavesNoFollower(memory: Int) throws {
        let shop = ChangingShop(memory: memory)
        try forgottenCart(shop)
        #expect(try shop.store().integer("SELECT count(*) FROM follower") == 0)
    }

    /// States that were made by versions before this one may hold such rows.
    @Test(arguments: [1, 256 << 20]) func aFollowerWhoIsNobodyIsLeftOut(memory: Int) throws {
        let shop = ChangingShop(memory: memory)
        try forgottenCart(shop)
        try shop.change("INSERT INTO follower VALUES ('p', '', 4711, 'cart', 0)")
        shop.append("13:00", "Product Added", "carl", #"{"product_id":"p","price":9}"#)
        shop.append("13:10", "Product Price Changed", nil, #"{"product_id":"p","price":8}"#)
        shop.append("13:30", "N", "bob")
        #expect(try shop.run(Self.short) == ["carl cheaper published"])
        #expect(try shop.store().integer("SELECT count(*) FROM follower WHERE customer = 4711") == 0)
    }

    /// A repetition, which starts nothing, has its audience brought in too.
    @Test(arguments: [1, 256 << 20]) func whoeverEntersASegmentAfterARepetitionIsOfTheNextAudience(memory: Int) throws {
        let rules = """
            segments: { vip: 'profile.ever("Upgraded")' }
            rules: { cheaper: { per: product, start: Product Price Changed, audience: segment vip } }
            """
        let shop = ChangingShop(memory: memory)
        shop.append("10:00", "Upgraded", "alice")
        shop.append("10:01", "Product Price Changed", nil, #"{"product_id":"p1","price":10}"#, id: "first")
        shop.append("10:02", "N", "bob")
        #expect(try shop.run(rules) == ["alice cheaper published"])
        shop.append("10:10", "Product Price Changed", nil, #"{"product_id":"p1","price":10}"#, id: "first")
        shop.append("10:11", "Upgraded", "bob")
        shop.append("10:12", "Product Price Changed", nil, #"{"product_id":"p2","price":10}"#)
        shop.append("11:00", "N", "carl")
        #expect(try shop.run(rules) == ["alice cheaper published", "bob cheaper published"])
    }

    @Test func anErasureTakesEveryFollower() throws {
        let shop = ChangingShop(memory: 256 << 20)
        try forgottenCart(shop)
        try shop.change("INSERT INTO follower SELECT 'q', '', number, 'cart', 0 FROM customer WHERE id = 'ann'")
        shop.append("13:00", "Customer Erasure Requested", "ann")
        shop.append("13:30", "N", "bob")
        #expect(try shop.run(Self.short) == [])
        #expect(try shop.store().integer("SELECT count(*) FROM follower") == 0)
    }

    /// The message was the visitor's; the late cancel is the user's, in the batch of the login or in a later one.
    @Test(arguments: [1, 256 << 20], [true, false]) func aMessageWithdrawnAfterALoginHasOneVerdict(memory: Int, together: Bool)
        throws
    {
        let rules = "rules: { nudge: { start: A, cancel: B } }"
        let shop = ChangingShop(memory: memory)
        shop.append("10:00", "A", "visitor", isAnonymous: true)
        shop.append("10:10", "N", "bob")
        #expect(try shop.run(rules) == ["anonymous:visitor nudge published"])
        shop.append("10:20", "N", "ann", visitor: "visitor")
        if !together {
            shop.append("10:40", "N", "bob")
            #expect(try shop.run(rules) == [])
        }
        shop.append("10:50", "N", "bob")
        shop.append("10:00", "B", "ann")
        shop.append("11:30", "N", "bob")
        #expect(try shop.run(rules) == ["ann nudge withdrawn"])
        #expect(try shop.store().verdicts() == ["withdrawn"])
        #expect(
            try shop.store().integer("SELECT count(*) FROM decision WHERE customer NOT IN (SELECT number FROM customer)") == 0)
    }
}
