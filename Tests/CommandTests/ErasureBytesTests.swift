import Testing

/// Erasure in a state whose pages were split, filled again and merged many times: no byte of the erased is left anywhere, all others stay.
@Suite struct ErasureBytesTests {
    private static let customers = 3000

    /// What only this customer has. The digits are as wide as those of any other, so that no mark holds another.
    private static func mark(_ kind: String, _ customer: Int) -> String {
        let digits = String(customer)
        return "zq\(kind)" + String(repeating: "0", count: 6 - digits.count) + digits + "qz"
    }

    private static func name(_ customer: Int) -> String { mark("user", customer) }

    /// Waves of events over everybody, in another order each time, so that records grow and shrink all over the trees.
    private static func write(_ shop: Shop) {
        let script = """
            import json, random
            random.seed(7)
            people = list(range(\(customers)))
            mark = lambda kind, i: "zq%s%06dqz" % (kind, i)
            second = 0
            with open("logs/web.ndjson", "w") as log:
                def line(kind, i, **more):
                    global second
                    second += 1
                    time = "2026-03-%02dT%02d:%02d:%02dZ" % (1 + second // 86400, second // 3600 % 24, second // 60 % 60, second % 60)
                    log.write(json.dumps({"type": kind, "userId": mark("user", i), "messageId": mark("mess", i) + str(second), "timestamp": time, **more}) + "\\n")
                for wave in range(5):
                    random.shuffle(people)
                    for i in people:
                        if wave == 0:
                            line("track", i, event="Signed Up", anonymousId=mark("anon", i), properties={})
                        elif wave % 2:
                            line("identify", i, traits={"note": mark("note", i) * random.choice([0, 1, 20, 90])})
                        else:
                            line("track", i, event="Product Added", properties={"product_id": "p%d" % random.randrange(50), "cart_id": mark("cart", i)})
                    if wave == 2:
                        for i in range(0, \(customers), 7):
                            log.write('{"type":"track","userId":"%s","broken":}\\n' % mark("user", i))
            """
        shop.program.write("write.py", script)
        #expect(shop.program.shell("python3 write.py").code == 0)
    }

    /// How many of these customers any file of state or outbox still tells of.
    private static func found(_ shop: Shop, _ customers: [Int]) -> [String] {
        // Every mark of a customer ends alike.
        let words = shop.program.shell("grep -rahoE 'zq(user|anon|mess|note|cart)[0-9]{6}qz' state outbox | sort -u").output
        let wanted = Set(customers.map { String(mark("", $0).dropFirst(2)) })
        return words.split(separator: "\n").filter { wanted.contains(String($0.dropFirst(6))) }.map(String.init)
    }

    @Test func noByteIsLeft() {
        let shop = Shop(
            configuration: Shop.configuration.replacing(
                "welcome:\n    start: Signed Up\n    wait: 1h", with: "welcome:\n    start: Signed Up"),
            runs: false)
        defer { shop.program.remove() }
        Self.write(shop)
        #expect(shop.run("run --once").code == 0)
        let all = Array(0..<Self.customers)
        // By requests in the log, many at once; by the command, a few.
        let requested = all.filter { $0 % 5 < 2 }
        let commanded = [2, 1003, 2004]
        #expect(Self.found(shop, requested).count > requested.count)
        for customer in commanded { #expect(shop.run("forget \(Self.name(customer))").code == 0) }
        #expect(shop.run("run --once").code == 0)
        #expect(Self.found(shop, commanded) == [])
        shop.program.write(
            "logs/erase.ndjson",
            requested.map {
                Shop.line("Customer Erasure Requested", at: "2026-03-05T10:00:00Z", user: Self.name($0), id: "r\($0)")
            }.joined() + Shop.line("Other", at: "2026-03-06T10:00:00Z", user: "last", id: "last"))
        #expect(shop.run("run --once").code == 0)
        let gone = Set(requested + commanded)
        #expect(Self.found(shop, requested + commanded) == [])
        let kept = all.filter { !gone.contains($0) }
        #expect(Set(Self.found(shop, kept).filter { $0.hasPrefix("zquser") }).count == kept.count)
        #expect(StateRows(shop, "PRAGMA integrity_check").text == "ok")
        #expect(StateRows(shop, "SELECT count(*) FROM customer WHERE id LIKE 'zquser%'").text == String(kept.count))
    }
}
