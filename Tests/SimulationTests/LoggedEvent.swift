import Engine
import Foundation
import Simulation
import Testing

/// A line of the log as a reader sees it, by Foundation's decoder and not by anything of ours.
struct LoggedEvent: Decodable, Sendable {
    struct Context: Decodable, Sendable {
        let locale: String?
        let timezone: String?
        let library: [String: String]
    }

    struct Entry: Decodable, Sendable {
        let productId: String
        let variant: String?
        let price: Double
        let quantity: Int
        var item: String { productId + "/" + (variant ?? "") }
    }

    struct Properties: Decodable, Sendable {
        let productId: String?
        let variant: String?
        let price: Double?
        let quantity: Int?
        let cartId: String?
        let orderId: String?
        let checkoutId: String?
        let products: [Entry]?
        let total: Double?
        let value: Double?
        let available: Int?
        let rating: Int?
        let attempt: Int?
        let decline: String?
        let nextAttempt: String?
        let subscriptionId: String?
        let latitude: Double?
        let longitude: Double?
        var item: String { (productId ?? "") + "/" + (variant ?? "") }
    }

    let type: String
    let event: String?
    let name: String?
    let messageId: String
    let userId: String?
    let anonymousId: String?
    let timestamp: String
    let receivedAt: String?
    let context: Context
    let properties: Properties?
    let traits: [String: Trait]?

    enum Trait: Decodable, Sendable {
        case text(String)
        case flag(Bool)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let flag = try? container.decode(Bool.self) {
                self = .flag(flag)
            } else {
                self = .text(try container.decode(String.self))
            }
        }
    }

    var time: Instant { Instant.parse(rfc3339: Array(timestamp.utf8)) ?? .min }
    var isAboutProduct: Bool {
        ["Product Stock Changed", "Product Price Changed", "Product Launched"].contains(event ?? "")
    }
}

/// A log read whole: the lines in the order of writing.
struct Log: Sendable {
    var events: [LoggedEvent] = []
    var written: [Instant] = []
    var peak = 0

    init(_ shop: Shop, lines: Int = .max) throws {
        var shop = shop
        var line: [UInt8] = []
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        while events.count < lines, let time = shop.append(to: &line) {
            #expect(line.last == 0x0A)
            events.append(try decoder.decode(LoggedEvent.self, from: Data(line)))
            written.append(time)
            peak = max(peak, shop.pending)
            line.removeAll(keepingCapacity: true)
        }
    }

    /// Each event once, by its own time.
    var inOrder: [LoggedEvent] {
        var seen: Set<String> = []
        let once = events.filter { seen.insert($0.messageId).inserted }
        return once.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
    }

    func count(_ event: String) -> Int { events.count { $0.event == event } }

    /// Two weeks of a shop that is busy enough for everything to happen.
    static let fortnight = Result {
        var settings = Shop.Settings()
        settings.seed = 7
        settings.customers = 400
        settings.products = 90
        settings.days = 14
        settings.visitsPerDay = 110_000
        settings.billingDays = 7
        return try Log(Shop(settings))
    }
}
