/// A share of a whole, exact: `10%` is 100,000 millionths.
package struct Share: Sendable, Hashable {
    /// 0 to 1,000,000.
    package var millionths: Int

    package init(millionths: Int) { self.millionths = millionths }
}

/// The `delivery` section: who may be sent what, when, on which channel.
package struct DeliveryDefinition: Sendable, Equatable {
    /// In order of preference; none: messages go out without a channel.
    package var channels: [ChannelDefinition] = []
    /// What counts while a customer has said nothing, by channel; every channel has one.
    package var consent: [String: Consent] = [:]
    /// For customers without a time zone of their own (IANA name).
    package var timezone: String?
    package var timezonePosition: Position?
    package var quietHours: QuietHours?
    package var caps: [CapDefinition] = []
    package var holdout: Share?
    /// Keys the hashes behind variants and holdout.
    package var salt = ""
    package var sendTime = SendTime.now

    package init() {}

    package enum Consent: String, CaseIterable, Sendable { case denied, granted }
    package enum SendTime: String, CaseIterable, Sendable { case now, best }

    /// From one time of day to another, in minutes since midnight; over midnight if `from` is later.
    package struct QuietHours: Sendable, Equatable {
        package var from: Int
        package var to: Int

        package init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }
    }
}

package struct ChannelDefinition: Sendable, Equatable {
    package var name: Located<String>
    /// The outbox of its messages, unless the rule names one.
    package var outbox: String?

    package init(name: Located<String>, outbox: String? = nil) {
        self.name = name
        self.outbox = outbox
    }
}

/// At most so many messages in any window of this length.
package struct CapDefinition: Sendable, Equatable {
    package var atMost: Int
    package var per: Milliseconds
    package var tag: String?
    package var channel: String?

    package init(atMost: Int, per: Milliseconds, tag: String? = nil, channel: String? = nil) {
        self.atMost = atMost
        self.per = per
        self.tag = tag
        self.channel = channel
    }
}

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

        package init(name: String, weight: Int) {
            self.name = name
            self.weight = weight
        }
    }

    /// What counts as a success of a message.
    package struct Conversion: Sendable, Equatable {
        package var event: String
        package var within: Milliseconds

        package init(event: String, within: Milliseconds) {
            self.event = event
            self.within = within
        }
    }
}
