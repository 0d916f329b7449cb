import Engine

extension Shop {
    /// What a shop is like. Values out of range are taken as the nearest that makes sense.
    package struct Settings: Sendable, Equatable {
        /// The same seed and settings give the same bytes on every machine.
        package var seed: UInt64 = 1
        /// Customers there are, 1 to 4,000,000,000; the quiet ones may never come.
        package var customers = 2_000
        /// Products there are, 1 to 1,000,000; a third of them in three sizes.
        package var products = 500
        /// When the shop opens, from 1970 to 9000.
        package var start: Instant = 1_772_409_600_000  // 2026-03-02T00:00:00Z, a Monday
        /// The days the shop is open, at least 1. New customers sign up evenly over them.
        package var days = 7
        /// If given, exactly this many lines are written, however many days they take, and `days` ends nothing.
        package var lines: Int?
        /// Visits of the whole shop a day on average, in thousandths of a visit.
        package var visitsPerDay = 500_000
        /// Subscribers are billed every so many days.
        package var billingDays = 30
        /// A line is written less than this after its time, in milliseconds; 0 writes every line at its time, in order;
        /// at most a day. The lines of that long are kept in memory.
        package var disorder: Milliseconds = 2_000
        /// Lines that are written a second time, within `disorder` too, of a million.
        package var duplicates = 2_000
        /// Lines before which a torn copy of it is written, of a million. The whole lines are the same whatever this share is.
        package var malformed = 0
        /// Carts and orders in the currency of the customer's country instead of euros. Products keep their price in euros.
        package var localPrices = false

        /// What the shipped rules wait for happens too: sign-ups step by step, places near a store, launches, complaints, orders from before the
        /// first day. The benchmark's log is without it, so that the same seed gives the same bytes as ever.
        package var meetsRules = true

        package init() {}

        /// The lines of a visit on average, in hundredths, all that follows it included. Measured; only the pace depends on it.
        static let linesPerVisit = 1_470
    }

    /// A small shop for a demo: 200 customers, 7 days, a few thousand events.
    package static func week(seed: UInt64) -> Shop {
        var settings = Settings()
        settings.seed = seed
        settings.customers = 200
        settings.products = 60
        settings.visitsPerDay = 50_000
        settings.billingDays = 4
        return Shop(settings)
    }

    /// A shop whose `events` lines take about 14 days: the job of the benchmarks with a million events of 25,000 customers. The wanted
    /// pace is kept however many customers there are.
    package static func benchmark(events: Int, customers: Int) -> Shop {
        var settings = Settings()
        settings.meetsRules = false
        settings.customers = customers
        settings.products = min(2_000, max(40, events / 500))
        settings.days = 14
        settings.lines = events
        settings.visitsPerDay = min(max(1, events), 1_000_000_000_000) * 100_000 / 14 / Settings.linesPerVisit
        return Shop(settings)
    }
}
