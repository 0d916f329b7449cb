import CEL
import Testing

@testable import Engine

/// A count compared with a number is judged without the interpreter, to the same end.
@Suite struct ThresholdTests {
    @Test(arguments: ["==", "!=", "<", "<=", ">", ">="])
    func aThresholdHoldsWhereItsConditionDoes(_ sign: String) throws {
        let position = Position(file: "", line: 1, column: 1)
        var definitions = Definitions(instance: "test")
        definitions.segments = [
            SegmentDefinition(
                name: Located("s", at: position),
                condition: Located(#"profile.count("Page Viewed", "7d") \#(sign) 3"#, at: position))
        ]
        let (compiled, issues) = RuleSet.compile(definitions) { _ in nil }
        let rules = try #require(compiled, "\(issues)")
        let condition = rules.segments[0].condition
        let threshold = try #require(condition.threshold)
        for count in Int32(0)...6 {
            var profile = Profile(number: 1, key: CustomerKey(isAnonymous: false, id: [0x61]), firstSeen: 0)
            if count > 0 {
                var series = Series(definition: threshold.series)
                series.count(0, by: count)
                profile.series = [series]
            }
            let judged = withUnsafePointer(to: profile) { profile in
                condition.program.evaluateBool(ProfileScope(condition: condition, rules: rules, profile: profile, now: 0))
            }
            let holds = threshold.holds(profile.count(threshold.series, now: 0, window: threshold.window, of: rules))
            #expect(judged == .success(holds), "\(count) \(sign) 3")
        }
    }
}
