/// A place in a configuration file; lines and columns count from 1, columns in characters.
package struct Position: Hashable, Sendable, Comparable {
    package var file: String
    package var line: Int
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    package static func < (left: Position, right: Position) -> Bool {
        if left.file != right.file { return left.file < right.file }
        return (left.line, left.column) < (right.line, right.column)
    }
}

/// Something a person has to correct in a configuration.
package struct Issue: Error, Hashable, Sendable {
    package enum Severity: Sendable { case error, warning }

    package var severity: Severity
    package var position: Position
    package var message: String
    /// What to do about it, or nil when the message says it.
    package var hint: String?

    package init(_ severity: Severity = .error, at position: Position, _ message: String, hint: String? = nil) {
        self.severity = severity
        self.position = position
        self.message = message
        self.hint = hint
    }
}

/// A value of a configuration and where it stands.
package struct Located<Value: Sendable>: Sendable {
    package var value: Value
    package var position: Position
    /// Where a text goes on elsewhere than behind its character before; sorted.
    package var jumps: [TextJump]

    package init(_ value: Value, at position: Position, jumps: [TextJump] = []) {
        self.value = value
        self.position = position
        self.jumps = jumps
    }
}

/// In a text of a configuration, a character that does not stand behind the one before it in the file: it is on another line, or that one is
/// written in more characters than one.
package struct TextJump: Hashable, Sendable {
    /// How many characters (code points) of the text come before.
    package var offset: Int
    package var line: Int
    package var column: Int

    package init(offset: Int, line: Int, column: Int) {
        self.offset = offset
        self.line = line
        self.column = column
    }
}

extension Located: Equatable where Value: Equatable {}

extension Located where Value == String {
    /// The place of a character of this text, by how many code points come before it.
    package func position(ofCharacter offset: Int) -> Position {
        let start =
            jumps.last { $0.offset <= offset } ?? TextJump(offset: 0, line: position.line, column: position.column)
        return Position(file: position.file, line: start.line, column: start.column + offset - start.offset)
    }
}

/// What a configuration declares about behaviour, as written: names unresolved, conditions as text. `RuleSet` compiles it.
package struct Definitions: Sendable {
    package var instance: String
    package var segments: [SegmentDefinition] = []
    package var rules: [RuleDefinition] = []
    package var calendars: [CalendarDefinition] = []
    /// A cart untouched for this long is dropped.
    package var cartsForget: Milliseconds = 30 * 86_400_000
    package var waitlistForget: Milliseconds = 180 * 86_400_000
    /// Two events of one id closer than this are one; 0 turns it off.
    package var dedupe: Milliseconds = 86_400_000
    /// A line later than this is a dead letter.
    package var lateFor: Milliseconds = 30 * 86_400_000
    /// Events before this time build state without making messages (`publish_from`); nil: everything makes messages.
    package var publishFrom: Instant?
    package var delivery = DeliveryDefinition()
    /// Names under which no event comes, because all logs' formats call such events otherwise, and what they are called.
    package var renamedEvents: [String: String] = [:]
    /// Names that a source's own mapping gives to events.
    package var mappedEvents: Set<String> = []

    package init(instance: String) { self.instance = instance }
}

package struct SegmentDefinition: Sendable {
    package var name: Located<String>
    package var condition: Located<String>

    package init(name: Located<String>, condition: Located<String>) {
        self.name = name
        self.condition = condition
    }
}

/// Dates by country (`TR`, `GB`, or `default`), each as days since 1970-01-01 of the customer's local calendar.
package struct CalendarDefinition: Sendable {
    package var name: Located<String>
    package var days: [String: [Int]]
    /// Some of it is wrong, and was told of: it may have dates that are not here.
    package var isFaulty = false

    package init(name: Located<String>, days: [String: [Int]]) {
        self.name = name
        self.days = days
    }
}

/// What an instance of a rule is kept for.
package enum KeyKind: String, Sendable, CaseIterable { case customer, cart, product, subscription }

/// One entry of a rule's `start` or `cancel`.
package enum TriggerDefinition: Sendable {
    case event(name: Located<String>, condition: Located<String>?)
    case enters(Located<String>)
    case leaves(Located<String>)
    /// `before` the local midnight that begins the day, then `at` minutes into that day.
    case calendar(name: Located<String>, before: Milliseconds, minuteOfDay: Int)
}

/// One entry of a rule's `audience`.
package enum AudienceDefinition: Sendable {
    case waitlist, wishlist, cart
    case viewed(within: Milliseconds)
    case segment(Located<String>)
}

package struct RuleDefinition: Sendable {
    package var name: Located<String>
    package var per: Located<KeyKind>?
    package var start: [TriggerDefinition] = []
    package var cancel: [TriggerDefinition] = []
    package var wait: Milliseconds = 0
    package var restart = false
    /// `if`: judged when the wait is over.
    package var condition: Located<String>?
    package var cooldown: Milliseconds = 0
    package var expires: Milliseconds = 7 * 86_400_000
    /// Higher goes first among what is due in the same millisecond.
    package var priority = 0
    package var audience: [AudienceDefinition] = []
    package var limit: Located<String>?
    package var pace: Milliseconds?
    /// Computed fields of the message, in the order written.
    package var data: [(key: Located<String>, expression: Located<String>)] = []
    /// Traits that are copied into the message.
    package var include: [String] = []
    /// The outbox that the messages go to, by name; nil: the only or first one.
    package var outbox: Located<String>?
    package var delivery = RuleDeliveryDefinition()

    package init(name: Located<String>) { self.name = name }
}
