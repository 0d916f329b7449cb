import Engine

extension Reading {
    mutating func delivery(_ entry: Entry?) -> DeliveryDefinition {
        var result = DeliveryDefinition()
        guard let entry, let fields = fields(entry.value, .delivery, called: "`delivery`") else { return result }
        result.channels = channels(fields["channels"])
        channelNames = Names(result.channels.map(\.name.value))
        let names = channelNames.ordered
        result.consent = consent(fields["consent"], channels: names)
        if let channels = fields["channels"], !names.isEmpty, fields["consent"] == nil {
            error(
                channels.key.position, "with channels, `consent` must say what counts while a customer has said nothing",
                hint:
                    "Add consent: { default: denied } or, by channel, consent: { default: { \(printable(names[0])): granted } }.")
        }
        result.timezone = timezone(fields["timezone"])
        result.timezonePosition = fields["timezone"]?.value.position
        result.quietHours = quietHours(fields["quiet_hours"])
        if let quiet = fields["quiet_hours"], fields["timezone"] == nil {
            error(
                quiet.key.position, "with `quiet_hours`, `timezone` must say what counts for customers without one",
                hint: "Add for example timezone: Europe/Istanbul.")
        }
        result.caps = items(fields["caps"]).compactMap { cap($0.value) }
        result.holdout = share(fields["holdout"])
        result.salt = text(fields["salt"])?.value ?? ""
        result.sendTime = choice(fields["send_time"])?.value ?? .now
        return result
    }

    private mutating func channels(_ entry: Entry?) -> [ChannelDefinition] {
        var result: [ChannelDefinition] = []
        var seen: Set<String> = []
        for item in items(entry) {
            var name: Located<String>?
            var outbox: Located<String>?
            if case .scalar = item.value.content {
                name = word(item)
            } else if let fields = fields(item.value, .channel, called: "a channel") {
                if fields["name"] == nil { error(item.value.position, "this channel has no `name`") }
                name = word(fields["name"])
                outbox = word(fields["outbox"])
                check(outbox, among: outboxNames, what: "outbox")
            }
            guard let name else { continue }
            guard seen.insert(name.value).inserted else {
                error(name.position, "the channel \"\(printable(name.value))\" is listed twice")
                continue
            }
            result.append(ChannelDefinition(name: name, outbox: outbox?.value))
        }
        return result
    }

    /// `consent: { default: denied }`, or `default` by channel.
    private mutating func consent(_ entry: Entry?, channels: [String]) -> [String: DeliveryDefinition.Consent] {
        guard let entry, let fields = fields(entry.value, .consent, called: "`consent`") else { return [:] }
        guard let value = fields["default"] else {
            error(entry.value.position, "`consent` has no `default`", hint: "Write default: denied or default: granted.")
            return [:]
        }
        if case .scalar = value.value.content {
            guard let choice = choice(value, DeliveryDefinition.Consent.self)?.value else { return [:] }
            return Dictionary(channels.map { ($0, choice) }, uniquingKeysWith: { $1 })
        }
        var result: [String: DeliveryDefinition.Consent] = [:]
        var said: Set<String> = []
        for item in named(value) {
            check(item.key, among: channelNames, what: "channel")
            said.insert(item.name)
            result[item.name] = choice(item, DeliveryDefinition.Consent.self)?.value
        }
        if let missing = channels.first(where: { !said.contains($0) }) {
            error(value.key.position, "`default` says nothing of the channel \"\(printable(missing))\"")
        }
        return result
    }

    /// An IANA name; one that this machine's time zone data lacks is an error, where it has any.
    private mutating func timezone(_ entry: Entry?) -> String? {
        guard let text = word(entry) else { return nil }
        let parts = text.value.split(separator: "/", omittingEmptySubsequences: false)
        let wellFormed = parts.allSatisfy { part in
            !part.isEmpty && part.first != "."
                && part.utf8.allSatisfy {
                    ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x41 && $0 <= 0x5A) || ($0 >= 0x61 && $0 <= 0x7A)
                        || [0x2B, 0x2D, 0x5F].contains($0)
                }
        }
        let known = !FilePath.exists("/usr/share/zoneinfo/UTC") || FilePath.exists("/usr/share/zoneinfo/" + text.value)
        guard wellFormed, known else {
            error(text.position, "there is no time zone \"\(printable(text.value))\"", hint: "Write for example Europe/Istanbul.")
            return nil
        }
        return text.value
    }

    private mutating func quietHours(_ entry: Entry?) -> DeliveryDefinition.QuietHours? {
        guard let entry, let fields = fields(entry.value, .quietHours, called: "`quiet_hours`") else { return nil }
        for key in ["from", "to"] where fields[key] == nil { error(entry.value.position, "`quiet_hours` has no `\(key)`") }
        guard let from = timeOfDay(fields["from"]), let to = timeOfDay(fields["to"]) else { return nil }
        if from == to { warn(entry.key.position, "`quiet_hours` is empty: it begins and ends at the same time") }
        return DeliveryDefinition.QuietHours(from: from, to: to)
    }

    private mutating func cap(_ node: Node) -> CapDefinition? {
        guard let fields = fields(node, .cap, called: "a cap") else { return nil }
        for key in ["at_most", "per"] where fields[key] == nil { error(node.position, "this cap has no `\(key)`") }
        let atMost = integer(fields["at_most"], in: 0...1_000_000)
        let per = duration(fields["per"], atLeast: 1)
        let tag = word(fields["tag"])
        let channel = word(fields["channel"])
        check(channel, among: channelNames, what: "channel")
        if let tag { capTags.append(tag) }
        guard let atMost, let per else { return nil }
        return CapDefinition(atMost: atMost, per: per, tag: tag?.value, channel: channel?.value)
    }
}
