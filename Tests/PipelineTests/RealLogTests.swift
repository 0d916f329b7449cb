import Engine
import Glibc
import Testing

/// The logs of real shops, where they are (`NUDGED_DATA`, else `../shared/data`): what the rules give is found a second time by simple loops.
@Suite(.serialized) struct RealLogTests {
    static let data: String = getenv("NUDGED_DATA").map { String(cString: $0) } ?? Program.root + "/../shared/data"
    static let isThere = access(data + "/taobao/taobao.ndjson.gz", R_OK) == 0
    static let noData: Comment = "the real logs are not here (../shared/data, or NUDGED_DATA): nothing is compared with them"

    private struct Record {
        var time: Instant
        var user: String
        var type: String
        var item: String
        var line: String
    }

    /// The parts of a flat line, found without the program's own parser.
    private static func value(_ key: String, in line: Substring) -> String {
        guard let found = line.firstRange(of: "\"\(key)\":") else { return "" }
        return String(line[found.upperBound...].drop { $0 == " " || $0 == "\"" }.prefix { $0 != "\"" && $0 != "," && $0 != "}" })
    }

    private static func lines(_ path: String, in scratch: Scratch) -> [Substring] {
        let text: String
        if path.hasSuffix(".gz") {
            _ = Program.run(["-dc", path], program: Program.find("gzip") ?? "gzip", in: scratch.path, name: "unpacked")
            text = Files.text(scratch.path + "/unpacked.out")
        } else {
            text = Files.text(path)
        }
        return text.split(separator: "\n")
    }

    private static func records(_ lines: [Substring], unit: Int64) -> [Record] {
        lines.map { line in
            Record(
                time: (Int64(value("ts", in: line)) ?? 0) * unit, user: value("user", in: line), type: value("type", in: line),
                item: value("item", in: line), line: String(line))
        }
    }

    private static func mapping(_ unit: String, _ names: String, id: Bool) -> String {
        """
            format:
              \(id ? "id: id" : "customer: user")
              \(id ? "customer: user" : "event: type")
              \(id ? "event: type" : "time: { path: ts, unit: \(unit) }")
              \(id ? "time: { path: ts, unit: \(unit) }" : "names: \(names)")
              \(id ? "names: \(names)" : "properties: { product_id: item }")
              \(id ? "properties: { product_id: item, category: category }" : "")
        """
    }

    private static let taobaoNames =
        "{ pv: Product Viewed, cart: Product Added, fav: Product Added to Wishlist, buy: Order Completed }"
    private static let ottoNames = "{ clicks: Product Viewed, carts: Product Added, orders: Order Completed }"

    private static func configuration(_ directory: String, path: String, format: String, lateness: String = "10s") -> String {
        """
        instance: real
        state: \(directory)/state
        outbox: \(directory)/outbox
        clock: log
        lateness: \(lateness)
        sources:
          - name: log
            path: "\(path)"
        \(format)
        rules:
          abandoned:
            per: customer
            start: [Product Added]
            wait: 48h
            restart: true
            cancel: [Order Completed]
        """
    }

    /// 48 hours after the last cart event, with no purchase by the customer since, up to `end`. A purchase in the very millisecond cancels.
    private static func abandoned(_ records: [Record], cart: String, buy: String, until end: Instant) -> [String: Int] {
        var waiting: [String: Instant] = [:]
        var fired: [String: Int] = [:]
        let wait: Instant = 48 * 3_600_000
        // Sorted by time; of one second the log's own order.
        for record in records.sorted(by: { $0.time < $1.time }) where record.time <= end {
            if let since = waiting[record.user], since + wait < record.time {
                fired[record.user, default: 0] += 1
                waiting[record.user] = nil
            }
            if record.type == cart { waiting[record.user] = record.time }
            if record.type == buy { waiting[record.user] = nil }
        }
        for (user, since) in waiting where since + wait <= end { fired[user, default: 0] += 1 }
        return fired
    }

    private static func subjects(_ output: String) -> [String: Int] {
        var result: [String: Int] = [:]
        for line in output.split(separator: "\n") {
            // The message's own comes last: its content may have a subject too.
            let start = line.ranges(of: "\"subject\":").last?.lowerBound ?? line.startIndex
            result[value("subject", in: line[start...]), default: 0] += 1
        }
        return result
    }

    @Test(.enabled(if: isThere, noData)) func taobaosAbandonedCarts() throws {
        let scratch = Scratch()
        let path = Self.data + "/taobao/taobao.ndjson.gz"
        Files.write(
            Self.configuration(scratch.path, path: path, format: Self.mapping("s", Self.taobaoNames, id: true)),
            to: scratch.path + "/nudged.yaml")
        let code = Program.run(
            ["replay", "--config", scratch.path + "/nudged.yaml", "--progress", "none", "--until", "2017-12-03T15:59:59Z"],
            in: scratch.path)
        #expect(code == 0, "\(Files.text(scratch.path + "/run.err"))")
        let end = try #require(Instant.parse(rfc3339: Array("2017-12-03T15:59:59Z".utf8)))
        let records = Self.records(Self.lines(path, in: scratch), unit: 1000)
        #expect(records.count == 84_440)
        let expected = Self.abandoned(records, cart: "cart", buy: "buy", until: end)
        let found = Self.subjects(Files.text(scratch.path + "/run.out"))
        #expect(found == expected)
        print("taobao: \(found.values.reduce(0, +)) messages, \(expected.values.reduce(0, +)) by the loop")
        #expect(expected.values.reduce(0, +) == 396)
    }

    @Test(.enabled(if: isThere, noData)) func ottosAbandonedCarts() throws {
        let scratch = Scratch()
        let path = Self.data + "/otto/otto.ndjson"
        Files.write(
            Self.configuration(scratch.path, path: path, format: Self.mapping("ms", Self.ottoNames, id: false)),
            to: scratch.path + "/nudged.yaml")
        let records = Self.records(Self.lines(path, in: scratch), unit: 1)
        #expect(records.count == 862)
        let last = try #require(records.map(\.time).max())
        let end = last + 7 * 86_400_000
        let code = Program.run(
            ["replay", "--config", scratch.path + "/nudged.yaml", "--progress", "none", "--until", end.rfc3339], in: scratch.path)
        #expect(code == 0, "\(Files.text(scratch.path + "/run.err"))")
        let expected = Self.abandoned(records, cart: "carts", buy: "orders", until: end)
        #expect(Self.subjects(Files.text(scratch.path + "/run.out")) == expected)
        print("otto: \(expected.values.reduce(0, +)) messages")
        #expect(expected.values.reduce(0, +) > 10)
    }

    /// Real stock changes, and requests of our own for some of the products while these are gone.
    @Test(.enabled(if: isThere, noData)) func zarasBackInStock() throws {
        struct Change {
            var time: Instant
            var key: String
            var available: Int
        }
        let scratch = Scratch()
        let raw = Self.lines(Self.data + "/zara/stock.ndjson", in: scratch)
        // The watcher's lines name no event.
        let path = scratch.path + "/stock.ndjson"
        Files.write(raw.map { "{\"kind\":\"stock\",\($0.dropFirst())\n" }.joined(), to: path)
        let changes = raw.map { line in
            Change(
                time: (Int64(Self.value("ts", in: line)) ?? 0) * 1000,
                key: Self.value("product", in: line) + " " + Self.value("size", in: line),
                available: Int(Self.value("available", in: line)) ?? 0)
        }
        #expect(changes.count == 400)
        // Three customers ask for every other product a second after it went, in turn.
        var requests: [(time: Instant, customer: String, key: String)] = []
        for (index, change) in changes.enumerated() where change.available == 0 && index % 2 == 0 {
            for customer in 0..<3 { requests.append((change.time + 1000 + Int64(customer), "c\(index)-\(customer)", change.key)) }
        }
        requests.sort { ($0.time, $0.customer) < ($1.time, $1.customer) }
        Files.write(
            requests.map { request in
                let parts = request.key.split(separator: " ")
                return
                    "{\"type\":\"track\",\"event\":\"Back In Stock Requested\",\"userId\":\"\(request.customer)\",\"timestamp\":\"\(request.time.rfc3339)\",\"properties\":{\"product_id\":\"\(parts[0])\",\"variant\":\"\(parts.dropFirst().joined(separator: " "))\"}}\n"
            }.joined(), to: scratch.path + "/requests.ndjson")
        Files.write(
            """
            instance: real
            state: \(scratch.path)/state
            outbox: \(scratch.path)/outbox
            clock: log
            sources:
              - name: stock
                path: "\(path)"
                format:
                  event: kind
                  time: { path: ts, unit: s }
                  names: { stock: Product Stock Changed }
                  properties: { product_id: product, variant: size, available: available }
              - { name: requests, path: "\(scratch.path)/requests.ndjson", format: segment }
            include: ["\(Program.root)/share/rules/back-in-stock.yaml"]
            """, to: scratch.path + "/nudged.yaml")
        let code = Program.run(["replay", "--config", scratch.path + "/nudged.yaml", "--progress", "none"], in: scratch.path)
        #expect(code == 0, "\(Files.text(scratch.path + "/run.err"))")

        // By hand: a line for each product and size; from none to some, as many as there are pieces, the earliest first.
        var line: [String: [(since: Instant, customer: String)]] = [:]
        var stock: [String: Int] = [:]
        var expected: [String: Int] = [:]
        var inputs: [(time: Instant, source: String, apply: () -> Void)] = []
        for request in requests {
            inputs.append(
                (
                    request.time, "requests",
                    {
                        if stock[request.key, default: 0] == 0 {
                            line[request.key, default: []].append((request.time, request.customer))
                        }
                    }
                ))
        }
        for change in changes {
            inputs.append(
                (
                    change.time, "stock",
                    {
                        let before = stock[change.key, default: 0]
                        stock[change.key] = change.available
                        guard before == 0, change.available > 0 else { return }
                        let waiting = line[change.key, default: []].sorted { ($0.since, $0.customer) < ($1.since, $1.customer) }
                        for place in waiting.prefix(change.available) { expected[place.customer, default: 0] += 1 }
                        line[change.key] = Array(waiting.dropFirst(change.available))
                    }
                ))
        }
        for input in inputs.enumerated().sorted(by: {
            ($0.element.time, $0.element.source, $0.offset) < ($1.element.time, $1.element.source, $1.offset)
        }) {
            input.element.apply()
        }
        let found = Self.subjects(Files.text(scratch.path + "/run.out"))
        #expect(found == expected)
        print("zara: \(requests.count) requests, \(expected.count) served")
        #expect(expected.count > 5)
    }

    /// Over three files, out of order within the lateness, in pieces, with rotations, compression, and a daemon that is ended and killed.
    @Test(.enabled(if: isThere, noData)) func taobaoLiveEqualsItsReplay() throws {
        let scratch = Scratch()
        mkdir(scratch.path + "/logs", 0o755)
        Files.write(
            Self.configuration(
                scratch.path, path: scratch.path + "/logs/*.log*", format: Self.mapping("s", Self.taobaoNames, id: true),
                lateness: "60s"),
            to: scratch.path + "/nudged.yaml")
        let seed: UInt64 = 31
        print("seed \(seed)")
        var random = SeededNumbers(seed: seed)
        let records = Self.records(Self.lines(Self.data + "/taobao/taobao.ndjson.gz", in: scratch), unit: 1000)
        let lines = records.enumerated().map { index, record in
            (
                arrival: record.time + Int64(random.below(60_000)), index: index,
                line: LoggedLine(time: record.time, stream: random.below(3), text: record.line)
            )
        }.sorted { ($0.arrival, $0.index) < ($1.arrival, $1.index) }.map(\.line)
        var feeder = LogFeeder(
            directory: scratch.path + "/logs", streams: (1...3).map { LogFeeder.Stream(source: "log", name: "\($0).log") })
        var written = 0
        var stops = 0
        let run = ["run", "--config", scratch.path + "/nudged.yaml"]
        while written < lines.count {
            let daemon = Program(run, in: scratch.path)
            for _ in 0..<(1 + random.below(12)) {
                let count = min(1 + random.below(900), lines.count - written)
                feeder.write(lines[written..<(written + count)], keeping: random.chance(30) ? 1 + random.below(60) : 0)
                written += count
                if random.chance(15) { feeder.rotate(random.below(3)) }
                if random.chance(30), !feeder.rotated.isEmpty { feeder.compress(random.below(feeder.rotated.count)) }
                usleep(UInt32(random.below(30_000)))
            }
            daemon.send(random.chance(50) ? SIGKILL : SIGTERM)
            _ = daemon.wait()
            stops += 1
        }
        feeder.complete()
        #expect(Program.run(run + ["--once", "--drain"], in: scratch.path) == 0, "\(Files.text(scratch.path + "/run.err"))")
        let code = Program.run(
            ["replay", "--config", scratch.path + "/nudged.yaml", "--progress", "none", "--outbox", scratch.path + "/replayed"],
            in: scratch.path,
            name: "replay")
        #expect(code == 0, "\(Files.text(scratch.path + "/replay.err"))")
        let expected = published(scratch.path + "/replayed")
        expectSame(published(scratch.path + "/outbox"), expected, "seed \(seed)")
        #expect(Files.text(scratch.path + "/state/control.ndjson").isEmpty, "a line was overtaken")
        #expect(expected.count > 300)
        print(
            "taobao live: \(stops) stops, \(Files.names(scratch.path + "/logs").count) files, \(expected.count) messages as in the replay"
        )
    }
}
