import Engine

/// Reads webhooks by the code of their preset.
struct WebhookReader {
    private let format: any WebhookFormat
    private let identity: IdentityKey?
    private let names: NameTable

    init(_ format: some WebhookFormat, identity: IdentityKey?, vocabulary: Vocabulary) {
        self.format = format
        self.identity = identity
        names = NameTable(vocabulary: vocabulary, renamed: [:])
    }

    /// Reads one line of `length` bytes. Every event of it has a customer, or needs none.
    func read(_ tape: JSONTape, length: Int, _ packer: inout JSONPacker, into events: inout [WebhookEvent]) -> Refusal? {
        packer.pack(1, of: tape, length: length)
        let line = JSONView(bytes: Array(packer.packed), offset: 0)
        do throws(Refusal) {
            events = try format.events(of: line)
        } catch {
            return error
        }
        if let identity { identify(line, by: identity, in: &events) }
        let isComplete = events.allSatisfy { !$0.user.isEmpty || !$0.anonymous.isEmpty || names.match($0.name).isProductEvent }
        return isComplete ? nil : Refusal(.missingCustomer, Decoder.missingCustomerMessage, at: 0)
    }

    private func identify(_ line: JSONView, by identity: IdentityKey, in events: inout [WebhookEvent]) {
        let found = format.scopes(of: line).lazy.compactMap { scope -> String? in
            guard let value = scope.value(at: identity.path) else { return nil }
            // An attribute that says when it was set has its value inside.
            let inner = value["value"] ?? value
            return inner.tag == .string || inner.number != nil ? inner.identifier.flatMap { $0.isEmpty ? nil : $0 } : nil
        }.first
        var result: [WebhookEvent] = []
        for var event in events {
            let person = identity.person(found, user: event.user, anonymous: event.anonymous)
            event.user = person.user
            event.anonymous = person.anonymous
            if event.kind == .alias {
                // Two ids that are both anonymous can't be linked.
                if !person.user.isEmpty { result.append(event) }
                continue
            }
            for anonymous in person.links where !result.contains(where: { $0.kind == .alias && $0.anonymous == anonymous }) {
                result.append(.link(anonymous, to: person.user, at: event.time))
            }
            result.append(event)
        }
        events = result
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
        if match.needsProperties, !webhook.properties.isEmpty {
            event.properties = batch.add(packed: webhook.properties.packed[...])
        }
        if !webhook.traits.isEmpty { event.traits = batch.add(packed: webhook.traits.packed[...]) }
        batch.events.append(event)
    }
}
