import Engine
import Testing

@testable import Pipeline

/// The control log can be written to by anybody who administers the daemon: what is no order is passed over.
@Suite struct ControlLineTests {
    private func line(_ text: String) throws -> ControlLine? {
        let packed = try #require(JSONText.pack(Array(text.utf8)))
        return ControlLine(JSONView(bytes: packed, offset: 0), start: 0, end: text.utf8.count)
    }

    @Test(arguments: ["1e30", "-1e30", "9.3e18", "1.5", "null", #""now""#, "1e308", "253402300800000"])
    func aTimeThatIsNoneIsNoOrder(at: String) throws {
        #expect(try line(#"{"type":"pause","at":\#(at)}"#) == nil)
        #expect(try line(#"{"type":"forget","at":1,"ids":["a"],"until":\#(at)}"#) == nil)
    }

    @Test(arguments: ["1e30", "-1e30", "0.5", "null"]) func aNumberThatIsNoneIsNoOrder(number: String) throws {
        #expect(try line(#"{"type":"retry","at":1,"number":\#(number)}"#) == nil)
        let forget = try #require(
            try line(#"{"type":"forget","at":1,"ids":["a"],"until":2,"number":\#(number),"dead_letters":[[\#(number),1]]}"#))
        guard case .forget(let order) = forget.order else {
            Issue.record("\(forget)")
            return
        }
        #expect(order.customer == nil && order.deadLetters == [[1]])
    }

    /// Ids that are numbers keep all their digits on the way through the log.
    @Test func anEventByHandIsKeptAsItWasWritten() throws {
        let event = try #require(
            try line(#"{"type":"event","at":1,"line":{"userId":"u","properties":{"id":12345678901234567890,"n":-0.0}}}"#))
        guard case .event(let text) = event.order else {
            Issue.record("\(event)")
            return
        }
        #expect(String(decoding: text, as: UTF8.self) == #"{"properties":{"id":12345678901234567890,"n":-0.0},"userId":"u"}"#)
    }
}
