import Engine

/// A line of the control log that a person wrote through a command.
///
/// ```
/// {"at":1772359200000,"type":"pause"}                              {"at":…,"rule":"vip","type":"resume"}
/// {"at":…,"number":12,"type":"retry"}                              {"at":…,"line":{…a Segment call…},"type":"event"}
/// {"at":…,"ids":["<HMAC of an id>",…],"next":12,"number":7,"type":"forget","until":…}
/// {"at":…,"before":0,"ids":[…],"type":"erased","until":…}            by the daemon: all ids an erasure covered; lines from that byte on stand after it
/// ```
/// `at` is the engine's time when it was written. When the daemon applies a line it notes where in the order that was
/// (`{"at":…,"line":<byte offset of the line>,"type":"applied"}`), durably and before the commit, so that a restart and a replay apply it
/// at the same place.
package struct ControlLine: Sendable, Equatable {
    package enum Order: Sendable, Equatable {
        /// Nil: everything.
        case pause(rule: String?)
        case resume(rule: String?)
        /// A dead letter, by number.
        case retry(Int64)
        case forget(Forgetting)
        /// An event made by hand: the JSON text of a Segment call.
        case event([UInt8])
    }

    /// An erasure, which must not name whom it is about.
    package struct Forgetting: Sendable, Equatable {
        /// Keyed hashes of ids.
        package var hashes: [String]
        /// The customer's number, if there was one.
        package var customer: Int64?
        /// The first number that nobody had yet: who came in after the order was given has this one or a later.
        package var nextCustomer: Int64?
        /// Until when events are dropped.
        package var until: Instant
        /// The dead letters that held the id, by number and offset.
        package var deadLetters: [[Int64]]

        package init(hashes: [String], customer: Int64?, nextCustomer: Int64?, until: Instant, deadLetters: [[Int64]]) {
            self.hashes = hashes
            self.customer = customer
            self.nextCustomer = nextCustomer
            self.until = until
            self.deadLetters = deadLetters
        }
    }

    package var order: Order
    package var at: Instant
    /// Byte offsets of the line and of what follows it.
    package var start: Int
    package var end: Int

    package init(_ order: Order, at: Instant, start: Int = 0, end: Int = 0) {
        self.order = order
        self.at = at
        self.start = start
        self.end = end
    }

    /// The line as written, without its end.
    package var json: CanonicalJSON {
        var members: [(key: String, value: CanonicalJSON)] = [("at", .number(Double(at)))]
        func name(_ type: String, _ rule: String?) {
            members.append(("type", .string(type)))
            if let rule { members.append(("rule", .string(rule))) }
        }
        switch order {
        case .pause(let rule): name("pause", rule)
        case .resume(let rule): name("resume", rule)
        case .retry(let number):
            name("retry", nil)
            members.append(("number", .number(Double(number))))
        case .forget(let order):
            name("forget", nil)
            members.append(("ids", .array(order.hashes.map { .string($0) })))
            members.append(("until", .number(Double(order.until))))
            if let customer = order.customer { members.append(("number", .number(Double(customer)))) }
            if let next = order.nextCustomer { members.append(("next", .number(Double(next)))) }
            if !order.deadLetters.isEmpty {
                members.append(("dead_letters", .array(order.deadLetters.map { .array($0.map { .number(Double($0)) }) })))
            }
        case .event(let text):
            name("event", nil)
            if let packed = JSONText.pack(text) { members.append(("line", CanonicalJSON(JSONView(bytes: packed, offset: 0)))) }
        }
        return .object(members)
    }

    /// Nil for notes, and for what is no control line.
    init?(_ view: JSONView, start: Int, end: Int) {
        guard let type = view["type"]?.string, let at = view["at"]?.milliseconds else { return nil }
        switch type {
        case "pause": order = .pause(rule: view["rule"]?.string)
        case "resume": order = .resume(rule: view["rule"]?.string)
        case "retry":
            guard let number = view["number"]?.whole else { return nil }
            order = .retry(number)
        case "forget":
            guard let ids = view["ids"]?.elements.compactMap(\.string), let until = view["until"]?.milliseconds else {
                return nil
            }
            order = .forget(
                Forgetting(
                    hashes: ids, customer: view["number"]?.whole, nextCustomer: view["next"]?.whole, until: until,
                    deadLetters: (view["dead_letters"]?.elements ?? []).map { $0.elements.compactMap(\.whole) }))
        case "event":
            guard let line = view["line"], line.tag == .object else { return nil }
            order = .event(JSONText.text(of: line))
        default: return nil
        }
        self.at = at
        self.start = start
        self.end = end
    }

    static func applied(_ line: ControlLine, at: Instant) -> CanonicalJSON {
        .object([("type", .string("applied")), ("line", .number(Double(line.start))), ("at", .number(Double(at)))])
    }
}

extension JSONView {
    /// A number without a fraction; nil if it is none, or does not fit.
    var whole: Int64? { number.flatMap { Int64(exactly: $0) } }

    /// A time in milliseconds; nil if it is none, or of no year from 1 to 9999. The first turn of all is before every event.
    var milliseconds: Instant? { whole.flatMap { Instant.years.contains($0) || $0 == .min ? $0 : nil } }
}
