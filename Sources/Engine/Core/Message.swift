import CEL

/// What a rule sends: a CloudEvents 1.0 event in canonical JSON. Its bytes depend on nothing but the logs and the configuration.
package struct Message: Sendable {
    package let id: String
    package let rule: String
    /// The customer's number; the id is in the bytes.
    package let customer: Int64
    package let time: Instant
    package let expires: Instant
    package let sequence: Int64
    /// The outbox it goes to; nil: the first.
    package let outbox: String?
    package let channel: String?
    package let variant: String?
    /// The sequence of the message that this one takes back; nil for an ordinary one.
    package let retracts: Int64?
    /// The segments (into the rule set's) the customer was in when it was decided; not part of the bytes.
    package let segments: [Int]
    /// One line, without its newline.
    package internal(set) var json: [UInt8]

    package init(
        id: String, rule: String, customer: Int64, time: Instant, expires: Instant, sequence: Int64, outbox: String?,
        channel: String? = nil, variant: String? = nil, retracts: Int64? = nil, segments: [Int] = [], json: [UInt8]
    ) {
        self.id = id
        self.rule = rule
        self.customer = customer
        self.time = time
        self.expires = expires
        self.sequence = sequence
        self.outbox = outbox
        self.channel = channel
        self.variant = variant
        self.retracts = retracts
        self.segments = segments
        self.json = json
    }
}

extension Engine {
    /// Lower-case base32 (RFC 4648, no padding) of the first 20 bytes of SHA-256 over the JSON array
    /// [instance name, rule, customer, key, time of the last start in ms].
    func messageID(rule: Int, customer: String, key: String, startedAt: Instant) -> String {
        messageID { json in
            json.value(rules.definitions.instance)
            json.value(rules.rules[rule].name)
            json.value(customer)
            json.value(key)
            json.value(startedAt)
        }
    }

    /// The id of an instance's decision, if decisions are told apart.
    func decisionID(rule: Int, customer: String, key: String, startedAt: Instant) -> String {
        explainsDecisions ? messageID(rule: rule, customer: customer, key: key, startedAt: startedAt) : ""
    }

    /// Zero-padded, so that it sorts as text.
    static func sequenceText(_ number: Int64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 16 - digits.utf8.count)) + digits
    }

    /// The id that a JSON array of these elements gives.
    func messageID(of elements: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter(capacity: 192)
        json.array(elements)
        let digest = sha256(json.bytes)
        let alphabet: StaticString = "abcdefghijklmnopqrstuvwxyz234567"
        return String(unsafeUninitializedCapacity: 32) { text in
            var bits: UInt32 = 0
            var count = 0
            var length = 0
            for byte in digest.prefix(20) {
                bits = bits << 8 | UInt32(byte)
                count += 8
                while count >= 5 {
                    count -= 5
                    text[length] = alphabet.utf8Start[Int(bits >> UInt32(count)) & 31]
                    length += 1
                }
                bits &= 0xFF
            }
            return length
        }
    }

    /// The message of an instance as of now.
    mutating func message(_ slot: Int, _ choice: Choice, sequence number: Int64) -> Message {
        let instance = choice.instance
        let rule = choice.rule
        let customer = text(of: slot)
        let id = messageID(rule: instance.rule, customer: customer, key: instance.key, startedAt: instance.startedAt)
        let expires = instance.firstDue(rule, now: clock.now) + rule.expires
        let computed = rule.data.map { entry -> CanonicalJSON? in
            guard case .value(let value) = evaluate(entry.condition, slot, instance) else { return nil }
            var work = Program.defaultBudget
            let json = CanonicalJSON(value, &work)
            if work < 0 { counters.conditionErrors += 1 }
            return json
        }
        let segments = profiles[slot].segments.map(\.segment)
        return Message(
            id: id, rule: rule.name, customer: profiles[slot].number, time: clock.now, expires: expires, sequence: number,
            outbox: rule.outbox ?? choice.channel.flatMap { rules.delivery.outboxes[$0] }, channel: choice.channel,
            variant: choice.variant, segments: segments,
            json: json(of: choice, slot, customer: customer, id: id, expires: expires, sequence: number, computed))
    }

    /// A message's bytes. Absent things are left out, never null. They are written down in the order of the canonical form, so that there is nothing
    /// to sort.
    private func json(
        of choice: Choice, _ slot: Int, customer: String, id: String, expires: Instant, sequence number: Int64,
        _ computed: [CanonicalJSON?]
    ) -> [UInt8] {
        let instance = choice.instance
        let rule = choice.rule
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.key("data")
            json.object { json in
                for member in rule.messageMembers {
                    switch member {
                    case .because:
                        guard !instance.because.isEmpty else { continue }
                        json.key("because")
                        json.array { json in for id in instance.because { json.value(id) } }
                    case .cart: if rule.per == .cart { writeCart(slot, instance.key, to: &json) }
                    case .channel: json.member("channel", choice.channel)
                    case .customer: writeCustomer(slot, customer, rule, to: &json)
                    case .dueAt: json.member("due_at", time: instance.dueAt)
                    case .key: if !instance.key.isEmpty || rule.per != .customer { json.member("key", instance.key) }
                    case .product: if rule.per == .product, let product = instance.product { write(product, to: &json) }
                    case .rule: json.member("rule", rule.name)
                    case .startedAt: json.member("started_at", time: instance.startedAt)
                    case .subscription: if rule.per == .subscription { writeSubscription(slot, instance.key, to: &json) }
                    case .variant: json.member("variant", choice.variant)
                    case .computed(let place):
                        guard let value = computed[place] else { continue }
                        json.key(text: rule.data[place].key)
                        json.value(value)
                    }
                }
            }
            json.member("datacontenttype", "application/json")
            json.member("expirytime", time: expires)
            json.member("id", id)
            if number > 0 { json.member("sequence", Self.sequenceText(number)) }
            json.member("source", "/nudged/" + rules.definitions.instance)
            json.member("specversion", "1.0")
            json.member("subject", customer)
            json.member("time", time: clock.now)
            json.member("type", "nudged.message")
        }
        // Messages are kept by the thousand until they are committed: without the room that was not needed.
        return json.bytes.withUnsafeBufferPointer { Array($0) }
    }

    private func writeCustomer(_ slot: Int, _ customer: String, _ rule: Rule, to json: inout JSONWriter) {
        json.key("customer")
        json.object { json in
            json.member("id", customer)
            json.member("locale", profiles[slot].locale?.value)
            json.member("timezone", profiles[slot].timezone?.value)
            var traits: [(name: String, value: JSONView)] = []
            for name in rule.traitsInOrder {
                if let trait = profiles[slot].trait(name) { traits.append((name, trait)) }
            }
            guard !traits.isEmpty else { return }
            json.key("traits")
            json.object { json in
                for trait in traits {
                    json.key(text: trait.name)
                    json.value(CanonicalJSON(trait.value).withoutNulls)
                }
            }
        }
    }

    private func writeCart(_ slot: Int, _ id: String, to json: inout JSONWriter) {
        let cart = profiles[slot].carts.index(id: id).map { profiles[slot].carts.list[$0] }
        let lines = cart?.lines ?? []
        let total = lines.isEmpty ? nil : cart?.total
        json.key("cart")
        json.object { json in
            json.member("currency", total?.currency)
            json.member("id", id)
            json.key("items")
            json.array { json in
                for line in lines {
                    json.object { json in
                        json.member("currency", line.currency)
                        json.member("image_url", line.imageURL)
                        json.member("name", line.name)
                        json.member("price", line.price)
                        json.member("product_id", line.product.id)
                        json.key("quantity")
                        json.value(number: line.quantity.double)
                        json.member("url", line.url)
                        if !line.product.variant.isEmpty { json.member("variant", line.product.variant) }
                    }
                }
            }
            json.member("total", total?.amount)
        }
    }

    private func write(_ product: ProductKey, to json: inout JSONWriter) {
        let facts = productIndex[product].map { products[$0].facts }
        json.key("product")
        json.object { json in
            if let available = facts?.available {
                json.key("available")
                json.value(number: available.double)
            }
            json.member("currency", facts?.currency)
            json.member("image_url", facts?.imageURL)
            json.member("name", facts?.name)
            json.member("price", facts?.price)
            json.member("product_id", product.id)
            json.member("url", facts?.url)
            if !product.variant.isEmpty { json.member("variant", product.variant) }
            json.member("was_price", facts?.wasPrice)
        }
    }

    private func writeSubscription(_ slot: Int, _ id: String, to json: inout JSONWriter) {
        let subscription = profiles[slot].subscriptions.first { $0.id.same(as: id) }
        json.key("subscription")
        json.object { json in
            guard let subscription else { return json.member("id", id) }
            json.member("amount", subscription.amount)
            json.member("attempts", Int64(subscription.attempts))
            json.member("currency", subscription.currency)
            json.member("decline", subscription.decline?.rawValue)
            json.member("grace_ends", time: subscription.graceEnds)
            json.member("id", id)
            json.key("issue_open")
            json.value(subscription.issueOpen)
            json.member("issue_since", time: subscription.issueSince)
            json.member("next_attempt", time: subscription.nextAttempt)
            json.member("status", subscription.status.rawValue)
        }
    }
}

extension CanonicalJSON {
    /// A condition's value as JSON: times as RFC 3339, durations as seconds (`"3600s"`, as CEL's string() has it), bytes as base64; nil for
    /// null and for an optional without a value, because absent things are left out.
    init?(_ value: Value) {
        var work = Program.defaultBudget
        self.init(value, &work)
    }

    /// - Parameter work: steps that may still be done, as an evaluation counts them; below zero, and nil, if that was not enough. A value that has parts in common
    ///   with itself is small in memory, and may be larger than any memory as text.
    init?(_ value: Value, _ work: inout Int) {
        work -= 1
        switch value {
        case .string(let text): work -= text.utf8.count / 16
        case .bytes(let bytes): work -= bytes.count / 16
        default: break
        }
        guard work >= 0 else { return nil }
        switch value {
        case .null, .type: return nil
        case .optional(let value):
            guard let value, let json = CanonicalJSON(value, &work) else { return nil }
            self = json
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .number(Double(value))
        case .uint(let value): self = .number(Double(value))
        case .double(let value):
            guard value.isFinite else { return nil }
            self = .number(value)
        case .string(let value): self = .string(value)
        case .bytes(let bytes): self = .string(Base64.text(bytes))
        case .timestamp(let time): self = .string(Instant(time.milliseconds).rfc3339)
        case .duration(let nanoseconds):
            self = .string((Decimal(nanoseconds).multiplied(by: Decimal(0.000_000_001) ?? .zero) ?? .zero).text + "s")
        case .list(let values):
            var elements: [CanonicalJSON] = []
            for value in values {
                if let element = CanonicalJSON(value, &work) { elements.append(element) }
                guard work >= 0 else { return nil }
            }
            self = .array(elements)
        case .map(let map):
            var members: [(key: String, value: CanonicalJSON)] = []
            for (key, value) in zip(map.keys, map.values) {
                if let member = CanonicalJSON(value, &work) { members.append((Self.name(key), member)) }
                guard work >= 0 else { return nil }
            }
            self = .object(members)
        }
    }

    private static func name(_ key: Value) -> String {
        switch key {
        case .string(let text): text
        case .int(let number): String(number)
        case .uint(let number): String(number)
        case .bool(let value): String(value)
        default: ""
        }
    }

    var withoutNulls: CanonicalJSON {
        switch self {
        case .object(let members):
            .object(members.compactMap { if case .null = $0.value { nil } else { ($0.key, $0.value.withoutNulls) } })
        case .array(let elements): .array(elements.compactMap { if case .null = $0 { nil } else { $0.withoutNulls } })
        default: self
        }
    }
}

extension Output {
    /// Gives messages their content: those that go out, and those that were held out.
    ///
    /// - Parameter render: content for all of these at once, in their order; one does not depend on another.
    package mutating func render(_ render: ([(rule: String, json: [UInt8])]) -> [[UInt8]]) {
        let heldOut = decisions.indices.filter { decisions[$0].message != nil }
        let rendered = render(
            messages.map { ($0.rule, $0.json) } + heldOut.map { (decisions[$0].rule, decisions[$0].message ?? []) })
        for (place, json) in zip(messages.indices, rendered) { messages[place].json = json }
        for (place, json) in zip(heldOut, rendered.dropFirst(messages.count)) { decisions[place].message = json }
    }
}
