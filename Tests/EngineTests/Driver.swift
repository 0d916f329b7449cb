import Engine
import Testing

/// A JSON value as a test writes it down.
indirect enum J: Sendable, Equatable, CustomStringConvertible, ExpressibleByStringLiteral, ExpressibleByFloatLiteral,
    ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    case number(Double)
    case text(String)
    case bool(Bool)
    case array([J])
    case object([String], [J])

    init(stringLiteral value: String) { self = .text(value) }
    init(floatLiteral value: Double) { self = .number(value) }
    init(integerLiteral value: Int) { self = .number(Double(value)) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(arrayLiteral elements: J...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, J)...) { self = .object(elements.map(\.0), elements.map(\.1)) }

    subscript(key: String) -> J? {
        guard case .object(let keys, let values) = self else { return nil }
        return keys.lastIndex(of: key).map { values[$0] }
    }

    var text: String? { if case .text(let value) = self { value } else { nil } }
    var number: Double? { if case .number(let value) = self { value } else { nil } }
    var elements: [J] { if case .array(let values) = self { values } else { [] } }
    var isEmptyObject: Bool { if case .object(let keys, _) = self { keys.isEmpty } else { false } }

    var description: String {
        switch self {
        case .number(let value): value == value.rounded() ? String(Int(value)) : String(value)
        case .text(let value): "\"\(value)\""
        case .bool(let value): String(value)
        case .array(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
        case .object(let keys, let values):
            keys.isEmpty ? "[:]" : "[" + zip(keys, values).map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "]"
        }
    }

    func pack(_ writer: inout PackedJSON.Writer) {
        switch self {
        case .number(let value): writer.number(value)
        case .text(let value): writer.string(value)
        case .bool(let value): writer.bool(value)
        case .array(let values):
            let mark = writer.open(.array)
            for value in values { value.pack(&writer) }
            writer.close(mark, count: values.count)
        case .object(let keys, let values):
            let mark = writer.open(.object)
            for (key, value) in zip(keys, values) {
                writer.key(key.utf8)
                value.pack(&writer)
            }
            writer.close(mark, count: keys.count)
        }
    }
}

/// One line of a log, by its meaning. A log is an array of these in the order in which they were appended; `offset` is given by that.
struct LogLine: Sendable, CustomStringConvertible {
    var time: Instant
    var name: String
    var user: String? = nil
    var anonymous: String? = nil
    var id: String? = nil
    var properties: J = [:]
    var traits: J = [:]
    var timezone: String?
    var kind: Event.Kind = .track
    var file = 0
    /// The byte offset of the line, which stays the same while a failing log is made smaller.
    var offset = 0

    init(
        _ time: Instant, _ name: String, user: String? = nil, anonymous: String? = nil, id: String? = nil, _ properties: J = [:],
        traits: J = [:], kind: Event.Kind = .track, file: Int = 0
    ) {
        self.time = time
        self.name = name
        self.user = user
        self.anonymous = anonymous
        self.id = id
        self.properties = properties
        self.traits = traits
        self.kind = kind
        self.file = file
    }

    var description: String {
        var parts = ["\(time)", "\"\(name)\""]
        if let user { parts.append("user: \"\(user)\"") }
        if let anonymous { parts.append("anonymous: \"\(anonymous)\"") }
        if let id { parts.append("id: \"\(id)\"") }
        if !properties.isEmptyObject { parts.append(properties.description) }
        if !traits.isEmptyObject { parts.append("traits: \(traits)") }
        if kind != .track { parts.append("kind: .\(kind)") }
        if file != 0 { parts.append("file: \(file)") }
        return "LogLine(" + parts.joined(separator: ", ") + ")"
    }
}

/// A line and its turn.
struct OrderedLine: Sendable {
    var line: LogLine
    var order: Instant

    /// The lines of a log in the order in which they are applied: by order time, then file, then offset.
    static func sorted(_ log: [LogLine], lateness: Milliseconds) -> [OrderedLine] {
        var newest: [Int: Instant] = [:]
        var lines: [OrderedLine] = []
        for (place, line) in log.enumerated() {
            let watermark = newest[line.file].map { $0 - lateness } ?? .min
            var copy = line
            if copy.offset == 0 { copy.offset = place + 1 }
            lines.append(OrderedLine(line: copy, order: max(line.time, watermark)))
            newest[line.file] = max(newest[line.file] ?? .min, line.time)
        }
        return lines.sorted { ($0.order, $0.line.file, $0.line.offset) < ($1.order, $1.line.file, $1.line.offset) }
    }
}

/// What an engine said, as far as tests compare it.
struct Told: Equatable, Sendable {
    var decisions: [String] = []
    var messages: [String] = []
    /// Events that were dropped as copies; told if the driver is asked to.
    var duplicates = 0
    /// How many ids the store was given, likewise.
    var movedIDs = 0

    mutating func add(_ output: Output) {
        decisions += output.decisions.map {
            decisionText(
                rule: $0.rule, customer: $0.customerText, key: $0.key, startedAt: $0.startedAt, dueAt: $0.dueAt,
                decidedAt: $0.decidedAt,
                verdict: $0.verdict.rawValue, id: $0.id)
        }
        messages += output.messages.map { String(decoding: $0.json, as: UTF8.self) }
    }
}

/// A decision as tests compare it.
func decisionText(
    rule: String, customer: String, key: String, startedAt: Instant, dueAt: Instant, decidedAt: Instant, verdict: String,
    id: String
) -> String {
    "\(decidedAt) \(rule) \(customer) [\(key)] \(verdict) started \(startedAt) due \(dueAt) id \(id)"
}

/// Records as a store would keep them, in dictionaries.
struct MemoryStore: Sendable {
    var clock = EngineClock()
    var customers: [Int64: CustomerRecord] = [:]
    var links: [[UInt8]: Int64] = [:]
    var products: [ProductKey: ProductRecord] = [:]
    var followers: [ProductKey: [Follower]] = [:]
    var members: [Int: [Int64: Instant]] = [:]
    var movedIDs: [Int64: [SeenID]] = [:]

    mutating func commit(_ changes: Changes, of engine: Engine) {
        clock = changes.clock
        for moved in changes.output.movedIDs { movedIDs[moved.customer, default: []] += moved.ids }
        for (from, into) in changes.output.merged {
            movedIDs[into, default: []] += movedIDs.removeValue(forKey: from) ?? []
        }
        for number in changes.output.removed {
            customers[number] = nil
            movedIDs[number] = nil
            for segment in members.keys { members[segment]?[number] = nil }
        }
        for record in engine.records(changes.slots) {
            customers[record.number] = record
            for column in [record.traits, record.carts, record.interests, record.subscriptions, record.segments, record.timers] {
                guard let column else { continue }
                let packed = JSONText.pack(column).map { CanonicalJSON(JSONView(bytes: $0, offset: 0)).bytes }
                #expect(packed == column, "not canonical: \(String(decoding: column, as: UTF8.self))")
            }
        }
        for link in changes.output.links { links[link.anonymous] = link.customer }
        for record in changes.products { products[record.key] = record }
        for change in changes.followers {
            followers[change.product, default: []].removeAll {
                $0.kind == change.follower.kind && $0.customer == change.follower.customer
            }
            if !change.isRemoval { followers[change.product, default: []].append(change.follower) }
        }
        for change in changes.output.memberships { members[change.segment, default: [:]][change.customer] = change.enteredAt }
    }

    func insert(_ number: Int64, into engine: inout Engine) {
        guard let record = customers[number], !engine.isResident(number) else { return }
        engine.insert(record, links: links.filter { $0.value == number }.keys.sorted { $0.lexicographicallyPrecedes($1) })
    }

    func insert(_ key: ProductKey, into engine: inout Engine) {
        guard let record = products[key], !engine.isResident(key) else { return }
        engine.insert(record, followers: followers[key] ?? [])
    }

    /// Brings in whatever is due below the watermark.
    func insertDue(below watermark: Instant, into engine: inout Engine) {
        for number in customers.keys.sorted() where customers[number]?.wake.map({ $0 < watermark }) ?? false {
            insert(number, into: &engine)
        }
        for key in products.keys.sorted() where products[key]?.wake.map({ $0 < watermark }) ?? false {
            insert(key, into: &engine)
        }
    }

    func answer(_ missing: Missing, to engine: inout Engine) {
        var absent: [CustomerKey] = []
        var absentProducts: [ProductKey] = []
        for key in missing.customers {
            let direct = customers.values.first { $0.isAnonymous == key.isAnonymous && $0.id == key.id }?.number
            if let number = direct ?? (key.isAnonymous ? links[key.id] : nil) {
                insert(number, into: &engine)
            } else {
                absent.append(key)
            }
        }
        for number in missing.numbers { insert(number, into: &engine) }
        for key in missing.products {
            if products[key] == nil { absentProducts.append(key) } else { insert(key, into: &engine) }
        }
        for segment in missing.members {
            engine.provide(
                members: (members[segment] ?? [:]).sorted { $0.key < $1.key }.map { (customer: $0.key, enteredAt: $0.value) },
                of: segment)
        }
        for number in missing.movedIDs {
            engine.provide(ids: engine.predecessors(of: number).flatMap { movedIDs[$0] ?? [] }, of: number)
        }
        engine.markAbsent(absent, absentProducts)
    }
}

/// Feeds logs to an engine.
struct Driver {
    enum Mode: CaseIterable {
        /// No store: everything stays in memory.
        case alone
        /// After every batch the engine is thrown away and built anew from its records.
        case restarted
        /// After every batch nearly all profiles are released.
        case evicted
    }

    struct Stuck: Error, CustomStringConvertible { var description: String }

    var rules: RuleSet
    var mode = Mode.alone
    var countsDuplicates = false

    /// Stands for an id: two FNV-1a hashes, quicker than SHA-256 and as good for a handful of ids.
    static func digest(_ id: String) -> IDDigest {
        func hash(_ start: UInt64) -> UInt64 { id.utf8.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } }
        return IDDigest(high: hash(0xcbf2_9ce4_8422_2325), low: hash(0x9e37_79b9_7f4a_7c15))
    }

    func batch(_ lines: some Collection<OrderedLine>) -> EventBatch {
        var batch = EventBatch()
        for ordered in lines {
            let line = ordered.line
            var event = Event(time: line.time, order: ordered.order)
            event.file = UInt32(line.file)
            event.offset = UInt64(line.offset)
            event.kind = line.kind
            event.name = rules.vocabulary.find(Array(line.name.utf8)) ?? .unmentioned
            if let user = line.user { event.user = batch.add(Array(user.utf8)) }
            if let anonymous = line.anonymous { event.anonymous = batch.add(Array(anonymous.utf8)) }
            if let id = line.id {
                event.id = batch.add(Array(id.utf8))
                event.digest = Self.digest(id)
            }
            if let timezone = line.timezone { event.timezone = batch.add(Array(timezone.utf8)) }
            if !line.properties.isEmptyObject, rules.vocabulary[event.name].needsProperties {
                var writer = PackedJSON.Writer()
                line.properties.pack(&writer)
                event.properties = batch.add(writer.bytes).offset + 1
            }
            if !line.traits.isEmptyObject {
                var writer = PackedJSON.Writer()
                line.traits.pack(&writer)
                event.traits = batch.add(writer.bytes).offset + 1
            }
            batch.events.append(event)
        }
        return batch
    }

    /// Applies lines (sorted) in batches that end at the cuts (numbers of lines), then all timers up to `end`.
    func run(_ lines: [OrderedLine], until end: Instant, cuts: [Int] = []) throws -> Told {
        var engine = Engine(rules: rules, hasStore: mode != .alone, sha256: SHA256.hash)
        engine.movesIDs = mode != .alone
        var store = MemoryStore()
        var told = Told()
        var duplicates = 0
        var from = 0
        for cut in cuts.sorted() + [lines.count] where cut >= from {
            let isLast = cut == lines.count
            // Every event below the watermark is in the batch; those of the next line's own millisecond are left for the next one.
            let watermark = isLast ? end + 1 : lines[cut].order
            let part = batch(lines[from..<cut])
            if mode != .alone { store.insertDue(below: watermark, into: &engine) }
            var next = 0
            var rounds = 0
            loop: while true {
                switch engine.advance(part, from: next, below: watermark) {
                case .done(let index):
                    next = index
                    break loop
                case .missing(let missing, let index):
                    next = index
                    rounds += 1
                    guard rounds < 10_000, mode != .alone, !missing.isEmpty else {
                        throw Stuck(description: "the engine asks for \(missing) at \(index) without end")
                    }
                    store.answer(missing, to: &engine)
                }
            }
            let changes = engine.takeChanges(records: mode != .alone)
            told.add(changes.output)
            if countsDuplicates { told.movedIDs += changes.output.movedIDs.reduce(0) { $0 + $1.ids.count } }
            if mode != .alone { store.commit(changes, of: engine) }
            if countsDuplicates {
                told.duplicates += engine.counters.duplicates - duplicates
                duplicates = mode == .restarted ? 0 : engine.counters.duplicates
            }
            switch mode {
            case .alone: break
            case .restarted:
                engine = Engine(rules: rules, clock: store.clock, hasStore: true, sha256: SHA256.hash)
                engine.movesIDs = true
            case .evicted:
                engine.committed()
                engine.shrink(toBytes: 1)
            }
            // What is not below the watermark comes again with the next batch.
            from += next
        }
        return told
    }
}

extension RuleSet {
    struct Wrong: Error, CustomStringConvertible { var description: String }

    /// Compiles definitions that a test knows to be right.
    static func compiled(_ definitions: Definitions) throws -> RuleSet {
        let (rules, issues) = compile(definitions) { _ in nil }
        guard let rules else { throw Wrong(description: issues.map(\.message).joined(separator: "; ")) }
        return rules
    }
}

extension Located {
    /// A value of no particular place.
    static func here(_ value: Value) -> Located { Located(value, at: Position(file: "test", line: 1, column: 1)) }
}

/// The engine's decimal, told apart from Foundation's: `Engine.Decimal` would look inside the type `Engine`.
typealias EngineDecimal = Decimal
