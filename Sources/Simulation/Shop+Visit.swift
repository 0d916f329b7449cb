import Engine

extension Shop {
    /// One step of a visit: what the customer does at the place they are at.
    mutating func step(_ place: Int, at time: Instant) {
        visits[place].steps -= 1
        if visits[place].signUp > 0 {
            signUp(place, at: time)
        } else if visits[place].mayLogIn, random.chance(60) {
            logIn(place, at: time)
        } else {
            act(place, at: time)
        }
        proceed(place, at: time)
    }

    private mutating func act(_ place: Int, at time: Instant) {
        let voice = visits[place].voice
        switch visits[place].place {
        case .browsing:
            if settings.meetsRules ? voice.customer.usesPhone : voice.customer.isTracked, random.chance(150) {
                ping(voice, at: time)
            } else if random.chance(3) {
                changeConsent(voice, at: time)
            } else if random.chance(400) {
                look(place, at: time)
            } else {
                postPage(random.below(5), voice, at: time)
            }
        case .product: consider(place, at: time)
        case .cart: handleCart(place, at: time)
        case .checkout: finish(place, at: time)
        }
    }

    /// Opens a product's page; not every page reports a product view.
    private mutating func look(_ place: Int, at time: Instant) {
        let item = catalog.popularItem(&random)
        visits[place].item = item
        visits[place].place = .product
        postProductPage(item, visits[place].voice, at: time)
        if random.chance(600) { postView(item, visits[place].voice, at: time + Instant(random.between(1, 80))) }
    }

    private mutating func consider(_ place: Int, at time: Instant) {
        let voice = visits[place].voice
        let item = visits[place].item
        visits[place].place = .browsing
        if catalog.stock(of: item) == 0 {
            if random.chance(250) {
                postInterest("{\"type\":\"track\",\"event\":\"Back In Stock Requested\"", item, voice, at: time)
            } else {
                postPage(random.below(5), voice, at: time)
            }
        } else if random.chance(220) {
            add(item, to: place, at: time)
            visits[place].place = .cart
        } else if random.chance(60) {
            postInterest("{\"type\":\"track\",\"event\":\"Product Added to Wishlist\"", item, voice, at: time)
        } else {
            postPage(random.below(5), voice, at: time)
        }
    }

    /// What a customer pays for a product, in hundredths of their currency.
    func price(of item: Item, for customer: Customer) -> Int {
        let price = Int(catalog.prices[Int(item.product)])
        return settings.localPrices ? price * Country.all[customer.country].rate / 1000 : price
    }

    private mutating func add(_ item: Item, to place: Int, at time: Instant) {
        let quantity = random.chance(850) ? 1 : random.between(2, 3)
        let price = price(of: item, for: visits[place].voice.customer)
        if visits[place].cart.id == 0 { visits[place].cart.id = random.next() | 1 }
        if let index = visits[place].cart.lines.firstIndex(where: { $0.item == item }) {
            visits[place].cart.lines[index].quantity += quantity
            visits[place].cart.lines[index].price = price
        } else if visits[place].cart.lines.count < Cart.maxLines {
            visits[place].cart.lines.append(Cart.Line(item: item, quantity: quantity, price: price))
        } else {
            return
        }
        postCartLine(
            "{\"type\":\"track\",\"event\":\"Product Added\"", Cart.Line(item: item, quantity: quantity, price: price),
            cart: visits[place].cart.id, visits[place].voice, at: time)
    }

    private mutating func handleCart(_ place: Int, at time: Instant) {
        let voice = visits[place].voice
        guard !visits[place].cart.lines.isEmpty else {
            visits[place].place = .browsing
            return postPage(0, voice, at: time)
        }
        switch random.below(100) {
        case ..<9:
            let index = random.below(visits[place].cart.lines.count)
            let line = visits[place].cart.lines.remove(at: index)
            postCartLine("{\"type\":\"track\",\"event\":\"Product Removed\"", line, cart: visits[place].cart.id, voice, at: time)
        case ..<17:
            let index = random.below(visits[place].cart.lines.count)
            visits[place].cart.lines[index].quantity = random.between(1, 4)
            postCart("{\"type\":\"track\",\"event\":\"Cart Updated\"", visits[place].cart, voice, at: time)
        case ..<23: postCart("{\"type\":\"track\",\"event\":\"Cart Viewed\"", visits[place].cart, voice, at: time)
        case ..<50:
            if visits[place].mayLogIn { return logIn(place, at: time) }
            if visits[place].cart.order == 0 {
                orders += 1
                visits[place].cart.order = orders
            }
            visits[place].place = .checkout
            visits[place].steps = max(1, visits[place].steps)
            postCart("{\"type\":\"track\",\"event\":\"Checkout Started\"", visits[place].cart, voice, at: time)
        case ..<60: postPage(5, voice, at: time)
        default:
            visits[place].place = .browsing
            postPage(random.below(5), voice, at: time)
        }
    }

    /// Completes the order as far as the stock allows, or leaves the checkout.
    private mutating func finish(_ place: Int, at time: Instant) {
        let voice = visits[place].voice
        guard random.chance(620) else {
            visits[place].place = .browsing
            if random.chance(500) { visits[place].steps = 0 }
            return postPage(6, voice, at: time)
        }
        let isPartial = random.chance(100)
        var bought: [Cart.Line] = []
        var left: [Cart.Line] = []
        var changed: [(item: Item, left: Int)] = []
        for var line in visits[place].cart.lines {
            let stock = catalog.stock(of: line.item)
            var quantity = min(line.quantity, stock)
            if isPartial, random.chance(400) { quantity = 0 }
            if quantity > 0 {
                bought.append(Cart.Line(item: line.item, quantity: quantity, price: line.price))
                catalog.setStock(of: line.item, to: stock - quantity)
                if stock - quantity <= 5 { changed.append((line.item, stock - quantity)) }
            }
            line.quantity -= quantity
            if line.quantity > 0 { left.append(line) }
        }
        visits[place].place = left.isEmpty ? .browsing : .cart
        guard !bought.isEmpty else { return postPage(5, voice, at: time) }
        let cart = visits[place].cart
        visits[place].cart = left.isEmpty ? Cart() : Cart(id: cart.id, order: 0, lines: left)
        let total = bought.reduce(0) { $0 + $1.quantity * $1.price }
        let order = Order(
            customer: UInt32(voice.customer.index), number: UInt32(clamping: cart.order), total: Int32(clamping: total),
            product: bought[0].item.product, user: voice.user)
        postOrder(order, bought, cart: cart.id, namesProducts: !left.isEmpty || random.chance(960), voice, at: time)
        for (item, left) in changed {
            if left == 0 { planRestock(of: item, at: time) }
            postStock(item, left, at: time)
        }
        follow(order, at: time)
    }

    /// What an order brings with it: mail, now and then a rating, a refund or a cancellation.
    mutating func follow(_ order: Order, at time: Instant) {
        let hour: Instant = 3_600_000
        if order.user { agenda.add(.mail(order), at: time + Instant(random.between(5_000, 90_000))) }
        if settings.meetsRules {
            switch random.below(100) {
            case ..<4: agenda.add(.cancellation(order), at: time + Instant(random.between(1, 12)) * hour)
            case ..<24: agenda.add(.refund(order), at: time + Instant(random.between(12, 48)) * hour)
            case ..<48: agenda.add(.review(order), at: time + Instant(random.between(12, 72)) * hour)
            case ..<58: agenda.add(.complaint(order), at: time + Instant(random.between(6, 48)) * hour)
            default: break
            }
            return
        }
        switch random.below(100) {
        case ..<2: agenda.add(.cancellation(order), at: time + Instant(random.between(1, 12)) * hour)
        case ..<6: agenda.add(.refund(order), at: time + Instant(random.between(48, 200)) * hour)
        case ..<18: agenda.add(.review(order), at: time + Instant(random.between(30, 160)) * hour)
        default: break
        }
    }

    private mutating func logIn(_ place: Int, at time: Instant) {
        visits[place].mayLogIn = false
        visits[place].voice.user = true
        postIdentity(visits[place].voice, isNew: false, at: time)
        visits[place].voice.anonymous = visits[place].voice.customer.sendsBothIDs
    }

    /// A newcomer looks around, signs up and goes through four steps of a start-up guide; one in eight gets stuck at each.
    private mutating func signUp(_ place: Int, at time: Instant) {
        let stage = visits[place].signUp
        visits[place].signUp += 1
        if settings.meetsRules { return signUpByRules(place, stage, at: time) }
        switch stage {
        case 1, 2: postPage(stage == 1 ? 0 : 4, visits[place].voice, at: time)
        case 3:
            visits[place].voice.user = true
            postIdentity(visits[place].voice, isNew: true, at: time)
            postSignUp(visits[place].voice, at: time + 5)
        default:
            visits[place].voice.anonymous = visits[place].voice.customer.sendsBothIDs
            if random.chance(125) {
                visits[place].signUp = 0
                visits[place].steps = min(visits[place].steps, random.below(4))
                return postPage(4, visits[place].voice, at: time)
            }
            postOnboarding(stage - 3, visits[place].voice, at: time)
            if stage == 7 { visits[place].signUp = 0 }
        }
    }
    /// A newcomer begins to sign up, goes through three steps, and is signed up then. Who gives up does so after the first or second step.
    private mutating func signUpByRules(_ place: Int, _ stage: Int, at time: Instant) {
        let voice = visits[place].voice
        switch stage {
        case 1: postPage(4, voice, at: time)
        case 2: postSignUpStart(voice, at: time)
        case 3...5:
            if voice.customer.abandonsSignUp, stage > 3, stage == 5 || random.chance(500) {
                visits[place].signUp = 0
                visits[place].steps = min(visits[place].steps, random.below(4))
                return postPage(0, voice, at: time)
            }
            postSignUpStep(stage - 2, voice, at: time)
        default:
            visits[place].voice.user = true
            postIdentity(visits[place].voice, isNew: true, at: time)
            postSignUp(visits[place].voice, at: time + 5)
            visits[place].voice.anonymous = voice.customer.sendsBothIDs
            visits[place].signUp = 0
        }
    }
}
