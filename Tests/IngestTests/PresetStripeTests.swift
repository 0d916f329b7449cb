import Engine
import Testing

@testable import Ingest

@Suite struct PresetStripeTests {
    /// An event of Stripe's around an object; `at` is 2026-03-01T12:00:00Z.
    static func line(_ type: String, _ object: String, before: String? = nil, id: String = "evt_1", at: Int = 1_772_366_400)
        -> String
    {
        #"{"id":"\#(id)","object":"event","api_version":"2024-06-20","created":\#(at),"type":"\#(type)","data":{"object":\#(object)"#
            + (before.map { #","previous_attributes":\#($0)"# } ?? "") + #"},"livemode":true}"#
    }

    private static let invoice =
        #""object":"invoice","id":"in_1","customer":"cus_1","subscription":"sub_1","currency":"eur","total":1999"#
    private static let facts = #""currency":"EUR""#

    @Test(arguments: [
        (
            line(
                "invoice.payment_failed",
                #"{\#(invoice),"attempt_count":2,"next_payment_attempt":1772625600,"amount_due":1999,"amount_remaining":999,"hosted_invoice_url":"https://pay/1"}"#
            ),
            #"Payment Failed user=cus_1 id=evt_1 {"amount":9.99,"attempt":2,"currency":"EUR","invoice_id":"in_1","invoice_url":"https://pay/1","next_attempt":"2026-03-04T12:00:00.000Z","subscription_id":"sub_1"}"#
        ),
        (
            line(
                "invoice.payment_failed",
                #"{\#(invoice),"attempt_count":4,"next_payment_attempt":null,"amount_due":1999,"amount_remaining":null}"#),
            #"Payment Failed user=cus_1 id=evt_1 {"amount":19.99,"attempt":4,"currency":"EUR","invoice_id":"in_1","subscription_id":"sub_1"}"#
        ),
        // References may be expanded, and newer versions keep the subscription elsewhere.
        (
            line(
                "invoice.payment_failed",
                #"{"object":"invoice","id":"in_1","customer":{"id":"cus_1"},"currency":"jpy","amount_due":500,"parent":{"subscription_details":{"subscription":"sub_2"}},"payment_intent":{"last_payment_error":{"code":"card_declined","decline_code":"insufficient_funds"}}}"#
            ),
            #"Payment Failed user=cus_1 id=evt_1 {"amount":500,"currency":"JPY","decline":"soft","decline_code":"insufficient_funds","invoice_id":"in_1","subscription_id":"sub_2"}"#
        ),
        (
            line(
                "invoice.payment_failed",
                #"{"object":"invoice","id":"in_1","customer":"cus_1","currency":"kwd","amount_due":5120,"lines":{"data":[{"subscription":"sub_3"}]},"charge":{"outcome":{"reason":"stolen_card"}}}"#
            ),
            #"Payment Failed user=cus_1 id=evt_1 {"amount":5.12,"currency":"KWD","decline":"hard","decline_code":"stolen_card","invoice_id":"in_1","subscription_id":"sub_3"}"#
        ),
        (
            line("invoice.paid", #"{\#(invoice),"amount_paid":1999,"billing_reason":"subscription_cycle"}"#),
            #"Payment Succeeded user=cus_1 id=in_1/paid {"amount":19.99,"billing_reason":"subscription_cycle","currency":"EUR","invoice_id":"in_1","subscription_id":"sub_1"}"#
        ),
        (
            line("invoice.payment_succeeded", #"{\#(invoice),"amount_paid":1999}"#, id: "evt_2"),
            #"Payment Succeeded user=cus_1 id=in_1/paid {"amount":19.99,"currency":"EUR","invoice_id":"in_1","subscription_id":"sub_1"}"#
        ),
        // A trial's invoice over nothing.
        (
            line("invoice.paid", #"{"object":"invoice","id":"in_1","customer":"cus_1","total":0}"#),
            #"invoice.paid user=cus_1 id=evt_1 {"customer":"cus_1","id":"in_1","object":"invoice","total":0}"#
        ),
    ])
    func invoicesBecomePayments(_ line: String, _ text: String) { #expect(PresetLine(.stripe).texts(line) == [text]) }

    private static let subscription =
        #""object":"subscription","id":"sub_1","customer":"cus_1","currency":"usd","items":{"data":[{"current_period_end":1775044800,"price":{"id":"price_1","product":"prod_1","unit_amount":2000,"currency":"usd"}}]}"#
    private static let plan =
        #""currency":"USD","period_ends":"2026-04-01T12:00:00.000Z","plan":"price_1","price":20,"product_id":"prod_1""#

    @Test(arguments: [
        (
            "created", #""status":"active""#, nil as String?, "Subscription Started",
            #""status":"active","subscription_id":"sub_1","trial":false"#
        ),
        (
            "created", #""status":"trialing""#, nil, "Subscription Started",
            #""status":"trialing","subscription_id":"sub_1","trial":true"#
        ),
        (
            "updated", #""status":"active""#, #"{"status":"incomplete"}"#, "Subscription Started",
            #""status":"active","subscription_id":"sub_1","trial":false"#
        ),
        (
            "updated",
            #""status":"active","cancel_at_period_end":true,"cancel_at":1775044800,"cancellation_details":{"reason":"cancellation_requested"}"#,
            #"{"cancel_at_period_end":false,"cancel_at":null}"#, "Subscription Cancelled",
            #""reason":"cancellation_requested","status":"active","subscription_id":"sub_1","trial":false"#
        ),
        (
            "updated", #""status":"active","cancel_at_period_end":false,"cancel_at":null"#,
            #"{"cancel_at_period_end":true,"cancel_at":1775044800}"#,
            "Subscription Started", #""resumed":true,"status":"active","subscription_id":"sub_1","trial":false"#
        ),
        (
            "updated", #""status":"unpaid""#, #"{"status":"past_due"}"#, "Subscription Expired",
            #""reason":"unpaid","status":"unpaid","subscription_id":"sub_1","trial":false"#
        ),
        (
            "deleted", #""status":"canceled","cancellation_details":{"reason":"cancellation_requested"}"#, nil,
            "Subscription Cancelled",
            #""reason":"cancellation_requested","status":"canceled","subscription_id":"sub_1","trial":false"#
        ),
        (
            "deleted", #""status":"canceled","cancellation_details":{"reason":"payment_failed"}"#, nil, "Subscription Expired",
            #""reason":"payment_failed","status":"canceled","subscription_id":"sub_1","trial":false"#
        ),
        (
            "deleted", #""status":"canceled","cancel_at_period_end":true"#, nil, "Subscription Expired",
            #""status":"canceled","subscription_id":"sub_1","trial":false"#
        ),
    ])
    func subscriptionsChangeTheirStatus(_ what: String, _ fields: String, _ before: String?, _ name: String, _ properties: String)
    {
        let line = Self.line("customer.subscription.\(what)", "{\(Self.subscription),\(fields)}", before: before)
        // The order of members is that of their names.
        let members = (Self.plan + "," + properties).split(separator: ",").sorted().joined(separator: ",")
        #expect(PresetLine(.stripe).texts(line) == ["\(name) user=cus_1 id=evt_1 {\(members)}"])
    }

    @Test(arguments: [
        ("created", #""status":"incomplete""#, nil as String?), ("updated", #""status":"past_due""#, #"{"status":"active"}"#),
        ("updated", #""status":"active""#, #"{"status":"past_due"}"#), ("updated", #""status":"active""#, #"{"metadata":{}}"#),
        ("updated", #""status":"active""#, nil),
    ])
    func otherChangesKeepTheirName(_ what: String, _ fields: String, _ before: String?) {
        let texts = PresetLine(.stripe).texts(
            Self.line("customer.subscription.\(what)", "{\(Self.subscription),\(fields)}", before: before))
        #expect(texts.count == 1 && texts[0].hasPrefix("customer.subscription.\(what) user=cus_1 id=evt_1 {"))
    }

    @Test func aRefundIsTheChargesNewestOne() {
        let charge =
            #"{"object":"charge","id":"ch_1","customer":"cus_1","currency":"usd","amount_refunded":1500,"refunded":false,"metadata":{"order_id":"o1"}}"#
        #expect(
            PresetLine(.stripe).texts(Self.line("charge.refunded", charge, before: #"{"amount_refunded":500}"#)) == [
                #"Order Refunded user=cus_1 id=evt_1 {"charge_id":"ch_1","currency":"USD","full":false,"order_id":"o1","total":10}"#
            ])
    }

    @Test func aCustomerIsItsOwnCustomerAndHasTraits() {
        let customer =
            #"{"object":"customer","id":"cus_1","email":"a@example.com","name":null,"address":{"country":"TR"},"preferred_locales":["tr"]}"#
        #expect(
            PresetLine(.stripe).texts(Self.line("customer.updated", customer)) == [
                #"customer.updated user=cus_1 id=evt_1 locale=tr {"address":{"country":"TR"},"email":"a@example.com","id":"cus_1","object":"customer","preferred_locales":["tr"]} traits={"country":"TR","email":"a@example.com"}"#
            ])
    }

    @Test(arguments: [
        (#"{"created":1,"data":{"object":{}}}"#, "missing_event"),
        (#"{"type":"invoice.paid","data":{"object":{}}}"#, "bad_timestamp"),
        (#"{"type":"invoice.paid","created":1}"#, "missing_event"),
        (#"{"type":"payout.paid","created":1,"data":{"object":{"id":"po_1"}}}"#, "missing_customer"),
        (#"{"type":"invoice.paid","created":"soon","data":{"object":{"customer":"c"}}}"#, "bad_timestamp"),
        (#"{"type":"invoice.paid","created":1e300,"data":{"object":{"customer":"c"}}}"#, "bad_timestamp"),
    ])
    func whatIsNoStripeEventIsADeadLetter(_ line: String, _ reason: String) {
        #expect(PresetLine(.stripe).texts(line) == ["dead letter: \(reason)"])
    }

    @Test(arguments: [
        ("1999", "usd", "19.99"), ("1999", "USD", "19.99"), ("500", "jpy", "500"), ("500", "isk", "5"), ("500", "ugx", "5"),
        ("5124", "kwd", "5.124"),
        ("-5", "eur", "-0.05"), ("0", "usd", "0"),
    ])
    func amountsAreInTheirCurrencysUnit(_ minor: String, _ currency: String, _ text: String) throws {
        let amount = try #require(Decimal(text: Array(minor.utf8)))
        #expect(StripeMoney.amount(amount, currency)?.text == text)
    }
}
