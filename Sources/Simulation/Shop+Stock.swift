import Engine

extension Shop {
    /// The last pieces are gone; a few come back after some hours.
    mutating func sellOut(_ item: Item, at time: Instant) {
        guard catalog.stock(of: item) > 0 else { return }
        changeStock(of: item, to: 0, at: time)
        planRestock(of: item, at: time)
    }

    /// Of what sells a few pieces are left, and none some hours later.
    mutating func runLow(at time: Instant) {
        let item = catalog.popularItem(&random)
        guard catalog.stock(of: item) > 3 else { return }
        changeStock(of: item, to: random.between(1, 3), at: time)
        agenda.add(.soldOut(item), at: time + Instant(random.between(6, 18)) * 3_600_000)
    }

    mutating func planRestock(of item: Item, at time: Instant) {
        agenda.add(.restock(item), at: time + Instant(random.between(180, 3600)) * 60_000)
    }

    mutating func changeStock(of item: Item, to count: Int, at time: Instant) {
        catalog.setStock(of: item, to: count)
        postStock(item, count, at: time)
    }

    mutating func postStock(_ item: Item, _ available: Int, at time: Instant) {
        beginLine("{\"type\":\"track\",\"event\":\"Product Stock Changed\"", nil, at: time)
        writeItem(item)
        line.text(",\"available\":")
        line.integer(available)
        line.text(",\"warehouse\":\"main\"")
        endLine()
    }

    mutating func reprice(at time: Instant) {
        let product = random.below(catalog.count)
        guard catalog.reprice(product, &random) else { return }
        for variant in catalog.variants(of: product) {
            beginLine("{\"type\":\"track\",\"event\":\"Product Price Changed\"", nil, at: time)
            writeItem(Item(product: Int32(product), variant: Int32(variant)))
            line.text(",\"price\":")
            line.amount(Int(catalog.prices[product]))
            line.text(",\"currency\":\"EUR\"")
            endLine()
        }
    }

    /// By whoever looks after the catalogue: Segment wants to know who calls.
    mutating func launch(at time: Instant) {
        let item = catalog.anyItem(&random)
        beginLine("{\"type\":\"track\",\"event\":\"Product Launched\",\"userId\":\"editor\"", nil, at: time)
        writeItem(item)
        line.text(",\"price\":")
        line.amount(Int(catalog.prices[Int(item.product)]))
        line.text(",\"currency\":\"EUR\"")
        endLine()
    }

    /// `"product_id":…,"name":…,"category":…` and the variant, if it has one.
    mutating func writeItem(_ item: Item) {
        line.text(catalog.fragments[Int(item.product)])
        if item.variant > 0 {
            line.text(",\"variant\":\"")
            line.text(Catalog.variants[Int(item.variant)])
            line.byte(0x22)
        }
    }
}
