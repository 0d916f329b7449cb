/// A visit under way, or put off with a cart that waits for its customer.
struct Visit {
    enum Place { case browsing, product, cart, checkout }

    var voice: Voice
    /// Steps left until the customer leaves.
    var steps: Int
    var place = Place.browsing
    /// What was looked at last.
    var item = Item(product: 0, variant: 0)
    /// Which step of the sign-up comes next, for a newcomer.
    var signUp = 0
    var cart = Cart()
}

/// What a customer means to buy. Every cart has its own id and belongs to one visit, which may be continued days later.
struct Cart {
    struct Line {
        let item: Item
        var quantity: Int
        /// In hundredths of the cart's currency.
        var price: Int
    }

    /// 0 until the first product is added.
    var id: UInt64 = 0
    /// 0 until the checkout starts.
    var order = 0
    var lines: [Line] = []

    var total: Int { lines.reduce(0) { $0 + $1.quantity * $1.price } }

    static let maxLines = 12
}

/// A completed order, as far as what follows it needs to know.
struct Order {
    let customer: Int
    /// By account, not as a guest.
    let user: Bool
    let number: Int
    let total: Int
    let product: Int
}

/// A payment that failed.
struct PaymentIssue {
    let customer: Int
    let attempt: Int
    let amount: Int
    let isHard: Bool
}

/// What is to happen at some time.
enum Task {
    /// Somebody comes.
    case visit
    /// The next step of a visit.
    case step(Int)
    /// The newcomer of this turn signs up; the subscriber of this turn is billed.
    case newcomer(Int)
    case renewal(Int)
    case retry(PaymentIssue)
    case mail(Order)
    case opening(Order)
    case review(Order)
    case refund(Order)
    case cancellation(Order)
    /// A product is sold out elsewhere; a few pieces come back; the full delivery comes.
    case outage
    case soldOut(Item)
    case restock(Item)
    case delivery(Item)
    case repricing
}
