import Engine

/// The calls of a visit, as the shop's pages and apps send them.
extension Shop {
    private static let pages: [(name: StaticString, rest: StaticString)] = [
        ("Home", "\"path\":\"/\",\"title\":\"Home\""),
        ("Category", "\"path\":\"/c/new\",\"title\":\"New in\""),
        ("Category", "\"path\":\"/c/sale\",\"title\":\"Sale\""),
        ("Search", "\"path\":\"/search\",\"title\":\"Search\",\"search\":\"?q=scarf\""),
        ("Account", "\"path\":\"/account\",\"title\":\"Your account\""),
        ("Cart", "\"path\":\"/cart\",\"title\":\"Your cart\""),
        ("Checkout", "\"path\":\"/checkout\",\"title\":\"Checkout\""),
    ]

    mutating func postPage(_ index: Int, _ voice: Voice, at time: Instant) {
        let page = Self.pages[index]
        beginPage(page.name, voice, at: time)
        line.text(page.rest)
        endLine()
    }

    mutating func postProductPage(_ item: Item, _ voice: Voice, at time: Instant) {
        beginPage("Product", voice, at: time)
        line.text("\"path\":\"/p/")
        line.integer(Int(item.product), width: 5)
        line.text("\"")
        endLine()
    }

    private mutating func beginPage(_ name: StaticString, _ voice: Voice, at time: Instant) {
        let isApp = voice.device == 0 && voice.customer.usesPhone
        // The name stands behind the context, so that the head stays one piece.
        beginLine(isApp ? "{\"type\":\"screen\"" : "{\"type\":\"page\"", voice, at: time, body: ",\"name\":\"")
        line.text(name)
        line.text("\",\"properties\":{")
    }

    mutating func postView(_ item: Item, _ voice: Voice, at time: Instant) {
        postInterest("{\"type\":\"track\",\"event\":\"Product Viewed\"", item, voice, at: time)
    }

    /// A call about one product, with its price in the shop's currency.
    mutating func postInterest(_ head: StaticString, _ item: Item, _ voice: Voice, at time: Instant) {
        beginLine(head, voice, at: time)
        writeItem(item)
        line.text(",\"price\":")
        line.amount(Int(catalog.prices[Int(item.product)]))
        line.text(",\"currency\":\"EUR\"")
        endLine()
    }

    mutating func postIdentity(_ voice: Voice, isNew: Bool, at time: Instant) {
        var both = voice
        both.anonymous = true
        beginLine("{\"type\":\"identify\"", both, at: time, body: ",\"traits\":{")
        line.text("\"email\":\"u")
        line.integer(voice.customer.index)
        line.text("@mail.example\",\"plan\":\"")
        line.text(voice.customer.isSubscriber ? "plus" : "free")
        line.text("\",\"newsletter\":")
        line.text(voice.customer.trait & 1 == 0 ? "true" : "false")
        if isNew { line.text(",\"source\":\"signup\"") }
        endLine()
    }

    mutating func postSignUp(_ voice: Voice, at time: Instant) {
        beginLine("{\"type\":\"track\",\"event\":\"Signed Up\"", voice, at: time)
        line.text("\"method\":\"")
        line.text(voice.customer.trait & 2 == 0 ? "email" : "google")
        line.byte(0x22)
        endLine()
    }

    mutating func postSignUpStart(_ voice: Voice, at time: Instant) {
        beginLine("{\"type\":\"track\",\"event\":\"Sign Up Started\"", voice, at: time)
        line.text("\"steps\":3")
        endLine()
    }

    mutating func postSignUpStep(_ step: Int, _ voice: Voice, at time: Instant) {
        beginLine("{\"type\":\"track\",\"event\":\"Sign Up Step Completed\"", voice, at: time)
        line.text("\"step\":")
        line.integer(step)
        endLine()
    }

    mutating func postOnboarding(_ step: Int, _ voice: Voice, at time: Instant) {
        beginLine("{\"type\":\"track\",\"event\":\"Onboarding Step Completed\"", voice, at: time)
        line.text("\"step\":")
        line.integer(step)
        line.text(",\"steps\":4")
        endLine()
    }

    mutating func changeConsent(_ voice: Voice, at time: Instant) {
        beginLine("{\"type\":\"track\",\"event\":\"Consent Changed\"", voice, at: time)
        line.text("\"channel\":\"")
        line.text(random.chance(700) ? "email" : "push")
        line.text("\",\"granted\":")
        line.text(random.chance(400) ? "true" : "false")
        endLine()
    }

    /// Somewhere near the shop in the customer's largest city; one in ten within about 50 metres.
    mutating func ping(_ voice: Voice, at time: Instant) {
        let country = Country.all[voice.customer.country]
        let reach = random.chance(100) ? 300 : 20_000
        var (latitude, longitude) = (country.latitude, country.longitude)
        if settings.meetsRules { (latitude, longitude) = country.store ?? (latitude, longitude) }
        beginLine(
            settings.meetsRules
                ? "{\"type\":\"track\",\"event\":\"Location Reported\"" : "{\"type\":\"track\",\"event\":\"Location Updated\"",
            voice, at: time)
        line.text(settings.meetsRules ? "\"latitude\":" : "\"lat\":")
        line.degrees(latitude + random.between(-reach, reach))
        line.text(settings.meetsRules ? ",\"longitude\":" : ",\"lon\":")
        line.degrees(longitude + random.between(-reach, reach))
        line.text(",\"accuracy\":")
        line.integer(random.between(5, 60))
        endLine()
    }
}
