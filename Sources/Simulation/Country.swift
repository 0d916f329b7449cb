/// Where a customer lives: locale, time zone, currency, and the hours of the day.
struct Country: Sendable {
    /// The JSON of a call's `context`, braces and library included, for a browser and for a phone.
    let web: [UInt8]
    let phone: [UInt8]
    /// East of UTC, in milliseconds, without summer time: it only moves the hours at which people visit.
    let offset: Int64
    let currency: [UInt8]
    /// Thousandths of a unit of `currency` for one euro.
    let rate: Int
    /// A shop in its largest city, in millionths of a degree.
    let latitude: Int
    let longitude: Int
    /// The store of the shipped rule `nearby-store`, where it has one in this country.
    let store: (latitude: Int, longitude: Int)?

    private init(
        _ locale: String, _ zone: String, _ minutes: Int64, _ currency: String, _ rate: Int, _ place: (Int, Int),
        store: (Int, Int)? = nil
    ) {
        let start = "{\"locale\":\"\(locale)\",\"timezone\":\"\(zone)\",\"library\":{\"name\":"
        web = Array((start + "\"web\"}}").utf8)
        phone = Array((start + "\"ios\"}}").utf8)
        offset = minutes * 60_000
        self.currency = Array(currency.utf8)
        self.rate = rate
        (latitude, longitude) = place
        self.store = store
    }

    static let all = [
        Country("tr-TR", "Europe/Istanbul", 180, "TRY", 51_400, (41_036_944, 28_985_833), store: (41_025_630, 28_974_160)),
        Country("en-GB", "Europe/London", 0, "GBP", 867, (51_514_248, -145_278)),
        Country("de-DE", "Europe/Berlin", 60, "EUR", 1000, (52_502_889, 13_332_500), store: (52_520_040, 13_404_950)),
        Country("en-US", "America/New_York", -300, "USD", 1165, (40_750_580, -73_993_584)),
        Country("en-US", "America/Los_Angeles", -480, "USD", 1165, (34_048_900, -118_258_600)),
        Country("fr-FR", "Europe/Paris", 60, "EUR", 1000, (48_873_200, 2_332_100)),
        Country("en-IN", "Asia/Kolkata", 330, "INR", 106_000, (19_075_984, 72_877_656)),
        Country("ja-JP", "Asia/Tokyo", 540, "JPY", 183_000, (35_671_700, 139_764_900)),
    ]

    /// The country of each sixteenth of the customers.
    static let shares: [Int] = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7]

    /// How likely a visit is in each local hour, of 256, for four kinds of people: early, office, evening, late.
    static let hours: [[Int]] = [
        [8, 4, 4, 8, 30, 90, 200, 256, 220, 160, 130, 120, 130, 120, 100, 90, 90, 100, 110, 110, 80, 50, 30, 16],
        [10, 4, 2, 2, 4, 16, 50, 100, 160, 200, 200, 220, 256, 240, 180, 160, 150, 140, 130, 130, 120, 90, 50, 24],
        [30, 12, 4, 2, 2, 8, 30, 60, 70, 70, 80, 90, 110, 100, 90, 90, 100, 130, 180, 230, 256, 250, 190, 90],
        [200, 150, 90, 50, 20, 8, 8, 12, 24, 40, 50, 60, 80, 90, 90, 90, 100, 110, 130, 160, 200, 240, 256, 240],
    ]

    /// The mean of `hours`, of 256: what is left of the visits that are drawn at an even rate.
    static let meanHour = hours.reduce(0) { $0 + $1.reduce(0, +) } / 96
}
