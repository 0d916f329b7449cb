import Engine
import Testing

@testable import Pipeline

/// The daemon goes round its outboxes when there may be something to do, and not else.
@Suite struct OutboxRoundsTests {
    private let minute: Milliseconds = 60_000

    private func next(
        _ rounds: OutboxRounds, isTroubled: Bool = false, isWatched: Bool = true, claim: Instant? = nil,
        isUnfinished: Bool = false
    ) -> Instant { rounds.next(isTroubled: isTroubled, isWatched: isWatched, claim: claim, isUnfinished: isUnfinished) }

    @Test func aQuietOutboxIsLeftAlone() {
        var rounds = OutboxRounds()
        // The first is due at once.
        #expect(next(rounds) <= 30_000)
        rounds.begin(at: 100 * minute)
        #expect(next(rounds) == 160 * minute)
        rounds.note()
        #expect(next(rounds) == 100 * minute + 30_000)
        rounds.begin(at: 101 * minute)
        #expect(next(rounds) == 161 * minute)
    }

    @Test func aClaimIsLookedAtWhenItTimesOut() {
        var rounds = OutboxRounds()
        rounds.begin(at: 100 * minute)
        #expect(next(rounds, claim: 115 * minute) == 115 * minute)
        #expect(next(rounds, claim: 500 * minute) == 160 * minute)
        // Its sender holds it longer than that, and is alive.
        #expect(next(rounds, claim: 90 * minute) == 100 * minute + 30_000)
    }

    @Test func whereNothingTellsItLooks() {
        var rounds = OutboxRounds()
        rounds.begin(at: 100 * minute)
        #expect(next(rounds, isWatched: false) == 100 * minute + 30_000)
        #expect(next(rounds, isUnfinished: true) == 100 * minute + 30_000)
        #expect(next(rounds, isTroubled: true) == 100 * minute + 1000)
    }
}
