/// What a customer speaks of in a statement about being written to.
package struct ConsentScope: Sendable, Equatable {
    /// Nil: every channel.
    package let channel: String?
    /// Nil: every topic.
    package let topic: String?

    package init(channel: String?, topic: String?) {
        self.channel = channel
        self.topic = topic
    }

    var isEverything: Bool { channel == nil && topic == nil }

    /// Whether it speaks of messages on this channel about this topic. A message without a topic is concerned only by what names none.
    func concerns(channel: String?, topic: String?) -> Bool {
        Self.covers(self.channel, channel) && Self.covers(self.topic, topic)
    }

    /// Whether it names at least what `other` names.
    func isWithin(_ other: ConsentScope) -> Bool { other.concerns(channel: channel, topic: topic) }

    func isSame(as other: ConsentScope) -> Bool { isWithin(other) && other.isWithin(self) }

    /// What both speak of; nil if there is nothing.
    func common(with other: ConsentScope) -> ConsentScope? {
        let both = ConsentScope(channel: channel ?? other.channel, topic: topic ?? other.topic)
        return both.isWithin(self) && both.isWithin(other) ? both : nil
    }

    package var description: String {
        if isEverything { return " for everything" }
        return (channel.map { " for \($0)" } ?? "") + (topic.map { " for \($0)" } ?? "")
    }

    private static func covers(_ all: String?, _ one: String?) -> Bool {
        guard let all else { return true }
        return one.map { all.same(as: $0) } ?? false
    }
}
