import Engine
import Testing
@Suite struct DebugTests {
    @Test func dbg() throws {
        var world = World()
        var rule = RuleSpec("r")
        rule.per = .customer
        rule.start = [.event("Product Viewed")]
        world.rules = [rule]
        let rules = try RuleSet.compiled(world.definitions)
        let log = [LogLine(1000, "Product Viewed", user: "u1"), LogLine(1000, "Product Added", user: "u2")]
        let lines = OrderedLine.sorted(log, lateness: 100)
        let driver = Driver(rules: rules)
        print("D0", try driver.run(lines, until: 5000))
        print("D1", try driver.run(lines, until: 5000, cuts: [1]))
        print("D2", try driver.run(lines, until: 5000, cuts: [0, 1]))
    }
}
