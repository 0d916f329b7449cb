import Engine
import Foundation
import Simulation
import Testing

/// How the log is written: delays, copies, torn lines, and what stays in memory.
@Suite struct ShopWritingTests {
    private func settings(_ change: (inout Shop.Settings) -> Void) -> Shop.Settings {
        var settings = Shop.Settings()
        settings.customers = 3_000
        settings.visitsPerDay = 20_000_000
        settings.lines = 5_000
        change(&settings)
        return settings
    }

    @Test(arguments: [0, 1, 15, 2_000, 120_000] as [Milliseconds])
    func noLineIsLaterThanTheDisorder(disorder: Milliseconds) throws {
        let log = try Log(Shop(settings { ($0.disorder, $0.duplicates) = (disorder, 20_000) }))
        var newest: Instant = .min
        var late = 0
        var last: Instant = .min
        for (event, written) in zip(log.events, log.written) {
            #expect(written >= last && written >= event.time && written < event.time + max(1, disorder))
            if newest > event.time {
                late += 1
                #expect(newest - event.time < disorder)
            }
            newest = max(newest, event.time)
            last = written
        }
        #expect((late > 0) == (disorder > 1), "\(late) late lines")
    }

    @Test func copiesAreAsManyAsAskedFor() throws {
        let log = try Log(Shop(settings { $0.duplicates = 50_000 }))
        let copies = log.events.count - Set(log.events.map(\.messageId)).count
        #expect((150...350).contains(copies))
        let without = try Log(Shop(settings { $0.duplicates = 0 }))
        #expect(Set(without.events.map(\.messageId)).count == without.events.count)
    }

    @Test func tornLinesComeOnTopAndAreNoJSON() throws {
        var shop = Shop(settings { ($0.malformed, $0.duplicates) = (50_000, 0) })
        var torn = 0
        while let (_, line) = shop.next() {
            if (try? JSONSerialization.jsonObject(with: Data(line), options: .fragmentsAllowed)) == nil { torn += 1 }
            #expect(line.count { $0 == 0x0A } == 1)
        }
        #expect((150...350).contains(torn))
    }

    @Test func whatHappensDoesNotDependOnHowItIsWritten() throws {
        func happened(_ change: (inout Shop.Settings) -> Void) throws -> [String] {
            let log = try Log(Shop(settings(change)))
            return log.inOrder.prefix(4_000).map { "\($0.messageId) \($0.timestamp) \($0.event ?? $0.type)" }.sorted()
        }
        let tidy = try happened { ($0.disorder, $0.duplicates) = (0, 0) }
        let untidy = try happened { ($0.disorder, $0.duplicates) = (5_000, 30_000) }
        #expect(Set(tidy).symmetricDifference(untidy).count <= 4)
    }

    @Test(arguments: [1, 2, 3, 25_000, 10_000_000])
    func memoryFollowsTheVisitsAndNotTheCustomers(customers: Int) throws {
        let log = try Log(.benchmark(events: 10_000, customers: customers))
        #expect(log.events.count == 10_000)
        #expect(log.peak < 500, "\(log.peak) entries pending")
    }

    @Test func settingsOutOfRangeDoNoHarm() throws {
        var settings = Shop.Settings()
        (settings.customers, settings.products, settings.days, settings.visitsPerDay) = (0, -1, -5, 0)
        (settings.disorder, settings.duplicates, settings.malformed, settings.billingDays) = (-1, -1, -1, 0)
        settings.lines = 50
        #expect(try Log(Shop(settings)).events.count == 50)
        (settings.customers, settings.days, settings.visitsPerDay) = (.max, .max, .max)
        (settings.billingDays, settings.start, settings.duplicates, settings.products) = (.max, .max, .max, 1)
        #expect(try Log(Shop(settings)).events.count == 50)
        (settings.customers, settings.visitsPerDay, settings.disorder) = (10, 1_000, .max)
        #expect(try Log(Shop(settings)).events.count == 50)
    }

    @Test func localPricesAreInTheCustomersCurrency() throws {
        var shop = Shop(settings { $0.localPrices = true })
        var currencies: Set<String> = []
        while let (_, line) = shop.next() {
            let text = String(decoding: line, as: UTF8.self)
            guard text.contains("Product Added\""), let match = text.firstMatch(of: /"currency":"([A-Z]{3})"/) else { continue }
            currencies.insert(String(match.1))
            #expect(text.contains("tr-TR") == (match.1 == "TRY"))
        }
        #expect(currencies.count > 3)
    }
}
