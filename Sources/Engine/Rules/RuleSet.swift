import CEL

/// Everything a configuration declares about behaviour, compiled once: rules, segments, what is kept for them, and where each event
/// name leads. It never changes: the engine is given one, and a changed configuration gives another. A class only so that handing it on to a
/// condition costs one retain instead of twenty.
package final class RuleSet: Sendable {
    package let definitions: Definitions
    package let delivery: DeliveryPolicy
    package let vocabulary: Vocabulary
    package let rules: [Rule]
    /// By rule: the order in which verdicts of one moment fall, which is by name.
    package let rank: [Int]
    let triggers: TriggerTable
    let graph: SegmentGraph
    let statistics: EventStatistics
    let products: ProductUse
    /// By event name: whether it has an effect on carts and the like, or triggers a rule. Other events are only counted.
    let acts: [Bool]
    /// Stands for the names and texts of all segments and calendars: a profile judged by another number is judged anew, quietly.
    package let judgement: UInt64
    package let timeZone: @Sendable (String) -> TimeZone?

    package var segments: [Segment] { graph.segments }
    package var series: [SeriesDefinition] { statistics.series }
    /// By series: the longest window any condition looks back over.
    package var longest: [Milliseconds] { statistics.longest }
    /// Events whose first and last times are kept, by name.
    package var marks: [String] { statistics.marks }

    init(
        definitions: Definitions, vocabulary: Vocabulary, rules: [Rule], triggers: TriggerTable, graph: SegmentGraph,
        statistics: EventStatistics, products: ProductUse, judgement: UInt64, timeZone: @escaping @Sendable (String) -> TimeZone?
    ) {
        self.definitions = definitions
        delivery = DeliveryPolicy(definitions, rules: rules, vocabulary, zoneNamed: timeZone)
        self.vocabulary = vocabulary
        self.rules = rules
        self.triggers = triggers
        self.graph = graph
        self.statistics = statistics
        self.products = products
        self.judgement = judgement
        self.timeZone = timeZone
        var rank = [Int](repeating: 0, count: rules.count)
        for (place, rule) in rules.indices.sorted(by: { rules[$0].name.precedes(rules[$1].name) }).enumerated() {
            rank[rule] = place
        }
        self.rank = rank
        acts = vocabulary.entries.indices.map { index in
            guard triggers.byEvent[index].isEmpty else { return true }
            guard let state = StateEvent(rawValue: UInt16(index)) else { return false }
            return state != .productViewed || products.keepsViews
        }
    }

    package func rule(named name: String) -> Int? { rules.firstIndex { $0.name.same(as: name) } }
    package func segment(named name: String) -> Int? { segments.firstIndex { $0.name.same(as: name) } }

    /// Compiles definitions; all that is wrong comes back at once, with no rule set if any of it is an error.
    package static func compile(
        _ definitions: Definitions, timeZone: @escaping @Sendable (String) -> TimeZone?
    ) -> (rules: RuleSet?, issues: [Issue]) {
        var compiler = RuleCompiler(definitions: definitions, timeZone: timeZone)
        let rules = compiler.compile()
        let issues = compiler.issues.sorted { $0.position < $1.position }
        return (issues.contains { $0.severity == .error } ? nil : rules, issues)
    }
}
