extension Engine {
    /// Applies an event that a person made, at the engine's time and before anything else of that millisecond. Gives what has to be brought in
    /// first, with nothing changed, or nil when it is done.
    package mutating func intervene(_ event: Event, of batch: EventBatch) -> Missing? {
        var missing = Missing()
        return apply(event, of: batch, &missing) ? nil : missing
    }
}
