import Engine
import Mustache

/// One file: fields, each a Mustache template, then a blank line and the body.
///
/// ```
/// content-type: text/html
/// subject: You left {{cart.items.count}} things behind
///
/// <p>Dear {{customer.traits.first_name}}, …
/// ```
///
/// Data is text to it, never a template: values are escaped for the content type, in fields not at all, and line breaks in a field's value become
/// spaces. Partials and inheritance are refused, because a template that is missing at run time would be an empty place in a letter.
package struct Template: Sendable {
    package struct Fault: Error, Equatable {
        package let line: Int
        /// In characters, from 1.
        package let column: Int
        package let message: String
        package let hint: String

        init(line: Int, column: Int = 1, message: String, hint: String) {
            self.line = line
            self.column = column
            self.message = message
            self.hint = hint
        }
    }

    private let fields: [(name: String, template: MustacheTemplate)]
    private let body: MustacheTemplate
    private let contentType: String

    package init(_ text: String) throws(Fault) {
        var fields: [(name: String, template: MustacheTemplate)] = []
        var contentType = "text/plain"
        let lines = text.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var next = 0
        while next < lines.count, !lines[next].isEmpty {
            let parts = lines[next].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            let isName = !name.isEmpty && name.utf8.allSatisfy { $0 >= 0x61 && $0 <= 0x7A || $0 == 0x5F || $0 == 0x2D }
            guard parts.count == 2, isName else {
                throw Fault(
                    line: next + 1,
                    message: "this is no field: fields come first, each in a line of its own, and a blank line ends them",
                    hint: "Write it as `name: text`, with a name of small letters, or put a blank line before it.")
            }
            let value = String(parts[1].drop { $0 == " " })
            let column = lines[next].unicodeScalars.count - value.unicodeScalars.count + 1
            guard name != "body", !fields.contains(where: { $0.name == name }) else {
                throw Fault(
                    line: next + 1, message: "`\(name)` is given twice",
                    hint: "Keep one of them; the body is what follows the blank line.")
            }
            if name == "content-type" {
                guard value == "text/plain" || value == "text/html" else {
                    throw Fault(
                        line: next + 1, column: column, message: "there is no content type \"\(value)\" here",
                        hint: "Write text/plain or text/html.")
                }
                contentType = value
            } else {
                fields.append((name, try Self.parse(value, type: "TEXT", line: next + 1, column: column)))
            }
            next += 1
        }
        self.fields = fields
        self.contentType = contentType
        let body = lines.dropFirst(next + 1).joined(separator: "\n")
        self.body = try Self.parse(body, type: contentType == "text/html" ? "HTML" : "TEXT", line: next + 2)
    }

    private static func parse(_ text: String, type: String, line: Int, column: Int = 1) throws(Fault) -> MustacheTemplate {
        if let fault = fault(in: text, line: line, column: column) { throw fault }
        do {
            return try MustacheTemplate(string: "{{% CONTENT_TYPE:\(type) }}" + text)
        } catch {
            throw Fault(
                line: line, column: column, message: "this is no Mustache template",
                hint: "Compare it with those that ship: tags are written {{name}}, sections {{#name}} … {{/name}}.")
        }
    }

    /// `subject`, `body`, … and `content_type`.
    package func render(_ data: JSONView) -> CanonicalJSON {
        let values = Self.value(data)
        var content: [(key: String, value: CanonicalJSON)] = fields.map { field in
            let text = field.template.render(values)
            return (field.name, .string(String(text.map { $0.isNewline ? " " : $0 })))
        }
        content.append(("body", .string(body.render(values))))
        content.append(("content_type", .string(contentType)))
        return .object(content)
    }

    /// As Mustache sees it: numbers as the message writes them, and an empty text like one that is absent.
    private static func value(_ view: JSONView) -> Any {
        switch view.tag {
        case .true: true
        case .false: false
        case .null: Absent()
        case .double, .int, .uint: CanonicalJSON(view).text
        case .string: view.string.flatMap { $0.isEmpty ? nil : $0 as Any } ?? Absent()
        case .array: List(elements: view.elements.map { value($0) }, renderText: CanonicalJSON(view).text)
        case .object: Dictionary(view.entries.map { ($0.key, value($0.value)) }, uniquingKeysWith: { $1 })
        }
    }
}

/// A list for sections; as a value by itself it is shown as the message has it.
private struct List: MustacheSequence, MustacheCustomRenderable {
    let elements: [Any]
    let renderText: String
    var isNull: Bool { false }

    func makeIterator() -> IndexingIterator<[Any]> { elements.makeIterator() }
}

/// Nothing to show: its sections are left out, and their inversions shown.
private struct Absent: MustacheCustomRenderable {
    var renderText: String { "" }
    var isNull: Bool { true }
}
