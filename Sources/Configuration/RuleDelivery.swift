import Engine

extension Reading {
    mutating func ruleDelivery(_ fields: Fields) -> RuleDeliveryDefinition {
        var result = RuleDeliveryDefinition()
        for item in values(fields["channels"]) {
            guard let name = word(item) else { continue }
            check(name, among: channelNames, what: "channel")
            result.channels.append(name.value)
        }
        result.topic = word(fields["topic"])?.value
        if let tags = fields["tags"], fields["tag"] != nil {
            error(tags.key.position, "give `tag` or `tags`, not both", hint: "`tags` takes a list.")
        }
        result.tags = values(fields["tags"] ?? fields["tag"]).compactMap { word($0)?.value }
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
            result.template = nil
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
