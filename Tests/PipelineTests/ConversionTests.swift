import Engine
import Pipeline
import Storage
import Testing

/// Who did what the message was to make them do, published against held out.
@Suite struct ConversionTests {
    @Test func countsFirstConversionsAndAllRevenue() throws {
        let directory = try TemporaryDirectory()
        let folder = Case(name: "delivery-conversion")
        let store = try Store.reopen(directory: directory.path)
        try folder.replay(into: store)
        let rows = try store.outcomes().map {
            "\($0.variant) \($0.side) \($0.currency) \($0.sent) \($0.converted) \($0.revenue.text)"
        }
        #expect(
            rows == [
                " holdout  1 1 0", " holdout EUR 0 0 10.1", " published  2 1 0", " published EUR 0 0 60.3",
                " published USD 0 0 5",
            ])
    }
}
