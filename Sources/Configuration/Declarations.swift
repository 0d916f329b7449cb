import Engine

/// Named declarations in the order in which their names first came up.
struct Declarations {
    private(set) var entries: [Entry] = []
    private var places: [String: Int] = [:]

    /// Brings in what an included file declares. Two files of one level can't declare the same name, because neither overrides
    /// the other; one file that is reached in two ways is the same declaration.
    mutating func add(_ others: Declarations, what: String, _ reading: inout Reading) {
        for entry in others.entries {
            guard let index = places[entry.name] else {
                append(entry)
                continue
            }
            let first = entries[index]
            guard first.key.position != entry.key.position || first.value.size != entry.value.size else { continue }
            let place = "\(first.key.position.file), line \(first.key.position.line)"
            reading.error(
                entry.key.position, "the \(what) \"\(printable(entry.name))\" is declared twice; the first is in \(place)",
                hint: "Only the file that includes it can override a declaration.")
        }
    }

    /// Lays what a file says itself over what it includes: a rule field by field, others whole.
    mutating func lay(_ entry: Entry, fieldByField: Bool) {
        guard let index = places[entry.name] else { return append(entry) }
        guard fieldByField, case .mapping(let old) = entries[index].value.content, case .mapping(let new) = entry.value.content
        else {
            entries[index] = entry
            return
        }
        var fields = Declarations()
        for field in old { fields.append(field) }
        for field in new { fields.lay(field, fieldByField: false) }
        let size = entries[index].value.size + entry.value.size
        entries[index] = Entry(
            key: entry.key, value: Node(position: entry.value.position, content: .mapping(fields.entries), size: size))
    }

    private mutating func append(_ entry: Entry) {
        places[entry.name] = entries.count
        entries.append(entry)
    }
}

/// Names that others may refer to.
struct Names {
    let ordered: [String]
    private let all: Set<String>

    init(_ names: [String] = []) {
        ordered = names
        all = Set(names)
    }

    func contains(_ name: String) -> Bool { all.contains(name) }
}
