import Dispatch
import Synchronization

/// The content of a batch's messages, on all cores: a template takes many times as long as the decision to use it, and no message depends on
/// another.
enum Rendering {
    /// Fewer than this are rendered before another core has woken up.
    private static let few = 16

    /// - Parameter known: the content of the first of them where it has been rendered before.
    static func all(
        _ messages: [(rule: String, json: [UInt8])], _ render: @Sendable (_ rule: String, _ json: [UInt8]) -> [UInt8],
        except known: [[UInt8]?]
    ) -> [[UInt8]] {
        let places = messages.indices.filter { $0 >= known.count || known[$0] == nil }
        var rendered = all(places.map { messages[$0] }, render).makeIterator()
        return messages.indices.map { place in (place < known.count ? known[place] : nil) ?? rendered.next() ?? [] }
    }

    private static func all(
        _ messages: [(rule: String, json: [UInt8])], _ render: @Sendable (_ rule: String, _ json: [UInt8]) -> [UInt8]
    ) -> [[UInt8]] {
        guard messages.count > few else { return messages.map { render($0.rule, $0.json) } }
        let stripes = (messages.count + few - 1) / few
        let results = Mutex([[[UInt8]]](repeating: [], count: stripes))
        DispatchQueue.concurrentPerform(iterations: stripes) { stripe in
            let part = messages[(stripe * few)..<min(messages.count, (stripe + 1) * few)].map { render($0.rule, $0.json) }
            results.withLock { $0[stripe] = part }
        }
        return results.withLock { Array($0.joined()) }
    }
}
