import Engine
import Testing

@testable import Ingest

@Suite struct FormatSampleTests {
    private func lines(_ text: String...) -> [[UInt8]] { text.map { Array($0.utf8) } }

    @Test func aSampleSaysWhatIsUnderstood() {
        let sample = FormatSample(
            of: lines(
                #"{"type":"track","event":"Added Product","userId":"u1","messageId":"m1","timestamp":"2026-03-01T12:00:00Z"}"#,
                #"{"type":"track","event":"Our Own","anonymousId":"a1","timestamp":"2026-03-01T10:00:00Z"}"#, "",
                #"{"type":"page","userId":"u1","timestamp":"2026-03-01T11:00:00Z"}"#, "{",
                #"{"type":"page","timestamp":"2026-03-01T11:00:00Z"}"#, "["),
            as: .segment)
        #expect(sample.lines == 6 && sample.events == 3 && sample.customers == 1 && sample.visitors == 1 && sample.withoutID == 2)
        #expect(sample.names.map(\.name) == ["Our Own", "Page Viewed", "Product Added"])
        #expect(sample.first?.rfc3339 == "2026-03-01T10:00:00.000Z" && sample.last?.rfc3339 == "2026-03-01T12:00:00.000Z")
        #expect(sample.faults.map(\.reason) == [.badJSON, .missingCustomer] && sample.faults.map(\.count) == [2, 1])
        #expect(sample.faults.map(\.line) == [5, 6])
    }

    @Test(arguments: [
        ("segment", #"{"type":"page","userId":"u","timestamp":"2026-03-01T11:00:00Z"}"#),
        (
            "cloudevents",
            #"{"specversion":"1.0","id":"1","source":"/s","type":"page","subject":"u","time":"2026-03-01T11:00:00Z"}"#
        ),
        ("stripe", PresetStripeTests.line("invoice.paid", #"{"customer":"c"}"#)),
        ("revenuecat", PresetRevenueCatTests.line("TEST")),
        ("shopify", #"{"topic":"carts/update","id":"c","token":"c","updated_at":"2026-03-01T11:00:00Z"}"#),
    ])
    func aPresetIsFound(_ preset: String, _ line: String) {
        #expect(FormatSample.preset(of: lines(line, "no JSON", line)) == preset)
    }

    @Test func aMappingIsProposed() throws {
        let log = lines(
            #"{"id":1,"ts":1772366400,"who":{"user":"u1"},"type":"pv","item":7,"size":"M"}"#,
            #"{"id":2,"ts":1772366460,"who":{"user":"u2"},"type":"buy","item":7,"size":"L"}"#)
        #expect(FormatSample.preset(of: log) == nil)
        let proposal = try #require(FormatProposal(for: log))
        #expect(
            proposal.yaml(indent: "") == """
                format:
                  id: id
                  customer: who.user
                  event: type
                  time: { path: ts, unit: s }
                  names: { buy: Order Completed, pv: Product Viewed }
                  properties: { product_id: item, variant: size }
                """)
        #expect(FormatSample(of: log, as: .mapping(proposal.mapping)).events == 2)
    }

    @Test func aWatcherOfProductsIsKnown() throws {
        let log = lines(#"{"product":"p","size":"M","available":0,"at":1772366400123}"#)
        let proposal = try #require(FormatProposal(for: log))
        #expect(proposal.mapping.event == .always("Product Stock Changed") && proposal.mapping.time.unit == .ms)
        #expect(FormatSample(of: log, as: .mapping(proposal.mapping)).events == 1)
    }

    @Test func whatHasNoTimeHasNoProposal() {
        #expect(FormatProposal(for: lines(#"{"user":"u","n":5}"#)) == nil)
        #expect(FormatProposal(for: []) == nil)
    }

    @Test func anObjectOfPropertiesIsTakenWhole() throws {
        let log = lines(
            #"{"host":"a","message":{"event":"add_to_cart","user_id":"u1","properties":{"product_id":7}},"at":"2026-03-01T10:00:00Z"}"#,
            #"{"host":"a","message":{"event":"purchase","user_id":"u2","properties":{"total":5}},"at":"2026-03-01T10:00:00Z"}"#)
        let proposal = try #require(FormatProposal(for: log))
        #expect(
            proposal.yaml(indent: "") == """
                format:
                  customer: message.user_id
                  event: message.event
                  time: { path: at, unit: rfc3339 }
                  names: { add_to_cart: Product Added, purchase: Order Completed }
                  properties: message.properties
                """)
        #expect(proposal.remarks.isEmpty)
    }

    @Test func propertiesDeepInsideAreFound() throws {
        let log = lines(#"{"at":1772366400123,"m":{"event":"e","user":"u","more":{"item":7,"colour":"red"}}}"#)
        let proposal = try #require(FormatProposal(for: log))
        #expect(proposal.mapping.properties == .members([("product_id", "m.more.item")]))
    }

    /// Analytics exports have both ids, the user's only where somebody is logged in.
    @Test func visitorsMayHaveNoUser() throws {
        let log = lines(
            #"{"event_timestamp":1772359200123456,"event_name":"purchase","user_id":null,"user_pseudo_id":"1.2"}"#,
            #"{"event_timestamp":1772359201123456,"event_name":"purchase","user_id":"u1","user_pseudo_id":"1.3"}"#)
        let proposal = try #require(FormatProposal(for: log))
        #expect(proposal.mapping.customer == "user_id" && proposal.mapping.anonymous == "user_pseudo_id")
        let sample = FormatSample(of: log, as: .mapping(proposal.mapping))
        #expect(sample.customers == 1 && sample.visitors == 1 && sample.faults.isEmpty)
    }

    @Test func remarksSayWhatAMappingCannot() throws {
        let packed = try #require(
            FormatProposal(for: lines(#"{"date":1772359200.5,"log":"{\"type\":\"track\",\"event\":\"A\",\"userId\":\"u\"}"}"#)))
        #expect(packed.remarks.count == 2 && packed.remarks[1].hasPrefix("`log` holds JSON as text"))
        let access = try #require(
            FormatProposal(for: lines(#"{"time_iso8601":"2026-03-01T10:00:00+00:00","request":"GET / HTTP/1.1","status":"200"}"#))
        )
        #expect(access.remarks.count == 1 && access.remarks[0].hasPrefix("No field looks like the id of a customer"))
    }
}
