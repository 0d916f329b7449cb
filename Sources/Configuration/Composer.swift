import CYaml
import Engine

/// Makes the tree of one YAML file from libyaml's events.
///
/// libyaml is used directly (it comes with Yams) because `Yams.Parser` builds the whole tree, aliases followed, before anyone
/// could bound it, and reports duplicate keys without the place of either. Here every step is bounded: the depth, the number of
/// nodes with aliases followed, and the number of directives (libyaml compares each with all before it).
struct Composer: ~Copyable {
    static let depthLimit = 64
    static let nodeLimit = 100_000
    static let directiveLimit = 8

    private let source: SourceText
    /// On the heap, because libyaml keeps the address of it within itself.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private var anchors: [String: Node] = [:]
    private var nodeCount = 0
    private var issues: [Issue] = []
    /// The last place whose offset was looked for, so that the next one on the same line is not looked for from the line's
    /// beginning.
    private var cursor: (position: Position, offset: Int)

    /// The tree, or nil with the reasons; some of the issues (duplicate keys) leave a usable tree behind.
    static func compose(_ source: SourceText) -> (root: Node?, issues: [Issue]) {
        if let offset = source.firstInvalidByte {
            return (nil, [Issue(at: source.position(atByte: offset), "this is not UTF-8", hint: "Save the file as UTF-8.")])
        }
        if let issue = excessDirectives(source) { return (nil, [issue]) }
        return source.bytes.withUnsafeBufferPointer { bytes in
            var composer = Composer(source)
            return composer.run(bytes)
        }
    }

    private init(_ source: SourceText) {
        self.source = source
        cursor = (Position(file: source.file, line: 1, column: 1), 0)
        parser.initialize(to: yaml_parser_t())
    }

    deinit { parser.deallocate() }

    private static func excessDirectives(_ source: SourceText) -> Issue? {
        var count = 0
        var line = 1
        while let start = source.start(ofLine: line) {
            if start < source.bytes.count, source.bytes[start] == UInt8(ascii: "%") {
                count += 1
                if count > directiveLimit {
                    return Issue(
                        at: source.position(atByte: start), "there are more than \(directiveLimit) lines that begin with %",
                        hint: "YAML directives are not needed here: remove them.")
                }
            }
            line += 1
        }
        return nil
    }

    /// What ends the reading of a file.
    private struct Stop: Error { var issue: Issue }

    private mutating func run(_ bytes: UnsafeBufferPointer<UInt8>) -> (root: Node?, issues: [Issue]) {
        guard yaml_parser_initialize(parser) == 1 else {
            return (
                nil, [Issue(at: Position(file: source.file, line: 1, column: 1), "there is not enough memory to read this file")]
            )
        }
        defer { yaml_parser_delete(parser) }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
        do {
            let root = try document()
            return (root, issues)
        } catch {
            return (nil, issues + [error.issue])
        }
    }

    private mutating func document() throws(Stop) -> Node {
        _ = try next()  // the stream's start
        let start = try next()
        guard start.kind == YAML_DOCUMENT_START_EVENT else {
            throw Stop(issue: Issue(at: Position(file: source.file, line: 1, column: 1), "the file is empty"))
        }
        let root = try node(from: try next(), depth: 1)
        _ = try next()  // the document's end
        let end = try next()
        if end.kind != YAML_STREAM_END_EVENT {
            issues.append(
                Issue(
                    at: end.start, "a second YAML document begins here; a file holds one",
                    hint: "Put it in a file of its own and `include` it."))
        }
        return root
    }

    /// What is needed of an event of libyaml.
    private struct Event {
        var kind: yaml_event_type_t
        var start: Position
        var anchor: String?
        var tag: String?
        var text = ""
        var style = YAML_ANY_SCALAR_STYLE
        var end: Position
    }

    private mutating func next() throws(Stop) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw Stop(issue: syntaxIssue()) }
        defer { yaml_event_delete(&event) }
        var result = Event(
            kind: event.type,
            start: source.position(line: Int(event.start_mark.line) + 1, column: Int(event.start_mark.column) + 1),
            end: source.position(line: Int(event.end_mark.line) + 1, column: Int(event.end_mark.column) + 1))
        func string(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
            pointer.map { String(decoding: UnsafeBufferPointer(start: $0, count: strnlen($0)), as: UTF8.self) }
        }
        func strnlen(_ pointer: UnsafeMutablePointer<yaml_char_t>) -> Int {
            var count = 0
            while pointer[count] != 0 { count += 1 }
            return count
        }
        switch event.type {
        case YAML_ALIAS_EVENT: result.anchor = string(event.data.alias.anchor)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            result.anchor = string(scalar.anchor)
            result.tag = string(scalar.tag)
            result.style = scalar.style
            result.text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        case YAML_SEQUENCE_START_EVENT:
            result.anchor = string(event.data.sequence_start.anchor)
            result.tag = string(event.data.sequence_start.tag)
        case YAML_MAPPING_START_EVENT:
            result.anchor = string(event.data.mapping_start.anchor)
            result.tag = string(event.data.mapping_start.tag)
        default: break
        }
        return result
    }

    private func syntaxIssue() -> Issue {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "it can't be read"
        if parser.pointee.error == YAML_READER_ERROR {
            return Issue(at: source.position(atByte: parser.pointee.problem_offset), "this is not YAML: \(problem)")
        }
        let mark = parser.pointee.problem_mark
        let position = source.position(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
        guard let context = parser.pointee.context.map({ String(cString: $0) }) else {
            return Issue(at: position, "this is not YAML: \(problem)", hint: hint(for: problem, at: position))
        }
        let line = Int(parser.pointee.context_mark.line) + 1
        let place = line == position.line ? "" : " that begins on line \(line)"
        return Issue(at: position, "this is not YAML: \(problem) (\(context)\(place))", hint: hint(for: problem, at: position))
    }

    private func hint(for problem: String, at position: Position) -> String? {
        switch problem {
        case "found character that cannot start any token":
            let offset = source.offset(of: position)
            if offset < source.bytes.count, source.bytes[offset] == 0x09 { return "Indent with spaces, not with tabs." }
            return "Put the value in quotes."
        case "found a tab character that violates indentation": return "Indent with spaces, not with tabs."
        case "mapping values are not allowed in this context":
            return "Put a value that holds `: ` in quotes, or check the indentation."
        case "did not find expected whitespace or line break", "did not find expected tag URI":
            return "Put a value that begins with `!` in quotes."
        case "did not find expected alphabetic or numeric character":
            return "Put a value that begins with `*` or `&` in quotes."
        case "could not find expected ':'": return "A key is followed by a colon and a space."
        case "did not find expected key": return "Check the indentation and the quotes of this line and the one above."
        case "did not find expected ',' or '}'":
            return "Put a value that holds commas, quotes or brackets into quotes of the other kind."
        default: return nil
        }
    }

    private mutating func node(from event: Event, depth: Int) throws(Stop) -> Node {
        var event = event
        guard depth <= Self.depthLimit else {
            throw Stop(issue: Issue(at: event.start, "this is nested deeper than \(Self.depthLimit) levels"))
        }
        if let tag = event.tag, tag != "!", !tag.hasPrefix("tag:yaml.org,2002:") {
            // Mostly it is a condition that begins with "not".
            let isText = event.kind == YAML_SCALAR_EVENT && tag.hasPrefix("!")
            issues.append(
                Issue(
                    at: event.start, "YAML takes \(tag) for a tag, which means nothing here",
                    hint: isText ? "Put the whole value in quotes, or remove the tag." : "Remove the tag."))
            if isText { event.text = event.text.isEmpty ? tag : tag + " " + event.text }
        }
        var node: Node
        switch event.kind {
        case YAML_ALIAS_EVENT:
            let name = event.anchor ?? ""
            guard let target = anchors[name] else {
                throw Stop(
                    issue: Issue(
                        at: event.start, "nothing above is anchored as &\(name)",
                        hint: closest(to: name, among: anchors.keys.sorted()).map { "Did you mean *\($0)?" }
                            ?? "Put a value that begins with `*` in quotes."))
            }
            try count(target.size, at: event.start)
            return target
        case YAML_SEQUENCE_START_EVENT: node = try list(event, depth: depth)
        case YAML_MAPPING_START_EVENT: node = try mapping(event, depth: depth)
        default:
            node = scalar(event)
            try count(1, at: event.start)
        }
        if let anchor = event.anchor { anchors[anchor] = node }
        return node
    }

    private mutating func scalar(_ event: Event) -> Node {
        let style: ScalarPlace.Style =
            switch event.style {
            case YAML_PLAIN_SCALAR_STYLE: .plain
            case YAML_SINGLE_QUOTED_SCALAR_STYLE: .singleQuoted
            case YAML_DOUBLE_QUOTED_SCALAR_STYLE: .doubleQuoted
            default: .block
            }
        cursor = (event.start, source.offset(of: event.start, from: cursor))
        let place = ScalarPlace(
            of: event.text, style, at: event.start, offset: cursor.offset, hasProperties: event.anchor != nil || event.tag != nil,
            in: source)
        var scalar = Node.Scalar(text: event.text, textPosition: place.position, isPlain: style == .plain)
        if style == .plain || event.style == YAML_FOLDED_SCALAR_STYLE {
            scalar.unfolded = ScalarPlace.unfolded(event.text, at: place.position, end: event.end, in: source)
        }
        scalar.jumps = place.jumps(in: scalar.unfolded ?? event.text)
        return Node(position: event.start, content: .scalar(scalar), size: 1)
    }

    private mutating func count(_ size: Int, at position: Position) throws(Stop) {
        nodeCount += size
        guard nodeCount <= Self.nodeLimit else {
            throw Stop(issue: Issue(at: position, "the file holds more than \(Self.nodeLimit) values, aliases followed"))
        }
    }

    private mutating func list(_ start: Event, depth: Int) throws(Stop) -> Node {
        try count(1, at: start.start)
        var items: [Node] = []
        var size = 1
        while true {
            let event = try next()
            if event.kind == YAML_SEQUENCE_END_EVENT { break }
            let item = try node(from: event, depth: depth + 1)
            size += item.size
            items.append(item)
        }
        return Node(position: start.start, content: .list(items), size: size)
    }

    private mutating func mapping(_ start: Event, depth: Int) throws(Stop) -> Node {
        try count(1, at: start.start)
        var entries: [Entry] = []
        var places: [String: Position] = [:]
        var merged: [Entry] = []
        var size = 1
        while true {
            let event = try next()
            if event.kind == YAML_MAPPING_END_EVENT { break }
            let key = try node(from: event, depth: depth + 1)
            let value = try node(from: try next(), depth: depth + 1)
            size += key.size + value.size
            guard case .scalar(let scalar) = key.content, !key.isNull else {
                issues.append(Issue(at: event.start, "a key is a single word or text, but this is \(key.kind)"))
                continue
            }
            if scalar.isPlain, scalar.text == "<<" {
                merged += merge(value)
                continue
            }
            if let first = places[scalar.text] {
                issues.append(
                    Issue(
                        at: event.start,
                        "\"\(scalar.text)\" is given twice; the first is at line \(first.line), column \(first.column)",
                        hint: "Remove one of them."))
                continue
            }
            places[scalar.text] = event.start
            entries.append(Entry(key: Located(scalar.text, at: event.start), value: value))
        }
        for entry in merged where places[entry.name] == nil {
            places[entry.name] = entry.key.position
            entries.append(entry)
        }
        return Node(position: start.start, content: .mapping(entries), size: size)
    }

    /// The entries that `<<: *anchor` (or a list of such) brings in.
    private mutating func merge(_ value: Node) -> [Entry] {
        switch value.content {
        case .mapping(let entries): return entries
        case .list(let items): return items.flatMap { merge($0) }
        case .scalar:
            issues.append(Issue(at: value.position, "<< takes a mapping, but this is \(value.kind)"))
            return []
        }
    }
}
