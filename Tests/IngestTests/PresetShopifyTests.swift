import Engine
import Testing

@testable import Ingest

@Suite struct PresetShopifyTests {
    /// A webhook as a log has it, its fields beside the topic.
    private static func flat(_ topic: String, _ fields: String) -> String {
        #"{"topic":"\#(topic)","webhook_id":"w1",\#(fields)}"#
    }

    private static let items =
        #""line_items":[{"id":1,"product_id":632910392,"variant_id":808950810,"sku":"S1","title":"Shoe","quantity":2,"price":"199.00"},{"id":2,"product_id":null,"variant_id":null,"sku":"gift","title":"Wrap","quantity":1,"price":"1.5"}]"#
    private static let products =
        #""products":[{"name":"Shoe","price":"199.00","product_id":"632910392","quantity":2,"sku":"S1","variant":"808950810"},{"name":"Wrap","price":"1.5","quantity":1,"sku":"gift"}]"#
    private static let customer = #""customer":{"id":207119551,"email":"a@example.com","default_address":{"country_code":"TR"}}"#
    private static let traits = #"traits={"country":"TR","email":"a@example.com"}"#
    private static let at = "2026-03-01T07:00:00-05:00"

    @Test(arguments: [
        (
            flat(
                "orders/create",
                #""id":450789469,"name":"A1001","created_at":"\#(at)","cart_token":"c1","checkout_token":"k1","customer_locale":"tr-TR","currency":"TRY","total_price":"409.94","subtotal_price":"399.50","financial_status":"pending",\#(customer),\#(items)"#
            ),
            [
                "link order:450789469 to 207119551",
                #"Order Completed user=207119551 anonymous=c1 id=w1 locale=tr-TR {"cart_id":"c1","checkout_id":"k1","currency":"TRY","order_id":"450789469","order_number":"A1001",\#(products),"revenue":399.5,"status":"pending","total":409.94} \#(traits)"#,
            ]
        ),
        (
            flat("orders/paid", #""id":1,"updated_at":"\#(at)","financial_status":"paid",\#(customer)"#),
            [#"Order Updated user=207119551 id=w1 {"order_id":"1","products":[],"status":"paid"} \#(traits)"#]
        ),
        (
            flat("orders/cancelled", #""id":1,"cancelled_at":"\#(at)","cancel_reason":"customer","customer":{"id":2}"#),
            [#"Order Cancelled user=2 id=w1 {"order_id":"1","products":[],"reason":"customer"}"#]
        ),
        // A guest is known by the cart, else by the order.
        (
            flat("orders/create", #""id":1,"created_at":"\#(at)","cart_token":"c1","customer":null"#),
            [#"Order Completed anonymous=c1 id=w1 {"cart_id":"c1","order_id":"1","products":[]}"#]
        ),
        (
            flat("orders/create", #""id":1,"created_at":"\#(at)""#),
            [#"Order Completed anonymous=order:1 id=w1 {"order_id":"1","products":[]}"#]
        ),
        (
            flat(
                "refunds/create",
                #""id":9,"order_id":1,"created_at":"\#(at)","note":"wrong size","transactions":[{"kind":"refund","status":"success","amount":"41.94","currency":"USD"},{"kind":"refund","status":"failure","amount":"1.00"},{"kind":"void","amount":"5"}],"refund_line_items":[{"quantity":1,"line_item":{"product_id":3,"variant_id":4,"quantity":2,"price":"41.94"}}]"#
            ),
            [
                #"Order Refunded anonymous=order:1 id=w1 {"currency":"USD","order_id":"1","products":[{"price":"41.94","product_id":"3","quantity":1,"variant":"4"}],"reason":"wrong size","refund_id":"9","total":41.94}"#
            ]
        ),
        (
            flat(
                "checkouts/create",
                #""id":5,"token":"k1","cart_token":"c1","created_at":"\#(at)","completed_at":null,"abandoned_checkout_url":"https://s/k1","currency":"USD","total_price":"5.00",\#(items)"#
            ),
            [
                #"Checkout Started anonymous=c1 id=w1 {"cart_id":"c1","checkout_id":"k1","checkout_url":"https://s/k1","currency":"USD",\#(products),"total":5}"#
            ]
        ),
        (
            flat("checkouts/update", #""id":5,"token":"k1","updated_at":"\#(at)",\#(customer),"line_items":[]"#),
            [#"Cart Updated user=207119551 anonymous=k1 id=w1 {"cart_id":"k1","checkout_id":"k1","products":[]} \#(traits)"#]
        ),
        (
            flat("carts/update", #""id":"c1","token":"c1","updated_at":"\#(at)",\#(items)"#),
            [#"Cart Updated anonymous=c1 id=w1 {"cart_id":"c1",\#(products)}"#]
        ),
        (
            flat(
                "products/update",
                #""id":1,"title":"Shoe","product_type":"Shoes","updated_at":"\#(at)","image":{"src":"https://i/1"},"variants":[{"id":11,"price":"9.90","inventory_quantity":0},{"id":12,"price":"9.95","inventory_quantity":null}]"#
            ),
            [
                #"Product Price Changed id=products/1/11/price/1772366400000 {"category":"Shoes","image_url":"https://i/1","name":"Shoe","price":"9.90","product_id":"1","variant":"11"}"#,
                #"Product Stock Changed id=products/1/11/inventory_quantity/1772366400000 {"available":0,"category":"Shoes","image_url":"https://i/1","name":"Shoe","product_id":"1","variant":"11"}"#,
                #"Product Price Changed id=products/1/12/price/1772366400000 {"category":"Shoes","image_url":"https://i/1","name":"Shoe","price":"9.95","product_id":"1","variant":"12"}"#,
            ]
        ),
        (
            flat(
                "inventory_levels/update",
                #""inventory_item_id":271878346596884015,"location_id":24826418,"available":3,"updated_at":"\#(at)""#),
            [#"Product Stock Changed id=w1 {"available":3,"location_id":"24826418","product_id":"271878346596884015"}"#]
        ),
        (
            flat(
                "inventory_levels/update",
                #""product_id":1,"variant_id":11,"inventory_item_id":7,"available":3,"updated_at":"\#(at)""#),
            [#"Product Stock Changed id=w1 {"available":3,"product_id":"1","variant":"11"}"#]
        ),
        (
            flat("customers/update", #""id":2,"email":"a@example.com","first_name":"A","updated_at":"\#(at)""#),
            [
                #"customers/update user=2 id=w1 {"email":"a@example.com","first_name":"A","id":2,"topic":"customers/update","updated_at":"\#(at)","webhook_id":"w1"} traits={"email":"a@example.com","first_name":"A"}"#
            ]
        ),
        (
            flat(
                "customers_email_marketing_consent/update",
                #""customer_id":2,"email_marketing_consent":{"state":"unsubscribed","consent_updated_at":"\#(at)"}"#),
            [#"Consent Changed user=2 id=w1 {"channel":"email","granted":false}"#]
        ),
        (
            flat("customers/redact", #""shop_id":1,"triggered_at":"\#(at)","customer":{"id":2,"email":"a@example.com"}"#),
            ["Customer Erasure Requested user=2 id=w1"]
        ),
    ])
    func topicsBecomeTheStatesNames(_ line: String, _ texts: [String]) {
        #expect(PresetLine(.shopify).texts(line) == texts)
    }

    @Test func aFinishedCheckoutFillsNoCart() {
        let line = Self.flat(
            "checkouts/update",
            #""id":5,"token":"k1","cart_token":"c1","updated_at":"\#(Self.at)","completed_at":"\#(Self.at)",\#(Self.items)"#)
        let texts = PresetLine(.shopify).texts(line)
        #expect(texts.count == 1 && texts[0].hasPrefix("checkouts/update anonymous=c1 id=w1 {"))
    }

    @Test func aPayloadMayStandByItself() {
        let payload = #"{"id":"c1","token":"c1","updated_at":"\#(Self.at)","line_items":[]}"#
        let nested = #"{"topic":"carts/update","webhook_id":"w1","payload":\#(payload)}"#
        #expect(PresetLine(.shopify).texts(nested) == [#"Cart Updated anonymous=c1 id=w1 {"cart_id":"c1","products":[]}"#])
        let headers = #"{"X-Shopify-Topic":"carts/update","X-Shopify-Webhook-Id":"w1","payload":\#(payload)}"#
        #expect(PresetLine(.shopify).texts(headers) == PresetLine(.shopify).texts(nested))
    }

    @Test func aWebhookWithoutAnIDIsKnownByWhatItIsAbout() {
        let line = #"{"topic":"carts/update","id":"c1","token":"c1","updated_at":"\#(Self.at)","line_items":[]}"#
        #expect(
            PresetLine(.shopify).texts(line) == [
                #"Cart Updated anonymous=c1 id=carts/update/c1/1772366400000 {"cart_id":"c1","products":[]}"#
            ])
    }

    @Test(arguments: [
        (#"{"id":1,"created_at":"2026-03-01T12:00:00Z"}"#, "missing_event"),
        (#"{"topic":"orders/create","id":1}"#, "bad_timestamp"),
        (#"{"topic":"shop/update","id":1,"updated_at":"2026-03-01T12:00:00Z"}"#, "missing_customer"),
        (#"{"topic":"products/delete","id":1,"triggered_at":"2026-03-01T12:00:00Z"}"#, "missing_customer"),
    ])
    func whatIsNoWebhookIsADeadLetter(_ line: String, _ reason: String) {
        #expect(PresetLine(.shopify).texts(line) == ["dead letter: \(reason)"])
    }
}
