import Engine
import Glibc
import Ingest

/// The first lines of a log, and what nudged would make of them, for people.
struct Sample {
    static let lineLimit = 1000
    private static let byteLimit = 8 << 20

    private let path: String
    private var lines: [[UInt8]] = []
    private var isWhole = true

    init(path: String) throws {
        self.path = path
        guard let stream = fopen(path, "r") else {
            throw Failure(.data, "\(path): can't be read (\(String(cString: strerror(errno))))")
        }
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: Self.byteLimit)
        let count = fread(&bytes, 1, bytes.count, stream)
        isWhole = count < bytes.count
        var text = bytes[..<count]
        if let content = CompressedLog.head(of: path, limit: Self.byteLimit) {
            text = content.bytes[...]
            isWhole = content.isWhole
        }
        lines = text.split(separator: 0x0A, maxSplits: Self.lineLimit, omittingEmptySubsequences: false).map { Array($0) }
        // The piece after the last newline read is no whole line.
        if lines.count > Self.lineLimit || !isWhole {
            lines.removeLast()
            isWhole = false
        }
        guard lines.contains(where: { !$0.isEmpty }) else { throw Failure(.data, "\(path): has no lines") }
    }

    /// The report: by the source's format, else by the preset that understands the log, else by a proposed mapping. What is later than `limit`
    /// is from the future.
    func report(_ source: LogSource?, receivedBefore limit: Instant?) throws -> String {
        if let source {
            return describe(
                FormatSample(of: lines, as: source.format, identity: source.identity, receivedBefore: limit),
                "read as source \(source.name)")
        }
        if let preset = FormatSample.preset(of: lines), let format = Format(preset: preset) {
            return describe(FormatSample(of: lines, as: format, receivedBefore: limit), "read with format: \(preset)")
        }
        guard let proposal = FormatProposal(for: lines) else {
            let faults = describe(FormatSample(of: lines, as: .segment), "read with format: segment")
            throw Failure(
                .data,
                "\(path): no format fits, and no field of its lines is a time (RFC 3339, or s, ms or us since 1970)\n\(faults)")
        }
        return "no preset knows this log; a mapping that may fit, to be looked at and corrected:\n\n"
            + proposal.yaml(indent: "    ") + "\n\n" + proposal.remarks.map { $0 + "\n" }.joined()
            + describe(FormatSample(of: lines, as: .mapping(proposal.mapping), receivedBefore: limit), "read with it")
    }

    private func describe(_ sample: FormatSample, _ how: String) -> String {
        func count(_ number: Int, _ what: String) -> String { "\(number) \(what)\(number == 1 ? "" : "s")" }
        var text = [
            "\(path): \(isWhole ? "" : "the first ")\(count(sample.lines, "line")) \(how): \(count(sample.events, "event"))"
        ]
        if let first = sample.first, let last = sample.last { text.append("times       \(first.rfc3339) to \(last.rfc3339)") }
        var people = count(sample.customers, "customer")
        if sample.visitors > 0 { people += ", " + count(sample.visitors, "anonymous visitor") }
        if sample.ofNobody > 0 { people += ", " + count(sample.ofNobody, "event") + " of products alone" }
        text.append("customers   " + people)
        if sample.withoutID > 0, sample.events > 0 {
            text.append("ids         \(count(sample.withoutID, "event")) without an id: written twice, they count twice")
        }
        let known = Set(StateEvent.allCases.map(\.name))
        for (index, entry) in sample.names.prefix(40).enumerated() {
            let mark = known.contains(entry.name) ? "" : "   (kept only if a rule or segment mentions it)"
            text.append((index == 0 ? "names       " : "            ") + "\(entry.count) × \(entry.name)\(mark)")
        }
        if sample.names.count > 40 { text.append("            and \(sample.names.count - 40) more") }
        for (index, fault) in sample.faults.enumerated() {
            text.append(
                (index == 0 ? "dead letters " : "             ")
                    + "\(fault.count) × \(fault.reason.rawValue), first in line \(fault.line): \(fault.message)")
        }
        if sample.faults.isEmpty { text.append("dead letters none") }
        return text.joined(separator: "\n")
    }
}
