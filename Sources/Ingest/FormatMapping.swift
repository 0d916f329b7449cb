import Engine

/// Reads a log by the paths of a mapping.
struct MappingReader: ~Copyable {
    /// A path: the top-level key it starts with, by number, and the keys below.
    private struct Path {
        let root: Int
        let rest: [[UInt8]]
    }

    private let roots: KeyTable
    /// Whether a path of the mapping is this top-level field itself, which then is no other field.
    private var isTaken: [Bool]
    private let id: Path?
    private let customer: Path?
    private let anonymous: Path?
    /// nil: every line is `always`.
    private let event: Path?
    private let always: NameTable.Match
    private let time: Path
    private let received: Path?
    private let unit: MappingFormat.Unit
    private let object: Path?
    private let members: [(name: [UInt8], path: Path)]?
    private let names: NameTable
    /// How many places `read` needs.
    let fieldCount: Int

    init(_ format: MappingFormat, vocabulary: Vocabulary) {
        var keys: [[UInt8]] = []
        var taken: [Bool] = []
        func path(_ text: String) -> Path {
            let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { Array($0) }
            let root: Int
            if let known = keys.firstIndex(of: parts[0]) {
                root = known
            } else {
                root = keys.count
                keys.append(parts[0])
                taken.append(false)
            }
            if parts.count == 1 { taken[root] = true }
            return Path(root: root, rest: Array(parts.dropFirst()))
        }
        id = format.id.map(path)
        customer = format.customer.map(path)
        anonymous = format.anonymous.map(path)
        names = NameTable(vocabulary: vocabulary, renamed: format.names)
        switch format.event {
        case .path(let text):
            event = path(text)
            always = NameTable.Match()
        case .always(let name):
            event = nil
            always = names.match(name)
        }
        time = path(format.time.path)
        received = format.received.map(path)
        unit = format.time.unit
        switch format.properties {
        case .others:
            object = nil
            members = nil
        case .object(let text):
            object = path(text)
            members = nil
        case .members(let list):
            object = nil
            members = list.map { (Array($0.name.utf8), path($0.path)) }
        }
        roots = KeyTable(keys.enumerated().map { ($0.element, $0.offset) })
        isTaken = taken
        fieldCount = keys.count
    }

    private func place(_ path: Path?, _ tape: JSONTape, _ places: [Int]) -> Int {
        guard let path else { return 0 }
        var index = places[path.root]
        for key in path.rest { index = tape.member(key, of: index) }
        return index
    }

    /// Reads one line. `places` are for the tape index of each top-level key that a path starts with, 0 where the line has none.
    func read(_ tape: JSONTape, _ places: inout [Int], into draft: inout Draft) -> Refusal? {
        roots.collect(tape, into: &places)
        if event == nil {
            draft.name = always
        } else {
            let event = place(event, tape, places)
            guard tape.isText(event) else { return Refusal(.missingEvent, "the line names no event", at: event) }
            draft.name = names.find(event, of: tape)
        }
        draft.user = place(customer, tape, places)
        draft.anonymous = place(anonymous, tape, places)
        draft.id = place(id, tape, places)
        if draft.name.needsProperties, let object { draft.properties = place(object, tape, places) }
        let chosen = place(time, tape, places)
        if tape.isAbsent(chosen) { return Refusal(.badTimestamp, "the line says no time", at: chosen) }
        guard let time = tape.time(chosen, unit) else {
            let what =
                unit == .rfc3339 ? "an RFC 3339 time" : "a number of `\(unit.rawValue)` since 1970 within the years 1 to 9999"
            return Refusal(.badTimestamp, "this is not \(what)", at: chosen)
        }
        draft.time = time
        if received != nil, let received = tape.time(place(received, tape, places), unit) { draft.time = min(time, received) }
        return nil
    }

    /// Whether the properties are put together by `pack` and not taken whole.
    var assembles: Bool { object == nil }

    /// Puts the properties together.
    func pack(_ tape: JSONTape, _ places: [Int], length: Int, with packer: inout JSONPacker) {
        packer.begin()
        if let members {
            for member in members {
                let index = place(member.path, tape, places)
                if index != 0 { packer.add(member.name, index, of: tape, length: length) }
            }
        } else {
            var index = 2
            let close = tape.close(1)
            while index < close {
                let key = tape.text(index)
                let root = roots.find(key)
                if root < 0 || !isTaken[root] { packer.add(key, index &+ 1, of: tape, length: length) }
                index = tape.next(index &+ 1)
            }
        }
        packer.end()
    }
}
