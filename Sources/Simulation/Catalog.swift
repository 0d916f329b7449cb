/// One thing that can be bought: a product, and its variant if it has some (0 for none).
struct Item: Equatable {
    let product: Int32
    let variant: Int32
}

/// The shop's products: what they are called, what they cost, how many there are.
struct Catalog {
    /// `"product_id":…,"name":…,"category":…` of each product.
    private(set) var fragments: [[UInt8]] = []
    private var basePrices: [Int32] = []
    /// In hundredths of a euro.
    private(set) var prices: [Int32] = []
    /// Pieces left of each product and variant, four places a product.
    private var stock: [Int32]
    /// Zipf's law: popularity is one over rank, kept as running sums of 2³² / rank and drawn from by bisection, all in integers.
    private var popularity: [UInt64] = []

    /// The number of products, at least one.
    var count: Int { prices.count }

    static let variants: [StaticString] = ["", "S", "M", "L"]

    init(products: Int, random: inout RandomSource) {
        stock = Array(repeating: 0, count: products * 4)
        var total: UInt64 = 0
        for product in 0..<products {
            let adjective = Self.adjectives[random.below(Self.adjectives.count)]
            let noun = random.below(Self.nouns.count)
            let number = String(product)
            let padded = String(repeating: "0", count: max(0, 5 - number.utf8.count)) + number
            let name = "\(adjective) \(Self.nouns[noun].name)"
            fragments.append(
                Array("\"product_id\":\"p\(padded)\",\"name\":\"\(name)\",\"category\":\"\(Self.nouns[noun].category)\"".utf8))
            // Squared draws: many cheap products, few dear ones; every price ends in .90.
            let draw = random.below(160)
            let price = Int32((5 + draw * draw / 100) * 100 + 90)
            basePrices.append(price)
            prices.append(price)
            total += (1 << 32) / UInt64(product + 1)
            popularity.append(total)
            for variant in variants(of: product) { stock[product * 4 + variant] = Int32(20 + delivery(product, &random)) }
        }
    }

    /// Every third product comes in three sizes.
    func variants(of product: Int) -> ClosedRange<Int> { product % 3 == 1 ? 1...3 : 0...0 }

    /// Pieces of a full delivery: more of what sells.
    func delivery(of item: Item, _ random: inout RandomSource) -> Int { delivery(Int(item.product), &random) }

    private func delivery(_ product: Int, _ random: inout RandomSource) -> Int {
        random.between(40, 300) * (product < stock.count / 200 ? 4 : 1)
    }

    func stock(of item: Item) -> Int { Int(stock[Int(item.product) * 4 + Int(item.variant)]) }

    mutating func setStock(of item: Item, to count: Int) {
        stock[Int(item.product) * 4 + Int(item.variant)] = Int32(max(0, count))
    }

    /// An item that a visitor looks at: a product by popularity, any of its variants.
    func popularItem(_ random: inout RandomSource) -> Item {
        let target = random.below(Int(popularity.last ?? 1))
        var low = 0
        var high = popularity.count - 1
        while low < high {
            let middle = (low + high) / 2
            if popularity[middle] > UInt64(target) { high = middle } else { low = middle + 1 }
        }
        return item(of: low, &random)
    }

    /// Any item, however popular.
    func anyItem(_ random: inout RandomSource) -> Item { item(of: random.below(count), &random) }

    private func item(of product: Int, _ random: inout RandomSource) -> Item {
        let range = variants(of: product)
        let variant = range.count == 1 ? range.lowerBound : random.between(range.lowerBound, range.upperBound)
        return Item(product: Int32(product), variant: Int32(variant))
    }

    /// A new price, from 30 % below to 10 % above the usual one and again ending in .90; false if it is the same as before.
    mutating func reprice(_ product: Int, _ random: inout RandomSource) -> Bool {
        let price = Int32(Int(basePrices[product]) * random.between(70, 110) / 10_000 * 100 + 90)
        defer { prices[product] = price }
        return prices[product] != price
    }

    private static let adjectives = [
        "Blue", "Red", "Green", "Black", "White", "Light", "Warm", "Soft", "Classic", "Modern", "Small", "Large", "Wool",
        "Cotton",
        "Linen", "Oak", "Steel", "Café",
    ]
    private static let nouns: [(name: String, category: String)] = [
        ("Scarf", "accessories"), ("Shirt", "clothing"), ("Jacket", "clothing"), ("Jeans", "clothing"), ("Sneaker", "shoes"),
        ("Boot", "shoes"), ("Sandal", "shoes"), ("Backpack", "bags"), ("Handbag", "bags"), ("Mug", "kitchen"),
        ("Teapot", "kitchen"),
        ("Pan", "kitchen"), ("Lamp", "home"), ("Blanket", "home"), ("Cushion", "home"), ("Headphone", "electronics"),
        ("Charger", "electronics"), ("Watch", "accessories"), ("Notebook", "stationery"), ("Çaydanlık", "kitchen"),
    ]
}
