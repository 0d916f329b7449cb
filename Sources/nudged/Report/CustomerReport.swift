import Engine
import Storage

/// What is known of one customer; `+Text` and `+JSON` say it.
struct CustomerReport {
    let record: CustomerRecord
    let inspection: Inspection
    let carts: [CanonicalJSON]
    let interests: [CanonicalJSON]
    let decisions: [DecisionRow]
    let messages: [MessageRow]

    /// - Parameter isComplete: with carts and interests that are to be forgotten by now, but are still in the record.
    init(_ state: LiveState, _ record: CustomerRecord, limit: Int, isComplete: Bool = false) throws {
        self.record = record
        let inspection = try state.inspection(record)
        self.inspection = inspection
        carts = CanonicalJSON(stored: record.carts).elements.filter {
            isComplete || inspection.profile.carts.index(id: $0["id"]?.string ?? "") != nil
        }
        interests = CanonicalJSON(stored: record.interests).elements.filter { stored in
            let product = ProductKey(id: stored["product_id"]?.string ?? "", variant: stored["variant"]?.string ?? "")
            return isComplete
                || inspection.profile.interests.contains { $0.kind.rawValue == stored["kind"]?.string && $0.product == product }
        }
        var query = DecisionQuery()
        query.customers = [record.number]
        query.limit = limit
        decisions = try state.store.decisions(query)
        messages = try state.store.messages(customers: [record.number], limit: limit)
    }

    static func title(_ window: Inspection.WindowValue) -> String {
        "\(window.series.statistic.rawValue) of \(window.series.event)"
            + (window.series.property.isEmpty ? "" : ".\(window.series.property)")
    }

    static func length(_ window: Inspection.WindowValue) -> String {
        window.series.width == .lifetime ? "lifetime" : DurationLiteral.text(window.window)
    }
}
