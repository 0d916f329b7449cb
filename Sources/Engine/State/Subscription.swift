/// One subscription of a customer and the payment episode it is in. Events of one episode may come in any order within lateness.
package struct Subscription: Sendable, Equatable {
    package enum Status: String, Sendable {
        case active
        case pastDue = "past_due"
        case cancelled, expired
    }
    package enum Decline: String, Sendable { case hard, soft }

    /// `subscription_id`, or `""`.
    package var id: String
    package var status: Status = .active
    /// Event time of what set the status.
    package var statusAt: Instant
    package var issueOpen = false
    /// First failure of the episode; kept when it closes, until the next one.
    package var issueSince: Instant?
    package var lastFailure: Instant?
    package var lastSuccess: Instant?
    package var attempts = 0
    package var graceEnds: Instant?
    package var nextAttempt: Instant?
    package var decline: Decline?
    package var amount: Decimal?
    package var currency: String?

    /// A log that counts further counts something else.
    private static let mostAttempts = 1_000_000

    package init(id: String, at time: Instant) {
        self.id = id
        statusAt = time
    }

    package static func id(_ properties: JSONView?) -> String? {
        guard let id = properties?["subscription_id"]?.identifier, !id.isEmpty else { return nil }
        return id
    }

    package mutating func apply(_ event: StateEvent, _ properties: JSONView?, at time: Instant) {
        switch event {
        case .paymentFailed: fail(properties, at: time)
        case .paymentSucceeded: succeed(at: time)
        case .subscriptionStarted: set(.active, at: time)
        case .subscriptionCancelled: set(.cancelled, at: time)
        case .subscriptionExpired: set(.expired, at: time)
        default: break
        }
    }

    private mutating func set(_ new: Status, at time: Instant) {
        guard time >= statusAt else { return }
        status = new
        statusAt = time
    }

    private mutating func fail(_ properties: JSONView?, at time: Instant) {
        // A late failure of an episode that a newer success has closed opens nothing.
        if let lastSuccess, lastSuccess > time { return }
        if issueOpen {
            issueSince = min(issueSince ?? time, time)
        } else {
            issueOpen = true
            issueSince = time
            attempts = 0
            graceEnds = nil
            nextAttempt = nil
            decline = nil
        }
        // Who counts the attempts knows better than we do: what comes twice, late or not at all does not change the number.
        if let attempt = properties?["attempt"]?.number {
            attempts = max(attempts, min(Int(attempt.clamped), Self.mostAttempts), 1)
        } else {
            attempts += 1
        }
        if time >= lastFailure ?? time {
            lastFailure = time
            if status != .cancelled, status != .expired || time > statusAt { set(.pastDue, at: time) }
            if let value = properties?["grace_ends"]?.instant { graceEnds = value }
            nextAttempt = properties?["next_attempt"]?.instant
            if let text = properties?["decline"]?.string, let value = Decline(rawValue: text) { decline = value }
            if let value = properties?["amount"]?.decimal { amount = value }
            if let text = properties?["currency"]?.identifier, !text.isEmpty { currency = text }
        }
    }

    /// Takes the grace period from a repetition of a failure that did not have it: RevenueCat says one issue twice, in either order, and only
    /// one of both says when it ends.
    package mutating func complete(_ properties: JSONView?, at time: Instant) {
        guard issueOpen, graceEnds == nil, time >= issueSince ?? time, time >= lastSuccess ?? time else { return }
        graceEnds = properties?["grace_ends"]?.instant
    }

    private mutating func succeed(at time: Instant) {
        lastSuccess = max(lastSuccess ?? time, time)
        set(.active, at: time)
        guard issueOpen, let since = issueSince, since <= time else { return }
        if let lastFailure, lastFailure > time {
            // The episode that this late success closes was followed by another, of which the last failure is known.
            issueSince = lastFailure
            attempts = 1
        } else {
            issueOpen = false
            nextAttempt = nil
        }
    }

    /// Takes in the same subscription as an anonymous profile knew it.
    package mutating func merge(_ other: Subscription) {
        let own = self
        let isOlder = own.lastFailure ?? .min < other.lastFailure ?? .min
        if isOlder {
            self = other
            (status, statusAt) = (own.status, own.statusAt)
        }
        if other.statusAt > own.statusAt { (status, statusAt) = (other.status, other.statusAt) }
        lastSuccess = [own.lastSuccess, other.lastSuccess].compactMap { $0 }.max()
        // An issue stays open unless the other side knows of a success after its last failure. Two that are open are one.
        issueOpen = (own.issueOpen || other.issueOpen) && lastFailure ?? .min >= lastSuccess ?? .min
        if own.issueOpen, other.issueOpen {
            issueSince = [own.issueSince, other.issueSince].compactMap { $0 }.min()
            attempts = min(own.attempts + other.attempts, Self.mostAttempts)
        }
        if !issueOpen { nextAttempt = nil }
    }
}

extension JSONView {
    /// A point in time as logs write it: RFC 3339, or a number of milliseconds (of seconds, below 10^11, which as milliseconds would
    /// lie before 1973-03-03).
    package var instant: Instant? {
        if let stringBytes { return Instant.parse(rfc3339: stringBytes) }
        guard let number, number.magnitude < 9e15 else { return nil }
        return number.magnitude < 1e11 ? Instant(number * 1000) : Instant(number)
    }
}

extension Double {
    /// The nearest value that an Int64 can hold; NaN becomes 0.
    package var clamped: Double { isNaN ? 0 : Swift.min(Swift.max(self, -9e18), 9e18) }
}
