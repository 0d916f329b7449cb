import Engine
import Glibc
import Ingest

/// libFuzzer's way in, for all targets; `NUDGED_FUZZ_TARGET` says which. `scripts/fuzz` builds and runs it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target.run(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}

private let target = Target.chosen()

private enum Target {
    case lines
    case decoder(Format, IdentityKey?)

    static func chosen() -> Target {
        let name = getenv("NUDGED_FUZZ_TARGET").map { String(cString: $0) } ?? ""
        switch name {
        case "lines": return .lines
        case "identity": return .decoder(.shopify, IdentityKey(name: "shopify", path: "email", secret: Array("secret".utf8)))
        case "mapping":
            return .decoder(
                .mapping(
                    MappingFormat(
                        id: "messageId", customer: "userId", event: "type", time: .init(path: "timestamp"),
                        names: ["track": "Identify"])), nil)
        case "mapping-members":
            return .decoder(
                .mapping(
                    MappingFormat(
                        id: "id", customer: "context.traits.id", event: .always("Page Viewed"),
                        time: .init(path: "ts", unit: .ms),
                        properties: .members([
                            (name: "a", path: "properties.a"), (name: "b", path: "properties.b.c"), (name: "c", path: "id"),
                        ]))),
                nil)
        default:
            guard let format = Format(preset: name) else {
                say("no target \(name)")
                exit(64)
            }
            return .decoder(format, nil)
        }
    }

    func run(_ input: [UInt8]) {
        switch self {
        case .lines: splitLines(input)
        case .decoder(let format, let identity): decode(input, format, identity)
        }
    }
}

private func say(_ text: String) {
    let line = "fuzz: \(text)\n"
    _ = write(2, line, line.utf8.count)
}

private func require(_ condition: Bool, _ what: @autoclosure () -> String) {
    if condition { return }
    say(what())
    abort()
}

// MARK: Lines

/// The same lines come out of a file however it is cut at line ends; they lie in order within it, and lose no byte but blanks.
private func splitLines(_ input: [UInt8]) {
    guard input.count > 2 else { return }
    let limit = 1 + Int(input[0]) % 40
    let offset = Int(input[1]) % 3 == 0 ? 0 : Int(input[1])
    let bytes = Array(input[2...])
    func split(_ piece: ArraySlice<UInt8>, at offset: Int) -> [Line] {
        // In memory of its own, so that a byte read beyond it is found.
        let own = Array(piece)
        var splitter = LineSplitter(range: 0..<own.count, offset: offset, maxLineBytes: limit)
        return own.withUnsafeBytes { buffer in
            var lines: [Line] = []
            while let line = splitter.next(in: buffer) { lines.append(line) }
            return lines
        }
    }
    let whole = split(bytes[...], at: offset)
    var last = offset
    for line in whole {
        require(line.offset >= last && line.end > line.offset && line.end <= offset + bytes.count, "lines out of order")
        require(line.isTooLong == (line.length > limit), "a line of \(line.length) with a limit of \(limit)")
        require(!bytes[line.bytes].contains(0x0A) && !line.bytes.isEmpty, "a line with a line end, or empty")
        last = line.end
    }
    var pieces: [Line] = []
    var start = 0
    for index in bytes.indices where bytes[index] == 0x0A && (index &* 7 &+ Int(input[0])) % 3 != 0 {
        pieces += split(bytes[start...index], at: offset + start)
        start = index + 1
    }
    pieces += split(bytes[start...], at: offset + start)
    require(pieces.map(\.offset) == whole.map(\.offset), "cutting changes where lines are")
    require(pieces.map(\.end) == whole.map(\.end) && pieces.map(\.length) == whole.map(\.length), "cutting changes lines")
}

// MARK: Decoding

private let vocabulary: Vocabulary = {
    var vocabulary = Vocabulary()
    for name in [
        "Page Viewed", "Identify", "Alias", "invoice.paid", "customer.subscription.updated", "charge.failed", "RENEWAL",
        "TRANSFER",
        "PRODUCT_CHANGE", "checkouts/update", "customers/update",
    ] { vocabulary.add(name, needsProperties: true) }
    return vocabulary
}()

/// A line becomes events or a dead letter; what is kept of it is valid, can be read whole, and is the same when the line is read again,
/// also by a decoder that has read another line before.
private func decode(_ line: [UInt8], _ format: Format, _ identity: IdentityKey?) {
    var decoder = Decoder(vocabulary: vocabulary, format: format, identity: identity)
    let first = outcome(of: line, &decoder)
    require(outcome(of: line, &decoder) == first, "a line read again is another")
    let half = Array(line.prefix(line.count / 2))
    _ = outcome(of: half, &decoder)
    require(outcome(of: line, &decoder) == first, "a line after another one is another")
}

private func outcome(of line: [UInt8], _ decoder: inout Decoder) -> String {
    var batch = EventBatch()
    // So many bytes after a line may be read, and not one more.
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: line.count + 64, alignment: 1)
    defer { room.deallocate() }
    room.copyBytes(from: line)
    for index in line.count..<room.count { room[index] = UInt8(truncatingIfNeeded: index &* 31) }
    let result = decoder.decode(
        line: UnsafeRawBufferPointer(rebasing: room[..<line.count]), source: 0, file: 0, offset: 8, length: UInt32(line.count),
        receivedBefore: nil, into: &batch)
    switch result {
    case .ignored:
        require(batch.events.isEmpty, "an ignored line with events")
        return "ignored"
    case .deadLetter(let letter):
        require(batch.events.isEmpty, "a dead letter with events")
        if let column = letter.column {
            require(column >= 1 && column <= line.count + 1, "column \(column) of \(line.count) bytes")
        }
        require(!letter.message.isEmpty && letter.head.count <= 4096, "a dead letter without a word")
        return "\(letter.reason.rawValue) \(letter.column ?? 0) \(letter.message)"
    case .event:
        require(!batch.events.isEmpty, "no events")
        var text = ""
        for event in batch.events {
            text += "\(event.time) \(event.name.index) \(event.kind)"
            for path in [\Event.user, \.anonymous, \.id, \.locale, \.timezone] {
                let bytes = batch.bytes(event[keyPath: path])
                let string = String(validating: bytes, as: UTF8.self)
                require(string != nil, "text that is no UTF-8")
                text += " [\(string ?? "")]"
            }
            for view in [batch.properties(of: event), batch.traits(of: event)] {
                guard let view else { continue }
                let json = CanonicalJSON(view).text
                require(JSONText.pack(Array(json.utf8)) != nil, "kept JSON can't be read: \(json)")
                text += json
            }
        }
        return text
    }
}
