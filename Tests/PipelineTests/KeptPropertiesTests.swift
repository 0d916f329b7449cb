import Testing

@testable import Storage

/// A line with thousands of products starts as many instances, each of which remembers the event.
@Suite struct KeptPropertiesTests {
    private static let rules = """
        rules:
          each: { per: product, start: Product Added to Wishlist, wait: 1h, if: event.properties.note != "" }
        """

    /// - Parameters:
    ///   - note: how long a property is that every instance would keep.
    ///   - verdict: of all of them.
    @Test(arguments: [(10, "published"), (4000, "published"), (6000, "condition_error")])
    func theyTakeNoMoreThanTheLineAllows(note: Int, verdict: String) throws {
        let products = (0..<400).map { #"{"product_id":"p\#($0)"}"# }.joined(separator: ",")
        let properties = #"{"note":"\#(String(repeating: "x", count: note))","products":[\#(products)]}"#
        let shop = ChangingShop(memory: 256 << 20)
        shop.append("10:00", "Product Added to Wishlist", "ann", properties)
        shop.append("10:30", "N", "bob")
        #expect(try shop.run(Self.rules) == [])
        let kept = try #require(try shop.store().integer("SELECT max(length(timers)) FROM customer"))
        #expect(kept < 400 * (300 + 4096), "\(kept)")
        shop.append("12:00", "N", "bob")
        let decided = try shop.run(Self.rules)
        #expect(
            decided.count == 400 && decided.allSatisfy { $0 == "ann each \(verdict)" }, "\(decided.count) \(decided.first ?? "")")
    }

    @Test(
        "of an event an instance keeps what its rule's conditions mention",
        arguments: [
            ("if: event.properties.plan == 'pro'", ["plan"]),
            ("if: event.properties.?plan.orValue('') == 'pro', data: { n: 'event.properties[\"seats\"]' }", ["plan", "seats"]),
            ("if: has(event.properties.plan) && event.properties.address.city == 'Ankara'", ["address", "plan"]),
            ("if: profile.first_seen < now", []),
            ("if: size(event.properties) == 5", ["address", "email", "plan", "product_id", "seats"]),
            ("if: interest.count > 0 || true", ["product_id"]),
        ])
    func onlyWhatIsMentioned(conditions: String, kept: [String]) throws {
        let shop = ChangingShop(memory: 256 << 20)
        let properties = #"{"plan":"pro","email":"a@b.c","seats":3,"product_id":"p","address":{"city":"Ankara"}}"#
        shop.append("10:00", "Signed Up", "ann", properties)
        shop.append("10:30", "N", "bob")
        let rules = "rules:\n  each: { start: Signed Up, wait: 1h, \(conditions) }\n"
        #expect(try shop.run(rules) == [])
        let timers = try #require(try shop.store().database.text("SELECT timers FROM customer WHERE id = 'ann'"))
        let names = ["address", "email", "plan", "product_id", "seats"].filter { timers.contains("\"\($0)\"") }
        #expect(names == kept, "\(timers)")
        shop.append("12:00", "N", "bob")
        #expect(try shop.run(rules) == ["ann each published"])
    }
}
