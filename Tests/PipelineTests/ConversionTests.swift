import Engine
import Pipeline
import Storage
import Testing

/// Who did what the message was to make them do, published against held out.
@Suite struct ConversionTests {
    private static func outcomes(of name: String) throws -> [String] {
        let directory = try TemporaryDirectory()
        let store = try Store.reopen(directory: directory.path)
        try Case(name: name).replay(into: store)
        return try store.outcomes().map {
            "\($0.variant) \($0.side) \($0.currency) \($0.sent) \($0.converted) \($0.revenue.text)"
        }
    }

    @Test func revenueIsTheFirstFieldThatHasAnAmount() throws {
        #expect(try Self.outcomes(of: "delivery-conversion-revenue") == [" published  1 1 0", " published EUR 0 0 37.5"])
    }

    @Test func countsFirstConversionsAndAllRevenue() throws {
        #expect(
            try Self.outcomes(of: "delivery-conversion") == [
                " holdout  1 1 0", " holdout EUR 0 0 10.1", " published  2 1 0", " published EUR 0 0 60.3",
                " published USD 0 0 5",
            ])
    }
}
