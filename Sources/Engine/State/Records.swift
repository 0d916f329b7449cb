import CEL

/// A customer as a store keeps it: plain columns, JSON where people read it, and bytes where there is much of it.
///
/// The columns are the documented schema of the `customer` table. JSON columns are nil when empty, so that a visitor of one page costs a
/// few dozen bytes.
package struct CustomerRecord: Sendable {
    package var number: Int64
    package var isAnonymous: Bool
    package var id: [UInt8]
    package var firstSeen: Instant
    package var lastSeen: Instant
    package var locale: String?
    package var timezone: String?
    /// Nothing is due before this (ms); nil: nothing at all.
    package var wake: Instant?
    package var judgedBy: Int64
    package var columns = RecordColumns()

    package var traits: [UInt8]? { columns[.traits] }
    package var carts: [UInt8]? { columns[.carts] }
    package var interests: [UInt8]? { columns[.interests] }
    package var subscriptions: [UInt8]? { columns[.subscriptions] }
    package var segments: [UInt8]? { columns[.segments] }
    package var timers: [UInt8]? { columns[.timers] }

    package init(
        number: Int64, isAnonymous: Bool, id: [UInt8], firstSeen: Instant, lastSeen: Instant, locale: String?, timezone: String?,
        wake: Instant?, judgedBy: Int64
    ) {
        self.number = number
        self.isAnonymous = isAnonymous
        self.id = id
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.locale = locale
        self.timezone = timezone
        self.wake = wake
        self.judgedBy = judgedBy
    }
}

/// The columns of a customer's record that vary in length, one after the other in one piece of memory: a commit makes thousands of records, and each
/// column would grow in an allocation of its own.
package struct RecordColumns: Sendable {
    package enum Column: Int, CaseIterable, Sendable {
        case traits, carts, interests, subscriptions, segments, timers
        /// First and last times, windows, past starts and cancels, cooldowns, times of locale and time zone.
        case rolling
        /// The ids that counted lately (`SeenIDs.record`).
        case seen
    }

    package private(set) var bytes: [UInt8] = []
    private var ends = InlineArray<8, Int32>(repeating: 0)
    /// How many columns have been added.
    private var count = 0

    package init() {}

    /// Makes it empty, and keeps its memory.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        count = 0
    }

    /// The same in no more memory than it takes.
    var compact: RecordColumns {
        var copy = self
        copy.bytes = bytes.withUnsafeBytes { Array($0) }
        return copy
    }

    mutating func reserve(_ capacity: Int) { bytes.reserveCapacity(capacity) }

    /// Adds the next column, in the order of `Column`, by what is appended to the bytes; nothing: it is absent.
    mutating func add(_ append: (inout [UInt8]) -> Void) {
        append(&bytes)
        ends[count] = Int32(clamping: bytes.count)
        count += 1
    }

    /// Adds the next column as it was stored.
    package mutating func add(_ stored: UnsafeRawBufferPointer) { add { $0.append(contentsOf: stored) } }

    /// Where in the bytes a column is; empty: it is absent.
    package func range(of column: Column) -> Range<Int> {
        guard column.rawValue < count else { return 0..<0 }
        return (column.rawValue == 0 ? 0 : Int(ends[column.rawValue - 1]))..<Int(ends[column.rawValue])
    }

    package subscript(column: Column) -> [UInt8]? {
        let range = range(of: column)
        return range.isEmpty ? nil : Array(bytes[range])
    }
}

/// A product as a store keeps it; its followers are rows of their own.
package struct ProductRecord: Sendable {
    package var key: ProductKey
    package var facts: [UInt8]
    package var lines: [UInt8]?
    package var seen: [UInt8]?
    package var wake: Instant?

    package init(key: ProductKey, facts: [UInt8], lines: [UInt8]?, seen: [UInt8]?, wake: Instant?) {
        self.key = key
        self.facts = facts
        self.lines = lines
        self.seen = seen
        self.wake = wake
    }
}

/// Names of the rule set a record was written under are kept in the record, so that it can be read under another one.
struct RecordWriter {
    let rules: RuleSet

    /// - Parameter draft: memory that is used again for each record.
    func record(_ profile: Profile, _ draft: inout RecordColumns) -> CustomerRecord {
        var record = CustomerRecord(
            number: profile.number, isAnonymous: profile.key.isAnonymous, id: profile.key.id, firstSeen: profile.firstSeen,
            lastSeen: profile.lastSeen, locale: profile.locale?.value, timezone: profile.timezone?.value,
            wake: profile.wake == .max ? nil : profile.wake, judgedBy: Int64(bitPattern: profile.judgedBy))
        draft.removeAll()
        draft.add { bytes in
            JSONWriter.append(profile.traits, to: &bytes) { trait, json in
                json.member("at", trait.at)
                json.member("name", trait.name)
                json.key("value")
                json.value(kept: trait.view)
            }
        }
        draft.add { JSONWriter.append(profile.carts.list, to: &$0, cart) }
        draft.add { JSONWriter.append(profile.interests, to: &$0, interest) }
        draft.add { JSONWriter.append(profile.subscriptions, to: &$0, subscription) }
        draft.add { bytes in
            JSONWriter.append(profile.segments, to: &bytes) { membership, json in
                json.member("entered_at", membership.enteredAt)
                json.member("name", rules.graph.segments[membership.segment].name)
            }
        }
        draft.add { JSONWriter.append(profile.instances, to: &$0, instance) }
        draft.add { rolling(profile, &$0) }
        draft.add { profile.seen.append(to: &$0) }
        record.columns = draft.compact
        return record
    }

    func record(_ product: Product, now: Instant) -> ProductRecord {
        let facts = product.facts
        let wake = product.wake(now: now)
        return ProductRecord(
            key: product.key,
            facts: JSONWriter.object { json in
                json.member("available", facts.available)
                json.member("available_at", facts.availableAt)
                json.member("currency", facts.currency)
                json.member("image_url", facts.imageURL)
                json.member("name", facts.name)
                json.member("price", facts.price)
                json.member("price_at", facts.priceAt)
                json.member("url", facts.url)
                json.member("was_available", facts.wasAvailable)
                json.member("was_price", facts.wasPrice)
            },
            lines: JSONWriter.array(product.lines, line), seen: product.seen.record,
            wake: wake == .max ? nil : wake)
    }

    private func line(_ line: AudienceLine, _ json: inout JSONWriter) {
        func member(_ key: StaticString, _ places: [AudienceLine.Place], _ json: inout JSONWriter) {
            json.key(key)
            json.array { json in
                for place in places {
                    json.array { json in
                        json.value(Int64(place.place))
                        json.value(place.customer)
                    }
                }
            }
        }
        member("active", line.active, &json)
        json.member("next_place", Int64(line.nextPlace))
        json.key("open")
        json.value(line.isOpen)
        json.member("pace_due", line.paceDue)
        json.member("published", Int64(line.published))
        json.member("published_after", line.publishedAfter)
        json.member("rule", rules.rules[line.rule].name)
        json.member("started_at", line.startedAt)
        member("waiting", line.waiting, &json)
    }

    private func cart(_ cart: Cart, _ json: inout JSONWriter) {
        json.member("id", cart.id)
        json.key("items")
        json.array { json in
            for line in cart.lines {
                json.object { json in
                    json.member("changed_at", line.changedAt)
                    json.member("currency", line.currency)
                    json.member("described_at", line.describedAt)
                    json.member("image_url", line.imageURL)
                    json.member("name", line.name)
                    json.member("price", line.price)
                    json.member("price_then", line.priceThen)
                    json.member("product_id", line.product.id)
                    json.member("quantity", text: line.quantity)
                    json.member("since", line.since)
                    json.member("url", line.url)
                    if !line.product.variant.isEmpty { json.member("variant", line.product.variant) }
                }
            }
        }
        if cart.hasLinks {
            json.key("link_turns")
            json.array { json in for turn in cart.linkTurns { json.value(turn) } }
            json.key("links")
            json.array { json in for link in cart.links { json.value(link) } }
        }
        json.member("snapshot_at", cart.snapshotAt)
        json.member("touched_at", cart.touchedAt)
        json.member("turn", cart.turn)
    }

    private func interest(_ interest: Interest, _ json: inout JSONWriter) {
        json.member("count", Int64(interest.count))
        json.member("currency", interest.currency)
        json.member("kind", interest.kind.rawValue)
        json.member("last", interest.last)
        json.member("price", interest.price)
        json.member("product_id", interest.product.id)
        json.member("since", interest.since)
        if !interest.product.variant.isEmpty { json.member("variant", interest.product.variant) }
    }

    private func subscription(_ subscription: Subscription, _ json: inout JSONWriter) {
        json.member("amount", subscription.amount)
        json.member("attempts", Int64(subscription.attempts))
        json.member("currency", subscription.currency)
        json.member("decline", subscription.decline?.rawValue)
        json.member("grace_ends", subscription.graceEnds)
        json.member("id", subscription.id)
        json.key("issue_open")
        json.value(subscription.issueOpen)
        json.member("issue_since", subscription.issueSince)
        json.member("last_failure", subscription.lastFailure)
        json.member("last_success", subscription.lastSuccess)
        json.member("next_attempt", subscription.nextAttempt)
        json.member("status", subscription.status.rawValue)
        json.member("status_at", subscription.statusAt)
    }

    private func instance(_ instance: Instance, _ json: inout JSONWriter) {
        let phase =
            switch instance.phase {
            case .waiting: "waiting"
            case .queued: "queued"
            case .held: "held"
            }
        json.member("awaited_hour", instance.awaitedHour)
        if !instance.because.isEmpty {
            json.key("because")
            json.array { json in for id in instance.because { json.value(id) } }
        }
        if !instance.delays.isEmpty {
            json.key("delayed_by")
            json.array { json in for name in instance.delays.names { json.value(name) } }
        }
        json.member("due", instance.due)
        let eventID = instance.eventID
        if !eventID.isEmpty { json.member("event_id", eventID) }
        if !instance.eventName.isEmpty { json.member("event_name", instance.eventName) }
        json.member("held_since", instance.heldSince)
        json.member("key", instance.key)
        json.member("phase", phase)
        if instance.place != 0 { json.member("place", Int64(instance.place)) }
        json.member("product_id", instance.product?.id)
        if !instance.properties.isEmpty {
            json.key("properties")
            json.value(kept: JSONView(bytes: instance.properties, offset: 0))
        }
        json.member("rule", rules.rules[instance.rule].name)
        json.member("started_at", instance.startedAt)
        if let product = instance.product, !product.variant.isEmpty { json.member("variant", product.variant) }
    }

    private func rolling(_ profile: Profile, _ bytes: inout [UInt8]) {
        var writer = ByteWriter()
        swap(&writer.bytes, &bytes)
        defer { swap(&writer.bytes, &bytes) }
        func section(_ tag: UInt8, _ count: Int) {
            writer.bytes.append(tag)
            writer.unsigned(UInt64(count))
        }
        if let locale = profile.locale {
            section(1, 1)
            writer.signed(locale.at)
        }
        if let timezone = profile.timezone {
            section(2, 1)
            writer.signed(timezone.at)
        }
        if !profile.marks.isEmpty {
            section(3, profile.marks.count)
            for mark in profile.marks {
                writer.text(rules.statistics.marks[mark.definition])
                writer.signed(mark.first)
                writer.signed(mark.last)
            }
        }
        let kept = profile.series.count { !$0.isEmpty }
        if kept > 0 {
            section(4, kept)
            for series in profile.series where !series.isEmpty {
                writer.text(rules.statistics.series[series.definition].name)
                writer.unsigned(UInt64(series.counts.count))
                var last: Int32 = 0
                for bucket in series.counts {
                    writer.signed(Int64(bucket.index) - Int64(last))
                    writer.signed(Int64(bucket.count))
                    last = bucket.index
                }
                writer.unsigned(UInt64(series.buckets.count))
                for bucket in series.buckets {
                    writer.signed(Int64(bucket.index))
                    writer.signed(Int64(bucket.count))
                    writer.text(bucket.sum.text)
                    writer.text(bucket.low.text)
                    writer.text(bucket.high.text)
                    writer.blob(bucket.value)
                }
            }
        }
        if !profile.past.isEmpty {
            section(5, profile.past.count)
            for past in profile.past {
                writer.text(rules.rules[past.rule].name)
                writer.bytes.append(past.key == nil ? 0 : 1)
                writer.text(past.key ?? "")
                writer.signed(past.lastCancel ?? .min)
                writer.signed(past.keptFrom)
                writer.unsigned(UInt64(past.endedStarts.count))
                for start in past.endedStarts { writer.signed(start) }
            }
        }
        if !profile.sent.isEmpty {
            section(6, profile.sent.count)
            for sent in profile.sent {
                writer.text(rules.rules[sent.rule].name)
                writer.signed(sent.at)
            }
        }
        if !profile.calendarDays.isEmpty {
            section(7, profile.calendarDays.count)
            for day in profile.calendarDays {
                writer.text(rules.rules[day.rule].name)
                writer.signed(day.trigger)
                writer.signed(Int64(day.day))
            }
        }
        writer.bytes += profile.ofGoneRules
        writer.delivery(of: profile, rules)
    }
}
