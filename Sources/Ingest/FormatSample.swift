import Engine

/// What a format understands of the first lines of a log.
package struct FormatSample: Sendable {
    package struct Fault: Sendable {
        package var reason: DeadLetter.Reason
        package var count: Int
        /// Number of the first such line, from 1, and what is wrong with it.
        package var line: Int
        package var message: String
    }

    package private(set) var lines = 0
    package private(set) var events = 0
    /// By how often they come.
    package private(set) var names: [(name: String, count: Int)] = []
    package private(set) var first: Instant?
    package private(set) var last: Instant?
    package private(set) var customers = 0
    package private(set) var visitors = 0
    /// Events of products, which need no customer.
    package private(set) var ofNobody = 0
    package private(set) var withoutID = 0
    package private(set) var faults: [Fault] = []

    /// - Parameter limit: the time after which a line's own time is from the future; nil: there is none.
    package init(of text: [[UInt8]], as format: Format, identity: IdentityKey? = nil, receivedBefore limit: Instant? = nil) {
        var vocabulary = Vocabulary()
        for line in text {
            if let object = JSONText.pack(line) {
                for name in format.names(in: JSONView(bytes: object, offset: 0)) where vocabulary.find(name.utf8) == nil {
                    vocabulary.add(name)
                }
            }
        }
        var decoder = Decoder(vocabulary: vocabulary, format: format, identity: identity)
        var counts: [UInt16: Int] = [:]
        var people: (users: Set<String>, anonymous: Set<String>) = ([], [])
        for (index, line) in text.enumerated() {
            var batch = EventBatch()
            let result = decoder.decode(
                alone: line, source: 0, file: 0, offset: UInt64(index), receivedBefore: limit, into: &batch)
            if case .ignored = result { continue }
            lines += 1
            if case .deadLetter(let letter) = result { note(letter, line: index + 1) }
            for event in batch.events where event.kind != .alias {
                events += 1
                counts[event.name.index, default: 0] += 1
                first = min(first ?? event.time, event.time)
                last = max(last ?? event.time, event.time)
                if event.id.isEmpty { withoutID += 1 }
                if !event.user.isEmpty {
                    people.users.insert(batch.string(event.user))
                } else if !event.anonymous.isEmpty {
                    people.anonymous.insert(batch.string(event.anonymous))
                } else {
                    ofNobody += 1
                }
            }
        }
        customers = people.users.count
        visitors = people.anonymous.count
        names = counts.map { (vocabulary[EventName(index: $0.key)].name, $0.value) }
            .sorted { $0.1 != $1.1 ? $0.1 > $1.1 : $0.0.precedes($1.0) }
        faults.sort { $0.count != $1.count ? $0.count > $1.count : $0.line < $1.line }
    }

    private mutating func note(_ letter: DeadLetter, line: Int) {
        if let known = faults.firstIndex(where: { $0.reason == letter.reason }) {
            faults[known].count += 1
        } else {
            faults.append(Fault(reason: letter.reason, count: 1, line: line, message: letter.message))
        }
    }

    /// The preset that understands most of a log, nil if none understands half of it.
    package static func preset(of text: [[UInt8]]) -> String? {
        let found = ["stripe", "revenuecat", "shopify", "cloudevents", "segment"].compactMap { name in
            Format(preset: name).map { (name, FormatSample(of: text, as: $0)) }
        }
        guard let best = found.max(by: { $0.1.understood < $1.1.understood }), best.1.understood * 2 >= best.1.lines,
            best.1.events > 0
        else {
            return nil
        }
        return found.first { $0.1.understood == best.1.understood }?.0
    }

    /// Lines that are no dead letters.
    private var understood: Int { lines - faults.reduce(0) { $0 + $1.count } }
}

extension Format {
    /// The event names of a line, as the rules would have to call them.
    fileprivate func names(in line: JSONView) -> [String] {
        let webhooks: any WebhookFormat
        switch self {
        case .segment:
            switch line.text("type") {
            case "track": return line.text("event").map { [SegmentReader.renamed[$0] ?? $0] } ?? []
            case "page": return ["Page Viewed"]
            case "screen": return ["Screen Viewed"]
            case "identify": return ["Identify"]
            case "group": return ["Group"]
            default: return ["Alias"]
            }
        case .mapping(let mapping):
            switch mapping.event {
            case .always(let name): return [name]
            case .path(let path):
                let name = line.value(at: path.split(separator: ".").map(String.init))?.identifier
                return name.map { [mapping.names[$0] ?? $0] } ?? []
            }
        case .stripe: webhooks = StripeFormat()
        case .revenuecat: webhooks = RevenueCatFormat()
        case .shopify: webhooks = ShopifyFormat()
        }
        return ((try? webhooks.events(of: line)) ?? []).filter { $0.kind != .alias }.map(\.name)
    }
}
