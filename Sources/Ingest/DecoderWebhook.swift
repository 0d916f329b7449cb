import Engine

/// Reads webhooks by the code of their preset.
struct WebhookReader {
    private let format: any WebhookFormat
    private let names: NameTable

    init(_ format: some WebhookFormat, vocabulary: Vocabulary) {
        self.format = format
        names = NameTable(vocabulary: vocabulary, renamed: [:])
    }

    /// Reads one line of `length` bytes. Every event of it has a customer, or needs none.
    func read(_ tape: JSONTape, length: Int, _ packer: inout JSONPacker, into events: inout [WebhookEvent]) -> Refusal? {
        packer.pack(1, of: tape, length: length)
        do throws(Refusal) {
            events = try format.events(of: JSONView(bytes: Array(packer.packed), offset: 0))
        } catch {
            return error
        }
        let isComplete = events.allSatisfy { !$0.user.isEmpty || !$0.anonymous.isEmpty || names.match($0.name).isProductEvent }
        return isComplete ? nil : Refusal(.missingCustomer, Decoder.missingCustomerMessage, at: 0)
    }

    /// Appends an event whose position and time are settled.
    func append(_ webhook: WebhookEvent, at position: Event, to batch: inout EventBatch) {
        let match = names.match(webhook.name)
        var event = position
        event.kind = webhook.kind
        event.name = match.name
        func text(_ text: String) -> ArenaText { text.isEmpty ? .none : batch.add(text.utf8) }
        event.user = text(webhook.user)
        event.anonymous = text(webhook.anonymous)
        event.locale = text(webhook.locale)
        if !webhook.id.isEmpty {
            event.id = text(webhook.id)
            event.digest = batch.digest(of: event.id)
        }
        if match.needsProperties, !webhook.properties.isEmpty { event.properties = batch.add(packed: webhook.properties.packed[...]) }
        if !webhook.traits.isEmpty { event.traits = batch.add(packed: webhook.traits.packed[...]) }
        batch.events.append(event)
    }
}
