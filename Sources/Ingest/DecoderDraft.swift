import Engine

/// What a format found in a line: places on the tape (0: nothing there), and what is settled already.
struct Draft {
    var kind = Event.Kind.track
    var name = NameTable.Match()
    var time: Instant = 0
    var user = 0
    var anonymous = 0
    var id = 0
    var locale = 0
    var timezone = 0
    /// An object that is the properties whole.
    var properties = 0
    /// A page's or screen's name, which becomes a member of its properties.
    var pageName = 0
    /// Traits: those of the context first, then the call's own.
    var contextTraits = 0
    var traits = 0
}

/// Why a format can't make an event of a line.
struct Refusal: Error {
    var reason: DeadLetter.Reason
    var message: String
    /// Place on the tape, 0 if no one value is to blame.
    var index: Int

    init(_ reason: DeadLetter.Reason, _ message: String, at index: Int) {
        self.reason = reason
        self.message = message
        self.index = index
    }
}

/// Event names as a log spells them, and what the rule set's vocabulary says of each.
struct NameTable: Sendable {
    struct Match: Sendable {
        var name = EventName.unmentioned
        var needsProperties = false
        var isProductEvent = false
    }

    private let table: KeyTable
    private let matches: [Match]

    /// `renamed` maps a log's own names to those the state understands; it goes before the vocabulary.
    init(vocabulary: Vocabulary, renamed: [String: String]) {
        var keys: [(text: [UInt8], number: Int)] = []
        var matches: [Match] = []
        for (index, entry) in vocabulary.entries.enumerated() {
            matches.append(
                Match(
                    name: EventName(index: UInt16(index)), needsProperties: entry.needsProperties,
                    isProductEvent: entry.isProductEvent))
            if index > 0 { keys.append((Array(entry.name.utf8), index)) }
        }
        for (old, new) in renamed { keys.append((Array(old.utf8), Int(vocabulary.find(Array(new.utf8))?.index ?? 0))) }
        table = KeyTable(keys)
        self.matches = matches
    }

    /// 8 bytes after the text have to be readable.
    @inline(__always)
    func find(_ text: UnsafeRawBufferPointer) -> Match { matches[max(0, table.find(text))] }

    /// The match of the text or number on a tape.
    func find(_ index: Int, of tape: JSONTape) -> Match {
        tape.tag(index) == JSONTape.string ? find(tape.text(index)) : match(tape.numberText(index))
    }

    func match(_ name: String) -> Match {
        let padded = Array(name.utf8) + [UInt8](repeating: 0, count: 8)
        return padded.withUnsafeBytes { find(UnsafeRawBufferPointer(rebasing: $0[..<($0.count - 8)])) }
    }
}

extension KeyTable {
    /// Notes where on the tape the root object's members of these keys have their values, by the keys' numbers; 0 for a key that
    /// the object lacks. Of a repeated key the last counts.
    @inline(__always)
    func collect(_ tape: JSONTape, into places: inout [Int]) {
        places.withUnsafeMutableBufferPointer { places in
            places.update(repeating: 0)
            var index = 2
            let close = tape.close(1)
            while index < close {
                let number = find(tape.text(index))
                if number >= 0 { places[number] = index &+ 1 }
                index = tape.next(index &+ 1)
            }
        }
    }
}

extension JSONTape {
    /// Whether there is no value, or null, or an empty text: all three say nothing.
    @inline(__always)
    func isAbsent(_ index: Int) -> Bool {
        if index == 0 { return true }
        switch tag(index) {
        case Self.null: return true
        case Self.string: return text(index).isEmpty
        default: return false
        }
    }

    /// Whether there is a text that is not empty.
    @inline(__always)
    func isString(_ index: Int) -> Bool { index != 0 && tag(index) == Self.string && !text(index).isEmpty }

    /// Whether there is something that can serve as an id or a name: a text that is not empty, or a number.
    @inline(__always)
    func isText(_ index: Int) -> Bool {
        guard index != 0 else { return false }
        switch tag(index) {
        case Self.string: return !text(index).isEmpty
        case Self.int, Self.uint, Self.double: return true
        default: return false
        }
    }

    /// Whether there is an object that is not empty.
    @inline(__always)
    func hasMembers(_ index: Int) -> Bool { index != 0 && tag(index) == Self.object && close(index) > index &+ 1 }

    /// A number as a text: whole numbers without a fraction.
    func numberText(_ index: Int) -> String {
        switch tag(index) {
        case Self.int: String(Int64(bitPattern: bits(index)))
        case Self.uint: String(bits(index))
        default: CanonicalJSON.number(Double(bitPattern: bits(index)))
        }
    }

    /// The time in an RFC 3339 text.
    @inline(__always)
    func rfc3339(_ index: Int) -> Instant? {
        guard index != 0, tag(index) == Self.string else { return nil }
        return Instant.parse(rfc3339: text(index))
    }

    /// The time in a text or a number.
    func time(_ index: Int, _ unit: MappingFormat.Unit) -> Instant? {
        guard index != 0 else { return nil }
        let perSecond: Int64
        switch unit {
        case .rfc3339: return rfc3339(index)
        case .s: perSecond = 1
        case .ms: perSecond = 1000
        case .us: perSecond = 1_000_000
        }
        let time: Instant
        switch tag(index) {
        case Self.int where perSecond == 1:
            let (product, overflow) = Int64(bitPattern: bits(index)).multipliedReportingOverflow(by: 1000)
            guard !overflow else { return nil }
            time = product
        case Self.int where perSecond == 1000: time = Int64(bitPattern: bits(index))
        case Self.int:
            let value = Int64(bitPattern: bits(index))
            time = value / 1000 - (value % 1000 < 0 ? 1 : 0)
        case Self.double:
            guard let value = Decimal(Double(bitPattern: bits(index))), let instant = Self.instant(value, perSecond) else {
                return nil
            }
            time = instant
        case Self.string:
            guard let value = Decimal(text: text(index)), let instant = Self.instant(value, perSecond) else { return nil }
            time = instant
        default: return nil
        }
        return Instant.years.contains(time) ? time : nil
    }

    /// An exact decimal of units, cut off to the millisecond.
    private static func instant(_ value: Decimal, _ perSecond: Int64) -> Instant? {
        var divisor = Int128(perSecond)
        for _ in 0..<value.scale { divisor *= 10 }
        let (scaled, overflow) = value.mantissa.multipliedReportingOverflow(by: 1000)
        guard !overflow else { return nil }
        let quotient = scaled / divisor
        return Instant(exactly: scaled < 0 && quotient * divisor != scaled ? quotient - 1 : quotient)
    }
}

extension EventBatch {
    @inline(__always)
    mutating func add(_ text: UnsafeRawBufferPointer) -> ArenaText {
        let offset = UInt32(arena.count)
        arena.append(contentsOf: text)
        return ArenaText(offset: offset, length: UInt32(text.count))
    }

    /// Adds an id: a text as it is, a whole number with all its digits.
    mutating func add(identifier index: Int, of tape: JSONTape, line: UnsafeRawBufferPointer) -> ArenaText {
        if tape.tag(index) == JSONTape.string { return add(tape.text(index)) }
        if tape.tag(index) == JSONTape.double {
            let value = Double(bitPattern: tape.bits(index))
            // A double does not hold all digits of so large a number; the line does.
            if value.magnitude >= 9_007_199_254_740_992, let start = tape.sourceOffset(of: index, in: line) {
                let length = JSONTape.numberLength(in: line, from: start)
                return add(UnsafeRawBufferPointer(rebasing: line[start..<(start + length)]))
            }
        }
        return add(tape.numberText(index).utf8)
    }

    func digest(of id: ArenaText) -> IDDigest {
        arena.withUnsafeBytes { bytes in
            let start = Int(id.offset)
            return IDDigest(id: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + Int(id.length))]))
        }
    }

    /// Adds a packed value and gives what an event refers to it by.
    mutating func add(packed: ArraySlice<UInt8>) -> UInt32 {
        let offset = UInt32(arena.count)
        arena.append(contentsOf: packed)
        return offset + 1
    }
}
