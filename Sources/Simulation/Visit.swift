/// A visit under way, or put off with a cart that waits for its customer.
struct Visit {
    enum Place { case browsing, product, cart, checkout }

    var voice: Voice
    /// Has an account and isn't logged in.
    var mayLogIn = false
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

/// A completed order, as far as what follows it needs to know. Small, because the agenda moves its entries about.
struct Order {
    let customer: UInt32
    let number: UInt32
    /// In hundredths.
    let total: Int32
    let product: Int32
    /// By account, not as a guest.
    let user: Bool
}

/// A payment that failed.
struct PaymentIssue {
    let customer: UInt32
    /// In hundredths.
    let amount: Int32
    let attempt: UInt8
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
    /// Somebody complains about an order; the service settles it.
    case complaint(Order)
    case settlement(Order)
    /// The order from before the first day of this turn; a new product.
    case former(Int)
    case launch
    /// A product is sold out elsewhere; a few pieces come back; the full delivery comes.
    case outage
    case soldOut(Item)
    case restock(Item)
    case delivery(Item)
    case repricing
}
