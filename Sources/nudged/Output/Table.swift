import ArgumentParser
import Engine
import Glibc

/// How a report is written: for people unless a program asks.
struct OutputOption: ParsableArguments {
    @Flag(help: "As JSON, for programs: one array, one element a line.")
    var json = false

    @Flag(help: "As CSV (RFC 4180) with a header, for spreadsheets and programs.")
    var csv = false

    func validate() throws {
        if json, csv { throw ValidationError("--json and --csv exclude each other") }
    }
}

/// One value of a table.
enum Cell {
    case none
    case text(String)
    case number(Int64)
    case time(Instant)
    case json(CanonicalJSON)

    init(_ text: String?) { self = text.map { .text($0) } ?? .none }
    init(_ time: Instant?, isTime: Bool) { self = time.map { isTime ? .time($0) : .number($0) } ?? .none }

    /// As a person reads it.
    var display: String {
        switch self {
        case .none: ""
        case .text(let text): DisplayText.safe(text)
        case .number(let number): String(number)
        case .time(let time): time.rfc3339
        case .json(let json): DisplayText.safe(json.text)
        }
    }

    var value: CanonicalJSON {
        switch self {
        case .none: .null
        case .text(let text): .string(text)
        case .number(let number): .number(Double(number))
        case .time(let time): .string(time.rfc3339)
        case .json(let json): json
        }
    }

    fileprivate var field: String {
        let text: String =
            switch self {
            case .text(let text): text
            case .json(let json): json.text
            default: display
            }
        guard text.utf8.contains(where: { $0 == 0x22 || $0 == 0x2C || $0 == 0x0A || $0 == 0x0D }) else { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" { quoted += "\"" }
            quoted.unicodeScalars.append(scalar)
        }
        return quoted + "\""
    }
}

struct Column {
    /// The key in JSON and the header in CSV; people see it with spaces.
    let name: String
    let isNumber: Bool
    /// Its cells are cut first where a line is too long.
    let isElastic: Bool
    /// In which turn it is left out where a line is too long all the same; nil: never.
    let leaves: Int?
    let style: @Sendable (Cell) -> Terminal.Style

    init(
        _ name: String, isNumber: Bool = false, isElastic: Bool = false, leaves: Int? = nil,
        style: @escaping @Sendable (Cell) -> Terminal.Style = { _ in .plain }
    ) {
        self.name = name
        self.isNumber = isNumber
        self.isElastic = isElastic
        self.leaves = leaves
        self.style = style
    }

    /// As people see it.
    var title: String { name.split(separator: "_").joined(separator: " ") }
}

/// Rows of one shape: aligned for people, JSON or CSV for programs.
struct Table {
    let columns: [Column]
    private(set) var rows: [[Cell]] = []

    init(_ columns: [Column]) { self.columns = columns }

    mutating func add(_ row: [Cell]) {
        precondition(row.count == columns.count, "a row has one cell for each column")
        rows.append(row)
    }

    var json: CanonicalJSON {
        .array(rows.map { row in .object(zip(columns, row).map { ($0.name, $1.value) }) })
    }

    /// One array, one element a line.
    var jsonLines: String {
        guard case .array(let elements) = json, !elements.isEmpty else { return "[]" }
        return "[\n" + elements.map(\.text).joined(separator: ",\n") + "\n]"
    }

    /// With CRLF line ends, as the RFC has it; without the last one.
    var csv: String {
        [columns.map(\.name).joined(separator: ","), csvRows].filter { !$0.isEmpty }.joined(separator: "\r\n")
    }

    /// As `csv`, without the header.
    var csvRows: String { rows.map { $0.map(\.field).joined(separator: ",") }.joined(separator: "\r\n") }

    func text(on terminal: Terminal) -> String {
        // What is empty in every row tells a person nothing.
        let told = columns.indices.filter { column in rows.isEmpty || rows.contains { !$0[column].display.isEmpty } }
        let left = leaving(told, terminal)
        guard left.isEmpty else {
            let names = left.map { columns[$0].title }.joined(separator: ", ")
            return only(told.filter { !left.contains($0) }).text(on: terminal) + "\n"
                + terminal.styled("(no room for \(names): --json has everything)", .faint)
        }
        guard told.count == columns.count else { return only(told).text(on: terminal) }
        let displays = rows.map { $0.map(\.display) }
        var widths = columns.indices.map { width(of: $0) }
        if let width = terminal.width { shrink(&widths, to: width) }
        func line(_ cells: [String], _ style: (Int) -> Terminal.Style) -> String {
            var line = ""
            for (column, cell) in cells.enumerated() {
                let cut = DisplayText.cut(cell, to: widths[column])
                let padding = String(repeating: " ", count: max(0, widths[column] - DisplayText.width(cut)))
                if column > 0 { line += String(repeating: " ", count: Self.gap) }
                let styled = terminal.styled(cut, style(column))
                // No spaces at the end of a line.
                if columns[column].isNumber {
                    line += padding + styled
                } else {
                    line += column == cells.count - 1 ? styled : styled + padding
                }
            }
            while line.last == " " { line.removeLast() }
            return line
        }
        let header = line(columns.map { $0.title.uppercased() }) { _ in .heading }
        return ([header] + zip(rows, displays).map { row, cells in line(cells) { columns[$0].style(row[$0]) } }).joined(
            separator: "\n")
    }

    private func only(_ places: [Int]) -> Table {
        var table = Table(places.map { columns[$0] })
        for row in rows { table.add(places.map { row[$0] }) }
        return table
    }

    private func width(of column: Int) -> Int {
        rows.reduce(DisplayText.width(columns[column].name)) { max($0, DisplayText.width($1[column].display)) }
    }

    /// Those of some columns that a line has no room for, although others give way.
    private func leaving(_ told: [Int], _ terminal: Terminal) -> [Int] {
        guard let width = terminal.width else { return [] }
        let least = told.map { columns[$0].isElastic ? min(Self.leastWidth, self.width(of: $0)) : self.width(of: $0) }
        var over = least.reduce(0, +) + Self.gap * (told.count - 1) - width
        var left: [Int] = []
        let mayLeave = zip(told, least).filter { columns[$0.0].leaves != nil }
        for (column, width) in mayLeave.sorted(by: { columns[$0.0].leaves ?? 0 < columns[$1.0].leaves ?? 0 }) where over > 0 {
            left.append(column)
            over -= width + Self.gap
        }
        return left.sorted()
    }

    private static let leastWidth = 8
    private static let gap = 2

    /// Elastic columns give way, the widest first, down to eight columns each.
    private func shrink(_ widths: inout [Int], to width: Int) {
        var over = widths.reduce(0, +) + Self.gap * (widths.count - 1) - width
        while over > 0,
            let widest = columns.indices.filter({ columns[$0].isElastic && widths[$0] > Self.leastWidth }).max(by: {
                widths[$0] < widths[$1]
            })
        {
            widths[widest] -= 1
            over -= 1
        }
    }

    func write(_ option: OutputOption, ifEmpty sentence: String) throws {
        let text =
            if option.json { jsonLines } else if option.csv { csv + "\r" } else if rows.isEmpty { sentence } else {
                self.text(on: .standardOutput())
            }
        try StandardOutput.write(text)
    }
}

extension Terminal {
    static let verdictStyle: @Sendable (Cell) -> Style = { cell in
        switch cell.display {
        case "published", "staged": .good
        case "cancelled", "merged", "cooldown", "holdout", "condition_false", "waiting": .faint
        case "condition_error", "stale": .bad
        default: .notable
        }
    }
}

/// Text to standard output, with an error where it can't be written.
enum StandardOutput {
    static func failure(_ code: Int32) -> Failure {
        Failure(.noOutput, "standard output can't be written (\(String(cString: strerror(code))))")
    }

    static func write(_ text: String, terminator: String = "\n") throws {
        let output = LineOutput()
        try output.write(Array((text + terminator).utf8)[...])
        try output.flush()
    }
}
