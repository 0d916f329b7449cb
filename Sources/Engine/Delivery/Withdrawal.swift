extension Engine {
    /// Takes back messages that a late event would have cancelled before they were decided. Caps and cooldown keep counting them; the share of a
    /// product goes to the next in line.
    mutating func withdraw(_ slot: Int, _ rule: Int, keys: [String]?, at time: Instant, cause: String) {
        let definition = rules.rules[rule]
        for place in profiles[slot].sends.indices {
            let send = profiles[slot].sends[place]
            guard send.isRefuted(at: time), send.rule.same(as: definition.name),
                keys.map({ $0.contains { $0.same(as: send.key) } }) ?? true
            else { continue }
            touch(slot)
            profiles[slot].sends[place].isWithdrawn = true
            output.withdrawals.append(send.sequence)
            output.decisions.append(
                Decision(
                    id: send.id, rule: send.rule, customer: profiles[slot].number, customerText: text(of: slot), key: send.key,
                    startedAt: send.startedAt, dueAt: send.at, decidedAt: clock.now, verdict: .withdrawn, cause: cause,
                    channel: send.channel, variant: send.variant))
            if definition.hasAudience { returnShare(of: send, rule) }
            if definition.delivery.retract { output.messages.append(retraction(slot, send, definition, cause: cause)) }
        }
    }

    /// A message that says of an earlier one, by its id, that it is void.
    private mutating func retraction(_ slot: Int, _ send: Send, _ rule: Rule, cause: String) -> Message {
        clock.sequence += 1
        let customer = text(of: slot)
        let id = messageID { json in
            json.value(rules.definitions.instance)
            json.value("retract")
            json.value(send.id)
        }
        var data: [(key: String, value: CanonicalJSON)] = [
            ("rule", .string(send.rule)), ("retracts", .string(send.id)), ("customer", .object([("id", .string(customer))])),
            ("because", .array([.string(cause)])),
        ]
        if !send.key.isEmpty { data.append(("key", .string(send.key))) }
        if let channel = send.channel { data.append(("channel", .string(channel))) }
        if let variant = send.variant { data.append(("variant", .string(variant))) }
        let expires = clock.now + rule.expires
        let json = CanonicalJSON.object([
            ("specversion", .string("1.0")), ("id", .string(id)), ("source", .string("/nudged/" + rules.definitions.instance)),
            ("type", .string("nudged.retract")), ("subject", .string(customer)), ("time", .string(clock.now.rfc3339)),
            ("datacontenttype", .string("application/json")), ("expirytime", .string(expires.rfc3339)),
            ("sequence", .string(Self.sequenceText(clock.sequence))), ("data", .object(data)),
        ])
        return Message(
            id: id, rule: send.rule, customer: profiles[slot].number, time: clock.now, expires: expires, sequence: clock.sequence,
            outbox: rule.outbox ?? send.channel.flatMap { rules.delivery.outboxes[$0] }, channel: send.channel,
            variant: send.variant,
            retracts: send.sequence, json: json.bytes)
    }
}
