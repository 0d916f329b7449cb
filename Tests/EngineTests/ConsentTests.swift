import Testing

@testable import Engine

/// When a visitor becomes a user the stricter of both wins, for every channel and topic.
@Suite struct ConsentTests {
    private static let channels: [String?] = [nil, "email", "push"]
    private static let topics: [String?] = [nil, "news", "offers"]

    /// What a customer says about every channel and topic: nil where nothing was said.
    private static func answers(_ consent: Consent) -> [Bool?] {
        channels.flatMap { channel in
            topics.map { topic in
                if consent.denial(channel: channel, topic: topic) != nil || consent.suppression != nil { return false }
                return consent.grant(channel: channel, topic: topic).map { _ in true }
            }
        }
    }

    private static func stricter(_ one: Bool?, _ other: Bool?) -> Bool? {
        guard let one, let other else { return one ?? other }
        return one && other
    }

    private static func scope(_ generator: inout Seeded) -> ConsentScope {
        ConsentScope(channel: generator.pick(channels), topic: generator.pick(topics))
    }

    private static func spoken(_ generator: inout Seeded, from start: Instant = 0) -> Consent {
        var consent = Consent()
        for time in start..<start + Instant(generator.below(7)) {
            if generator.chance(10) { consent.bouncedAt = time } else if generator.chance(10) { consent.spamAt = time }
            consent.add(ConsentStatement(scope(&generator), isGranted: generator.chance(50), at: time))
        }
        return consent
    }

    /// Two logins, one after the other, with something said before, in between and after.
    @Test(arguments: UInt64(1)...500) func theStricterOfBothWins(seed: UInt64) {
        var generator = Seeded(state: seed)
        var user = Self.spoken(&generator, from: 0)
        for login in [Instant(20), 40] {
            let visitor = Self.spoken(&generator, from: Instant(generator.below(4)))
            let expected = zip(Self.answers(user), Self.answers(visitor)).map(Self.stricter)
            user.merge(visitor, at: login)
            #expect(Self.answers(user) == expected, "seed \(seed), login at \(login)")
            for time in login..<login + Instant(generator.below(4)) {
                let before = Self.answers(user)
                let statement = ConsentStatement(Self.scope(&generator), isGranted: generator.chance(50), at: time)
                user.add(statement)
                for (place, answer) in Self.answers(user).enumerated() {
                    let isMeant = statement.scope.concerns(channel: Self.channels[place / 3], topic: Self.topics[place % 3])
                    let isAllowed = statement.isGranted || answer == false || !isMeant && answer == before[place]
                    #expect(isAllowed, "seed \(seed), at \(time)")
                }
            }
        }
    }

    /// What was granted before the login, and reaches the log after it, is not held against what the other side had withdrawn.
    @Test func whatComesLateLiftsNothing() {
        let email = ConsentScope(channel: "email", topic: nil)
        var user = Consent()
        user.add(ConsentStatement(email, isGranted: true, at: 5))
        var visitor = Consent()
        visitor.add(ConsentStatement(email, isGranted: false, at: 10))
        user.merge(visitor, at: 20)
        user.add(ConsentStatement(email, isGranted: true, at: 15))
        user.add(ConsentStatement(ConsentScope(channel: "email", topic: "news"), isGranted: true, at: 15))
        #expect(user.denial(channel: "email", topic: "news") != nil)
        // The event that links may itself be the one that grants.
        user.add(ConsentStatement(email, isGranted: true, at: 20))
        #expect(user.denial(channel: "email", topic: "news") == nil)
    }
}
