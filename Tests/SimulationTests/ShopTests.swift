import Engine
import Foundation
import Simulation
import Testing

@Suite struct ShopTests {
    private func bytes(_ shop: Shop, lines: Int) -> [UInt8] {
        var shop = shop
        var bytes: [UInt8] = []
        for _ in 0..<lines where shop.append(to: &bytes) == nil { break }
        return bytes
    }

    /// FNV-1a of 64 bits.
    private func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// If this fails because the shop was changed on purpose, paste the new value: logs of old seeds are others now.
    @Test func theSameSeedGivesTheSameBytesOnEveryMachine() {
        #expect(hash(bytes(.benchmark(events: 1_000_000, customers: 25_000), lines: 10_000)) == 2_796_815_457_203_979_074)
    }

    @Test func anotherSeedIsAnotherShop() {
        #expect(bytes(.week(seed: 1), lines: 100) == bytes(.week(seed: 1), lines: 100))
        #expect(bytes(.week(seed: 1), lines: 100) != bytes(.week(seed: 2), lines: 100))
    }

    @Test func bothWaysToReadGiveTheSame() {
        var one = Shop.week(seed: 3)
        var other = Shop.week(seed: 3)
        for _ in 0..<200 {
            var bytes: [UInt8] = []
            let written = one.append(to: &bytes)
            let next = other.next()
            #expect(next?.written == written && next?.line == bytes)
        }
    }

    @Test func aWeekIsAFewThousandLinesOfSevenDays() throws {
        let log = try Log(.week(seed: 1))
        #expect((3_000...9_000).contains(log.events.count))
        let settings = Shop.Settings()
        let week = settings.start..<settings.start + 7 * 86_400_000 + 1_000
        let before = log.events.filter { $0.time < week.lowerBound }
        #expect(log.events.allSatisfy { $0.time < week.upperBound } && before.contains { $0.event == "Order Completed" })
        #expect(before.allSatisfy { $0.time >= week.lowerBound - 14 * 86_400_000 } && before.count < 60)
        for event in ["Product Added", "Order Completed", "Payment Failed", "Back In Stock Requested", "Signed Up"] {
            #expect(log.count(event) > 0, "no \(event) in the demo's week")
        }
    }

    @Test func aBenchmarkHasExactlyTheLinesAskedForAndTakesAboutTwoWeeks() throws {
        let log = try Log(.benchmark(events: 20_000, customers: 500))
        #expect(log.events.count == 20_000)
        let days = Double((log.written.last ?? 0) - (log.written.first ?? 0)) / 86_400_000
        #expect(days > 11 && days < 18)
    }

    @Test func everyLineHasWhatAnEventNeeds() throws {
        for event in try Log.fortnight.get().events {
            #expect(["track", "page", "screen", "identify"].contains(event.type))
            #expect((event.type == "track") == (event.event != nil))
            #expect(["page", "screen"].contains(event.type) == (event.name != nil))
            #expect((event.type == "identify") == (event.traits != nil))
            #expect(event.isAboutProduct || event.userId != nil || event.anonymousId != nil)
            #expect(event.isAboutProduct || (event.context.locale != nil && event.context.timezone != nil))
            #expect(UUID(uuidString: event.messageId) != nil)
            #expect(event.time.rfc3339 == event.timestamp)
            if event.type == "identify" || event.event == "Signed Up" { #expect(event.userId != nil && event.anonymousId != nil) }
        }
    }

    @Test func aLineIsAboutAsLongAsARealOne() {
        let length = bytes(.benchmark(events: 20_000, customers: 2_000), lines: 20_000).count / 20_000
        #expect((270...340).contains(length))
    }

    @Test func proportionsAreThoseOfAShop() throws {
        let log = try Log.fortnight.get()
        let total = log.events.count
        let pages = log.events.count { $0.name != nil }
        #expect((total * 55 / 100...total * 85 / 100).contains(pages))
        #expect(log.count("Product Viewed") > 3 * log.count("Product Added"))
        #expect(log.count("Product Added") > 3 * log.count("Order Completed"))
        #expect(log.count("Checkout Started") > log.count("Order Completed"))
        #expect(log.count("Payment Succeeded") > log.count("Payment Failed"))
        for event in [
            "Product Removed", "Cart Updated", "Cart Viewed", "Order Completed", "Order Refunded", "Order Cancelled",
            "Product Reviewed",
            "Product Added to Wishlist", "Back In Stock Requested", "Product Stock Changed", "Product Price Changed",
            "Payment Failed",
            "Subscription Cancelled", "Email Delivered", "Email Opened", "Signed Up", "Sign Up Started",
            "Sign Up Step Completed", "Location Reported", "Product Launched", "Complaint Submitted", "Complaint Resolved",
            "Consent Changed",
        ] { #expect(log.count(event) > 0, "no \(event)") }
    }

    @Test func aFewCustomersComeOften() throws {
        var visits: [String: Int] = [:]
        for event in try Log.fortnight.get().events { if let user = event.userId { visits[user, default: 0] += 1 } }
        let counts = visits.values.sorted(by: >)
        let busiest = counts.prefix(counts.count / 10).reduce(0, +)
        #expect(busiest * 100 / counts.reduce(0, +) > 20)
    }

    @Test func anAnonymousIDBelongsToOneUser() throws {
        var users: [String: String] = [:]
        for event in try Log.fortnight.get().events {
            guard let anonymous = event.anonymousId, let user = event.userId else { continue }
            #expect(users.updateValue(user, forKey: anonymous).map { $0 == user } ?? true)
        }
        #expect(users.count > 50)
    }

    @Test func paymentIssuesCountTheirAttempts() throws {
        var attempts: [String: Int] = [:]
        for event in try Log.fortnight.get().inOrder {
            guard let subscription = event.properties?.subscriptionId else { continue }
            let attempt = try #require(event.event == "Subscription Cancelled" ? 0 : event.properties?.attempt)
            if event.event == "Payment Failed" {
                #expect(attempt == attempts[subscription, default: 0] + 1 || attempt == 1)
                #expect(["hard", "soft"].contains(event.properties?.decline))
                #expect((attempt <= 3) == (event.properties?.nextAttempt != nil))
            }
            attempts[subscription] = event.event == "Payment Failed" ? attempt : 0
        }
        #expect(!attempts.isEmpty)
    }
}
