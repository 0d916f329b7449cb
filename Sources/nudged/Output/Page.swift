import Engine
import Glibc

/// A self-contained HTML page: no script, no font, no picture from elsewhere; readable in light and dark, on paper and narrow screens.
struct Page {
    let title: String
    private var body: [String]

    init(title: String, subtitle: String) {
        self.title = title
        body = ["<h1>\(HTML.escape(title))</h1>", "<p class=\"faint\">\(HTML.escape(subtitle))</p>"]
    }

    mutating func add(heading: String) { body.append("<h2>\(HTML.escape(heading))</h2>") }
    mutating func add(text: String) { body.append("<p>\(HTML.escape(text))</p>") }

    mutating func add(figures: [(name: String, value: String)]) {
        let items = figures.map { "<div><b>\(HTML.escape($0.value))</b><span>\(HTML.escape($0.name))</span></div>" }
        body.append("<div class=\"figures\">\(items.joined())</div>")
    }

    mutating func add(plot: some Plot) {
        body.append(plot.isEmpty ? "<p class=\"faint\">Nothing to show.</p>" : "<figure>\(plot.svg)\(plot.legend)</figure>")
    }

    mutating func add(table: Table) {
        let head = table.columns.map { "<th\($0.isNumber ? " class=\"n\"" : "")>\(HTML.escape($0.title))</th>" }.joined()
        let rows = table.rows.map { row in
            "<tr>"
                + zip(table.columns, row).map { "<td\($0.isNumber ? " class=\"n\"" : "")>\(HTML.escape($1.display))</td>" }
                .joined()
                + "</tr>"
        }
        body.append(
            "<div class=\"wide\"><table><thead><tr>\(head)</tr></thead><tbody>\n\(rows.joined(separator: "\n"))\n</tbody></table></div>"
        )
    }

    var html: String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <title>\(HTML.escape(title))</title>
        <style>
        \(Self.style)
        </style></head><body><main>
        \(body.joined(separator: "\n"))
        </main></body></html>

        """
    }

    private static let style = """
        :root { color-scheme: light dark; --ground: #fff; --text: #1c1e21; --faint: #6b7078; --line: #d9dce1;
          --s0: #3b76b5; --s1: #d9772b; --s2: #3f9150; --s3: #c94a4f; --s4: #8c64a8; --s5: #2f9c95; --s6: #b59a1f; --s7: #8a6d5a; }
        @media (prefers-color-scheme: dark) { :root { --ground: #16181c; --text: #e4e6ea; --faint: #989da6; --line: #363a41;
          --s0: #6ba3dd; --s1: #eb9a58; --s2: #6cbb7b; --s3: #e5797d; --s4: #b692cf; --s5: #5cc3bc; --s6: #d8bf4f; --s7: #b59885; } }
        body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
        main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
        h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
        .faint { color: var(--faint); margin: .2rem 0 1rem; }
        .figures { display: flex; flex-wrap: wrap; gap: .5rem 2rem; }
        .figures b { display: block; font-size: 1.5rem; } .figures span { color: var(--faint); }
        figure { margin: 0 0 1rem; } svg { display: block; width: 100%; height: auto; }
        svg text { fill: var(--faint); font: 11px system-ui, sans-serif; } svg text.value { fill: var(--text); }
        .axis { stroke: var(--line); stroke-width: 1; }
        .legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .85rem; margin-top: .3rem; }
        .legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
        .wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; }
        th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
        th { color: var(--faint); font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; }
        @media print { body { font-size: 11px; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
        """
}

enum HTML {
    /// For text and for attributes in quotes. Control characters are shown, never passed on.
    static func escape(_ text: String) -> String {
        var result = ""
        for scalar in DisplayText.safe(text).unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// A page's file: whether it can be written shows before the work begins, and it is replaced as a whole.
final class PageFile {
    private let path: String
    /// What becomes the file; nil where that is a device or a pipe, which is written to as it is.
    private let temporary: String?
    private let file: Int32
    private var isDone = false

    init(_ path: String) throws {
        var status = stat()
        let exists = stat(path, &status) == 0
        if exists, status.st_mode & S_IFMT != S_IFREG {
            self.path = path
            temporary = nil
            file = open(path, O_WRONLY | O_CLOEXEC)
        } else {
            // A link stays one: what it leads to is replaced.
            let found = exists ? realpath(path, nil) : nil
            defer { free(found) }
            self.path = found.map { String(cString: $0) } ?? path
            temporary = self.path + ".new"
            file = open(self.path + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        }
        guard file >= 0 else {
            throw Failure(.noOutput, "\(path): can't be written (\(String(cString: strerror(errno)))); name another file")
        }
    }

    deinit {
        close(file)
        if !isDone, let temporary { unlink(temporary) }
    }

    func write(_ text: String) throws {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure }
            bytes = bytes.dropFirst(count)
        }
        if let temporary, rename(temporary, path) != 0 { throw failure }
        isDone = true
    }

    private var failure: Failure { Failure(.noOutput, "\(path): can't be written (\(String(cString: strerror(errno))))") }
}
