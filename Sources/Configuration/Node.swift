import Engine

/// One node of a YAML document with its place.
struct Node: Sendable {
    indirect enum Content: Sendable {
        case scalar(Scalar)
        case list([Node])
        case mapping([Entry])
    }

    struct Scalar: Sendable {
        /// The text as YAML reads it, before environment variables are put in.
        var text: String
        /// Where the first character of the text stands: behind a quote, or on the line below a `|`.
        var textPosition: Position
        /// The text with the line breaks of the file, where YAML folded them into spaces but a condition can do with either;
        /// else nil.
        var unfolded: String?
        /// Where that text, else `text`, goes on elsewhere than behind its character before.
        var jumps: [TextJump] = []
        /// Unquoted; only then can `~` or nothing mean "no value".
        var isPlain: Bool
    }

    var position: Position
    var content: Content
    /// The number of nodes in it with every alias followed, itself included.
    var size: Int

    /// An empty value, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let scalar) = content, scalar.isPlain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.text)
    }

    /// What it is, for messages that expected something else.
    var kind: String {
        switch content {
        case .scalar: isNull ? "nothing" : "a single value"
        case .list: "a list"
        case .mapping: "a mapping (key: value)"
        }
    }
}

/// A key of a mapping and its value; an item of a list goes by its list's key and its own place.
struct Entry: Sendable {
    var key: Located<String>
    var value: Node

    var name: String { key.value }
}
