import Engine

/// One entry of `sources`: the log files that a pattern names, and how their lines are read.
package struct SourceDefinition: Sendable, Equatable {
    package var name: Located<String>
    /// An absolute path or pattern.
    package var path: String
    package var format: FormatDefinition
    /// The source's own, else the configuration's.
    package var lateness: Milliseconds

    package init(name: Located<String>, path: String, format: FormatDefinition, lateness: Milliseconds) {
        self.name = name
        self.path = path
        self.format = format
        self.lateness = lateness
    }
}

extension Reading {
    mutating func sources(_ root: Fields, lateness: Milliseconds) -> [SourceDefinition] {
        guard let entry = root["sources"] else {
            error(
                root.position, "`sources` is missing",
                hint: "Say which logs to read: sources: [ { name: shop, path: /var/log/shop/*.ndjson } ].")
            return []
        }
        var result: [SourceDefinition] = []
        var places: [String: Position] = [:]
        let items = items(entry)
        if items.isEmpty, case .list = entry.value.content { error(entry.value.position, "`sources` is empty") }
        for item in items {
            guard let source = source(item.value, lateness: lateness) else { continue }
            if let first = places[source.name.value] {
                error(
                    source.name.position,
                    "two sources are called \"\(printable(source.name.value))\";"
                        + " the first is at line \(first.line), column \(first.column)"
                )
                continue
            }
            places[source.name.value] = source.name.position
            result.append(source)
        }
        return result
    }

    private mutating func source(_ node: Node, lateness: Milliseconds) -> SourceDefinition? {
        guard let fields = fields(node, .source, called: "a source") else { return nil }
        if fields["name"] == nil { error(node.position, "this source has no `name`") }
        if fields["path"] == nil { error(node.position, "this source has no `path`") }
        let name = word(fields["name"])
        let path = path(fields["path"])
        var format: FormatDefinition? = .preset(.segment)
        if let entry = fields["format"] { format = self.format(entry) }
        let own = duration(fields["lateness"])
        if let name, name.value.unicodeScalars.count > 128 || name.value.unicodeScalars.contains(where: { $0.value < 0x20 }) {
            error(name.position, "a source's name has 1 to 128 characters and no control characters")
        }
        guard let name, let path, let format else { return nil }
        return SourceDefinition(name: name, path: path, format: format, lateness: own ?? lateness)
    }
}
