/// Something a customer said about being written to: granted or withdrawn, for one channel or all, for one topic or all.
package struct ConsentStatement: Sendable, Equatable {
    /// Nil: every channel.
    package var channel: String?
    /// Nil: every topic.
    package var topic: String?
    package var isGranted: Bool
    package var at: Instant

    package init(channel: String?, topic: String?, isGranted: Bool, at: Instant) {
        self.channel = channel
        self.topic = topic
        self.isGranted = isGranted
        self.at = at
    }

    /// Whether it speaks of messages on this channel about this topic. A message without a topic is concerned only by what names none.
    func concerns(channel: String?, topic: String?) -> Bool {
        Self.covers(self.channel, channel) && Self.covers(self.topic, topic)
    }

    /// Whether it names at least what `other` names.
    func isAsSpecific(as other: ConsentStatement) -> Bool {
        Self.covers(other.channel, channel) && Self.covers(other.topic, topic)
    }

    func isAbout(_ other: ConsentStatement) -> Bool {
        Self.isSame(channel, other.channel) && Self.isSame(topic, other.topic)
    }

    private static func covers(_ all: String?, _ one: String?) -> Bool { all == nil || isSame(all, one) }

    private static func isSame(_ left: String?, _ right: String?) -> Bool {
        switch (left, right) {
        case (nil, nil): true
        case (let left?, let right?): left.same(as: right)
        default: false
        }
    }

    package var description: String {
        var text = isGranted ? "granted" : "withdrawn"
        if let channel { text += " for \(channel)" }
        if let topic { text += " for \(topic)" }
        if channel == nil, topic == nil { text += " for everything" }
        return text + " at " + at.rfc3339
    }
}

/// What may be sent to a customer: all that was granted and withdrawn, by channel and topic with its time, and what stops everything.
///
/// Of several statements about one channel and topic the one with the newest event time counts. A withdrawal stands until a later
/// grant that names at least what it named: "no e-mail" is lifted by "news by e-mail", for news; but "no news" is not lifted by
/// "e-mail, yes".
package struct Consent: Sendable, Equatable {
    package enum Suppression: String, Sendable {
        case bounced
        case spam = "marked as spam"
        case unsubscribed = "unsubscribed from everything"
    }

    package var statements: [ConsentStatement] = []
    @CompactInstant package var bouncedAt: Instant?
    @CompactInstant package var spamAt: Instant?

    package init() {}

    package var isEmpty: Bool { statements.isEmpty && bouncedAt == nil && spamAt == nil }

    // MARK: Events

    /// `Consent Changed` {channel?, topic?, granted}, `Unsubscribed` {channel?, topic?}, `Email Bounced`, `Email Marked as Spam`.
    mutating func apply(_ event: StateEvent, _ properties: JSONView?, at time: Instant) {
        func name(_ key: String) -> String? { properties?[key]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        switch event {
        case .consentChanged:
            guard let granted = properties?["granted"]?.answer else { return }
            add(ConsentStatement(channel: name("channel"), topic: name("topic"), isGranted: granted, at: time))
        case .unsubscribed: add(ConsentStatement(channel: name("channel"), topic: name("topic"), isGranted: false, at: time))
        case .emailBounced: bouncedAt = max(bouncedAt ?? time, time)
        case .emailMarkedAsSpam: spamAt = max(spamAt ?? time, time)
        default: break
        }
    }

    mutating func add(_ statement: ConsentStatement) {
        if let place = statements.firstIndex(where: { $0.isAbout(statement) }) {
            if statements[place].at <= statement.at { statements[place] = statement }
        } else {
            statements.append(statement)
        }
    }

    /// Takes over what an anonymous visitor said: the stricter wins. A withdrawal of either side is not lifted by what the other had
    /// granted before the link.
    mutating func merge(_ other: Consent) {
        let own = statements
        for statement in other.statements where statement.isGranted { add(statement) }
        for (said, against) in [(own, other.statements), (other.statements, own)] {
            for denial in said where !denial.isGranted {
                var stricter = denial
                for grant in against where grant.isGranted && grant.isAsSpecific(as: denial) {
                    stricter.at = max(stricter.at, grant.at)
                }
                add(stricter)
            }
        }
        if let at = other.bouncedAt { bouncedAt = max(bouncedAt ?? at, at) }
        if let at = other.spamAt { spamAt = max(spamAt ?? at, at) }
    }

    // MARK: Answers

    /// The newest withdrawal that forbids messages on this channel about this topic.
    package func denial(channel: String?, topic: String?) -> ConsentStatement? {
        var newest: ConsentStatement?
        for statement in statements where !statement.isGranted && statement.concerns(channel: channel, topic: topic) {
            let isLifted = statements.contains {
                $0.isGranted && $0.at > statement.at && $0.concerns(channel: channel, topic: topic)
                    && $0.isAsSpecific(as: statement)
            }
            if !isLifted, newest.map({ $0.at < statement.at }) ?? true { newest = statement }
        }
        return newest
    }

    /// The newest grant of messages on this channel about this topic.
    package func grant(channel: String?, topic: String?) -> ConsentStatement? {
        var newest: ConsentStatement?
        for statement in statements where statement.isGranted && statement.concerns(channel: channel, topic: topic) {
            if newest.map({ $0.at < statement.at }) ?? true { newest = statement }
        }
        return newest
    }

    /// Why nothing at all may be sent. A later grant ends it: for all topics and for e-mail or all channels after a bounce or a mark as
    /// spam, any grant after an unsubscription from everything (which then holds for what was not granted).
    package var suppression: (Suppression, Instant)? {
        func isLifted(_ at: Instant) -> Bool {
            statements.contains {
                $0.isGranted && $0.at > at && $0.topic == nil && ($0.channel.map { $0.same(as: "email") } ?? true)
            }
        }
        if let bouncedAt, !isLifted(bouncedAt) { return (.bounced, bouncedAt) }
        if let spamAt, !isLifted(spamAt) { return (.spam, spamAt) }
        if let all = statements.first(where: { !$0.isGranted && $0.channel == nil && $0.topic == nil }),
            !statements.contains(where: { $0.isGranted && $0.at > all.at })
        {
            return (.unsubscribed, all.at)
        }
        return nil
    }
}

extension JSONView {
    /// Yes or no, as logs write it: true or false, also as text, 1 or 0. A withdrawal must not be lost over its spelling.
    fileprivate var answer: Bool? {
        if let bool { return bool }
        switch identifier {
        case "true", "True", "TRUE", "1": return true
        case "false", "False", "FALSE", "0": return false
        default: return nil
        }
    }
}
