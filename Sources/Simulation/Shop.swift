import Engine

/// A seeded shop that writes its log as Segment calls, a line each, in the order of writing.
///
/// Everything that is still to happen stands in one agenda by time: the next visit of anybody, the next step of each visit under way,
/// a mail to be opened, a payment to be tried again. Visits are drawn for the shop as a whole and then given to a customer, which is
/// the same as a Poisson process for each of them, but keeps nothing for who isn't there. So memory grows with the visits under way,
/// the orders and open payment issues of the last days, and the products (about 150 bytes each), never with the customers.
///
/// What happens is drawn from one stream of random numbers, how it is written (delays, copies, torn lines) from another: the same
/// customers do the same things at the same times whatever the disorder is.
package struct Shop {
    package let settings: Settings
    var random: RandomSource
    private var disturbance: RandomSource
    var catalog: Catalog
    var agenda = TimeQueue<Task>()
    private var writing = WritingQueue()
    var line = LineText()
    /// The time of writing of the line under way, and its own time.
    private var lineWritten: Instant = 0
    private var lineTime: Instant = 0
    /// Visits under way or to be continued; `freeVisits` are places to use again.
    var visits: [Visit] = []
    var freeVisits: [Int] = []
    /// Subscribers who left or have a payment open, so that they are not billed again. Only asked for members, never listed.
    var unbilled: Set<UInt32> = []
    /// Events so far; each message id is a hash of its number.
    private var events: UInt64 = 0
    var orders = 0
    let stride: Int
    /// Customers who sign up within the days, who are subscribed from the start, and who ordered before the first day.
    let newcomers: Int
    let subscribers: Int
    let formers: Int
    /// Between two drawn visits on average, in milliseconds times 2¹⁶, and the clock they are drawn on.
    let visitGap: UInt64
    var visitClock: UInt64 = 0
    private let end: Instant
    /// Lines given so far, copies and torn ones included.
    package private(set) var linesWritten = 0

    /// 9000-01-01, so that no year gets a fifth digit.
    private static let latestStart: Instant = Instant(Civil.days(year: 9000, month: 1, day: 1)) * 86_400_000

    package init(_ settings: Settings) {
        var settings = settings
        settings.customers = min(max(1, settings.customers), 4_000_000_000)
        settings.products = min(max(1, settings.products), 1_000_000)
        settings.days = min(max(1, settings.days), 100_000)
        settings.visitsPerDay = min(max(1, settings.visitsPerDay), 1_000_000_000_000)
        settings.disorder = min(max(0, settings.disorder), 86_400_000)
        settings.billingDays = min(max(1, settings.billingDays), 3_650)
        settings.start = min(max(0, settings.start), Self.latestStart)
        self.settings = settings
        random = RandomSource(seed: settings.seed)
        disturbance = RandomSource(seed: ~settings.seed)
        catalog = Catalog(products: settings.products, random: &random)
        stride = Customer.stride(of: settings.customers)
        end = settings.lines == nil ? settings.start + Instant(settings.days) * 86_400_000 : .max
        // Visits are drawn at the rate of the busiest hour; the others lose some (`Country.hours`).
        let day: UInt64 = 1000 * 86_400_000 << 16
        let visitsPerDay = UInt64(settings.visitsPerDay) * 256 / UInt64(Country.meanHour)
        // Where few of many customers come, few sign up or pay.
        let visits = settings.visitsPerDay * settings.days / 1000
        newcomers = min((settings.customers + 12) / 16, visits / 20)
        subscribers = min((settings.customers + 6) / 12, visits / 4)
        formers = settings.meetsRules ? min((settings.customers + 6) / 16, max(1, visits / 20)) : 0
        visitGap = max(1, day / max(1, visitsPerDay))
        open()
    }

    /// What is still to happen or to be written, in number of entries: the measure of the memory in use.
    package var pending: Int { agenda.count + writing.count }

    /// Appends the next line with its newline, and returns when it is written; nil at the end. Times of writing never go back.
    package mutating func append(to bytes: inout [UInt8]) -> Instant? {
        while true {
            if let limit = settings.lines, linesWritten >= limit { return nil }
            let next = agenda.nextTime.map { min($0, end) } ?? end
            // Whatever is still to happen is written at its time or later.
            if let time = writing.nextTime, time <= next || next == end {
                linesWritten += 1
                return writing.popFirst(into: &bytes)
            }
            guard next < end, let (time, task) = agenda.popFirst() else { return nil }
            perform(task, at: time)
        }
    }

    /// The next line with its newline and its time of writing; nil at the end.
    package mutating func next() -> (written: Instant, line: [UInt8])? {
        var bytes: [UInt8] = []
        return append(to: &bytes).map { ($0, bytes) }
    }

    /// Begins a line. `head` is the call's type and name, `,"properties":{` or `,"traits":{` the usual `body`; the members of the body
    /// follow, then `endLine`. No `voice` is the shop's own server about a product.
    mutating func beginLine(
        _ head: StaticString, _ voice: Voice?, at time: Instant, body: StaticString = ",\"properties\":{"
    ) {
        lineTime = time
        let draw = disturbance.next()
        var delay = 0
        if settings.disorder > 0 {
            // Most lines are a little late, one in sixteen anything up to the bound.
            let span = draw & 15 == 0 ? UInt64(settings.disorder) : max(1, UInt64(settings.disorder) / 16)
            delay = Int(truncatingIfNeeded: (draw >> 4) % span)
        }
        lineWritten = time + Instant(delay)
        events += 1
        let high = RandomSource.mix(settings.seed ^ events &* RandomSource.step)
        line.clear()
        line.text(head)
        line.text(",\"messageId\":\"")
        line.identifier(high, RandomSource.mix(high &+ events))
        if let voice {
            if voice.anonymous {
                let (high, low) = voice.customer.anonymousID(device: voice.device)
                line.text("\",\"anonymousId\":\"")
                line.identifier(high, low)
            }
            if voice.user {
                line.text("\",\"userId\":\"u")
                line.integer(voice.customer.index, width: 8)
            }
        }
        line.text("\",\"timestamp\":\"")
        line.time(time)
        if events & 7 == 0 {
            line.text("\",\"receivedAt\":\"")
            line.time(lineWritten)
        }
        line.text("\",\"context\":")
        if let voice {
            let country = Country.all[voice.customer.country]
            line.text(voice.device == 0 && voice.customer.usesPhone ? country.phone : country.web)
        } else {
            line.text("{\"library\":{\"name\":\"inventory\"}}")
        }
        line.text(body)
    }

    /// Ends the line and queues it for writing, now and then twice or after a torn copy of itself.
    mutating func endLine() {
        line.text("}}\n")
        line.withBytes { whole in
            if settings.malformed > 0, disturbance.below(1_000_000) < settings.malformed {
                // What a writer leaves that was stopped: always too short to be JSON.
                let torn = Array(whole[..<(1 + disturbance.below(whole.count - 2))]) + [0x0A]
                torn.withUnsafeBytes { writing.add($0, at: lineWritten) }
            }
            writing.add(whole, at: lineWritten)
            if settings.duplicates > 0, disturbance.below(1_000_000) < settings.duplicates {
                let room = Int(lineTime + settings.disorder - lineWritten)
                writing.add(whole, at: lineWritten + Instant(disturbance.below(room)))
            }
        }
    }
}
