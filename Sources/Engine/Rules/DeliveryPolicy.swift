import CEL

/// The `delivery` section, resolved: what the gates judge by.
package struct DeliveryPolicy: Sendable {
    /// In order of preference; empty: messages go out without one.
    package let channels: [String]
    /// The outbox of a channel's messages, where it has one of its own.
    package let outboxes: [String: String]
    /// What counts while a customer has said nothing.
    package let consent: [String: DeliveryDefinition.Consent]
    package let quietHours: DeliveryDefinition.QuietHours?
    package let caps: [CapDefinition]
    package let salt: String
    /// For customers without a known zone of their own.
    package let zone: TimeZone
    /// How long a send is remembered: for the longest cap, for a late event that would have cancelled it, for conversions. 0: not at all.
    package let keepsSends: Milliseconds
    /// Whether some rule waits for a customer's best hour, so that hours of activity are counted.
    package let keepsActivity: Bool
    /// Rules whose conversions an event counts as, by its number; empty if there are none.
    let conversions: [[Int]]
    private let zoneNamed: @Sendable (String) -> TimeZone?

    init(
        _ definitions: Definitions, rules: [Rule], _ vocabulary: Vocabulary, zoneNamed: @escaping @Sendable (String) -> TimeZone?
    ) {
        let definition = definitions.delivery
        channels = definition.channels.map(\.name.value)
        outboxes = Dictionary(
            definition.channels.compactMap { channel in channel.outbox.map { (channel.name.value, $0) } },
            uniquingKeysWith: { $1 })
        consent = definition.consent
        quietHours = definition.quietHours.flatMap { $0.from == $0.to ? nil : $0 }
        caps = definition.caps
        salt = definition.salt
        zone = definition.timezone.flatMap(zoneNamed) ?? .utc
        keepsSends = rules.reduce(0) { max($0, $1.delivery.keepsSend) }
        keepsActivity = rules.contains { $0.delivery.waitsForBestHour }
        var conversions = [[Int]](repeating: [], count: vocabulary.entries.count)
        for (index, rule) in rules.enumerated() {
            guard let name = rule.delivery.conversion?.event, let event = vocabulary.find(Array(name.utf8)) else { continue }
            conversions[Int(event.index)].append(index)
        }
        self.conversions = rules.contains { $0.delivery.conversion != nil } ? conversions : []
        self.zoneNamed = zoneNamed
    }

    /// The customer's zone; where it has none, or one that this machine doesn't know, that of `delivery.timezone`.
    package func zone(of profile: Profile) -> TimeZone { zone(named: profile.timezone?.value) }

    /// By its name in the tz database; where that is none, the configured one.
    func zone(named name: String?) -> TimeZone { name.flatMap { zoneNamed($0) } ?? zone }
}

/// What `delivery.md` has of a rule, resolved against the section's defaults.
package struct RuleDelivery: Sendable {
    /// In order of preference.
    package let channels: [String]
    /// What consent is asked for, besides the channel.
    package let topic: String?
    package let tags: [String]
    package let exempt: Bool
    package let uncounted: Bool
    package let dropsWhenCapped: Bool
    package let holdout: Share?
    /// What the holdout's hash takes: the rule or its experiment; empty where the share is that of all rules, so that the same customers
    /// are held out of every one.
    package let holdoutScope: String
    package let variants: [RuleDeliveryDefinition.Variant]
    /// The rule's name, or the experiment it shares with others.
    package let experiment: String
    package let waitsForBestHour: Bool
    package let template: String?
    package let retract: Bool
    package let conversion: RuleDeliveryDefinition.Conversion?
    /// How long its sends are remembered.
    let keepsSend: Milliseconds

    init(_ rule: RuleDefinition, _ definitions: Definitions) {
        let own = rule.delivery
        let common = definitions.delivery
        channels = own.channels.isEmpty ? common.channels.map(\.name.value) : own.channels
        topic = own.topic
        tags = own.tags
        exempt = own.exempt
        uncounted = own.uncounted
        dropsWhenCapped = own.onCap == .drop
        experiment = own.experiment ?? rule.name.value
        holdout = own.holdout ?? common.holdout
        holdoutScope = own.holdout == nil ? "" : experiment
        // By name, so that the order in which they are written doesn't matter.
        variants = own.variants.sorted { $0.name.precedes($1.name) }
        waitsForBestHour = (own.sendTime ?? common.sendTime) == .best
        template = own.template?.value
        retract = own.retract
        conversion = own.conversion
        let caps = own.uncounted ? 0 : common.caps.reduce(0) { max($0, $1.per) }
        let withdrawal = rule.cancel.isEmpty ? 0 : definitions.lateFor
        let conversion = own.conversion.map { $0.within + definitions.lateFor } ?? 0
        keepsSend = max(caps, withdrawal, conversion)
    }
}

extension RuleCompiler {
    /// What of `delivery` only the machine's data can tell.
    mutating func checkDelivery() {
        let delivery = definitions.delivery
        for rule in definitions.rules { if let conversion = rule.delivery.conversion { listen(to: conversion.event) } }
        if let zone = delivery.timezone, let position = delivery.timezonePosition, timeZone(zone) == nil {
            report(
                Issue(
                    at: position, "the data of the time zone \"\(zone)\" can't be read",
                    hint: "Install the time zone data (package tzdata), or write another zone."))
        }
    }
}
