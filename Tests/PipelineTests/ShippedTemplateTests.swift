import Configuration
import Engine
import Templates
import Testing

/// The words of the shipped rules: each rule's template, in each of its languages, with the messages of the rule's case.
@Suite struct ShippedTemplateTests {
    static let rules = DocumentationTests.shipped.filter { $0 != "segments" }
    static let languages = ["en", "tr"]

    static func file(_ rule: String, _ language: String) -> String? {
        Case.text(Case.root + "/share/rules/templates/\(rule).\(language).mustache")
    }

    /// The messages of a rule's case, each as if its customer had this locale.
    private static func messages(_ rule: String, locale: String?, naming name: String? = nil) throws -> [JSONView] {
        let folder = Case(name: "rule-" + rule)
        let (configuration, _) = Configuration.load(path: folder.path + "/nudged.yaml", environment: [:])
        let loaded = try #require(configuration)
        let (templates, issues) = TemplateSet.load(loaded.definitions.rules, from: loaded.templates)
        #expect(issues.isEmpty)
        return try folder.replay(keepsState: false).messages.map { line in
            let packed = try #require(JSONText.pack(Array(line.utf8)))
            let plain = message(JSONView(bytes: packed, offset: 0), locale: locale, name: name)
            let rendered = try #require(JSONText.pack(templates.render(rule: rule, plain)))
            return JSONView(bytes: rendered, offset: 0)
        }
    }

    /// A message without content, with another locale, and with another name of its product.
    private static func message(_ view: JSONView, locale: String?, name: String?) -> [UInt8] {
        func edited(_ view: JSONView, _ path: String) -> CanonicalJSON {
            guard view.tag == .object else { return CanonicalJSON(view) }
            var members: [(key: String, value: CanonicalJSON)] = []
            for (key, value) in view.entries
            where !(path == "data" && key == "content") && !(path == "data.customer" && key == "locale") {
                let place = path.isEmpty ? key : path + "." + key
                members.append((key, place == "data.product.name" && name != nil ? .string(name ?? "") : edited(value, place)))
            }
            if path == "data.customer", let locale { members.append(("locale", .string(locale))) }
            return .object(members)
        }
        return edited(view, "").bytes
    }

    /// The variables of a template, and whether a section that shows only what is there stands around each.
    private static func variables(_ text: String) -> [(name: String, isGuarded: Bool)] {
        var result: [(name: String, isGuarded: Bool)] = []
        var open = 0
        for part in text.split(separator: "{{").dropFirst(text.hasPrefix("{{") ? 0 : 1) {
            guard let end = part.firstRange(of: "}}") else { continue }
            let tag = String(part[..<end.lowerBound])
            switch tag.first {
            case "#", "^": open += 1
            case "/": open -= 1
            default: result.append((tag, open > 0))
            }
        }
        return result
    }

    private static func value(_ path: String, in data: JSONView?) -> JSONView? {
        path.split(separator: ".").reduce(data) { view, key in view?[String(key)] }
    }

    @Test(arguments: rules) func bothLanguagesSayTheSame(rule: String) throws {
        var spoken: [Set<String>] = []
        for language in Self.languages {
            let text = try #require(Self.file(rule, language), "\(rule) has no template in \(language)")
            spoken.append(Set(Self.variables(text).map(\.name)))
        }
        #expect(spoken[0] == spoken[1])
    }

    @Test(arguments: rules, ["en-GB", "de-DE", "tr", "tr-TR", "tr_CY", nil]) func rendersTheMessagesOfItsCase(
        rule: String, locale: String?
    ) throws {
        let isTurkish = locale?.hasPrefix("tr") ?? false
        let template = try #require(Self.file(rule, isTurkish ? "tr" : "en"))
        let messages = try Self.messages(rule, locale: locale)
        #expect(!messages.isEmpty)
        for message in messages {
            let data = try #require(message["data"])
            let content = try #require(data["content"], "\(rule) has no content")
            #expect(content.entries.map(\.key) == ["body", "content_type", "subject"])
            #expect(content["content_type"]?.string == "text/plain")
            let subject = try #require(content["subject"]?.string)
            let body = try #require(content["body"]?.string)
            #expect(body.hasPrefix(isTurkish ? "Merhaba" : "Hello"), "\(rule): \(body)")
            if let name = data["customer"]?["traits"]?["first_name"]?.string { #expect(body.contains(" \(name),\n")) }
            let text = subject + "\n" + body
            // Nothing of the template is left, nothing is escaped, and no place is empty.
            for trace in [
                "{{", "}}", "&amp;", "&lt;", "&gt;", "&quot;", "&#", "  ", " .", " ,", " :", "()", " \n", "\n\n\n", "null",
            ] {
                #expect(!text.contains(trace), "\(rule), \(locale ?? "no locale"): \(trace) in \(text)")
            }
            #expect(!subject.isEmpty && !subject.hasSuffix(":") && body.hasSuffix("\n") && !body.hasSuffix("\n\n"))
            for variable in Self.variables(template) where !variable.isGuarded {
                let value = try #require(Self.value(variable.name, in: data), "\(rule): no \(variable.name) in the message")
                #expect(text.contains(value.string ?? CanonicalJSON(value).text), "\(rule): \(variable.name)")
            }
        }
    }

    @Test func textIsNotEscapedAndDataIsNoTemplate() throws {
        let name = #"Tom & "Jerry" <b>{{customer.id}}</b>"#
        for locale in ["en", "tr"] {
            let messages = try Self.messages("back-in-stock", locale: locale, naming: name)
            let content = try #require(messages.first?["data"]?["content"])
            #expect(content["subject"]?.string?.contains(name) ?? false)
            #expect(content["body"]?.string?.contains(name) ?? false)
        }
    }
}
