import Engine
import Testing

@testable import Ingest

@Suite struct FormatTests {
    private func mapped(_ mapping: MappingFormat, _ line: String, names: [String] = ["Seen"]) -> Decoded {
        var vocabulary = Vocabulary()
        for name in names { vocabulary.add(name, needsProperties: true) }
        var decoder = Decoder(vocabulary: vocabulary, format: .mapping(mapping))
        return decoder.decode(line)
    }

    private func mapping(_ unit: MappingFormat.Unit = .s, _ properties: MappingFormat.Properties = .others) -> MappingFormat {
        MappingFormat(
            id: "id", customer: "who.user", anonymous: "who.visitor", event: "type", time: .init(path: "ts", unit: unit),
            received: "seen", names: ["pv": "Seen"], properties: properties)
    }

    @Test(arguments: [
        (MappingFormat.Unit.s, "1511539200", 1_511_539_200_000 as Instant?), (.s, "1511539200.123", 1_511_539_200_123),
        (.s, "1511539200.9999", 1_511_539_200_999), (.s, "-0.0005", -1), (.s, "1.5e9", 1_500_000_000_000),
        (.s, #""1511539200.5""#, 1_511_539_200_500), (.ms, "1511539200123", 1_511_539_200_123), (.ms, "0.9", 0),
        (.us, "1511539200123999", 1_511_539_200_123), (.us, "-1", -1), (.us, "-1000", -1), (.us, "1.5", 0),
        (.us, "-9223372036854775808", nil), (.s, #""1e-9223372036854775808""#, nil),
        (.rfc3339, #""2017-11-24T16:00:00Z""#, 1_511_539_200_000), (.s, "0", 0),
        (.s, "253402300799", 253_402_300_799_000), (.s, "253402300800", nil), (.s, "9223372036854775807", nil),
        (.s, "1e300", nil), (.s, #""soon""#, nil), (.s, "true", nil), (.s, "[1]", nil), (.s, "null", nil), (.s, #""""#, nil),
        (.rfc3339, "1511539200", nil), (.ms, "18446744073709551615", nil), (.s, "12345678901234567890123", nil),
    ])
    func aTimeIsReadInItsUnit(_ unit: MappingFormat.Unit, _ json: String, _ time: Instant?) {
        let decoded = mapped(mapping(unit), #"{"type":"pv","who":{"user":"u"},"ts":\#(json)}"#)
        #expect(decoded.event?.time == time)
        if time == nil { #expect(decoded.letter?.reason == .badTimestamp) }
    }

    @Test func everyOtherFieldIsAPropertyIfNoneAreNamed() {
        let decoded = mapped(
            mapping(), #"{"id":9,"type":"pv","who":{"user":"u","city":"x"},"ts":5,"item":7,"tags":[1],"item":8,"seen":null}"#)
        // `who` is not taken whole, only from; what the mapping names by itself is gone.
        #expect(decoded.properties == #"{"item":8,"tags":[1],"who":{"city":"x","user":"u"}}"#)
        #expect(decoded.text(\.id) == "9")
    }

    @Test func namedPropertiesAreTakenFromTheirPaths() {
        let members = MappingFormat.Properties.members([
            ("product_id", "item.id"), ("again", "item.id"), ("who", "who"), ("none", "no.where"),
        ])
        let decoded = mapped(mapping(.s, members), #"{"type":"pv","who":{"user":"u"},"ts":5,"item":{"id":7}}"#)
        #expect(decoded.properties == #"{"again":7,"product_id":7,"who":{"user":"u"}}"#)
    }

    @Test func anObjectIsTakenWhole() {
        let line = #"{"type":"pv","who":{"user":"u"},"ts":5,"item":{"id":7}}"#
        #expect(mapped(mapping(.s, .object("item")), line).properties == #"{"id":7}"#)
        #expect(mapped(mapping(.s, .object("ts")), line).properties == nil)
        #expect(mapped(mapping(.s, .object("item.id.x")), line).properties == nil)
    }

    @Test(arguments: [
        (#"{"type":"pv","ts":5}"#, DeadLetter.Reason.missingCustomer), (#"{"who":{"user":"u"},"ts":5}"#, .missingEvent),
        (#"{"type":"pv","who":{"user":"u"}}"#, .badTimestamp), (#"{"type":"pv","who":"u","ts":5}"#, .missingCustomer),
    ])
    func whatAMappingNeedsIsAskedFor(_ line: String, _ reason: DeadLetter.Reason) {
        #expect(mapped(mapping(), line).letter?.reason == reason)
    }

    @Test func aNameIsMappedOrUsedAsItIs() throws {
        for (spelled, counts) in [("pv", true), ("Seen", true), ("other", false)] {
            let decoded = mapped(mapping(), #"{"type":"\#(spelled)","who":{"user":"u"},"ts":5}"#)
            #expect((try #require(decoded.event).name != .unmentioned) == counts)
        }
        let numbered = MappingFormat(customer: "u", event: "code", time: .init(path: "ts", unit: .s), names: ["17": "Seen"])
        #expect(mapped(numbered, #"{"code":17,"u":1,"ts":2}"#).event?.name != .unmentioned)
    }

    @Test func anEventDoesNotCountAfterItWasReceived() {
        let decoded = mapped(mapping(), #"{"type":"pv","who":{"visitor":"v"},"ts":5000,"seen":4000}"#)
        #expect(decoded.event?.time == 4_000_000)
        #expect(decoded.text(\.anonymous) == "v")
    }

    @Test func aLogOfProductsNeedsNoCustomer() {
        let mapping = MappingFormat(
            customer: nil, event: "kind", time: .init(path: "ts", unit: .s), names: ["stock": "Product Stock Changed"],
            properties: .members([("product_id", "product"), ("variant", "size"), ("available", "available")]))
        let decoded = mapped(mapping, #"{"kind":"stock","ts":1,"product":"p","size":"M","available":true}"#)
        #expect(decoded.properties == #"{"available":true,"product_id":"p","variant":"M"}"#)
    }

    @Test func aLogOfOneKindOfEventNamesItNowhere() {
        let mapping = MappingFormat(
            customer: nil, event: .always("Product Stock Changed"), time: .init(path: "ts", unit: .s),
            properties: .members([("product_id", "product"), ("variant", "size"), ("available", "available")]))
        let decoded = mapped(mapping, #"{"ts": 1768457963, "product": "p", "size": "XS", "available": 1}"#)
        #expect(decoded.event?.name == StateEvent.productStockChanged.eventName)
        #expect(decoded.properties == #"{"available":1,"product_id":"p","variant":"XS"}"#)
    }

    @Test func aCloudEventIsRead() throws {
        var vocabulary = Vocabulary()
        let name = vocabulary.add("com.shop.seen", needsProperties: true)
        var decoder = Decoder(vocabulary: vocabulary, format: try #require(Format(preset: "cloudevents")))
        let decoded = decoder.decode(
            #"{"specversion":"1.0","id":"e1","source":"/shop","type":"com.shop.seen","subject":"u1","time":"2026-03-01T12:00:00Z","datacontenttype":"application/json","data":{"a":[1]}}"#
        )
        #expect(decoded.event?.name == name)
        #expect(decoded.text(\.user) == "u1")
        #expect(decoded.text(\.id) == "e1")
        #expect(decoded.properties == #"{"a":[1]}"#)
    }

    @Test func aPresetIsKnownByItsName() {
        #expect(Format(preset: "segment") == .segment)
        #expect(Format(preset: "cloudevents") == .cloudevents)
        #expect(Format(preset: "nothing") == nil)
    }
}
