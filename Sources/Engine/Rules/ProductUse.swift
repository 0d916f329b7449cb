/// What the rules need to know of products, and of who cares for one.
struct ProductUse: Sendable {
    /// Whether customers' events can concern product records at all.
    let hasRecords: Bool
    /// Whether `Product Viewed` is kept as an interest: only if an audience or a condition mentions it.
    let keepsViews: Bool
    /// Whether some rule's audience are those who have a product in their cart.
    let indexesCarts: Bool
    /// By kind of interest.
    private let isIndexed: [Bool]

    init(rules: [Rule], triggers: [Trigger]) {
        let indexed = Set(rules.filter(\.hasAudience).flatMap(\.interestKinds))
        // A rule whose audience names interests reads only those; any other rule reads whichever the customer has, views too.
        let readsAnyInterest =
            rules.contains { rule in
                rule.interestKinds.isEmpty
                    && (([rule.condition].compactMap { $0 }) + rule.data.map(\.condition)).contains { $0.readsInterest }
            } || triggers.contains { $0.condition?.readsInterest ?? false }
        keepsViews = indexed.contains(.viewed) || readsAnyInterest
        indexesCarts = indexed.contains(.cart)
        isIndexed = InterestKind.allCases.map { indexed.contains($0) }
        hasRecords =
            !indexed.isEmpty || rules.contains { $0.hasAudience || $0.readsProduct }
            || triggers.contains { $0.condition?.readsProduct ?? false }
    }

    /// Whether customers with this interest must be found by product.
    func indexes(_ kind: InterestKind) -> Bool { isIndexed[kind.order] }
}
