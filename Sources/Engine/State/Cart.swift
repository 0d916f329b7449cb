/// A product and its variant: the key of stock, prices, interests and cart lines.
package struct ProductKey: Hashable, Sendable, Comparable {
    package var id: String
    /// Empty if the product has no variants.
    package var variant: String

    package init(id: String, variant: String = "") {
        self.id = id
        self.variant = variant
    }

    // Swift compares strings by canonical equivalence, which normalises; ids are equal only as the same bytes.
    package static func == (left: ProductKey, right: ProductKey) -> Bool {
        left.id.same(as: right.id) && left.variant.same(as: right.variant)
    }

    package func hash(into hasher: inout Hasher) {
        id.utf8.span.withUnsafeBytes { hasher.combine(bytes: $0) }
        hasher.combine(variant.utf8.count)
        if !variant.isEmpty { variant.utf8.span.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    package static func < (left: ProductKey, right: ProductKey) -> Bool {
        if !left.id.same(as: right.id) { return left.id.precedes(right.id) }
        return left.variant.precedes(right.variant)
    }

    /// How a key is written in messages and tables: `ID`, or `ID/VARIANT`.
    package var text: String { variant.isEmpty ? id : id + "/" + variant }

    /// As `text` has it, of which so many bytes at the end are the variant's.
    init(text: String, variantLength: Int) {
        let utf8 = text.utf8
        guard variantLength > 0, variantLength < utf8.count else {
            self.init(id: text)
            return
        }
        let slash = utf8.index(utf8.endIndex, offsetBy: -1 - variantLength)
        self.init(id: String(text[..<slash]), variant: String(text[utf8.index(after: slash)...]))
    }
}

/// One of a customer's open carts.
package struct Cart: Sendable, Equatable {
    /// The id and the links, in one piece of memory.
    private var texts: TextList
    /// In which turn the links were made: mostly one event makes all of them.
    private var commonTurn: Int64 = 0
    /// In which turn each was made, where they differ.
    private var ownTurns: [Int64] = []
    package var lines: [CartLine] = []
    /// Event time of the newest event that touched it.
    package var touchedAt: Instant
    /// That event's turn among all that touched carts.
    package var turn: Int64
    /// Event time of the newest snapshot of all lines (or of an order that emptied it); what is older changes no line.
    @CompactInstant package var snapshotAt: Instant?

    package init(id: String, touchedAt: Instant, turn: Int64) {
        texts = TextList([id])
        self.touchedAt = touchedAt
        self.turn = turn
    }

    /// `cart_id`, or `""`.
    package var id: String { texts.first ?? "" }
    /// Checkout and order ids that belong to it.
    package var links: some Sequence<String> { texts.dropFirst() }
    /// In which turn each of them was made.
    package private(set) var linkTurns: [Int64] {
        get { ownTurns.isEmpty ? Array(repeating: commonTurn, count: texts.count - 1) : ownTurns }
        set {
            let first = newValue.first ?? 0
            commonTurn = first
            ownTurns = newValue.allSatisfy { $0 == first } ? [] : newValue
        }
    }
    var hasLinks: Bool { texts.count > 1 }
    /// What the id and the links have allocated, in bytes.
    var textCapacity: Int { texts.capacity + ownTurns.capacity * MemoryLayout<Int64>.stride }

    package func has(id: String) -> Bool { texts.first(is: id) }
    package func isLinked(to id: String) -> Bool { texts.contains(id, after: 1) }

    package mutating func link(to id: String, turn: Int64) {
        var turns = linkTurns
        if let place = place(ofLink: id) {
            turns[place] = max(turns[place], turn)
        } else {
            texts.append(id)
            turns.append(turn)
        }
        linkTurns = turns
    }

    package mutating func unlink(from id: String) {
        guard let place = place(ofLink: id) else { return }
        var turns = linkTurns
        texts.remove(id, after: 1)
        turns.remove(at: place)
        linkTurns = turns
    }

    /// In which turn a link was made; nil if there is none.
    func turn(ofLink id: String) -> Int64? { place(ofLink: id).map { linkTurns[$0] } }

    private func place(ofLink id: String) -> Int? { links.enumerated().first { $0.element.same(as: id) }?.offset }

    /// Whether it was touched before `other`; of one and the same time by the earlier event in order.
    func wasTouched(before other: Cart) -> Bool { (touchedAt, turn) < (other.touchedAt, other.turn) }

    /// Price × quantity over the lines, if every line has a price and all are of one currency: currencies are never added up.
    package var total: (amount: Decimal, currency: String?)? {
        guard let first = lines.first else { return (.zero, nil) }
        var sum = Decimal.zero
        for line in lines {
            guard let price = line.price, let amount = price.multiplied(by: line.quantity),
                (line.currency ?? "").same(as: first.currency ?? "")
            else { return nil }
            sum = sum + amount
        }
        return (sum, first.currency)
    }
}

/// A customer's open carts, in the order in which they were touched (the last touched is last; at one and the same time the
/// later event is later).
package struct Carts: Sendable, Equatable {
    package var list: [Cart] = []

    package init(_ list: [Cart] = []) { self.list = list }

    /// Drops the carts that nothing has touched for `forget`. (The engine does it by `pruneCarts`, which tells the products too.)
    package mutating func prune(now: Instant, forget: Milliseconds) {
        if hasForgotten(now: now, forget: forget) { list.removeAll { $0.touchedAt <= now - forget } }
    }

    func hasForgotten(now: Instant, forget: Milliseconds) -> Bool { list.first.map { $0.touchedAt <= now - forget } ?? false }

    package func index(id: String) -> Int? { list.firstIndex { $0.has(id: id) } }

    /// Of the carts that have lines the one touched last, else the one touched last.
    package var current: Int? { list.lastIndex { !$0.lines.isEmpty } ?? list.indices.last }

    /// The id of the cart an event (not an `Order Completed`) is about: by id, by link, else the current one, else `""`.
    package func target(of properties: JSONView?) -> String {
        Self.cartID(properties) ?? linkedOrCurrent(properties)
    }

    /// The id of the cart an `Order Completed` belongs to (`rules.md`, Carts).
    package func target(ofOrder properties: JSONView?, bought: [ProductMention]) -> String {
        if let id = Self.cartID(properties) {
            if index(id: id) != nil || !list.contains(where: { !$0.lines.isEmpty }) { return id }
        }
        if let index = linked(properties) { return list[index].id }
        var best: (index: Int, overlap: Decimal)?
        for (index, cart) in list.enumerated() {
            var overlap = Decimal.zero
            for line in cart.lines {
                var wanted = Decimal.zero
                for mention in bought where mention.product == line.product { wanted = wanted + (mention.quantity ?? Decimal(1)) }
                overlap = overlap + min(wanted, line.quantity)
            }
            // `>=`: of equal overlaps the cart touched last.
            if overlap.isPositive, best.map({ overlap >= $0.overlap }) ?? true { best = (index, overlap) }
        }
        if let best { return list[best.index].id }
        return current.map { list[$0].id } ?? ""
    }

    /// The same once the order has been applied and touched its cart; what it had in common with the cart is bought by now.
    package func target(afterOrder properties: JSONView?) -> String {
        if let id = Self.cartID(properties), index(id: id) != nil || list.isEmpty { return id }
        return linkedOrCurrent(properties)
    }

    private func linkedOrCurrent(_ properties: JSONView?) -> String {
        (linked(properties) ?? current).map { list[$0].id } ?? ""
    }

    private func linked(_ properties: JSONView?) -> Int? {
        guard let properties else { return nil }
        for key in ["checkout_id", "order_id"] {
            guard let id = properties[key]?.identifier, !id.isEmpty else { continue }
            if let index = list.lastIndex(where: { $0.isLinked(to: id) }) { return index }
        }
        return nil
    }

    package static func cartID(_ properties: JSONView?) -> String? {
        guard let id = properties?["cart_id"]?.identifier, !id.isEmpty else { return nil }
        return id
    }

    /// Marks a cart as touched at `time`, creating it if needed, and returns where it now is.
    package mutating func touch(id: String, at time: Instant, turn: Int64) -> Int {
        let known = index(id: id)
        if let known {
            if list[known].touchedAt > time { return known }
            list[known].touchedAt = time
            list[known].turn = turn
            if known == list.count - 1 { return known }
        }
        return place(known.map { list.remove(at: $0) } ?? Cart(id: id, touchedAt: time, turn: turn))
    }

    /// Puts a cart where its last touch belongs, and returns where that is. A late touch does not overtake carts touched at a later time.
    private mutating func place(_ cart: Cart) -> Int {
        let place = list.lastIndex { !cart.wasTouched(before: $0) }.map { $0 + 1 } ?? 0
        list.reserveTight()
        list.insert(cart, at: place)
        return place
    }

    /// `Product Added`.
    package mutating func add(_ mention: ProductMention, to index: Int, at time: Instant) {
        if let snapshotAt = list[index].snapshotAt, snapshotAt > time { return }
        let quantity = mention.quantity ?? Decimal(1)
        guard quantity.isPositive else { return }
        if let line = list[index].lines.firstIndex(where: { $0.product == mention.product }) {
            list[index].lines[line].quantity = list[index].lines[line].quantity + quantity
            list[index].lines[line].changedAt = max(list[index].lines[line].changedAt, time)
            list[index].lines[line].describe(by: mention, at: time)
        } else {
            list[index].lines.appendTightly(CartLine(mention, quantity: quantity, at: time))
        }
    }

    /// `Product Removed`: loses the quantity, or the line if none is given.
    ///
    /// - Returns: the product, if its line is gone now.
    @discardableResult
    package mutating func remove(_ mention: ProductMention, from index: Int, at time: Instant) -> ProductKey? {
        if let snapshotAt = list[index].snapshotAt, snapshotAt > time { return nil }
        guard let line = list[index].lines.firstIndex(where: { $0.product == mention.product }) else { return nil }
        return take(mention.quantity, from: line, of: index, at: time)
    }

    private mutating func take(_ quantity: Decimal?, from line: Int, of index: Int, at time: Instant) -> ProductKey? {
        let left = quantity.map { list[index].lines[line].quantity - max($0, .zero) } ?? .zero
        if left.isPositive {
            list[index].lines[line].quantity = left
            list[index].lines[line].changedAt = max(list[index].lines[line].changedAt, time)
            return nil
        }
        let product = list[index].lines.remove(at: line).product
        // An empty array keeps its memory; many carts are bought empty.
        if list[index].lines.isEmpty { list[index].lines = [] }
        return product
    }

    /// A snapshot replaces the lines; a late one leaves what changed after it, and brings nothing back that was taken off after it.
    ///
    /// - Parameter ended: what has been taken off the customer's carts.
    package mutating func replace(_ mentions: [ProductMention], in index: Int, at time: Instant, ended: Endings = Endings()) {
        if let snapshotAt = list[index].snapshotAt, snapshotAt > time { return }
        let old = list[index].lines
        var lines = old.filter { $0.changedAt > time }
        let places = LinePlaces(old, for: mentions.count)
        var new = LinePlaces(lines, for: mentions.count)
        for mention in mentions {
            let quantity = mention.quantity ?? Decimal(1)
            guard quantity.isPositive, !ended.hasEnded(.line(cart: list[index].id), mention.product, after: time) else {
                continue
            }
            if let line = new.place(of: mention.product, in: lines) {
                if lines[line].changedAt > time { continue }
                lines[line].quantity = lines[line].quantity + quantity
                lines[line].describe(by: mention, at: time)
                continue
            }
            var line = CartLine(mention, quantity: quantity, at: time)
            // The line was there before: the interest in it is as old as it was.
            if let before = places.place(of: mention.product, in: old) {
                line.since = min(line.since, old[before].since)
                line.priceThen = old[before].priceThen ?? line.priceThen
            }
            lines.appendTightly(line)
            new.add(mention.product, at: lines.count - 1)
        }
        list[index].lines = lines.isEmpty ? [] : lines
        list[index].snapshotAt = time
    }

    /// An order takes what was bought off the lines; one that names no products empties the cart.
    ///
    /// - Returns: the products whose lines are gone now.
    @discardableResult
    package mutating func order(_ bought: [ProductMention], in index: Int, at time: Instant) -> [ProductKey] {
        if bought.isEmpty {
            replace([], in: index, at: time)
            return []
        }
        if let snapshotAt = list[index].snapshotAt, snapshotAt > time { return [] }
        return bought.compactMap { mention in
            list[index].lines.firstIndex { $0.product == mention.product }.flatMap {
                take(mention.quantity ?? Decimal(1), from: $0, of: index, at: time)
            }
        }
    }

    /// Links the event's checkout and order ids to a cart.
    package mutating func link(_ properties: JSONView?, to index: Int, turn: Int64) {
        for key in ["checkout_id", "order_id"] {
            guard let id = properties?[key]?.identifier, !id.isEmpty else { continue }
            for other in list.indices where other != index { list[other].unlink(from: id) }
            list[index].link(to: id, turn: turn)
        }
    }

    /// One checkout or order belongs to one cart, to which it was linked last; so it does when two customers become one.
    private mutating func settleLinks(with other: inout Carts) {
        for theirs in other.list.indices {
            for (id, turn) in zip(Array(other.list[theirs].links), other.list[theirs].linkTurns) {
                for own in list.indices where !list[own].has(id: other.list[theirs].id) {
                    guard let ownTurn = list[own].turn(ofLink: id) else { continue }
                    if ownTurn > turn { other.list[theirs].unlink(from: id) } else { list[own].unlink(from: id) }
                }
            }
        }
    }

    /// Takes in the carts of an anonymous visitor who became this customer: carts of one id become one, quantities add, newer
    /// fields win.
    package mutating func merge(_ other: Carts) {
        var other = other
        settleLinks(with: &other)
        for cart in other.list {
            guard let index = index(id: cart.id) else {
                _ = place(cart)
                continue
            }
            for line in cart.lines {
                guard let own = list[index].lines.firstIndex(where: { $0.product == line.product }) else {
                    list[index].lines.append(line)
                    continue
                }
                let sum = list[index].lines[own].quantity + line.quantity
                let since = min(list[index].lines[own].since, line.since)
                let then = list[index].lines[own].since <= line.since ? list[index].lines[own].priceThen : line.priceThen
                let changed = max(list[index].lines[own].changedAt, line.changedAt)
                if line.describedAt > list[index].lines[own].describedAt {
                    let older = list[index].lines[own]
                    list[index].lines[own] = line
                    list[index].lines[own].fillGaps(from: older)
                } else {
                    list[index].lines[own].fillGaps(from: line)
                }
                list[index].lines[own].quantity = sum
                list[index].lines[own].since = since
                list[index].lines[own].priceThen = then
                list[index].lines[own].changedAt = changed
            }
            if let snapshotAt = cart.snapshotAt { list[index].snapshotAt = max(list[index].snapshotAt ?? snapshotAt, snapshotAt) }
            for (link, turn) in zip(cart.links, cart.linkTurns) { list[index].link(to: link, turn: turn) }
            if list[index].wasTouched(before: cart) { _ = touch(id: cart.id, at: cart.touchedAt, turn: cart.turn) }
        }
    }
}

/// Where a cart's lines are, by product: looked through where there are few, else by a table.
private struct LinePlaces {
    private var table: [ProductKey: Int]?

    /// - Parameter count: how many are going to be looked for.
    init(_ lines: [CartLine], for count: Int) {
        guard count > 16 else { return }
        table = Dictionary(lines.enumerated().map { ($1.product, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func place(of product: ProductKey, in lines: [CartLine]) -> Int? {
        if let table { return table[product] }
        return lines.firstIndex { $0.product == product }
    }

    mutating func add(_ product: ProductKey, at place: Int) { table?[product] = place }
}
