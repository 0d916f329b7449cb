import Engine
import Testing

@testable import Ingest

@Suite struct FormatIdentityTests {
    private static let secret = Array("0123456789abcdef".utf8)

    /// Who events are about, without the rest.
    private func who(_ format: Format, _ name: String, _ path: String, secret: [UInt8]? = secret, _ line: String) -> [String] {
        PresetLine(format, identity: IdentityKey(name: name, path: path, secret: secret)).texts(line).map { text in
            text.split(separator: " ").filter { !$0.hasPrefix("id=") && !$0.hasPrefix("{") && !$0.hasPrefix("traits=") }.joined(
                separator: " ")
        }
    }

    @Test func theHashIsThatOfRFC4231() {
        // Test cases 2 and 6: a short key, and one longer than a block.
        func hex(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
        #expect(
            hex(HMAC(key: Array("Jefe".utf8), sha256: Digest.sha256).of(Array("what do ya want for nothing?".utf8)))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            hex(
                HMAC(key: [UInt8](repeating: 0xAA, count: 131), sha256: Digest.sha256).of(
                    Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    private func stripe(_ fields: String) -> String {
        #"{"id":"e","type":"invoice.paid","created":1,"data":{"object":{"object":"invoice","id":"i","customer":"cus_1"\#(fields)}}}"#
    }

    @Test func theIDOfALineNamesItsCustomer() {
        #expect(
            who(.stripe, "stripe", "metadata.user_id", stripe(#","metadata":{"user_id":"u1"}"#))
                == ["Payment Succeeded user=u1 anonymous=stripe:cus_1"])
        #expect(
            who(
                .stripe, "stripe", "metadata.user_id",
                stripe(#","metadata":{},"parent":{"subscription_details":{"metadata":{"user_id":7}}}"#))
                == ["Payment Succeeded user=7 anonymous=stripe:cus_1"])
    }

    @Test func aLineWithoutItIsAboutWhoeverItsOwnIDBelongsTo() {
        #expect(who(.stripe, "billing", "metadata.user_id", stripe("")) == ["Payment Succeeded anonymous=billing:cus_1"])
    }

    @Test func anAddressIsAHashOrNoID() {
        func order(_ email: String) -> String {
            #"{"topic":"orders/create","id":1,"created_at":"2026-03-01T12:00:00Z","cart_token":"c1","email":"\#(email)","customer":{"id":2}}"#
        }
        let known = who(.shopify, "shopify", "email", order("Ayse@Example.com "))
        #expect(known == who(.shopify, "shopify", "email", order("ayse@example.com")))
        #expect(known.count == 3 && known[0].hasPrefix("link order:1 to email:"))
        #expect(known[1].hasPrefix("link shopify:2 to email:") && known[2].hasPrefix("Order Completed user=email:"))
        #expect(known[2].hasSuffix(" anonymous=c1") && !known.joined().contains("@"))
        #expect(known != who(.shopify, "shopify", "email", secret: Array("another key of 16".utf8), order("ayse@example.com")))
        #expect(
            who(.shopify, "shopify", "email", secret: nil, order("ayse@example.com")) == ["Order Completed anonymous=shopify:2"])
    }

    @Test func anAttributeOfRevenueCatHasItsValueInside() {
        let line = PresetRevenueCatTests.line(
            "EXPIRATION", #""subscriber_attributes":{"site_id":{"value":"u7","updated_at_ms":1}}"#)
        #expect(who(.revenuecat, "revenuecat", "site_id", line) == ["Subscription Expired user=u7 anonymous=revenuecat:u1"])
    }

    @Test func aSegmentCallLinksAllItsIDs() {
        func call(_ rest: String) -> String { #"{"type":"page","timestamp":"2026-03-01T12:00:00Z"\#(rest)}"# }
        #expect(
            who(
                .segment, "web", "context.traits.account",
                call(#","userId":"u1","anonymousId":"a1","context":{"traits":{"account":"k"}}"#))
                == ["link web:u1 to k", "Page Viewed user=k anonymous=a1"])
        #expect(
            who(.segment, "web", "context.traits.account", call(#","userId":"u1","anonymousId":"a1""#)) == [
                "Page Viewed anonymous=web:u1"
            ])
        #expect(who(.segment, "web", "context.traits.account", call(#","anonymousId":"a1""#)) == ["Page Viewed anonymous=a1"])
        #expect(who(.segment, "web", "context.traits.account", call("")) == ["dead letter: missing_customer"])
        #expect(
            who(.segment, "web", "userId", call(#","userId":"u1","anonymousId":"a1""#)) == ["Page Viewed user=u1 anonymous=a1"])
        let addressed = who(.segment, "web", "userId", call(#","userId":"a@b.c","anonymousId":"a1""#))
        #expect(
            addressed.count == 1 && addressed[0].hasPrefix("Page Viewed user=email:") && addressed[0].hasSuffix(" anonymous=a1"))
    }

    @Test func aMappingHasIdentitiesToo() {
        let mapping = MappingFormat(customer: "user", event: "type", time: .init(path: "ts", unit: .s))
        let line = #"{"type":"Page Viewed","user":12345678901234567890123,"ts":5,"account":{"id":9}}"#
        #expect(who(.mapping(mapping), "old", "account.id", line) == ["Page Viewed user=9 anonymous=old:12345678901234567890123"])
    }
}
