import Engine

@testable import Ingest

/// What a preset makes of a line, as text: `NAME user=… anonymous=… id=… {properties} traits={…}`, a link as `link ANONYMOUS to USER`.
struct PresetLine {
    var format: Format
    var identity: IdentityKey?

    init(_ format: Format, identity: IdentityKey? = nil) {
        self.format = format
        self.identity = identity
    }

    /// The names that tests look at; properties are kept only of those that something reads.
    private static let vocabulary: (Vocabulary, [String]) = {
        var vocabulary = Vocabulary()
        let own = [
            "invoice.paid", "customer.updated", "customer.subscription.updated", "customer.subscription.created", "charge.failed",
            "payment_intent.payment_failed", "RENEWAL", "PRODUCT_CHANGE", "TRANSFER", "TEST", "CANCELLATION",
            "NON_RENEWING_PURCHASE",
            "checkouts/update", "customers/update", "Alias", "Identify", "Page Viewed",
        ]
        for name in own { vocabulary.add(name, needsProperties: true) }
        return (vocabulary, StateEvent.allCases.map(\.name) + own)
    }()

    func read(_ line: String) -> (events: [Event], batch: EventBatch, letter: DeadLetter?) {
        var batch = EventBatch()
        var decoder = Decoder(vocabulary: Self.vocabulary.0, format: format, identity: identity)
        let bytes = Array(line.utf8) + [UInt8](repeating: 0x20, count: 64)
        let result = bytes.withUnsafeBytes {
            decoder.decode(
                line: UnsafeRawBufferPointer(rebasing: $0[..<line.utf8.count]), source: 0, file: 0, offset: 8,
                length: UInt32(line.utf8.count),
                receivedBefore: nil, into: &batch)
        }
        if case .deadLetter(let letter) = result { return ([], batch, letter) }
        return (batch.events, batch, nil)
    }

    func texts(_ line: String) -> [String] {
        let (events, batch, letter) = read(line)
        if let letter { return ["dead letter: \(letter.reason.rawValue)"] }
        return events.map { event in
            let user = batch.string(event.user)
            let anonymous = batch.string(event.anonymous)
            if event.kind == .alias { return "link \(anonymous) to \(user)" }
            var text = event.name == .unmentioned ? "unmentioned" : Self.vocabulary.0[event.name].name
            if !user.isEmpty { text += " user=\(user)" }
            if !anonymous.isEmpty { text += " anonymous=\(anonymous)" }
            if !event.id.isEmpty { text += " id=\(batch.string(event.id))" }
            if !event.locale.isEmpty { text += " locale=\(batch.string(event.locale))" }
            if let properties = batch.properties(of: event) { text += " " + CanonicalJSON(properties).text }
            if let traits = batch.traits(of: event) { text += " traits=" + CanonicalJSON(traits).text }
            return text
        }
    }
}
