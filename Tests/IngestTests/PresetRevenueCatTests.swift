import Engine
import Testing

@testable import Ingest

@Suite struct PresetRevenueCatTests {
    /// A webhook of RevenueCat's at 2026-03-01T12:00:00Z.
    static func line(_ type: String, _ fields: String = "", user: String = "u1", id: String = "e1") -> String {
        #"{"api_version":"1.0","event":{"type":"\#(type)","id":"\#(id)","event_timestamp_ms":1772366400123,"app_user_id":"\#(user)","original_transaction_id":"100","transaction_id":"102","product_id":"pro","store":"APP_STORE","environment":"PRODUCTION","period_type":"NORMAL""#
            + (fields.isEmpty ? "" : "," + fields) + "}}"
    }

    private static let facts = #""environment":"PRODUCTION","product_id":"pro""#
    private static let end = #""store":"APP_STORE","subscription_id":"100","trial":false"#

    @Test(arguments: [
        (
            line(
                "INITIAL_PURCHASE",
                #""price":4.99,"price_in_purchased_currency":4.5,"currency":"EUR","expiration_at_ms":1775044800000"#),
            [
                #"Subscription Started user=u1 id=e1 {"amount":4.5,"currency":"EUR","environment":"PRODUCTION","period_ends":"2026-04-01T12:00:00.000Z","product_id":"pro",\#(end)}"#,
                #"Payment Succeeded user=u1 id=e1/1 {"amount":4.5,"currency":"EUR","environment":"PRODUCTION","period_ends":"2026-04-01T12:00:00.000Z","product_id":"pro",\#(end)}"#,
            ]
        ),
        (
            line("INITIAL_PURCHASE", #""price":0,"period_type":"TRIAL""#),
            [
                #"Subscription Started user=u1 id=e1 {"amount":0,"currency":"USD",\#(facts),"store":"APP_STORE","subscription_id":"100","trial":true}"#
            ]
        ),
        (
            line("RENEWAL", #""price":4.99"#),
            [#"Payment Succeeded user=u1 id=e1 {"amount":4.99,"currency":"USD",\#(facts),\#(end)}"#]
        ),
        (line("RENEWAL", #""price":0"#), [#"Payment Succeeded user=u1 id=e1 {"amount":0,"currency":"USD",\#(facts),\#(end)}"#]),
        (
            line("BILLING_ISSUE", #""price":0,"grace_period_expiration_at_ms":1772971200000,"expiration_at_ms":1772366400000"#),
            [
                #"Payment Failed user=u1 id=100/102/billing_issue {"attempt":1,"currency":"USD","environment":"PRODUCTION","grace_ends":"2026-03-08T12:00:00.000Z","period_ends":"2026-03-01T12:00:00.000Z","product_id":"pro",\#(end)}"#
            ]
        ),
        (
            line("CANCELLATION", #""cancel_reason":"BILLING_ERROR","expiration_at_ms":1772366400000"#, id: "e2"),
            [
                #"Payment Failed user=u1 id=100/102/billing_issue {"attempt":1,"environment":"PRODUCTION","period_ends":"2026-03-01T12:00:00.000Z","product_id":"pro","reason":"BILLING_ERROR",\#(end)}"#
            ]
        ),
        (
            line("CANCELLATION", #""cancel_reason":"UNSUBSCRIBE","expiration_at_ms":1772366400000"#),
            [
                #"Subscription Cancelled user=u1 id=e1 {"environment":"PRODUCTION","period_ends":"2026-03-01T12:00:00.000Z","product_id":"pro","reason":"UNSUBSCRIBE",\#(end)}"#
            ]
        ),
        (
            line("CANCELLATION", #""cancel_reason":"CUSTOMER_SUPPORT","price":-9.99"#),
            [
                #"Order Refunded user=u1 id=e1 {"currency":"USD","environment":"PRODUCTION","order_id":"102","product_id":"pro","reason":"CUSTOMER_SUPPORT","store":"APP_STORE","subscription_id":"100","total":9.99,"trial":false}"#
            ]
        ),
        (line("UNCANCELLATION"), [#"Subscription Started user=u1 id=e1 {\#(facts),"resumed":true,\#(end)}"#]),
        (
            line("EXPIRATION", #""expiration_reason":"BILLING_ERROR""#),
            [#"Subscription Expired user=u1 id=e1 {\#(facts),"reason":"BILLING_ERROR",\#(end)}"#]
        ),
    ])
    func typesBecomeTheStatesNames(_ line: String, _ texts: [String]) { #expect(PresetLine(.revenuecat).texts(line) == texts) }

    @Test(arguments: ["STRIPE", "RC_BILLING"])
    func aRenewalOverNothingWhereStripeBillsIsNoPayment(_ store: String) {
        let free = PresetLine(.revenuecat).texts(Self.line("RENEWAL", #""price":0.0,"store":"\#(store)""#))
        #expect(free.count == 1 && free[0].hasPrefix("RENEWAL user=u1 id=e1 {"))
        let paid = PresetLine(.revenuecat).texts(Self.line("RENEWAL", #""price":1,"store":"\#(store)""#))
        #expect(paid.count == 1 && paid[0].hasPrefix("Payment Succeeded user=u1 id=e1 {"))
    }

    @Test func onlyARefundOfWhatHasNoEndCancelsNothing() {
        func names(_ fields: String) -> [String] {
            PresetLine(.revenuecat).texts(
                #"{"event":{"type":"CANCELLATION","id":"e","app_user_id":"u","event_timestamp_ms":1772366400123,\#(fields)}}"#
            )
            .map { String($0.prefix { $0 != "=" }.dropLast(5)) }
        }
        #expect(names(#""cancel_reason":"UNSUBSCRIBE""#) == ["Subscription Cancelled"])
        #expect(names(#""cancel_reason":"CUSTOMER_SUPPORT","price":-9.99"#) == ["Order Refunded"])
        #expect(
            names(#""cancel_reason":"CUSTOMER_SUPPORT","price":-9.99,"expiration_at_ms":1772966400123"#) == [
                "Subscription Cancelled", "Order Refunded",
            ])
    }

    @Test(arguments: ["PRODUCT_CHANGE", "NON_RENEWING_PURCHASE", "TEST"])
    func otherTypesKeepTheirName(_ type: String) {
        let texts = PresetLine(.revenuecat).texts(Self.line(type, #""new_product_id":"max""#))
        #expect(texts.count == 1 && texts[0].hasPrefix("\(type) user=u1 id=e1 {"))
        #expect(texts[0].contains(#""new_product_id":"max""#) && texts[0].contains(#""subscription_id":"100""#))
    }

    private static let a = "$RCAnonymousID:aa"
    private static let b = "$RCAnonymousID:bb"

    @Test(arguments: [
        (line("TEST", user: a), ["TEST anonymous=\(a)"]),
        (line("TEST", #""aliases":["\#(a)","\#(b)"]"#, user: a), ["TEST anonymous=\(a)"]),
        (
            line("TEST", #""aliases":["\#(a)","u1"],"original_app_user_id":"\#(b)""#, user: a),
            ["link \(b) to u1", "TEST user=u1 anonymous=\(a)"]
        ),
        (line("TEST", #""aliases":["\#(a)"],"original_app_user_id":"u1""#), ["TEST user=u1 anonymous=\(a)"]),
        // Another name of the same person: the one in use counts.
        (line("TEST", #""aliases":["u0","u1"]"#), ["TEST user=u1"]),
        (
            #"{"event":{"type":"TRANSFER","id":"t1","event_timestamp_ms":1772366400123,"transferred_from":["\#(a)","u0"],"transferred_to":["\#(b)","u2"]}}"#,
            ["link \(a) to u2", "TRANSFER user=u2 anonymous=\(b)"]
        ),
        (
            #"{"type":"TRANSFER","id":"t1","event_timestamp_ms":1772366400123,"transferred_from":["u0"],"transferred_to":["u2"]}"#,
            ["TRANSFER user=u2"]
        ),
    ])
    func oneCustomersIdsAreLinked(_ line: String, _ texts: [String]) {
        let found = PresetLine(.revenuecat).texts(line).map { $0.split(separator: " id=").first.map(String.init) ?? "" }
        #expect(Set(found) == Set(texts))
    }

    @Test func attributesAreTraits() {
        let attributes =
            #""country_code":"TR","subscriber_attributes":{"$email":{"value":"a@example.com","updated_at_ms":1},"$idfa":{"value":"x"},"food":{"value":"pizza"}}"#
        let texts = PresetLine(.revenuecat).texts(Self.line("EXPIRATION", attributes))
        #expect(texts.count == 1 && texts[0].hasSuffix(#" traits={"country":"TR","email":"a@example.com","food":"pizza"}"#))
    }

    @Test(arguments: [
        (#"{"event":{"id":"e","app_user_id":"u","event_timestamp_ms":1}}"#, "missing_event"),
        (#"{"event":{"type":"TEST","app_user_id":"u"}}"#, "bad_timestamp"),
        (#"{"event":{"type":"TEST","event_timestamp_ms":1}}"#, "missing_customer"),
        (#"{"event":{"type":"TEST","app_user_id":"u","event_timestamp_ms":1e19}}"#, "bad_timestamp"), ("{}", "missing_event"),
    ])
    func whatIsNoWebhookIsADeadLetter(_ line: String, _ reason: String) {
        #expect(PresetLine(.revenuecat).texts(line) == ["dead letter: \(reason)"])
    }
}
