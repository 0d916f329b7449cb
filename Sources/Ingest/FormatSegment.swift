import Engine

/// The calls of the Segment spec.
struct SegmentReader: ~Copyable {
    private enum Field: Int, CaseIterable {
        case type, event, name, userId, anonymousId, messageId, timestamp, originalTimestamp, sentAt, receivedAt
        case properties, traits, context, previousId
    }

    /// Fields that exports to a warehouse, and some libraries, write in snake case.
    private static let respelled: [(field: Field, name: String)] = [
        (.userId, "user_id"), (.anonymousId, "anonymous_id"), (.messageId, "message_id"), (.previousId, "previous_id"),
        (.originalTimestamp, "original_timestamp"), (.sentAt, "sent_at"), (.receivedAt, "received_at"),
    ]

    private enum Call: Int, CaseIterable { case track, identify, page, screen, group, alias }

    private enum Context: Int, CaseIterable { case locale, timezone, traits }

    /// Names of the first version of Segment's e-commerce spec and what they are called since.
    static let renamed = [
        "Added Product": "Product Added", "Removed Product": "Product Removed", "Viewed Product": "Product Viewed",
        "Completed Order": "Order Completed",
    ]

    private let fields = KeyTable(
        Field.allCases.map { (Array("\($0)".utf8), $0.rawValue) }
            + respelled.enumerated().map { (Array($0.element.name.utf8), Field.allCases.count + $0.offset) })
    /// The field of each other spelling, by its place behind those of the fields.
    private let spelledAs = respelled.map(\.field.rawValue)
    private let calls = KeyTable(Call.allCases.map { (Array("\($0)".utf8), $0.rawValue) })
    private let contextFields = KeyTable(Context.allCases.map { (Array("\($0)".utf8), $0.rawValue) })
    private let names: NameTable
    private let identify: NameTable.Match
    private let pageViewed: NameTable.Match
    private let screenViewed: NameTable.Match
    private let group: NameTable.Match
    private let alias: NameTable.Match

    /// How many places `read` needs.
    var fieldCount: Int { Field.allCases.count + Self.respelled.count }

    init(vocabulary: Vocabulary) {
        names = NameTable(vocabulary: vocabulary, renamed: Self.renamed)
        identify = names.match("Identify")
        pageViewed = names.match("Page Viewed")
        screenViewed = names.match("Screen Viewed")
        group = names.match("Group")
        alias = names.match("Alias")
    }

    /// Reads one call. `places` are for the tape index of each field, 0 where the line has none.
    func read(_ tape: JSONTape, _ places: inout [Int], into draft: inout Draft) -> Refusal? {
        fields.collect(tape, into: &places)
        for other in spelledAs.indices where places[Field.allCases.count &+ other] != 0 && tape.isAbsent(places[spelledAs[other]])
        {
            places[spelledAs[other]] = places[Field.allCases.count &+ other]
        }
        let type = places[Field.type.rawValue]
        guard type != 0, tape.tag(type) == JSONTape.string, let call = Call(rawValue: calls.find(tape.text(type))) else {
            return Refusal(.unknownType, "`type` is none of track, identify, page, screen, group and alias", at: type)
        }
        let name: NameTable.Match
        switch call {
        case .track:
            let event = places[Field.event.rawValue]
            guard tape.isText(event) else { return Refusal(.missingEvent, "a track call needs `event`, its name", at: event) }
            name = names.find(event, of: tape)
        case .identify:
            name = identify
            draft.kind = .identify
        case .page: name = pageViewed
        case .screen: name = screenViewed
        case .group: name = group
        case .alias:
            name = alias
            draft.kind = .alias
        }
        draft.name = name
        draft.user = places[Field.userId.rawValue]
        draft.anonymous = places[Field.anonymousId.rawValue]
        if call == .alias, tape.isText(places[Field.previousId.rawValue]) { draft.anonymous = places[Field.previousId.rawValue] }
        draft.id = places[Field.messageId.rawValue]
        if name.needsProperties {
            draft.properties = places[Field.properties.rawValue]
            if call == .page || call == .screen { draft.pageName = places[Field.name.rawValue] }
        }
        readContext(places[Field.context.rawValue], of: tape, into: &draft)
        if call == .identify { draft.traits = places[Field.traits.rawValue] }
        return readTime(tape, places, into: &draft)
    }

    private func readContext(_ context: Int, of tape: JSONTape, into draft: inout Draft) {
        guard context != 0, tape.tag(context) == JSONTape.object else { return }
        var index = context &+ 1
        let close = tape.close(context)
        while index < close {
            switch contextFields.find(tape.text(index)) {
            case Context.locale.rawValue: draft.locale = index &+ 1
            case Context.timezone.rawValue: draft.timezone = index &+ 1
            case Context.traits.rawValue: draft.contextTraits = index &+ 1
            default: break
            }
            index = tape.next(index &+ 1)
        }
    }

    private func readTime(_ tape: JSONTape, _ places: [Int], into draft: inout Draft) -> Refusal? {
        let received = places[Field.receivedAt.rawValue]
        var chosen = places[Field.timestamp.rawValue]
        if tape.isAbsent(chosen) { chosen = places[Field.originalTimestamp.rawValue] }
        if tape.isAbsent(chosen) { chosen = places[Field.sentAt.rawValue] }
        if tape.isAbsent(chosen) { chosen = received }
        if tape.isAbsent(chosen) { return Refusal(.badTimestamp, "the line says no time", at: 0) }
        guard let time = tape.rfc3339(chosen) else {
            return Refusal(.badTimestamp, "this is not an RFC 3339 time", at: chosen)
        }
        draft.time = time
        if chosen != received, let received = tape.rfc3339(received) { draft.time = min(time, received) }
        return nil
    }
}
