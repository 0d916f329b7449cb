import Engine
import Glibc

/// The templates that rules name, in all their languages, read and parsed once.
package struct TemplateSet: Sendable {
    /// By rule.
    private var languages: [String: Languages] = [:]

    private struct Languages: Sendable {
        /// In lower case (`tr-tr`).
        var templates: [String: Template] = [:]
        var fallback = ""

        /// `tr-TR`, then `tr`, then the default.
        func template(for locale: String?) -> Template? {
            var name = locale.map { $0.lowercased().replacing("_", with: "-") } ?? ""
            while !name.isEmpty {
                if let template = templates[name] { return template }
                name = name.lastIndex(of: "-").map { String(name[..<$0]) } ?? ""
            }
            return templates[fallback]
        }
    }

    package var isEmpty: Bool { languages.isEmpty }

    package init() {}

    /// Reads the files of every template that a rule names: from `directory`, and for a language that isn't there from `templates` beside the
    /// file that names it, where rules that are included bring their own. What is missing or broken is an issue at the rule.
    package static func load(_ rules: [RuleDefinition], from directory: String) -> (templates: TemplateSet, issues: [Issue]) {
        var set = TemplateSet()
        var issues: [Issue] = []
        var files: [String: [String]] = [:]
        for rule in rules {
            guard let name = rule.delivery.template else { continue }
            var directories = [directory]
            if let beside = beside(name.position.file), beside != directory { directories.append(beside) }
            var found = Languages()
            var isWhole = true
            for directory in directories {
                let names = files[directory] ?? entries(directory)
                files[directory] = names
                var read: [String: Template] = [:]
                for file in names where file.hasPrefix(name.value + ".") && file.hasSuffix(".mustache") {
                    let locale = file.dropFirst(name.value.count + 1).dropLast(".mustache".count).lowercased()
                    guard !locale.isEmpty, !locale.contains("."), found.templates[locale] == nil else { continue }
                    do {
                        let text = try text(directory + "/" + file)
                        do throws(Template.Fault) {
                            read[locale] = try Template(text)
                        } catch {
                            isWhole = false
                            issues.append(error.issue(in: directory + "/" + file, text))
                        }
                    } catch {
                        isWhole = false
                        issues.append(Issue(at: name.position, "\(directory)/\(file) can't be read: \(error)"))
                    }
                }
                found.templates.merge(read) { first, _ in first }
            }
            let known = found.templates
            found.fallback =
                known["default"] != nil ? "default" : known["en"] != nil ? "en" : known.count == 1 ? known.keys.first ?? "" : ""
            if isWhole, known.isEmpty {
                issues.append(
                    Issue(
                        at: name.position, "there is no template \"\(name.value)\" in \(directories.joined(separator: " or "))",
                        hint: "Write \(directory)/\(name.value).en.mustache, or name another directory as `templates`."))
            } else if isWhole, found.fallback.isEmpty {
                issues.append(
                    Issue(
                        at: name.position,
                        "the template \"\(name.value)\" has no default: neither \(name.value).default.mustache nor .en.",
                        hint: "Customers without a locale, or with another one, need one."))
            }
            set.languages[rule.name.value] = found
        }
        return (set, issues)
    }

    /// The message with `data.content`, if its rule has a template; otherwise as it is. Depends on nothing but the bytes of both.
    package func render(rule: String, _ json: [UInt8]) -> [UInt8] {
        guard let languages = languages[rule], let packed = JSONText.pack(json) else { return json }
        let message = JSONView(bytes: packed, offset: 0)
        guard message["type"]?.string == "nudged.message", let data = message["data"],
            let template = languages.template(for: data["customer"]?["locale"]?.string)
        else { return json }
        var members = data.entries.map { (key: $0.key, value: CanonicalJSON($0.value)) }
        members.append(("content", template.render(data)))
        return CanonicalJSON.object(
            message.entries.map { (key: $0.key, value: $0.key == "data" ? .object(members) : CanonicalJSON($0.value)) }
        ).bytes
    }

    private struct Unreadable: Error, CustomStringConvertible {
        let code: Int32
        var description: String { code == 0 ? "it is not UTF-8" : String(cString: strerror(code)) }
    }

    /// `templates` in the directory of a file.
    private static func beside(_ file: String) -> String? {
        file.lastIndex(of: "/").map { String(file[..<$0]) + "/templates" }
    }

    /// Names in the directory, sorted; none if it can't be read.
    private static func entries(_ directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names.sorted()
    }

    private static func text(_ path: String) throws -> String {
        guard let stream = fopen(path, "r") else { throw Unreadable(code: errno) }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&room, 1, room.count, stream), count > 0 { bytes += room[..<count] }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Unreadable(code: 0) }
        return text
    }
}

extension Template.Fault {
    /// With the place marked in the text of the file.
    fileprivate func issue(in file: String, _ text: String) -> Issue {
        let lines = text.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false)
        let marked = lines.indices.contains(line - 1) ? lines[line - 1] : ""
        return Issue(
            at: Position(file: file, line: line, column: column),
            "\(message)\n    \(marked)\n    " + String(repeating: " ", count: column - 1) + "^", hint: hint)
    }
}
