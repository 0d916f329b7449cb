import ArgumentParser
import Engine

/// A customer as people write it: a user id, or `anonymous:ID`.
struct CustomerID: ExpressibleByArgument {
    let text: String
    let key: CustomerKey

    /// Nil for an empty id, which is nobody's.
    init?(argument text: String) {
        guard let key = CustomerKey(text: text) else { return nil }
        self.text = text
        self.key = key
    }
}
