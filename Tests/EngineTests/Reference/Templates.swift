import Engine

let second: Milliseconds = 1000
let minute: Milliseconds = 60_000
let hour: Milliseconds = 3_600_000
let day: Milliseconds = 86_400_000

/// Numbers from a seed: SplitMix64.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}

/// Conditions that random worlds are made of, each as CEL and as what it means.
enum Templates {
    /// All windows and constants that the conditions below mention: where segments may change by time.
    static let windows: [Milliseconds] = [2 * hour, 6 * hour, day, 8 * day]
    static let constants: [Milliseconds] = [3 * hour]

    static let segments: [Condition] = [
        Condition("profile.count(\"Product Viewed\", \"2h\") >= 2") { $0.count("Product Viewed", 2 * hour) >= 2 },
        Condition("profile.count(\"Product Added\", \"8d\") >= 3") { $0.count("Product Added", 8 * day) >= 3 },
        Condition("profile.ever(\"Order Completed\") && profile.since(\"Order Completed\") > duration(\"3h\")") {
            $0.ever("Order Completed") && ($0.since("Order Completed") ?? .max) > 3 * hour
        },
        Condition("profile.ever(\"Product Viewed\") && profile.since(\"Product Viewed\") >= duration(\"3h\")") {
            $0.ever("Product Viewed") && ($0.since("Product Viewed") ?? .max) >= 3 * hour
        },
        Condition("profile.since(\"Product Added\") < duration(\"3h\")") { ($0.since("Product Added") ?? .max) < 3 * hour },
        Condition("profile.sum(\"Order Completed\", \"value\", \"1d\") >= 10") { $0.sum("Order Completed", "value", day) >= 10 },
        Condition("profile.distinct(\"Product Viewed\", \"product_id\", \"6h\") >= 2") {
            $0.distinct("Product Viewed", "product_id", 6 * hour) >= 2
        },
        Condition("profile.traits.plan == \"gold\"") { $0.customer?.traits["plan"].map { $0.value == "gold" } },
        Condition("profile.count(\"Product Viewed\") == 0") { $0.count("Product Viewed") == 0 },
    ]

    static func made(of one: String, and other: String, _ generator: inout Seeded) -> Condition {
        switch generator.below(3) {
        case 0: Condition("profile.member(\"\(one)\") && profile.member(\"\(other)\")") { $0.member(one) && $0.member(other) }
        case 1: Condition("profile.member(\"\(one)\") && !profile.member(\"\(other)\")") { $0.member(one) && !$0.member(other) }
        default: Condition("!profile.member(\"\(one)\")") { !$0.member(one) }
        }
    }

    static let wheres: [Condition] = [
        Condition("event.properties.n > 1") { $0.event?.properties["n"]?.number.map { $0 > 1 } },
        Condition("profile.count(\"Product Added\", \"6h\") >= 2") { $0.count("Product Added", 6 * hour) >= 2 },
        Condition("!profile.ever(\"Order Completed\")") { !$0.ever("Order Completed") },
    ]

    static let cartWheres: [Condition] = [
        Condition("size(cart.items) > 1") { ($0.cart?.lines.count ?? 0) > 1 }
    ]

    static let conditions: [Condition] = [
        Condition("profile.count(\"Product Viewed\", \"6h\") >= 2") { $0.count("Product Viewed", 6 * hour) >= 2 },
        Condition("event.properties.n > 1") { $0.event?.properties["n"]?.number.map { $0 > 1 } },
        Condition("profile.since(\"Order Completed\") > duration(\"3h\")") { ($0.since("Order Completed") ?? .max) > 3 * hour },
        Condition("profile.max(\"Order Completed\", \"value\") >= 7.0") {
            $0.largest("Order Completed", "value").map { $0 >= 7 }
        },
        Condition("profile.distinct(\"Product Added\", \"product_id\", \"8d\") < 3") {
            $0.distinct("Product Added", "product_id", 8 * day) < 3
        },
    ]

    static let cartConditions: [Condition] = [
        Condition("size(cart.items) > 0") { ($0.cart?.lines.count ?? 0) > 0 },
        Condition("cart.items.exists(i, i.product_id == \"p1\" && i.quantity > 1.0)") {
            $0.cart?.lines.contains { $0.product == "p1" && $0.quantity > 1 } ?? false
        },
    ]

    static let subscriptionConditions: [Condition] = [
        Condition("subscription.issue_open") { $0.subscription.map(\.isOpen) },
        Condition("subscription.attempts >= 2") { $0.subscription.map { $0.attempts >= 2 } },
        Condition("subscription.status == \"past_due\"") { $0.subscription.map { $0.status == "past_due" } },
    ]

    static let productConditions: [Condition] = [
        Condition("product.available > 0.0") { $0.product?.available.map { $0 > 0 } }
    ]

    static let backInStock = Condition("product.available > 0.0 && product.was_available == 0.0") { view in
        guard let product = view.product, let available = product.available else { return nil }
        return available > 0 && (product.wasAvailable ?? 0) == 0
    }
}
