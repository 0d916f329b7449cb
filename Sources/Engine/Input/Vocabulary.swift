/// The number of an event name. Numbers follow the order in which a rule set mentions names; they are not stored.
package struct EventName: Hashable, Sendable, Comparable {
    package let index: UInt16

    package init(index: UInt16) { self.index = index }

    /// Any name that neither the state nor a rule, segment or condition mentions.
    package static let unmentioned = EventName(index: 0)

    package static func < (left: EventName, right: EventName) -> Bool { left.index < right.index }
}

/// The event names that the state itself understands (`events.md`, "Names the state understands").
package enum StateEvent: UInt16, CaseIterable, Sendable {
    case productAdded = 1
    case productRemoved, cartViewed, cartUpdated, checkoutStarted
    case orderCompleted, orderUpdated, orderRefunded, orderCancelled
    case productViewed, productAddedToWishlist, productRemovedFromWishlist, backInStockRequested, backInStockCancelled
    case productStockChanged, productPriceChanged
    case paymentFailed, paymentSucceeded, subscriptionStarted, subscriptionCancelled, subscriptionExpired
    case consentChanged, unsubscribed, emailBounced, emailMarkedAsSpam
    case emailDelivered, emailOpened, emailLinkClicked, messageSent
    case customerErasureRequested

    /// Whether it is a product's own, also where it names somebody.
    var isAboutAProduct: Bool { self == .productStockChanged || self == .productPriceChanged }

    static func isAboutAProduct(_ name: String) -> Bool { allCases.contains { $0.isAboutAProduct && $0.name.same(as: name) } }

    package var name: String {
        switch self {
        case .productAdded: "Product Added"
        case .productRemoved: "Product Removed"
        case .cartViewed: "Cart Viewed"
        case .cartUpdated: "Cart Updated"
        case .checkoutStarted: "Checkout Started"
        case .orderCompleted: "Order Completed"
        case .orderUpdated: "Order Updated"
        case .orderRefunded: "Order Refunded"
        case .orderCancelled: "Order Cancelled"
        case .productViewed: "Product Viewed"
        case .productAddedToWishlist: "Product Added to Wishlist"
        case .productRemovedFromWishlist: "Product Removed from Wishlist"
        case .backInStockRequested: "Back In Stock Requested"
        case .backInStockCancelled: "Back In Stock Cancelled"
        case .productStockChanged: "Product Stock Changed"
        case .productPriceChanged: "Product Price Changed"
        case .paymentFailed: "Payment Failed"
        case .paymentSucceeded: "Payment Succeeded"
        case .subscriptionStarted: "Subscription Started"
        case .subscriptionCancelled: "Subscription Cancelled"
        case .subscriptionExpired: "Subscription Expired"
        case .consentChanged: "Consent Changed"
        case .unsubscribed: "Unsubscribed"
        case .emailBounced: "Email Bounced"
        case .emailMarkedAsSpam: "Email Marked as Spam"
        case .emailDelivered: "Email Delivered"
        case .emailOpened: "Email Opened"
        case .emailLinkClicked: "Email Link Clicked"
        case .messageSent: "Message Sent"
        case .customerErasureRequested: "Customer Erasure Requested"
        }
    }

    package var eventName: EventName { EventName(index: rawValue) }
}

/// The names one rule set mentions, and what of their events it needs. The decoder asks it for each line, so that what no
/// condition mentions is neither copied nor kept.
package struct Vocabulary: Sendable {
    package struct Entry: Sendable {
        package let name: String
        /// Whether the state or a condition reads this event's properties.
        package var needsProperties: Bool
        /// Whether it counts without a customer: stock and price changes, and what starts a rule with an audience.
        package var isProductEvent: Bool
    }

    /// By number; entry 0 stands for every unmentioned name.
    package private(set) var entries: [Entry]
    /// Open addressing over `entries`: 0 is an empty place.
    private var table: [UInt16]

    package init() {
        entries = [Entry(name: "", needsProperties: false, isProductEvent: false)]
        table = [UInt16](repeating: 0, count: 256)
        for event in StateEvent.allCases {
            let isProductEvent = event.isAboutAProduct
            let needed =
                switch event {
                case .productViewed, .emailDelivered, .emailOpened, .emailLinkClicked: false
                default: true
                }
            _ = add(event.name, needsProperties: needed, isProductEvent: isProductEvent)
        }
    }

    /// So many names have a number.
    package static let most = 65_000

    /// The number of a name, entered if it is new; what it needs only ever grows. Names beyond `most` stay unmentioned, which is an error of the
    /// configuration.
    @discardableResult
    package mutating func add(_ name: String, needsProperties: Bool = false, isProductEvent: Bool = false) -> EventName {
        let bytes = Array(name.utf8)
        if let known = find(bytes[...]) {
            if needsProperties { entries[Int(known.index)].needsProperties = true }
            if isProductEvent { entries[Int(known.index)].isProductEvent = true }
            return known
        }
        guard entries.count < Self.most else { return .unmentioned }
        entries.append(Entry(name: name, needsProperties: needsProperties, isProductEvent: isProductEvent))
        if entries.count * 2 > table.count {
            table = [UInt16](repeating: 0, count: table.count * 4)
            for index in 1..<entries.count { place(UInt16(index)) }
        } else {
            place(UInt16(entries.count - 1))
        }
        return EventName(index: UInt16(entries.count - 1))
    }

    private mutating func place(_ index: UInt16) {
        var slot = Int(truncatingIfNeeded: Self.hash(entries[Int(index)].name.utf8)) & (table.count - 1)
        while table[slot] != 0 { slot = (slot + 1) & (table.count - 1) }
        table[slot] = index
    }

    /// FNV-1a, 64 bits: names are short and the table is small, so that a simple stable hash is enough.
    private static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash ^ (hash >> 29)
    }

    /// The number of a name, or nil if it is not mentioned.
    package func find(_ bytes: some Collection<UInt8>) -> EventName? {
        var slot = Int(truncatingIfNeeded: Self.hash(bytes)) & (table.count - 1)
        while table[slot] != 0 {
            let index = table[slot]
            if entries[Int(index)].name.utf8.elementsEqual(bytes) { return EventName(index: index) }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    /// The place of a name in tables by event name.
    func number(of name: String) -> Int { Int((find(Array(name.utf8)) ?? .unmentioned).index) }

    package subscript(name: EventName) -> Entry { entries[Int(name.index)] }
}
