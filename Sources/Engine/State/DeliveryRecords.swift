/// The sections of a customer's `rolling` column that belong to delivery, from tag 8 on.
extension ByteWriter {
    private mutating func section(_ tag: UInt8, _ count: Int) {
        bytes.append(tag)
        unsigned(UInt64(count))
    }

    private mutating func optional(_ text: String?) {
        bytes.append(text == nil ? 0 : 1)
        if let text { self.text(text) }
    }

    mutating func delivery(of profile: Profile, _ rules: RuleSet) {
        let consent = profile.consent
        if !consent.statements.isEmpty {
            section(8, consent.statements.count)
            for statement in consent.statements {
                optional(statement.channel)
                optional(statement.topic)
                bytes.append(statement.isGranted ? 1 : 0)
                signed(statement.at)
            }
        }
        if consent.bouncedAt != nil || consent.spamAt != nil {
            section(9, 1)
            signed(consent.bouncedAt ?? .min)
            signed(consent.spamAt ?? .min)
        }
    }
}

extension ByteReader {
    private mutating func optional() -> String? { byte() == 1 ? text() : nil }

    /// Reads one entry of a section; false if its tag is not known.
    mutating func delivery(_ tag: UInt8, of profile: inout Profile, _ rules: RuleSet) -> Bool {
        switch tag {
        case 8:
            let (channel, topic) = (optional(), optional())
            let isGranted = byte() == 1
            profile.consent.statements.append(
                ConsentStatement(channel: channel, topic: topic, isGranted: isGranted, at: signed()))
        case 9:
            let (bounced, spam) = (signed(), signed())
            if bounced != .min { profile.consent.bouncedAt = bounced }
            if spam != .min { profile.consent.spamAt = spam }
        default: return false
        }
        return true
    }
}
