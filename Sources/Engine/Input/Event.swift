/// A piece of text in a batch's arena.
package struct ArenaText: Sendable, Equatable {
    package var offset: UInt32
    package var length: UInt32

    package static let none = ArenaText(offset: 0, length: 0)
    package var isEmpty: Bool { length == 0 }

    package init(offset: UInt32, length: UInt32) {
        self.offset = offset
        self.length = length
    }
}

/// One immutable fact from a log, decoded. Its texts lie in the arena of the batch that carries it.
///
/// An event is plain old data of a fixed size, so that a batch of a hundred thousand is two allocations.
package struct Event: Sendable {
    /// What kind of call it was; only `identify` and `alias` differ from a tracked event in what they do.
    package enum Kind: UInt8, Sendable { case track, identify, alias }

    /// When it happened.
    package var time: Instant
    /// When its turn is: the larger of `time` and its file's watermark just before it (`order` > `time`: it is late).
    package var order: Instant
    /// Position: source (in order of source names), file number within the source, byte offset of the line.
    package var source: UInt32 = 0
    package var file: UInt32 = 0
    package var offset: UInt64 = 0
    /// Length of the line in bytes, with its newline.
    package var length: UInt32 = 0
    package var kind: Kind = .track
    /// The name's number in the `Vocabulary`; `EventName.unmentioned` if no rule, segment or state needs it.
    package var name: EventName = .unmentioned
    /// `userId`, `anonymousId` and (for an alias) `previousId`, which is an anonymous id too; empty if absent.
    package var user: ArenaText = .none
    package var anonymous: ArenaText = .none
    /// The message id, empty if absent.
    package var id: ArenaText = .none
    /// 128 bits that stand for the id: of SHA-256, or the id itself where it is a UUID. Unused if `id` is empty.
    package var digest: IDDigest = IDDigest(high: 0, low: 0)
    package var locale: ArenaText = .none
    package var timezone: ArenaText = .none
    /// Arena offset + 1 of the packed `properties` object, 0 if absent or not needed by any rule, segment or state.
    package var properties: UInt32 = 0
    /// Arena offset + 1 of the packed `traits` object, 0 if absent.
    package var traits: UInt32 = 0
    /// The line itself, in the batch's `lines`: kept only while the event waits for its turn, so that it can be made durable.
    package var raw: ArenaText = .none
    /// Whether the line is durable already.
    package var isKept = false

    package init(time: Instant, order: Instant) {
        self.time = time
        self.order = order
    }

    package var isLate: Bool { order > time }
}

/// 128 bits that identify a message id. A UUID is kept whole (with a bit pattern no hash needs to fear: equal UUIDs are equal ids);
/// any other id is the first half of its SHA-256.
package struct IDDigest: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// Events and the bytes of their texts and values.
package struct EventBatch: Sendable {
    package var events: [Event] = []
    package var arena: [UInt8] = []
    /// What the events' `raw` refers to: lines as they were read.
    package var lines: [UInt8] = []

    package init() {}

    /// Makes it empty and keeps the memory.
    package mutating func removeAll() {
        events.removeAll(keepingCapacity: true)
        arena.removeAll(keepingCapacity: true)
        lines.removeAll(keepingCapacity: true)
    }

    package func line(of event: Event) -> ArraySlice<UInt8> {
        lines[Int(event.raw.offset)..<Int(event.raw.offset + event.raw.length)]
    }

    /// Keeps a line, and gives its place for an event's `raw`.
    package mutating func add(line: ArraySlice<UInt8>) -> ArenaText {
        let offset = UInt32(lines.count)
        lines.append(contentsOf: line)
        return ArenaText(offset: offset, length: UInt32(line.count))
    }

    package func bytes(_ text: ArenaText) -> ArraySlice<UInt8> {
        arena[Int(text.offset)..<Int(text.offset + text.length)]
    }

    /// The bytes where they lie, for the hot path: a slice of the arena would be a retain and a release.
    @inline(__always)
    func withBytes<Result>(_ text: ArenaText, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        arena.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[Int(text.offset)..<Int(text.offset + text.length)])) }
    }

    /// The ids an event names: its user's, and the anonymous one.
    package func customers(of event: Event) -> [CustomerKey] {
        [(event.user, false), (event.anonymous, true)].filter { !$0.0.isEmpty }.map { id, isAnonymous in
            CustomerKey(isAnonymous: isAnonymous, id: Array(bytes(id)))
        }
    }

    package func string(_ text: ArenaText) -> String { String(decoding: bytes(text), as: UTF8.self) }

    /// Appends bytes to the arena.
    package mutating func add(_ bytes: some Collection<UInt8>) -> ArenaText {
        let offset = UInt32(arena.count)
        arena.append(contentsOf: bytes)
        return ArenaText(offset: offset, length: UInt32(bytes.count))
    }

    package func properties(of event: Event) -> JSONView? {
        event.properties == 0 ? nil : JSONView(bytes: arena, offset: Int(event.properties) - 1)
    }

    package func traits(of event: Event) -> JSONView? {
        event.traits == 0 ? nil : JSONView(bytes: arena, offset: Int(event.traits) - 1)
    }

    /// Adds an event of another batch, with everything it refers to.
    package mutating func append(_ event: Event, from other: EventBatch) { events.append(copy(event, from: other)) }

    /// Copies everything that an event of another batch refers to, and gives the event with its references to the copies.
    package mutating func copy(_ event: Event, from other: EventBatch) -> Event {
        var copy = event
        func text(_ text: ArenaText) -> ArenaText { text.isEmpty ? .none : add(other.bytes(text)) }
        func value(_ reference: UInt32) -> UInt32 {
            guard reference != 0 else { return 0 }
            let view = JSONView(bytes: other.arena, offset: Int(reference) - 1)
            return add(other.arena[view.offset..<view.end]).offset + 1
        }
        copy.user = text(event.user)
        copy.anonymous = text(event.anonymous)
        copy.id = text(event.id)
        copy.locale = text(event.locale)
        copy.timezone = text(event.timezone)
        copy.raw = event.raw.isEmpty ? .none : add(line: other.line(of: event))
        copy.properties = value(event.properties)
        copy.traits = value(event.traits)
        return copy
    }
}

extension Event {
    /// The order in which events are applied: (order time, source name, file, offset).
    package static func precedes(_ left: Event, _ right: Event) -> Bool {
        if left.order != right.order { return left.order < right.order }
        if left.source != right.source { return left.source < right.source }
        if left.file != right.file { return left.file < right.file }
        return left.offset < right.offset
    }
}
