/// Something a customer said about being written to: granted or withdrawn, for one channel or all, for one topic or all.
package struct ConsentStatement: Sendable, Equatable {
    package let scope: ConsentScope
    package var isGranted: Bool
    package var at: Instant
    /// Of a grant that was given before two customers became one: what it lifts is known by the withdrawals (`exceptions`), and it lifts nothing of
    /// what the other had withdrawn.
    package var isSettled = false
    /// Of a withdrawal from before two customers became one: what each of those who had withdrawn it had granted again.
    package var exceptions: [ConsentScope] = []

    package init(_ scope: ConsentScope, isGranted: Bool, at: Instant) {
        self.scope = scope
        self.isGranted = isGranted
        self.at = at
    }

    mutating func except(_ scope: ConsentScope) {
        guard !exceptions.contains(where: { scope.isWithin($0) }) else { return }
        exceptions.removeAll { $0.isWithin(scope) }
        exceptions.append(scope)
    }

    /// What holds of two customers' statements about one scope, when they become one: a withdrawal but for what both sides had granted again.
    func stricter(_ other: ConsentStatement) -> ConsentStatement {
        guard isGranted == other.isGranted else { return isGranted ? other : self }
        var result = at < other.at ? other : self
        result.exceptions = []
        for own in exceptions {
            for theirs in other.exceptions { if let common = own.common(with: theirs) { result.except(common) } }
        }
        return result
    }

    package var description: String { (isGranted ? "granted" : "withdrawn") + scope.description + " at " + at.rfc3339 }
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
    /// When this customer and another became one who had both said something. What comes late and was granted before lifts nothing, because nobody
    /// knows any more whose withdrawals it was to lift.
    @CompactInstant package var joinedAt: Instant?

    package init() {}

    package var isEmpty: Bool { statements.isEmpty && bouncedAt == nil && spamAt == nil }

    // MARK: Events

    /// `Consent Changed` {channel?, topic?, granted}, `Unsubscribed` {channel?, topic?}, `Email Bounced`, `Email Marked as Spam`.
    mutating func apply(_ event: StateEvent, _ properties: JSONView?, at time: Instant) {
        func name(_ key: String) -> String? { properties?[key]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        switch event {
        case .consentChanged:
            guard let granted = properties?["granted"]?.answer else { return }
            add(ConsentStatement(ConsentScope(channel: name("channel"), topic: name("topic")), isGranted: granted, at: time))
        case .unsubscribed:
            add(ConsentStatement(ConsentScope(channel: name("channel"), topic: name("topic")), isGranted: false, at: time))
        case .emailBounced: bouncedAt = max(bouncedAt ?? time, time)
        case .emailMarkedAsSpam: spamAt = max(spamAt ?? time, time)
        default: break
        }
    }

    mutating func add(_ statement: ConsentStatement) {
        guard let place = statements.firstIndex(where: { $0.scope.isSame(as: statement.scope) }) else {
            statements.append(statement)
            return
        }
        guard statements[place].at <= statement.at else { return }
        if statement.isGranted, !statements[place].isGranted, isBeforeJoining(statement) { return }
        statements[place] = statement
    }

    private func isBeforeJoining(_ grant: ConsentStatement) -> Bool { grant.isSettled || joinedAt.map { grant.at < $0 } ?? false }

    /// Whether a statement is a grant that ends what was withdrawn, or happened, at a time.
    private func lifts(_ statement: ConsentStatement, _ time: Instant) -> Bool {
        statement.isGranted && statement.at > time && !isBeforeJoining(statement)
    }

    private func lifts(_ statement: ConsentStatement, _ withdrawal: ConsentStatement) -> Bool {
        lifts(statement, withdrawal.at) && statement.scope.isWithin(withdrawal.scope)
    }

    /// The statements, each withdrawal with what has been granted of it again.
    private var settled: [ConsentStatement] {
        statements.map { statement in
            var result = statement
            result.isSettled = statement.isGranted
            if !statement.isGranted { for grant in statements where lifts(grant, statement) { result.except(grant.scope) } }
            return result
        }
    }

    /// Takes over what an anonymous visitor said who became this customer at `time`: the stricter wins. What either side had withdrawn is lifted
    /// only where the same side had granted it again; so is what had stopped everything.
    mutating func merge(_ other: Consent, at time: Instant) {
        guard !other.isEmpty else { return }
        guard !isEmpty else {
            self = other
            return
        }
        var joined = settled
        for statement in other.settled {
            if let place = joined.firstIndex(where: { $0.scope.isSame(as: statement.scope) }) {
                joined[place] = joined[place].stricter(statement)
            } else {
                joined.append(statement)
            }
        }
        (bouncedAt, spamAt) = (
            Self.later(standing(bouncedAt), other.standing(other.bouncedAt)),
            Self.later(standing(spamAt), other.standing(other.spamAt))
        )
        statements = joined
        joinedAt = max(time, joinedAt ?? time, other.joinedAt ?? time)
    }

    // MARK: Answers

    /// The newest withdrawal that forbids messages on this channel about this topic.
    package func denial(channel: String?, topic: String?) -> ConsentStatement? {
        var newest: ConsentStatement?
        for statement in statements where !statement.isGranted && statement.scope.concerns(channel: channel, topic: topic) {
            let isLifted =
                statement.exceptions.contains { $0.concerns(channel: channel, topic: topic) }
                || statements.contains { lifts($0, statement) && $0.scope.concerns(channel: channel, topic: topic) }
            if !isLifted, newest.map({ $0.at < statement.at }) ?? true { newest = statement }
        }
        return newest
    }

    /// The newest grant of messages on this channel about this topic.
    package func grant(channel: String?, topic: String?) -> ConsentStatement? {
        var newest: ConsentStatement?
        for statement in statements where statement.isGranted && statement.scope.concerns(channel: channel, topic: topic) {
            if newest.map({ $0.at < statement.at }) ?? true { newest = statement }
        }
        return newest
    }

    /// The time of a bounce or a mark as spam, unless a later grant ended it: for all topics, and for e-mail or all channels.
    private func standing(_ at: Instant?) -> Instant? {
        guard let at else { return nil }
        let isEnded = statements.contains {
            lifts($0, at) && $0.scope.topic == nil && ($0.scope.channel.map { $0.same(as: "email") } ?? true)
        }
        return isEnded ? nil : at
    }

    private static func later(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one, let other else { return one ?? other }
        return max(one, other)
    }

    /// Why nothing at all may be sent. An unsubscription from everything is ended by any later grant, and then holds for what was not granted.
    package var suppression: (Suppression, Instant)? {
        if let at = standing(bouncedAt) { return (.bounced, at) }
        if let at = standing(spamAt) { return (.spam, at) }
        if let all = statements.first(where: { !$0.isGranted && $0.scope.isEverything }), all.exceptions.isEmpty,
            !statements.contains(where: { lifts($0, all.at) })
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
