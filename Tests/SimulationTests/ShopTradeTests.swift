import Engine
import Simulation
import Testing

/// Carts, orders and stock fit together.
@Suite struct ShopTradeTests {
    @Test func ordersNeverBuyMoreThanWasInTheCart() throws {
        var carts: [String: [String: Int]] = [:]
        var links: [String: String] = [:]
        var orders = 0
        var abandoned: Set<String> = []
        for event in try Log.fortnight.get().inOrder {
            guard let properties = event.properties else { continue }
            switch event.event {
            case "Product Added":
                let cart = try #require(properties.cartId)
                carts[cart, default: [:]][properties.item, default: 0] += try #require(properties.quantity)
                abandoned.insert(cart)
            case "Product Removed":
                let cart = try #require(properties.cartId)
                let left = try #require(carts[cart]?[properties.item]) - (properties.quantity ?? 0)
                #expect(left == 0)
                carts[cart]?[properties.item] = nil
            case "Cart Updated", "Cart Viewed", "Checkout Started":
                let cart = try #require(properties.cartId)
                let products = try #require(properties.products)
                let lines = Dictionary(uniqueKeysWithValues: products.map { ($0.item, $0.quantity) })
                if event.event != "Cart Updated" { #expect(carts[cart] == lines) }
                carts[cart] = lines
                let value = products.reduce(0) { $0 + $1.price * Double($1.quantity) }
                #expect(abs(value - (properties.value ?? -1)) < 0.001)
                if let checkout = properties.checkoutId { links[checkout] = cart }
            // What was ordered before the first day had its checkout before, too.
            case "Order Completed" where event.time < Shop.Settings().start: break
            case "Order Completed":
                orders += 1
                let cart = try #require(properties.checkoutId.flatMap { links[$0] })
                #expect(properties.cartId == nil || properties.cartId == cart)
                let products = properties.products
                for entry in products ?? [] {
                    let left = try #require(carts[cart]?[entry.item]) - entry.quantity
                    #expect(left >= 0 && entry.quantity > 0)
                    carts[cart]?[entry.item] = left == 0 ? nil : left
                }
                if let products {
                    let total = products.reduce(0) { $0 + $1.price * Double($1.quantity) }
                    #expect(abs(total - (properties.total ?? -1)) < 0.001)
                } else {
                    carts[cart] = [:]
                }
                abandoned.remove(cart)
            default: break
            }
        }
        #expect(orders > 50)
        #expect(abandoned.count > orders)
    }

    @Test func stockIsSane() throws {
        var stock: [String: Int] = [:]
        var requests = 0
        var returned = 0
        for event in try Log.fortnight.get().inOrder {
            guard let properties = event.properties else { continue }
            switch event.event {
            case "Product Stock Changed":
                let available = try #require(properties.available)
                let before = stock.updateValue(available, forKey: properties.item)
                #expect(available >= 0 && available != before)
                if before == 0 {
                    returned += 1
                    #expect((1...8).contains(available))
                }
            case "Back In Stock Requested":
                requests += 1
                #expect(stock[properties.item] == 0)
            case "Product Added": #expect(stock[properties.item] != 0)
            default: break
            }
        }
        #expect(requests > 10 && returned > 10)
    }

    @Test func ratingsAndPlacesAreInRange() throws {
        for event in try Log.fortnight.get().events {
            if let rating = event.properties?.rating { #expect((1...5).contains(rating)) }
            if let latitude = event.properties?.latitude { #expect((19...53).contains(latitude)) }
        }
    }
}
