import Engine
import Testing

/// What a random run is made of, so that a failure points at its corner.
struct Flavour: Sendable, CustomTestStringConvertible, CaseIterable {
    enum Subject: String, CaseIterable { case carts, customers, segments, subscriptions, products, stock, limits }

    var subject: Subject
    var isLate: Bool
    var hasLinks: Bool

    static let allCases: [Flavour] = Subject.allCases.flatMap { subject in
        [false, true].flatMap { late in [false, true].map { Flavour(subject: subject, isLate: late, hasLinks: $0) } }
    }

    var testDescription: String { subject.rawValue + (isLate ? ", late" : "") + (hasLinks ? ", links" : "") }
}

extension World {
    static func random(_ flavour: Flavour, unit: Milliseconds, _ generator: inout Seeded) -> World {
        var world = World()
        if generator.chance(30) { world.cartsForget = unit * 9 }
        if generator.chance(30) { world.dedupe = unit * 4 }
        if generator.chance(60) || flavour.subject == .segments {
            for index in 0..<(1 + generator.below(3)) {
                let condition =
                    if index > 0, generator.chance(35) {
                        Templates.made(of: "s\(generator.below(index))", and: "s\(generator.below(index))", &generator)
                    } else {
                        generator.pick(Templates.segments)
                    }
                world.segments.append(SegmentSpec(name: "s\(index)", condition: condition))
            }
        }
        for index in 0..<(1 + generator.below(3)) { world.rules.append(rule(index, flavour, unit, world, &generator)) }
        return world
    }

    private static func rule(
        _ index: Int, _ flavour: Flavour, _ unit: Milliseconds, _ world: World, _ generator: inout Seeded
    ) -> RuleSpec {
        var rule = RuleSpec("r\(2 - index)")
        rule.wait = unit * Milliseconds(generator.pick([0, 1, 3, 6]))
        rule.restart = generator.chance(50)
        rule.priority = generator.chance(30) ? 1 : 0
        if generator.chance(40) { rule.cooldown = unit * Milliseconds(generator.pick([2, 5, 12])) }
        func events(_ names: [String], _ wheres: [Condition]) -> [TriggerSpec] {
            var result: [TriggerSpec] = []
            for name in names where generator.chance(60) {
                result.append(.event(name, generator.chance(25) ? generator.pick(wheres) : nil))
            }
            return result.isEmpty ? [.event(names[0])] : result
        }
        var conditions = Templates.conditions
        switch flavour.subject {
        case .carts:
            rule.per = .cart
            rule.start = events(
                ["Product Added", "Product Removed", "Cart Updated", "Checkout Started"], Templates.wheres + Templates.cartWheres)
            rule.cancel = generator.chance(80) ? events(["Order Completed", "Cart Viewed"], Templates.wheres) : []
            conditions = Templates.cartConditions + [Templates.conditions[0]]
        case .customers:
            rule.per = .customer
            rule.start = events(["Product Viewed", "Product Added"], Templates.wheres)
            rule.cancel = generator.chance(70) ? events(["Order Completed", "Product Added"], Templates.wheres) : []
        case .segments:
            rule.per = .customer
            for segment in world.segments {
                if generator.chance(60) {
                    rule.start.append(generator.chance(60) ? .enters(segment.name) : .leaves(segment.name))
                }
                if generator.chance(40) {
                    rule.cancel.append(generator.chance(60) ? .enters(segment.name) : .leaves(segment.name))
                }
            }
            if rule.start.isEmpty { rule.start = [.enters("s0")] }
            if generator.chance(30) { rule.start.append(.event("Product Added")) }
            if generator.chance(30) { rule.cancel.append(.event("Order Completed")) }
        case .subscriptions:
            rule.per = .subscription
            rule.start = [.event("Payment Failed")]
            rule.cancel =
                generator.chance(80) ? events(["Payment Succeeded", "Subscription Cancelled"], [Templates.wheres[0]]) : []
            conditions = flavour.isLate ? Array(Templates.subscriptionConditions.prefix(1)) : Templates.subscriptionConditions
        case .products:
            rule.per = .product
            rule.start = events(["Product Viewed", "Product Added to Wishlist", "Product Added"], Templates.wheres)
            rule.cancel =
                generator.chance(70) ? events(["Order Completed", "Product Removed from Wishlist"], [Templates.wheres[0]]) : []
        case .stock, .limits:
            rule.per = .product
            rule.restart = false
            rule.start = [.event("Product Stock Changed", generator.chance(70) ? Templates.backInStock : nil)]
            rule.audience = generator.pick([
                [.waitlist], [.wishlist], [.waitlist, .wishlist], [.viewed(within: unit * 6), .waitlist],
            ])
            for name in ["Order Completed", "Back In Stock Cancelled"] where generator.chance(50) {
                rule.cancel.append(.event(name))
            }
            conditions = Templates.productConditions
            if flavour.subject == .limits {
                rule.limit = Condition("product.available") { _ in true }
                rule.limitValue = { $0.product?.available }
                if generator.chance(40) { rule.pace = unit * Milliseconds(1 + generator.below(3)) }
            }
        }
        if generator.chance(70) { rule.condition = generator.pick(conditions) }
        if let segment = world.segments.first?.name, generator.chance(15) {
            rule.condition = Condition("profile.member(\"\(segment)\")") { $0.member(segment) }
        }
        return rule
    }
}

struct RandomLog {
    static let origin: Instant = 1_767_225_600_000

    static func make(_ flavour: Flavour, unit: Milliseconds, lateness: Milliseconds, _ generator: inout Seeded) -> [LogLine] {
        var lines: [LogLine] = []
        let count = 4 + generator.below(26)
        let span = generator.pick([6, 12, 24])
        for index in 0..<count {
            let time = origin + unit * Milliseconds(generator.below(span)) + (generator.chance(10) ? 1 : 0)
            var line = line(flavour, time, &generator)
            // Whether an event of the very millisecond at which a segment changes by time alone comes before or after that change is open
            // to two readings where the event has nothing to do with the segment: no such collisions here.
            if flavour.subject == .segments { line.time = time + Milliseconds(index * 10 + 5) }
            if generator.chance(90) { line.id = "m\(index)" }
            line.file = generator.chance(20) ? 1 : 0
            lines.append(line)
            if generator.chance(8), line.id != nil {
                var copy = line
                copy.file = generator.below(2)
                if generator.chance(30) { copy.time += unit * Milliseconds(generator.below(6)) }
                lines.append(copy)
            }
        }
        // Whatever is read up to `lateness` after its time is in time, because no line before it is more than `lateness` ahead of it.
        let disorder = flavour.isLate ? lateness * 5 : lateness
        let keyed = lines.map {
            (line: $0, key: $0.time + (generator.chance(60) ? 0 : Milliseconds(generator.below(Int(disorder) + 1))))
        }
        lines = keyed.enumerated().sorted { ($0.element.key, $0.offset) < ($1.element.key, $1.offset) }.map(\.element.line)
        for index in lines.indices { lines[index].offset = index + 1 }
        return lines
    }

    private static func line(_ flavour: Flavour, _ time: Instant, _ generator: inout Seeded) -> LogLine {
        let names: [String] =
            switch flavour.subject {
            case .carts:
                [
                    "Product Added", "Product Added", "Product Added", "Product Removed", "Cart Updated", "Cart Viewed",
                    "Checkout Started",
                    "Order Completed", "Order Completed", "Product Viewed",
                ]
            case .customers: ["Product Viewed", "Product Added", "Order Completed", "Product Viewed"]
            case .segments: ["Product Viewed", "Product Viewed", "Product Added", "Order Completed"]
            case .subscriptions:
                ["Payment Failed", "Payment Failed", "Payment Succeeded", "Subscription Cancelled", "Product Viewed"]
            case .products:
                [
                    "Product Viewed", "Product Added to Wishlist", "Product Added", "Order Completed",
                    "Product Removed from Wishlist",
                ]
            case .stock, .limits:
                [
                    "Product Stock Changed", "Product Stock Changed", "Back In Stock Requested", "Back In Stock Requested",
                    "Product Added to Wishlist", "Product Viewed", "Order Completed", "Back In Stock Cancelled",
                ]
            }
        let name = generator.pick(names)
        let user = generator.pick(["u1", "u2", "u1"])
        let anonymous = generator.pick(["a1", "a2"])
        let isVisitor = flavour.hasLinks && generator.chance(50)
        var line = LogLine(time, name)
        var keys: [String] = []
        var values: [J] = []
        func set(_ key: String, _ value: J) {
            keys.append(key)
            values.append(value)
        }
        let product = generator.pick(["p1", "p2", "p3"])
        switch name {
        case "Product Viewed", "Product Added to Wishlist", "Product Removed from Wishlist", "Back In Stock Requested",
            "Back In Stock Cancelled":
            set("product_id", .text(product))
        case "Product Added", "Product Removed":
            set("product_id", .text(product))
            if generator.chance(50) { set("quantity", .number(Double(1 + generator.below(3)))) }
        case "Cart Updated", "Cart Viewed", "Checkout Started", "Order Completed":
            if generator.chance(75) { set("products", products(&generator)) }
            if name == "Checkout Started" || name == "Order Completed" {
                if generator.chance(40) { set("checkout_id", .text(generator.pick(["k1", "k2", "k3"]))) }
                if generator.chance(30) { set("order_id", .text(generator.pick(["o1", "o2", "o3"]))) }
            }
            if name == "Order Completed" { set("value", .number(Double(generator.below(12)))) }
        case "Product Stock Changed":
            set("product_id", .text(product))
            set("available", .number(Double(generator.pick([0, 0, 1, 2, 5]))))
        default:
            if generator.chance(75) { set("subscription_id", .text(generator.pick(["x1", "x2"]))) }
        }
        if flavour.subject == .carts, generator.chance(60) { set("cart_id", .text(generator.pick(["c1", "c2", "c3"]))) }
        if generator.chance(50) { set("n", .number(Double(generator.below(4)))) }
        line.properties = .object(keys, values)
        if name == "Product Stock Changed" { return line }
        line.user = user
        // Bills go to users: of subscriptions of anonymous ids the contract says nothing.
        if flavour.hasLinks, flavour.subject != .subscriptions || name == "Product Viewed" {
            if isVisitor {
                line.user = nil
                line.anonymous = anonymous
            } else if generator.chance(20) {
                line.anonymous = anonymous
            }
        }
        if generator.chance(12) { line.traits = ["plan": .text(generator.pick(["gold", "free"]))] }
        return line
    }

    private static func products(_ generator: inout Seeded) -> J {
        .array(
            ["p1", "p2", "p3"].filter { _ in generator.chance(45) }.map {
                ["product_id": .text($0), "quantity": .number(Double(1 + generator.below(2)))]
            })
    }
}
