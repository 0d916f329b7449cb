import Engine
import Testing

@testable import Storage

/// What becomes of what a state holds when its configuration changes between two runs.
@Suite struct ChangedConfigurationTests {
    private static let instances = """
        rules:
          gone: { start: A, wait: 10d }
          stays: { start: A, wait: 20d }
          line: { start: [Product Stock Changed], audience: [waitlist], wait: 10d, limit: product.available }
        """
    private static let fewer = "rules: { stays: { start: A, wait: 20d } }"

    @Test(arguments: [1, 256 << 20]) func instancesOfARemovedRuleEndAtOnceAndDoNotComeBack(memory: Int) throws {
        let shop = ChangingShop(memory: memory)
        for customer in ["u1", "u2"] {
            shop.append("10:00", "Back In Stock Requested", customer, #"{"product_id":"p"}"#)
        }
        shop.append("10:01", "Product Stock Changed", nil, #"{"product_id":"p","available":1}"#)
        shop.append("10:02", "A", "ann")
        shop.append("12:00", "N", "bob")
        #expect(try shop.run(Self.instances) == [])
        #expect(try shop.running() == ["ann gone", "ann stays", "u1 line", "u2 line"])
        // Nothing new is read: they end all the same.
        #expect(try shop.run(Self.fewer) == ["ann gone rule_removed", "u1 line rule_removed", "u2 line rule_removed"])
        #expect(try shop.running() == ["ann stays"])
        shop.append("13:00", "N", "bob")
        #expect(try shop.run(Self.instances) == [])
        #expect(try shop.running() == ["ann stays"])
        // The line begins anew.
        shop.append("14:00", "Product Stock Changed", nil, #"{"product_id":"p","available":0}"#)
        shop.append("14:01", "Product Stock Changed", nil, #"{"product_id":"p","available":1}"#)
        shop.append("16:00", "N", "bob")
        #expect(try shop.run(Self.instances) == [])
        #expect(try shop.running() == ["ann stays", "u1 line", "u2 line"])
        #expect(try shop.store().wakesThatDiffer() == 0)
    }

    @Test(arguments: [1, 256 << 20]) func aWindowThatComesBackIsEmpty(memory: Int) throws {
        let with = """
            rules:
              other: { start: O }
              counts: { start: B, expires: 3650d, data: { n: 'profile.count("A", "7d")', e: 'profile.ever("A")' } }
            """
        let shop = ChangingShop(memory: memory)
        shop.append("10:00", "A", "ann")
        shop.append("10:01", "A", "ann")
        shop.append("10:30", "N", "bob")
        #expect(try shop.run(with) == [])
        shop.append("11:00", "A", "carl")
        shop.append("12:00", "N", "bob")
        #expect(try shop.run("rules: { other: { start: O } }") == [])
        // What nobody asks for is not kept.
        #expect(try shop.store().integer("SELECT count(*) FROM customer WHERE instr(rolling, 'count|') > 0") == 0)
        shop.append("12:30", "A", "ann")
        shop.append("12:31", "B", "ann")
        shop.append("12:31", "B", "carl")
        shop.append("14:00", "N", "bob")
        #expect(try shop.run(with) == ["ann counts published", "carl counts published"])
        let data = shop.messages.map { $0.contains(#""n":1"#) }
        #expect(data == [true, false], "\(shop.messages)")
        #expect(shop.messages.map { $0.contains(#""e":true"#) } == [true, false])
    }

    /// It changes at the very millisecond at which the engine stands when another segment is added.
    @Test(arguments: ["11:30:09.999", "11:30:10", "11:30:10.001"]) func aSegmentThatWasThereIsEnteredAloud(time: String) throws {
        let before = """
            segments:
              regular: profile.ever("A") && profile.since("A") >= duration("1h")
            rules:
              welcome: { start: { enters: regular }, expires: 3650d }
            """
        let after = before.replacing("segments:", with: "segments:\n  fresh: profile.ever(\"N\")")
        let shop = ChangingShop(memory: 256 << 20)
        shop.append("10:30", "A", "ann")
        shop.append(time, "N", "bob")
        let first = try shop.run(before)
        shop.append("14:00", "N", "bob")
        #expect(try first + shop.run(after) == ["ann welcome published"])
    }

    /// Members and those in line are known by a number, which may be nobody's when the segment or the audience comes back.
    @Test(arguments: [1, 256 << 20]) func aSegmentThatComesBackKnowsNobodyOfBefore(memory: Int) throws {
        let with = """
            segments: { fans: 'profile.ever("A")' }
            rules:
              back: { per: product, start: [Product Stock Changed], audience: [segment fans], expires: 3650d }
            """
        let shop = ChangingShop(memory: memory)
        shop.append("10:00", "A", "visitor", isAnonymous: true)
        shop.append("10:00", "A", "bob")
        shop.append("10:01", "N", "carl")
        #expect(try shop.run(with) == [])
        shop.append("11:00", "N", "ann", visitor: "visitor")
        shop.append("12:00", "N", "carl")
        #expect(try shop.run("rules: { other: { start: O } }") == [])
        #expect(try shop.store().integer("SELECT count(*) FROM membership") == 0)
        shop.append("13:00", "Product Stock Changed", nil, #"{"product_id":"p","available":1}"#)
        shop.append("14:00", "N", "carl")
        #expect(try shop.run(with) == [])
        shop.append("14:10", "A", "ann")
        shop.append("14:20", "Product Stock Changed", nil, #"{"product_id":"p","available":2}"#)
        shop.append("15:00", "N", "carl")
        #expect(try shop.run(with) == ["ann back published"])
    }

    @Test(arguments: [1, 256 << 20]) func whoeverStandsInALineIsDueWhenTheRuleLosesItsAudience(memory: Int) throws {
        let with =
            "rules: { back: { per: product, start: [Product Stock Changed], audience: [waitlist], limit: product.available } }"
        let shop = ChangingShop(memory: memory)
        for customer in ["u1", "u2"] { shop.append("10:00", "Back In Stock Requested", customer, #"{"product_id":"p"}"#) }
        shop.append("10:01", "Product Stock Changed", nil, #"{"product_id":"p","available":1}"#)
        shop.append("12:00", "N", "bob")
        #expect(try shop.run(with) == ["u1 back published"])
        #expect(try shop.running() == ["u2 back"])
        shop.append("13:00", "N", "bob")
        #expect(try shop.run("rules: { back: { per: product, start: A } }") == ["u2 back published"])
        #expect(try shop.running() == [])
    }

    @Test(arguments: [1, 256 << 20]) func aCartThatIsOlderThanItsAudienceIsKnownFromTheNextEvent(memory: Int) throws {
        let shop = ChangingShop(memory: memory)
        shop.append("10:00", "Product Price Changed", nil, #"{"product_id":"p","price":10}"#)
        shop.append("10:00", "Product Added", "ann", #"{"product_id":"p","price":10}"#)
        shop.append("10:10", "N", "bob")
        #expect(try shop.run("rules: { other: { start: Product Added, wait: 20d } }") == [])
        shop.append("10:20", "Cart Viewed", "ann")
        shop.append("10:30", "Product Price Changed", nil, #"{"product_id":"p","price":9}"#)
        shop.append("11:00", "N", "bob")
        let rules = """
            rules:
              other: { start: Product Added, wait: 20d }
              cheaper: { per: product, start: [Product Price Changed], audience: cart }
            """
        #expect(try shop.run(rules) == ["ann cheaper published"])
    }

    @Test(arguments: [1, 256 << 20]) func aRuleThatComesBackKeepsItsCooldownsAndEndedStarts(memory: Int) throws {
        let with = "rules: { r: { start: A, cooldown: 30d }, once: { start: C }, other: { start: Z } }"
        let shop = ChangingShop(memory: memory)
        for customer in ["ann", "bob"] { shop.append("10:00", "A", customer) }
        shop.append("10:00", "C", "ann")
        shop.append("11:00", "N", "carl")
        #expect(try shop.run(with) == ["ann once published", "ann r published", "bob r published"])
        // Only who has an event meanwhile is written anew; a login takes it along.
        shop.append("12:00", "B", "ann")
        shop.append("12:01", "B", "vi", isAnonymous: true)
        shop.append("13:00", "N", "carl")
        #expect(try shop.run("rules: { other: { start: Z } }") == [])
        shop.append("14:00", "A", "ann")
        shop.append("14:00", "A", "bob")
        shop.append("10:00", "C", "ann", id: "another")
        shop.append("16:00", "N", "carl")
        #expect(try shop.run(with) == ["ann r cooldown", "bob r cooldown"])
        #expect(shop.messages.count == 3)
    }

    @Test func aCalendarsDayIsKnownWhereverItStandsInTheList() throws {
        func rules(_ starts: String) -> String {
            """
            calendars: { fair: { default: [2026-03-01] } }
            rules: { r: { start: [\(starts)] } }
            """
        }
        let (early, late) = (#"{ calendar: fair, at: "10:00" }"#, #"{ calendar: fair, at: "15:00" }"#)
        let shop = ChangingShop(memory: 256 << 20)
        shop.append("08:00", "A", "ann")
        shop.append("12:00", "N", "bob")
        #expect(try shop.run(rules("\(early), \(late)")) == ["ann r published"])
        // The one that was taken goes from the list, and the other moves up.
        shop.append("16:00", "N", "bob")
        #expect(try shop.run(rules(late)) == ["ann r published", "bob r published"])
        shop.append("17:00", "N", "bob")
        #expect(try shop.run(rules("Z, \(early), \(late)")) == [])
    }

    @Test("a window that becomes longer begins anew, and the state remembers when") func aLongerWindow() throws {
        func rules(_ window: String) -> String { #"segments: { busy: 'profile.count("A", "\#(window)") >= 3' }"# }
        let series = "count|hour|A|"
        let shop = ChangingShop(memory: 256 << 20)
        shop.append("08:00", "A", "ann")
        shop.append("12:00", "N", "bob")
        #expect(try shop.run(rules("1h")) == [])
        #expect(try shop.store().keptSince()[series] == .some(nil))
        let changed = try shop.store().engineClock()?.now
        shop.append("14:00", "N", "bob")
        #expect(try shop.run(rules("7d")) == [])
        #expect(try shop.store().keptSince()[series] == changed)
        // A shorter one has all it needs; but what only the longer one needed is gone with it.
        #expect(try shop.run(rules("2h")) == [])
        #expect(try shop.store().keptSince()[series] == changed)
        shop.append("20:00", "N", "bob")
        let again = try shop.store().engineClock()?.now
        #expect(try shop.run(rules("7d")) == [])
        #expect(try shop.store().keptSince()[series] == again)
        #expect(again != changed)
    }
}
