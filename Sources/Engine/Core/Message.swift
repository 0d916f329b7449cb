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
        messageID(
            of: .array([
                .string(rules.definitions.instance), .string(rules.rules[rule].name), .string(customer), .string(key),
                .number(Double(startedAt)),
            ]))
    }

    /// The id of an instance's decision, if decisions are told apart.
    func decisionID(rule: Int, customer: String, key: String, startedAt: Instant) -> String {
        identifiesDecisions ? messageID(rule: rule, customer: customer, key: key, startedAt: startedAt) : ""
    }

    /// Zero-padded, so that it sorts as text.
    static func sequenceText(_ number: Int64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 16 - digits.utf8.count)) + digits
    }

    func messageID(of array: CanonicalJSON) -> String {
        let alphabet: StaticString = "abcdefghijklmnopqrstuvwxyz234567"
        var text: [UInt8] = []
        text.reserveCapacity(32)
        var bits: UInt32 = 0
        var count = 0
        for byte in sha256(array.bytes).prefix(20) {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 5 {
                count -= 5
                text.append(alphabet.utf8Start[Int(bits >> UInt32(count)) & 31])
            }
            bits &= 0xFF
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The message of an instance as of now. Absent things are left out, never null.
    mutating func message(_ slot: Int, _ choice: Choice, sequence number: Int64) -> Message {
        let instance = choice.instance
        let rule = choice.rule
        let customer = text(of: slot)
        let id = messageID(rule: instance.rule, customer: customer, key: instance.key, startedAt: instance.startedAt)
        let expires = (instance.heldSince ?? instance.due) + rule.expires
        // Written down in the order of the canonical form, so that there is nothing to sort.
        var data: [(key: String, value: CanonicalJSON)] = []
        for entry in rule.data {
            if case .value(let value) = evaluate(entry.condition, slot, instance), let json = CanonicalJSON(value) {
                data.append((entry.key, json))
            }
        }
        if !instance.because.isEmpty { data.append(("because", .array(instance.because.map { .string($0) }))) }
        if rule.per == .cart { data.append(("cart", cartJSON(slot, instance.key))) }
        if let channel = choice.channel { data.append(("channel", .string(channel))) }
        data.append(("customer", customerJSON(slot, rule)))
        data.append(("due_at", .string((instance.heldSince ?? instance.due).rfc3339)))
        if !instance.key.isEmpty || rule.per != .customer { data.append(("key", .string(instance.key))) }
        if rule.per == .product, let product = instance.product { data.append(("product", productJSON(product))) }
        data.append(("rule", .string(rule.name)))
        data.append(("started_at", .string(instance.startedAt.rfc3339)))
        if rule.per == .subscription { data.append(("subscription", subscriptionJSON(slot, instance.key))) }
        if let variant = choice.variant { data.append(("variant", .string(variant))) }
        var fields: [(key: String, value: CanonicalJSON)] = [
            ("data", .object(data)), ("datacontenttype", .string("application/json")), ("expirytime", .string(expires.rfc3339)),
            ("id", .string(id)),
        ]
        if number > 0 { fields.append(("sequence", .string(Self.sequenceText(number)))) }
        fields += [
            ("source", .string("/nudged/" + rules.definitions.instance)), ("specversion", .string("1.0")),
            ("subject", .string(customer)), ("time", .string(clock.now.rfc3339)), ("type", .string("nudged.message")),
        ]
        let envelope = CanonicalJSON.object(fields)
        return Message(
            id: id, rule: rule.name, customer: profiles[slot].number, time: clock.now, expires: expires, sequence: number,
            outbox: rule.outbox ?? choice.channel.flatMap { rules.delivery.outboxes[$0] }, channel: choice.channel,
            variant: choice.variant, segments: profiles[slot].segments.map(\.segment), json: envelope.bytes)
    }

    private func customerJSON(_ slot: Int, _ rule: Rule) -> CanonicalJSON {
        var fields: [(key: String, value: CanonicalJSON)] = [("id", .string(text(of: slot)))]
        if let locale = profiles[slot].locale { fields.append(("locale", .string(locale.value))) }
        let traits = rule.include.compactMap { name -> (key: String, value: CanonicalJSON)? in
            guard let trait = profiles[slot].trait(name), trait.tag != .null else { return nil }
            return (name, CanonicalJSON(trait).withoutNulls)
        }
        if let timezone = profiles[slot].timezone { fields.append(("timezone", .string(timezone.value))) }
        if !traits.isEmpty { fields.append(("traits", .object(traits))) }
        return .object(fields)
    }

    private func cartJSON(_ slot: Int, _ id: String) -> CanonicalJSON {
        var fields: [(key: String, value: CanonicalJSON)] = [("id", .string(id))]
        guard let index = profiles[slot].carts.index(id: id) else { return .object(fields + [("items", .array([]))]) }
        let cart = profiles[slot].carts.list[index]
        fields.append(
            (
                "items",
                .array(
                    cart.lines.map { line in
                        var item: [(key: String, value: CanonicalJSON)] = [
                            ("product_id", .string(line.product.id)), ("quantity", .number(line.quantity.double)),
                        ]
                        if !line.product.variant.isEmpty { item.append(("variant", .string(line.product.variant))) }
                        if let price = line.price { item.append(("price", .string(price.text))) }
                        if let currency = line.currency { item.append(("currency", .string(currency))) }
                        if let name = line.name { item.append(("name", .string(name))) }
                        if let url = line.url { item.append(("url", .string(url))) }
                        if let image = line.imageURL { item.append(("image_url", .string(image))) }
                        return .object(item)
                    })
            ))
        if let total = cart.total, cart.lines.allSatisfy({ $0.price != nil }), !cart.lines.isEmpty {
            fields.append(("total", .string(total.amount.text)))
            if let currency = total.currency { fields.append(("currency", .string(currency))) }
        }
        return .object(fields)
    }

    private func productJSON(_ key: ProductKey) -> CanonicalJSON {
        var fields: [(key: String, value: CanonicalJSON)] = [("product_id", .string(key.id))]
        if !key.variant.isEmpty { fields.append(("variant", .string(key.variant))) }
        guard let facts = productIndex[key].map({ products[$0].facts }) else { return .object(fields) }
        if let available = facts.available { fields.append(("available", .number(available.double))) }
        if let price = facts.price { fields.append(("price", .string(price.text))) }
        if let price = facts.wasPrice { fields.append(("was_price", .string(price.text))) }
        if let currency = facts.currency { fields.append(("currency", .string(currency))) }
        if let name = facts.name { fields.append(("name", .string(name))) }
        if let url = facts.url { fields.append(("url", .string(url))) }
        if let image = facts.imageURL { fields.append(("image_url", .string(image))) }
        return .object(fields)
    }

    private func subscriptionJSON(_ slot: Int, _ id: String) -> CanonicalJSON {
        var fields: [(key: String, value: CanonicalJSON)] = [("id", .string(id))]
        guard let subscription = profiles[slot].subscriptions.first(where: { $0.id.same(as: id) }) else { return .object(fields) }
        fields.append(("status", .string(subscription.status.rawValue)))
        fields.append(("issue_open", .bool(subscription.issueOpen)))
        fields.append(("attempts", .number(Double(subscription.attempts))))
        if let time = subscription.issueSince { fields.append(("issue_since", .string(time.rfc3339))) }
        if let time = subscription.graceEnds { fields.append(("grace_ends", .string(time.rfc3339))) }
        if let time = subscription.nextAttempt { fields.append(("next_attempt", .string(time.rfc3339))) }
        if let decline = subscription.decline { fields.append(("decline", .string(decline.rawValue))) }
        if let amount = subscription.amount { fields.append(("amount", .string(amount.text))) }
        if let currency = subscription.currency { fields.append(("currency", .string(currency))) }
        return .object(fields)
    }
}

extension CanonicalJSON {
    /// A condition's value as JSON: times as RFC 3339, durations as seconds (`"3600s"`, as CEL's string() has it), bytes as base64; nil for
    /// null, because absent things are left out.
    init?(_ value: Value) {
        switch value {
        case .null, .type: return nil
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
        case .list(let values): self = .array(values.compactMap { CanonicalJSON($0) })
        case .map(let map):
            self = .object(
                zip(map.keys, map.values).compactMap { key, value in
                    CanonicalJSON(value).map { (Self.name(key), $0) }
                })
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

/// RFC 4648 base64 with padding.
package enum Base64 {
    package static func text(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let chunk = Array(bytes[start..<min(start + 3, bytes.count)])
            let bits = chunk.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << UInt32(16 - 8 * $1.offset) }
            for index in 0..<4 {
                text.append(index <= chunk.count ? alphabet[Int(bits >> UInt32(18 - 6 * index)) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
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
