/// Timers of one moment are taken in order of (priority, higher first; rule; place in the audience; customer; key).
struct DueTimer: Prioritized, Sendable {
    enum What: Sendable {
        case instance(customer: Int64, rule: Int, key: String)
        case line(product: ProductKey, rule: Int)
    }

    var priority: Int
    var rank: Int
    var place: Int
    var customer: String
    var key: String
    var what: What

    static func precedes(_ left: DueTimer, _ right: DueTimer) -> Bool {
        if left.priority != right.priority { return left.priority > right.priority }
        if left.rank != right.rank { return left.rank < right.rank }
        if left.place != right.place { return left.place < right.place }
        if !left.customer.same(as: right.customer) { return left.customer.precedes(right.customer) }
        return left.key.precedes(right.key)
    }
}
