/// The sections of a customer's `rolling` column that belong to delivery, from tag 8 on, and what has ended.
extension ByteWriter {
    private mutating func section(_ tag: UInt8, _ count: Int) {
        bytes.append(tag)
        unsigned(UInt64(count))
    }

    private mutating func optional(_ text: String?) {
        bytes.append(text == nil ? 0 : 1)
        if let text { self.text(text) }
    }

    private mutating func scope(_ scope: ConsentScope) {
        optional(scope.channel)
        optional(scope.topic)
    }

    mutating func delivery(of profile: Profile, _ rules: RuleSet) {
        let consent = profile.consent
        if !consent.statements.isEmpty {
            section(8, consent.statements.count)
            for statement in consent.statements {
                scope(statement.scope)
                bytes.append(!statement.isGranted ? 0 : statement.isSettled ? 2 : 1)
                signed(statement.at)
            }
        }
        if consent.bouncedAt != nil || consent.spamAt != nil {
            section(9, 1)
            signed(consent.bouncedAt ?? .min)
            signed(consent.spamAt ?? .min)
        }
        if !profile.sends.isEmpty {
            section(10, profile.sends.count)
            for send in profile.sends {
                text(send.rule)
                text(send.key)
                optional(send.channel)
                optional(send.variant)
                unsigned(UInt64(send.tags.count))
                for tag in send.tags { text(tag) }
                text(send.id)
                signed(send.sequence)
                signed(send.customer)
                signed(send.startedAt)
                signed(send.at)
                bytes.append(
                    (send.isUncounted ? 1 : 0) | (send.isWithdrawn ? 2 : 0) | (send.isConverted ? 4 : 0)
                        | (send.variantLength >= 0 ? 8 : 0))
                if send.variantLength >= 0 { unsigned(UInt64(send.variantLength)) }
            }
        }
        if !profile.activity.cells.isEmpty {
            section(11, profile.activity.cells.count)
            for cell in profile.activity.cells {
                signed(Int64(cell.week))
                bytes.append(cell.hour)
                unsigned(UInt64(cell.count))
            }
        }
        if let joinedAt = consent.joinedAt {
            section(12, 1)
            signed(joinedAt)
        }
        let exceptions = consent.statements.flatMap { statement in statement.exceptions.map { (statement.scope, $0) } }
        if !exceptions.isEmpty {
            section(13, exceptions.count)
            for (withdrawn, granted) in exceptions {
                scope(withdrawn)
                scope(granted)
            }
        }
        if !profile.ended.isEmpty {
            section(14, profile.ended.entries.count)
            for entry in profile.ended.entries {
                unsigned(entry.hash)
                signed(entry.at)
            }
        }
    }
}

extension ByteReader {
    private mutating func optional() -> String? { byte() == 1 ? text() : nil }

    private mutating func scope() -> ConsentScope { ConsentScope(channel: optional(), topic: optional()) }

    /// Reads one entry of a section; false if its tag is not known.
    mutating func delivery(_ tag: UInt8, of profile: inout Profile, _ rules: RuleSet) -> Bool {
        switch tag {
        case 8:
            let scope = scope()
            let answer = byte()
            var statement = ConsentStatement(scope, isGranted: answer != 0, at: signed())
            statement.isSettled = answer == 2
            profile.consent.statements.append(statement)
        case 9:
            let (bounced, spam) = (signed(), signed())
            if bounced != .min { profile.consent.bouncedAt = bounced }
            if spam != .min { profile.consent.spamAt = spam }
        case 10:
            let (rule, key) = (text(), text())
            let (channel, variant) = (optional(), optional())
            var tags: [String] = []
            for _ in 0..<unsigned() {
                guard !failed else { return false }
                tags.append(text())
            }
            var send = Send(
                rule: rule, key: key, channel: channel, variant: variant, tags: tags, id: text(), sequence: signed(),
                customer: signed(),
                startedAt: signed(), at: signed(), isUncounted: false)
            let flags = byte()
            send.isUncounted = flags & 1 != 0
            send.isWithdrawn = flags & 2 != 0
            send.isConverted = flags & 4 != 0
            if flags & 8 != 0 { send.variantLength = Int32(clamping: unsigned()) }
            profile.sends.append(send)
        case 11:
            let week = Int32(clamping: signed())
            let hour = byte()
            profile.activity.cells.append(Activity.Cell(week: week, hour: hour, count: UInt32(clamping: unsigned())))
        case 12: profile.consent.joinedAt = signed()
        case 13:
            let (withdrawn, granted) = (scope(), scope())
            for place in profile.consent.statements.indices where profile.consent.statements[place].scope.isSame(as: withdrawn) {
                profile.consent.statements[place].except(granted)
            }
        case 14: profile.ended.merge(Endings([Endings.Entry(hash: unsigned(), at: signed())]))
        default: return false
        }
        return true
    }
}
