import Engine
import Glibc
import Templates
import Testing

@Suite struct TemplateTests {
    static let data =
        #"{"data":{"cart":{"items":[{"name":"Tea & <b>","quantity":2},{"name":"{{customer.id}}","quantity":1}],"total":"59.97"},"customer":{"id":"u1","locale":"tr-TR","traits":{"name":"Ay\nşe"}},"rule":"r"},"id":"x","type":"nudged.message"}"#

    private func content(_ text: String) throws -> JSONView? {
        let packed = try #require(JSONText.pack(Array(Self.data.utf8)))
        let data = try #require(JSONView(bytes: packed, offset: 0)["data"])
        return JSONText.pack(try Template(text).render(data).bytes).map { JSONView(bytes: $0, offset: 0) }
    }

    @Test func escapesForTheDeclaredType() throws {
        let body = "\n{{#cart.items}}{{quantity}} {{name}};{{/cart.items}} {{cart.total}}{{missing}}\n"
        #expect(
            try content("content-type: text/html\n" + body)?["body"]?.string == "2 Tea &amp; &lt;b&gt;;1 {{customer.id}}; 59.97\n"
        )
        #expect(try content("subject: x\n" + body)?["body"]?.string == "2 Tea & <b>;1 {{customer.id}}; 59.97\n")
    }

    @Test func anEmptyTextIsAbsent() throws {
        let data = Self.data.replacing("Ay\\nşe", with: "")
        let packed = try #require(JSONText.pack(Array(data.utf8)))
        let rendered = try Template("\nHello{{#customer.traits.name}} {{.}}{{/customer.traits.name}}{{customer.traits.name}},")
            .render(try #require(JSONView(bytes: packed, offset: 0)["data"]))
        #expect(rendered.text == #"{"body":"Hello,","content_type":"text/plain"}"#)
    }

    @Test func aListByItselfIsShownAsTheMessageHasIt() throws {
        #expect(
            try content("\n{{cart.items}}")?["body"]?.string
                == #"[{"name":"Tea & <b>","quantity":2},{"name":"{{customer.id}}","quantity":1}]"#)
    }

    @Test func fieldsAreOneLine() throws {
        let content = try #require(try content("content-type: text/html\nsubject: Dear {{customer.traits.name}} & co\n\nhello"))
        #expect(content["subject"]?.string == "Dear Ay şe & co" && content["content_type"]?.string == "text/html")
    }

    @Test(arguments: [
        ("subject: é {{#a}}\n\nx", "1:12 this section is never ended"),
        ("subject: x\n\na\n  {{/a}}", "4:3 there is no section `a` to end here"),
        ("\n{{#a}}{{^b}}\n{{/a}}", "3:1 the section to end here is `b`, which was begun in line 2"),
        ("\n{{> other}}", "2:1 `{{>` is not supported"),
        ("content-type: text/xml\n\nx", "1:15 there is no content type \"text/xml\" here"),
        ("Hello\n\nx", "1:1 this is no field: fields come first, each in a line of its own, and a blank line ends them"),
        ("a: 1\na: 2\n\nx", "2:1 `a` is given twice"), ("\n{{*{", "2:1 this tag is not closed: `}}` is missing"),
        ("\nx\ny {{name\n{{other}}", "3:3 this tag is not closed: `}}` is missing"),
        ("\n{{{name}}", "2:1 this tag is not closed: `}}}` is missing"),
        ("\n{{! {{x}}\n {{customer.first name}}", "3:2 `customer.first name` is no name"),
        ("\n{{ }}", "2:1 this tag has no name"),
        ("\n{{a(b}}", "2:1 this is no Mustache template"),
    ]) func whatIsWrongIsSaidWithItsPlace(text: String, expected: String) {
        #expect {
            try Template(text)
        } throws: {
            guard let fault = $0 as? Template.Fault else { return false }
            return "\(fault.line):\(fault.column) \(fault.message)" == expected && !fault.hint.isEmpty
        }
    }

    @Test func fallsBackFromLocaleToLanguageToDefault() throws {
        var place = Array("/tmp/nudged-templates-XXXXXX".utf8CString)
        try #require(mkdtemp(&place) != nil)
        let directory = String(decoding: place.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        func write(_ name: String, _ text: String) throws {
            let stream = try #require(fopen(directory + "/" + name, "w"))
            fputs(text, stream)
            fclose(stream)
        }
        let here = Position(file: "nudged.yaml", line: 7, column: 1)
        var rule = RuleDefinition(name: Located("r", at: here))
        rule.delivery.template = Located("cart", at: here)
        #expect(TemplateSet.load([rule], from: directory).issues.map(\.position) == [here])
        try write("cart.tr.mustache", "\ntr")
        try write("cart.de.mustache", "\nde")
        #expect(TemplateSet.load([rule], from: directory).issues.count == 1)
        try write("cart.en.mustache", "\nen")
        try write("cart.tr-CY.mustache", "\ncy")
        let (templates, issues) = TemplateSet.load([rule], from: directory)
        #expect(issues.isEmpty)
        for (locale, expected) in [("tr-TR", "tr"), ("tr_CY", "cy"), ("TR", "tr"), ("fr-FR", "en"), ("de-AT-1996", "de")] {
            let json = Self.data.replacing("tr-TR", with: locale)
            let rendered = String(decoding: templates.render(rule: "r", Array(json.utf8)), as: UTF8.self)
            #expect(rendered.contains(#""content":{"body":"\#(expected)","content_type":"text/plain"}"#))
            #expect(rendered.contains(#""id":"x""#))
        }
        #expect(templates.render(rule: "other", Array(Self.data.utf8)) == Array(Self.data.utf8))
        try write("cart.tr.mustache", "\r\nx\r\n {{#a}}\r\n")
        let issue = try #require(TemplateSet.load([rule], from: directory).issues.first)
        #expect(issue.position == Position(file: directory + "/cart.tr.mustache", line: 3, column: 2))
        #expect(issue.message == "this section is never ended\n     {{#a}}\n     ^")
    }
}
