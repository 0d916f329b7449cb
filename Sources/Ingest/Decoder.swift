import Engine

/// What became of a line.
package enum DecodeResult: Sendable {
    /// An event was appended to the batch; of a webhook perhaps several, all of one time.
    case event
    case deadLetter(DeadLetter)
    /// A blank line.
    case ignored
}

/// Turns lines into events or dead letters; no line stops it.
///
/// It reads each line once, with simdjson, and copies only what the rule set needs: texts into the batch's arena, properties
/// only where the vocabulary says that something reads them. One decoder serves one source, on one thread at a time.
package struct Decoder: ~Copyable {
    private enum Reader: ~Copyable {
        case segment(SegmentReader)
        case mapping(MappingReader)
        case webhook(WebhookReader)
    }

    private var parser = JSONParser()
    private let reader: Reader
    /// Where on the tape the line's fields are, for the reader.
    private var places: [Int]
    private var packer = JSONPacker()
    /// What the line at hand says, if it is a webhook.
    private var webhookEvents: [WebhookEvent] = []

    static let missingCustomerMessage = "the line names no customer, and only events of products do without"
    static let futureMessage = "the event's time is ahead of the clock by more than `max_future`"

    /// Who lines are about, where the configuration says otherwise than the format.
    private let identity: IdentityKey?
    private let identityPath: [[UInt8]]

    package init(vocabulary: Vocabulary, format: Format, identity: IdentityKey? = nil) {
        self.identity = identity
        identityPath = identity?.path.map { Array($0.utf8) } ?? []
        switch format {
        case .segment:
            let segment = SegmentReader(vocabulary: vocabulary)
            places = [Int](repeating: 0, count: segment.fieldCount)
            reader = .segment(segment)
        case .mapping(let format):
            let mapping = MappingReader(format, vocabulary: vocabulary)
            places = [Int](repeating: 0, count: mapping.fieldCount)
            reader = .mapping(mapping)
        case .stripe:
            places = []
            reader = .webhook(WebhookReader(StripeFormat(), identity: identity, vocabulary: vocabulary))
        case .revenuecat:
            places = []
            reader = .webhook(WebhookReader(RevenueCatFormat(), identity: identity, vocabulary: vocabulary))
        case .shopify:
            places = []
            reader = .webhook(WebhookReader(ShopifyFormat(), identity: identity, vocabulary: vocabulary))
        }
    }

    /// Decodes one line.
    ///
    /// - Parameters:
    ///   - line: its bytes, with or without the line end. The 64 bytes after them have to be readable, whatever they hold.
    ///   - source, file, offset, length: its position, as in `Event`. A byte-order mark at offset 0 is dropped.
    ///   - wallLimit: wall clock plus `max_future`; a later event is a dead letter. nil in a replay.
    ///   - batch: takes the event. `order` equals `time` until the sequencer sets it. The batch's arena has to stay below 4 GiB.
    package mutating func decode(
        line whole: UnsafeRawBufferPointer, source: UInt32, file: UInt32, offset: UInt64, length: UInt32,
        receivedBefore wallLimit: Instant?, into batch: inout EventBatch
    ) -> DecodeResult {
        var line = whole
        if offset == 0, whole.starts(with: [0xEF, 0xBB, 0xBF]) { line = UnsafeRawBufferPointer(rebasing: whole[3...]) }
        if line.first != UInt8(ascii: "{"), line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) {
            return .ignored
        }
        func deadLetter(_ reason: DeadLetter.Reason, _ message: String, at place: Int? = nil) -> DecodeResult {
            let column = place.map { $0 + (whole.count - line.count) + 1 }
            return .deadLetter(
                DeadLetter(
                    reason: reason, message: message, column: column, line: whole, source: source, file: file, offset: offset,
                    length: length))
        }
        /// An event of this line.
        func event(at time: Instant) -> Event {
            var event = Event(time: time, order: time)
            event.source = source
            event.file = file
            event.offset = offset
            event.length = length
            return event
        }
        let tape: JSONTape
        switch parser.parse(line) {
        case .document(let document): tape = document
        case let failure:
            let fault = Self.fault(failure, in: line)
            return deadLetter(fault.reason, fault.message, at: fault.place)
        }
        guard tape.tag(1) == JSONTape.object else {
            return deadLetter(.notAnObject, "a line has to be a JSON object", at: tape.sourceOffset(of: 1, in: line))
        }
        var draft = Draft()
        let refusal =
            switch reader {
            case .segment(let segment): segment.read(tape, &places, into: &draft)
            case .mapping(let mapping): mapping.read(tape, &places, into: &draft)
            case .webhook(let webhook): webhook.read(tape, length: line.count, &packer, into: &webhookEvents)
            }
        if let refusal {
            let place = refusal.index == 0 ? nil : tape.sourceOffset(of: refusal.index, in: line)
            return deadLetter(refusal.reason, refusal.message, at: place)
        }
        switch reader {
        case .webhook(let webhook):
            if let wallLimit, webhookEvents.contains(where: { $0.time > wallLimit }) {
                return deadLetter(.future, Self.futureMessage)
            }
            for own in webhookEvents { webhook.append(own, at: event(at: own.time), to: &batch) }
            return .event
        case .segment: break
        case .mapping: break
        }
        let person = identity.map { self.person(of: tape, draft, line: line, by: $0) }
        guard
            tape.isText(draft.user) || tape.isText(draft.anonymous) || person.map({ !$0.user.isEmpty }) ?? false
                || draft.name.isProductEvent
        else { return deadLetter(.missingCustomer, Self.missingCustomerMessage) }
        if let wallLimit, draft.time > wallLimit { return deadLetter(.future, Self.futureMessage) }
        append(draft, of: tape, line: line, by: person, as: event(at: draft.time), to: &batch)
        return .event
    }

    /// Why a line is no JSON, and at which of its bytes.
    private static func fault(
        _ failure: JSONParser.Outcome, in line: UnsafeRawBufferPointer
    ) -> (reason: DeadLetter.Reason, message: String, place: Int?) {
        switch failure {
        case .invalidUTF8: return (.badUTF8, "these bytes are no UTF-8", JSONFault.invalidUTF8(in: line))
        case .tooDeep: return (.badJSON, "values are nested deeper than 512", JSONFault.find(in: line)?.offset)
        case .outOfMemory: return (.badJSON, "the line is too long for the memory there is", nil)
        case .malformed, .document:
            let fault = JSONFault.find(in: line)
            return (.badJSON, fault?.message ?? "the line is no JSON", fault?.offset)
        }
    }

    /// Appends what a line says to the batch.
    private mutating func append(
        _ draft: Draft, of tape: JSONTape, line: UnsafeRawBufferPointer, by person: Person?, as base: Event,
        to batch: inout EventBatch
    ) {
        var event = base
        event.kind = draft.kind
        event.name = draft.name.name
        if let person {
            append(links: person, like: event, to: &batch)
            if !person.user.isEmpty { event.user = batch.add(person.user.utf8) }
            if !person.anonymous.isEmpty { event.anonymous = batch.add(person.anonymous.utf8) }
        } else {
            if tape.isText(draft.user) { event.user = batch.add(identifier: draft.user, of: tape, line: line) }
            if tape.isText(draft.anonymous) { event.anonymous = batch.add(identifier: draft.anonymous, of: tape, line: line) }
        }
        if tape.isText(draft.id) {
            event.id = batch.add(identifier: draft.id, of: tape, line: line)
            event.digest = batch.digest(of: event.id)
        }
        if tape.isString(draft.locale) { event.locale = batch.add(tape.text(draft.locale)) }
        if tape.isString(draft.timezone) { event.timezone = batch.add(tape.text(draft.timezone)) }
        if draft.name.needsProperties { addProperties(draft, of: tape, length: line.count, to: &event, in: &batch) }
        addTraits(draft, of: tape, length: line.count, to: &event, in: &batch)
        batch.events.append(event)
    }

    /// Decodes a line that stands alone, not in a buffer with room behind it. Parameters are as above.
    package mutating func decode(
        alone line: some Collection<UInt8>, source: UInt32, file: UInt32, offset: UInt64, length: UInt32? = nil,
        receivedBefore wallLimit: Instant? = nil, into batch: inout EventBatch
    ) -> DecodeResult {
        let padded = Array(line) + [UInt8](repeating: 0x20, count: LineBuffer.padding)
        return padded.withUnsafeBytes { bytes in
            decode(
                line: UnsafeRawBufferPointer(rebasing: bytes[..<line.count]), source: source, file: file, offset: offset,
                length: length ?? UInt32(clamping: line.count), receivedBefore: wallLimit, into: &batch)
        }
    }

    private func person(of tape: JSONTape, _ draft: Draft, line: UnsafeRawBufferPointer, by identity: IdentityKey) -> Person {
        func text(_ index: Int) -> String {
            guard tape.isText(index) else { return "" }
            var scratch = EventBatch()
            let id = scratch.add(identifier: index, of: tape, line: line)
            return scratch.string(id)
        }
        var place = 1
        for key in identityPath { place = tape.member(key, of: place) }
        let found = text(place)
        return identity.person(found.isEmpty ? nil : found, user: text(draft.user), anonymous: text(draft.anonymous))
    }

    /// Adds an event that does nothing but link, for each further id of a person.
    private func append(links person: Person, like event: Event, to batch: inout EventBatch) {
        for anonymous in person.links {
            var link = event
            link.kind = .alias
            link.name = .unmentioned
            link.user = batch.add(person.user.utf8)
            link.anonymous = batch.add(anonymous.utf8)
            batch.events.append(link)
        }
    }

    private mutating func addProperties(
        _ draft: Draft, of tape: JSONTape, length: Int, to event: inout Event, in batch: inout EventBatch
    ) {
        let object = draft.properties != 0 && tape.tag(draft.properties) == JSONTape.object ? draft.properties : 0
        switch reader {
        case .mapping(let mapping) where mapping.assembles:
            mapping.pack(tape, places, length: length, with: &packer)
        default:
            if !tape.isAbsent(draft.pageName) {
                packer.begin()
                packer.addMembers(of: object, tape: tape, length: length)
                packer.add("name".utf8, draft.pageName, of: tape, length: length)
                packer.end()
            } else if object != 0 {
                packer.pack(object, of: tape, length: length)
            } else {
                return
            }
        }
        event.properties = batch.add(packed: packer.packed)
    }

    private mutating func addTraits(
        _ draft: Draft, of tape: JSONTape, length: Int, to event: inout Event, in batch: inout EventBatch
    ) {
        let context = tape.hasMembers(draft.contextTraits)
        let own = tape.hasMembers(draft.traits)
        if context, own {
            packer.begin()
            packer.addMembers(of: draft.contextTraits, tape: tape, length: length)
            packer.addMembers(of: draft.traits, tape: tape, length: length)
            packer.end()
        } else if context || own {
            packer.pack(own ? draft.traits : draft.contextTraits, of: tape, length: length)
        } else {
            return
        }
        event.traits = batch.add(packed: packer.packed)
    }
}
