import ArgumentParser
import Engine

/// A customer as people write it: a user id, or `anonymous:ID`.
struct CustomerID: ExpressibleByArgument {
    let text: String
    let key: CustomerKey

    /// Nil for an empty id, which is nobody's.
    init?(argument text: String) {
        let prefix = "anonymous:"
        let isAnonymous = text.hasPrefix(prefix)
        let id = isAnonymous ? text.dropFirst(prefix.count) : text[...]
        guard !id.isEmpty else { return nil }
        self.text = text
        key = CustomerKey(isAnonymous: isAnonymous, id: Array(id.utf8))
    }
}
