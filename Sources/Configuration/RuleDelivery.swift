import Engine

/// What `delivery.md` has of a rule.
package struct RuleDeliveryDefinition: Sendable, Equatable {
    /// In order of preference; empty: those of `delivery.channels`.
    package var channels: [String] = []
    /// What consent is asked for, besides the channel.
    package var topic: String?
    /// What caps count it under.
    package var tags: [String] = []
    /// No cap holds it back; it counts nevertheless, unless `uncounted`.
    package var exempt = false
    package var uncounted = false
    package var onCap = OnCap.postpone
    package var holdout: Share?
    package var variants: [Variant] = []
    /// What the hash behind variants takes instead of the rule's name, so that several rules share their sides.
    package var experiment: String?
    /// The rule's own, else that of `delivery`.
    package var sendTime: DeliveryDefinition.SendTime?
    package var template: Located<String>?
    /// Whether a message that is taken back too late is followed by one that says so.
    package var retract = false
    package var conversion: Conversion?

    package init() {}

    /// What becomes of a message that a cap holds back.
    package enum OnCap: String, CaseIterable, Sendable {
        /// Held until the cap frees.
        case postpone = "defer"
        case drop
    }

    /// One side of an experiment; its chance is its weight among the weights of all.
    package struct Variant: Sendable, Equatable {
        package var name: String
        package var weight: Int
    }

    /// What counts as a success of a message.
    package struct Conversion: Sendable, Equatable {
        package var event: String
        package var within: Milliseconds
    }
}

extension Reading {
    mutating func ruleDelivery(_ fields: Fields) -> RuleDeliveryDefinition {
        var result = RuleDeliveryDefinition()
        for item in items(fields["channels"]) {
            guard let name = word(item) else { continue }
            check(name, among: channelNames, what: "channel")
            result.channels.append(name.value)
        }
        result.topic = word(fields["topic"])?.value
        if let tags = fields["tags"], fields["tag"] != nil {
            error(tags.key.position, "give `tag` or `tags`, not both", hint: "`tags` takes a list.")
        }
        result.tags = items(fields["tags"] ?? fields["tag"]).compactMap { word($0)?.value }
        result.exempt = flag(fields["exempt"]) ?? false
        result.uncounted = flag(fields["uncounted"]) ?? false
        if result.uncounted, !result.exempt, fields["exempt"] == nil, let entry = fields["uncounted"] {
            error(
                entry.key.position, "`uncounted` goes with `exempt: true`", hint: "A rule that caps hold back is counted by them."
            )
        }
        result.onCap = choice(fields["on_cap"])?.value ?? .postpone
        result.holdout = share(fields["holdout"])
        result.variants = variants(fields["variants"])
        result.experiment = word(fields["experiment"])?.value
        result.sendTime = choice(fields["send_time"])?.value
        result.template = word(fields["template"])
        if let template = result.template, template.value.contains("/") || template.value.hasPrefix(".") {
            error(
                template.position, "`template` is a name, not a path",
                hint: "Templates are files NAME.LOCALE.mustache in `templates`.")
        }
        result.retract = flag(fields["retract"]) ?? false
        result.conversion = conversion(fields["conversion"])
        return result
    }

    private mutating func variants(_ entry: Entry?) -> [RuleDeliveryDefinition.Variant] {
        let variants = named(entry).compactMap { item in
            integer(item, in: 0...1_000_000).map { RuleDeliveryDefinition.Variant(name: item.name, weight: $0) }
        }
        if let entry, case .mapping(let all) = entry.value.content, variants.count == all.count,
            variants.allSatisfy({ $0.weight == 0 })
        {
            error(
                entry.value.position, "`variants` needs at least one share above 0", hint: "Write for example { A: 50, B: 50 }.")
        }
        return variants
    }

    private mutating func conversion(_ entry: Entry?) -> RuleDeliveryDefinition.Conversion? {
        guard let entry, let fields = fields(entry.value, .conversion, called: "`conversion`") else { return nil }
        for key in ["event", "within"] where fields[key] == nil { error(entry.value.position, "`conversion` has no `\(key)`") }
        guard let event = word(fields["event"]), let within = duration(fields["within"], atLeast: 1) else { return nil }
        return RuleDeliveryDefinition.Conversion(event: event.value, within: within)
    }
}
