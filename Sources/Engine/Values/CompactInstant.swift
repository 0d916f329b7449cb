/// An instant that may be absent, in 8 bytes: an optional one takes 16, and profiles hold many.
@propertyWrapper
package struct CompactInstant: Sendable, Equatable {
    /// `.min`: absent. No event is of that time.
    private var instant = Instant.min

    package init() {}
    package init(wrappedValue: Instant?) { self.wrappedValue = wrappedValue }

    package var wrappedValue: Instant? {
        get { instant == .min ? nil : instant }
        set { instant = newValue ?? .min }
    }
}
