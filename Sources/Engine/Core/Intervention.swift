extension Engine {
    /// Applies an event that a person made, at the engine's time and before anything else of that millisecond. Gives what has to be brought in
    /// first, with nothing changed, or nil when it is done.
    ///
    /// Nobody's erasure drops it: the order of the control log says what was made after it, whatever the engine's time is.
    package mutating func intervene(_ event: Event, of batch: EventBatch) -> Missing? {
        var missing = Missing()
        return applyKept(event, of: batch, &missing) ? nil : missing
    }
}
