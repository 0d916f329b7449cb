/// A run that was to read all there is ends before that: too many messages wait for their outbox.
package struct ReadingPaused: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ pipeline: borrowing Pipeline) {
        description =
            "reading is paused: \(pipeline.pendingMessages) messages wait, as many as `outbox.max_pending` allows, because "
            + (pipeline.pausedByHand ?? pipeline.troubles.first ?? "the outbox can't take them; check its directory")
    }
}
