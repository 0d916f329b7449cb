/// What has kept an instance from being decided when it was due, so that people can be told: its product's line, and gates.
package struct Delays: Sendable, Equatable {
    /// As records and `explain` name them; a bit for each, in this order.
    private static let names = ["line"] + Gates.inOrder.map(\.name)

    private var bits: UInt16 = 0

    package var isEmpty: Bool { bits == 0 }

    package var names: [String] { Self.names.indices.filter { bits >> $0 & 1 == 1 }.map { Self.names[$0] } }

    /// In words; empty if nothing has.
    package var text: String {
        let gates = names.filter { $0 != Self.names[0] }
        return [
            bits & 1 == 1 ? "stood in line" : nil, gates.isEmpty ? nil : "held by " + gates.joined(separator: ", "),
        ].compactMap { $0 }.joined(separator: ", ")
    }

    mutating func insertLine() { bits |= 1 }

    /// A gate, by its name; one that there is not any more is nothing.
    mutating func insert(_ name: String) {
        if let place = Self.names.firstIndex(of: name) { bits |= 1 << place }
    }
}
