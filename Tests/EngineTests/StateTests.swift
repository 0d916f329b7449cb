import Testing

@testable import Engine

private func view(_ json: J) -> JSONView {
    var writer = PackedJSON.Writer()
    json.pack(&writer)
    return JSONView(bytes: writer.bytes, offset: 0)
}

private func mention(_ product: String, _ quantity: Double? = nil, price: Double? = nil) throws -> ProductMention {
    var keys = ["product_id"]
    var values: [J] = [.text(product)]
    if let quantity {
        keys.append("quantity")
        values.append(.number(quantity))
    }
    if let price {
        keys.append("price")
        values.append(.number(price))
    }
    return try #require(ProductMention(view(.object(keys, values))))
}

@Suite struct CartsTests {
    /// Lines of all carts as `id: product*quantity …`, in order of their touch.
    private func text(_ carts: Carts) -> [String] {
        carts.list.map { cart in cart.id + ":" + cart.lines.map { " \($0.product.text)*\($0.quantity.text)" }.joined() }
    }

    @Test func addedQuantitiesAddUpAndRemovedOnesSubtract() throws {
        var carts = Carts()
        let cart = carts.touch(id: "c", at: 1, turn: 1)
        carts.add(try mention("p", 2), to: cart, at: 1)
        carts.add(try mention("p"), to: cart, at: 2)
        #expect(text(carts) == ["c: p*3"])
        carts.remove(try mention("p", 1), from: cart, at: 3)
        #expect(text(carts) == ["c: p*2"])
        carts.remove(try mention("p"), from: cart, at: 4)
        #expect(text(carts) == ["c:"])
    }

    @Test func aLineAtOrBelowNothingIsGone() throws {
        var carts = Carts()
        let cart = carts.touch(id: "c", at: 1, turn: 1)
        carts.add(try mention("p", 2), to: cart, at: 1)
        carts.remove(try mention("p", 5), from: cart, at: 2)
        #expect(text(carts) == ["c:"])
    }

    @Test func anOrderTakesWhatItNamesAndOneWithoutProductsEmpties() throws {
        var carts = Carts()
        let cart = carts.touch(id: "c", at: 1, turn: 1)
        for product in ["a", "b"] { carts.add(try mention(product, 2), to: cart, at: 1) }
        carts.order([try mention("a", 2), try mention("b", 1), try mention("never", 1)], in: cart, at: 2)
        #expect(text(carts) == ["c: b*1"])
        carts.order([], in: cart, at: 3)
        #expect(text(carts) == ["c:"])
    }

    @Test func aSnapshotReplacesAndALateAddBeforeItCountsNoMore() throws {
        var carts = Carts()
        let cart = carts.touch(id: "c", at: 1, turn: 1)
        carts.add(try mention("a", 2), to: cart, at: 1)
        carts.replace([try mention("b", 1)], in: cart, at: 5)
        #expect(text(carts) == ["c: b*1"])
        carts.add(try mention("a", 1), to: cart, at: 4)
        #expect(text(carts) == ["c: b*1"])
        carts.add(try mention("a", 1), to: cart, at: 5)
        #expect(text(carts) == ["c: b*1 a*1"])
    }

    @Test func theCurrentCartIsTheOneWithLinesTouchedLast() throws {
        var carts = Carts()
        #expect(carts.target(of: nil) == "")
        carts.add(try mention("p"), to: carts.touch(id: "full", at: 1, turn: 1), at: 1)
        _ = carts.touch(id: "empty", at: 2, turn: 2)
        #expect(carts.target(of: nil) == "full")
        carts.add(try mention("p"), to: carts.touch(id: "newer", at: 1, turn: 3), at: 1)
        #expect(carts.target(of: nil) == "newer", "a tie goes to the later event in order")
        _ = carts.touch(id: "full", at: 0, turn: 4)
        #expect(carts.target(of: nil) == "newer", "a late touch decides no tie")
    }

    @Test(arguments: [
        (["cart_id": "a"] as J, "a"),
        (["cart_id": "unknown"] as J, "b"),
        (["cart_id": "unknown", "checkout_id": "k"] as J, "a"),
        (["order_id": "o"] as J, "a"),
        (["order_id": "another"] as J, "b"),
    ]) func anOrderFindsItsCartByIdThenLinkThenOverlap(_ properties: J, _ expected: String) throws {
        var carts = Carts()
        carts.add(try mention("p", 1), to: carts.touch(id: "a", at: 1, turn: 1), at: 1)
        carts.link(view(["checkout_id": "k", "order_id": "o"]), to: 0, turn: 1)
        carts.add(try mention("q", 3), to: carts.touch(id: "b", at: 2, turn: 2), at: 2)
        _ = carts.touch(id: "a", at: 3, turn: 3)
        #expect(carts.target(ofOrder: view(properties), bought: [try mention("q", 2), try mention("p", 1)]) == expected)
    }

    @Test func aCartUntouchedForLongIsDroppedExactlyThen() {
        var carts = Carts()
        _ = carts.touch(id: "c", at: 100, turn: 100)
        carts.prune(now: 149, forget: 50)
        #expect(carts.list.count == 1)
        carts.prune(now: 150, forget: 50)
        #expect(carts.list.isEmpty)
    }

    @Test func mergedCartsOfOneIdAddTheirQuantities() throws {
        var own = Carts()
        own.add(try mention("p", 1, price: 5), to: own.touch(id: "c", at: 1, turn: 1), at: 1)
        var visitor = Carts()
        visitor.add(try mention("p", 2, price: 6), to: visitor.touch(id: "c", at: 2, turn: 2), at: 2)
        visitor.add(try mention("q", 1), to: visitor.touch(id: "", at: 3, turn: 3), at: 3)
        own.merge(visitor)
        #expect(text(own) == ["c: p*3", ": q*1"])
        #expect(own.list[0].lines[0].price?.text == "6", "newer fields win")
    }
}

@Suite struct SubscriptionTests {
    private typealias Step = (StateEvent, Instant)

    private func after(_ steps: [Step]) -> Subscription {
        var subscription = Subscription(id: "s", at: steps[0].1)
        for (event, time) in steps { subscription.apply(event, nil, at: time) }
        return subscription
    }

    @Test func anEpisodeLastsFromItsFirstFailureToASuccess() {
        let open = after([(.paymentFailed, 10), (.paymentFailed, 20)])
        #expect(open.issueOpen && open.issueSince == 10 && open.attempts == 2 && open.status == .pastDue)
        let closed = after([(.paymentFailed, 10), (.paymentFailed, 20), (.paymentSucceeded, 30)])
        #expect(!closed.issueOpen && closed.status == .active)
        let next = after([(.paymentFailed, 10), (.paymentSucceeded, 30), (.paymentFailed, 40)])
        #expect(next.issueOpen && next.issueSince == 40 && next.attempts == 1)
    }

    @Test func aLateFailureOfAClosedEpisodeOpensNothing() {
        let state = after([(.paymentFailed, 10), (.paymentSucceeded, 30), (.paymentFailed, 20)])
        #expect(!state.issueOpen && state.status == .active)
    }

    @Test func failuresOfOneEpisodeMayComeInAnyOrder() {
        let state = after([(.paymentFailed, 20), (.paymentFailed, 10)])
        #expect(state.issueSince == 10 && state.attempts == 2)
    }

    private func merged(_ own: [Step], _ visitor: [Step]) -> Subscription {
        var subscription = after(own)
        subscription.merge(after(visitor))
        return subscription
    }

    @Test func whatTwoProfilesKnowOfASubscriptionBecomesOne() {
        let closed = merged([(.paymentFailed, 10), (.paymentFailed, 20)], [(.paymentSucceeded, 30)])
        #expect(!closed.issueOpen && closed.status == .active)
        let another = merged([(.paymentFailed, 10), (.paymentFailed, 20), (.paymentSucceeded, 30)], [(.paymentFailed, 40)])
        #expect(another.issueOpen && another.issueSince == 40 && another.attempts == 1 && another.status == .pastDue)
        let still = merged([(.paymentFailed, 10)], [(.subscriptionStarted, 5), (.subscriptionStarted, 20)])
        #expect(still.issueOpen && still.issueSince == 10 && still.attempts == 1 && still.status == .active)
        for (own, visitor) in [([10, 30], [20]), ([20], [10, 30])] as [([Instant], [Instant])] {
            let open = merged(own.map { (.paymentFailed, $0) }, visitor.map { (.paymentFailed, $0) })
            #expect(open.issueOpen && open.issueSince == 10 && open.attempts == 3 && open.lastFailure == 30)
        }
    }

    @Test func aNumberOfAttemptsThatNobodyMeansEndsNothing() {
        var subscription = Subscription(id: "s", at: 0)
        subscription.apply(.paymentFailed, view(["attempt": 1e300]), at: 10)
        subscription.merge(subscription)
        subscription.apply(.paymentFailed, nil, at: 20)
        #expect(subscription.attempts > 1)
    }

    @Test func aLateEndDoesNotUndoANewerStart() {
        let state = after([(.subscriptionStarted, 20), (.subscriptionCancelled, 10)])
        #expect(state.status == .active)
    }
}

@Suite struct SeriesTests {
    @Test(arguments: [(0, 0), (3_599_999, 0), (3_600_000, 1), (-1, -1), (-3_600_000, -1), (-3_600_001, -2)])
    func bucketsAreAlignedToTheEpoch(_ time: Instant, _ bucket: Int32) {
        #expect(SeriesDefinition.Width.hour.bucket(time) == bucket)
    }

    @Test func windowsOfSevenDaysOrLessHaveBucketsOfAnHour() {
        #expect(SeriesDefinition.width(of: 7 * day) == .hour)
        #expect(SeriesDefinition.width(of: 7 * day + 1) == .day)
        #expect(SeriesDefinition.width(of: nil) == .lifetime)
    }

    @Test func aBucketCountsWhileItsEndIsLaterThanNowLessTheWindow() {
        var series = Series(definition: 0)
        series.count(SeriesDefinition.Width.hour.bucket(10 * minute))
        let leaves = hour + 2 * hour
        #expect(series.total(now: leaves - 1, window: 2 * hour, width: .hour) == 1)
        #expect(series.total(now: leaves, window: 2 * hour, width: .hour) == 0)
        #expect(series.nextChange(now: 0, window: 2 * hour, width: .hour) == leaves)
        #expect(series.nextChange(now: leaves, window: 2 * hour, width: .hour) == nil)
        #expect(series.total(now: leaves, window: nil, width: .hour) == 1)
    }
}

@Suite struct SeenIDTests {
    /// Whether a second event with the same id, so much later, is the same event.
    @Test(arguments: [(0, true), (99, true), (100, false), (-1, true)]) func anIdCountsOnceWithinTheSpan(
        _ later: Milliseconds, _ expected: Bool
    ) {
        var profile = Profile(number: 1, key: CustomerKey(isAnonymous: false, id: [1]), firstSeen: 0)
        let id = Driver.digest("m")
        let first = profile.seen.sees(id, at: 1000, now: 1000, dedupe: 100, lateFor: 10_000)
        let second = profile.seen.sees(id, at: 1000 + later, now: max(1000, 1000 + later), dedupe: 100, lateFor: 10_000)
        #expect(!first && second == expected)
    }

    @Test func aRepeatedDuplicateIsMeasuredFromTheOneThatCounted() {
        var profile = Profile(number: 1, key: CustomerKey(isAnonymous: false, id: [1]), firstSeen: 0)
        let id = Driver.digest("m")
        let seen = [0, 60, 120, 180].map { profile.seen.sees(id, at: $0, now: $0, dedupe: 100, lateFor: 10_000) }
        #expect(seen == [false, true, false, true])
    }

    @Test func manyIdsAreForgottenOnlyWhenNothingLateCanRepeatThem() {
        var profile = Profile(number: 1, key: CustomerKey(isAnonymous: false, id: [1]), firstSeen: 0)
        for time in 0..<1000 {
            _ = profile.seen.sees(Driver.digest("m\(time)"), at: Instant(time), now: Instant(time), dedupe: 50, lateFor: 100)
        }
        #expect(profile.seen.entries.count < 300)
        let isSeen = profile.seen.sees(Driver.digest("m900"), at: 920, now: 1000, dedupe: 50, lateFor: 100)
        #expect(isSeen)
    }

    /// Against a list of all that ever counted, with late events, repetitions, and profiles that are stored and read in between, some of whose ids are
    /// moved to a store.
    @Test(arguments: UInt64(1)...12) func theyAreWhatAListOfAllWouldSay(seed: UInt64) {
        var random = Seeded(state: seed)
        // So many within the span, every other time, that there is a filter.
        let isBusy = seed % 2 == 0
        let dedupe: Milliseconds = isBusy ? 60_000 : 1000
        let lateFor = Milliseconds(random.below(5000))
        var ids = SeenIDs()
        var all: [SeenID] = []
        var moved: [SeenID] = []
        let moves = seed % 3 != 0
        var now: Instant = 1_750_000_000_000
        for step in 0..<(isBusy ? 1500 : 600) {
            now += Instant(random.below(3) == 0 ? random.below(400) : random.below(20))
            let time = random.below(4) == 0 ? now - Instant(random.below(Int(lateFor) + 1)) : now
            let digest = IDDigest(high: .max, low: UInt64(random.below(isBusy ? 3000 : 150)))
            let expected = all.contains { $0.digest == digest && time - $0.at < dedupe }
            let needed = ids.needsMoved(at: time, dedupe: dedupe) ? moved : []
            let isMoved = needed.contains { $0.isRepeated(by: digest, at: time, dedupe: dedupe) }
            let isSeen = isMoved || ids.sees(digest, at: time, now: now, dedupe: dedupe, lateFor: lateFor)
            #expect(isSeen == expected, "seed \(seed), step \(step)")
            if !expected { all.append(SeenID(digest: digest, at: time)) }
            if moves, random.below(3) == 0, let older = ids.takeOlder(now: now, dedupe: dedupe, lateFor: lateFor) {
                moved += older
            }
            if random.below(40) == 0, let record = ids.record {
                #expect(SeenIDs(record: record) == ids, "seed \(seed), step \(step)")
                ids = SeenIDs(record: record)
            }
        }
        #expect(ids.entries == Array(all.suffix(ids.entries.count)), "seed \(seed)")
        #expect(ids.entries.count < (isBusy ? 1400 : 450), "seed \(seed)")
        if moves, !isBusy {
            #expect(moved.count > 100, "seed \(seed)")
            #expect(moved == all.filter(moved.contains), "seed \(seed)")
        }
    }

    /// A longer `dedupe` makes ids of some that were moved under a shorter one that events in order may still repeat.
    @Test func aLongerSpanAsksForWhatWasMoved() {
        var ids = SeenIDs()
        for time in 0..<40 {
            _ = ids.sees(Driver.digest("m\(time)"), at: Instant(time * 10), now: Instant(time * 10), dedupe: 100, lateFor: 10_000)
        }
        let moved = ids.takeOlder(now: 390, dedupe: 100, lateFor: 10_000) ?? []
        #expect(moved.count == 30 && ids.entries.count == 10)
        #expect(!ids.needsMoved(at: 390, dedupe: 100))
        #expect(ids.needsMoved(at: 389, dedupe: 100))
        #expect(ids.needsMoved(at: 390, dedupe: 200))
        #expect(moved.contains { $0.isRepeated(by: Driver.digest("m20"), at: 390, dedupe: 200) })
    }

    @Test func aDamagedRecordIsReadAsFarAsItGoes() {
        var ids = SeenIDs()
        for time in 0..<40 {
            _ = ids.sees(Driver.digest("m\(time)"), at: Instant(time * 50), now: Instant(time * 50), dedupe: 100, lateFor: 10_000)
        }
        let record = ids.record ?? []
        for length in 0..<record.count { #expect(SeenIDs(record: Array(record[..<length])).entries.count == length / 24) }
    }
}

@Suite struct ProductFactsTests {
    @Test func anUnknownStockCountsAsNone() {
        var facts = ProductFacts()
        facts.stock(view(["available": 3]), at: 1)
        #expect(facts.available?.text == "3" && facts.wasAvailable?.text == "0")
        facts.stock(view(["available": 1]), at: 2)
        #expect(facts.available?.text == "1" && facts.wasAvailable?.text == "3")
    }

    @Test func aLateChangeChangesNothingThatIsNewer() {
        var facts = ProductFacts()
        facts.stock(view(["available": 3]), at: 10)
        facts.stock(view(["available": 9]), at: 9)
        facts.price(view(["price": "12.50"]), at: 10)
        facts.price(view(["price": "99"]), at: 9)
        #expect(facts.available?.text == "3" && facts.price?.text == "12.5")
    }
}
