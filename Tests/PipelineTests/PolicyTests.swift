import Engine
import Testing

/// The table of `docs/delivery.md`: a real log, where it is, under the policies that stand there. What the policies promise is counted again on
/// the messages alone.
@Suite(.serialized) struct PolicyTests {
    private static let blocks = DocumentationTests.blocks("docs/delivery.md").filter { $0.kind.hasPrefix("yaml policy") }
    private static let hour: Instant = 3_600_000

    struct Sent {
        var customer: String
        var at: Instant
    }

    struct Outcome {
        var verdicts: [String: Int] = [:]
        var sent: [Sent] = []
        var sum: Int { verdicts.values.reduce(0, +) }
    }

    private static func policy(_ name: String) throws -> String {
        try #require(blocks.first { $0.kind == "yaml policy \(name)" }).text
    }

    private static func replay(_ policy: String, drops: Bool, in scratch: Scratch, name: String) throws -> Outcome {
        var rules = try Self.policy("rules")
        if drops { rules = rules.replacing(" }\n", with: ", on_cap: drop }\n") }
        let file = "\(scratch.path)/\(name).yaml"
        Files.write(
            """
            instance: real
            clock: log
            sources:
              - name: log
                path: \(RealLogTests.data)/taobao/taobao.ndjson.gz
                format:
                  id: id
                  customer: user
                  event: type
                  time: { path: ts, unit: s }
                  names: { pv: Product Viewed, cart: Product Added, fav: Product Added to Wishlist, buy: Order Completed }
                  properties: { product_id: item, category: category }

            """ + rules + policy, to: file)
        // Until everything that was held is over.
        let arguments = ["replay", "--config", file, "--progress", "none", "--until", "2017-12-16T00:00:00Z"]
        #expect(Program.run(arguments, in: scratch.path, name: name) == 0)
        let told = Files.text("\(scratch.path)/\(name).err")
        #expect(told.contains("still pending: 0\n") || !told.contains("still pending"), "\(told)")
        var outcome = Outcome()
        let line = try #require(told.split(separator: "\n").first { $0.hasPrefix("verdicts: ") }, "\(told)")
        for part in line.dropFirst("verdicts: ".count).split(separator: ",") {
            let words = part.split(separator: " ")
            outcome.verdicts[String(words[0])] = Int(words[1])
        }
        for line in Files.text("\(scratch.path)/\(name).out").split(separator: "\n") {
            let view = JSONView(bytes: try #require(JSONText.pack(Array(line.utf8))), offset: 0)
            let time = try #require(view["time"]?.string.flatMap { Instant.parse(rfc3339: Array($0.utf8)) })
            outcome.sent.append(Sent(customer: try #require(view["subject"]?.string), at: time))
        }
        #expect(outcome.sent.count == outcome.verdicts["published"])
        return outcome
    }

    /// The largest number of messages that one customer got within any time of this length.
    private static func most(_ sent: [Sent], within length: Instant) -> Int {
        var most = 0
        for times in Dictionary(grouping: sent, by: \.customer).values.map({ $0.map(\.at).sorted() }) {
            for (index, last) in times.enumerated() {
                most = max(most, times[...index].count { $0 > last - length })
            }
        }
        return most
    }

    /// Messages between two hours of a clock eight hours ahead of UTC.
    private static func count(_ sent: [Sent], from: Instant, to: Instant) -> Int {
        sent.count { message in
            let local = (message.at + 8 * hour) % (24 * hour)
            return from < to ? local >= from * hour && local < to * hour : local >= from * hour || local < to * hour
        }
    }

    @Test(.enabled(if: RealLogTests.isThere, RealLogTests.noData)) func taobaosMessagesByVerdictUnderThreePolicies() throws {
        let scratch = Scratch()
        let none = try Self.replay("", drops: false, in: scratch, name: "none")
        let gentle = try Self.replay(Self.policy("gentle"), drops: false, in: scratch, name: "gentle")
        let strict = try Self.replay(Self.policy("strict"), drops: true, in: scratch, name: "strict")

        // Nobody gets more than the caps allow, and nothing goes out at night; without a policy both happens.
        #expect(Self.most(none.sent, within: 24 * Self.hour) > 1 && Self.most(none.sent, within: 168 * Self.hour) > 3)
        #expect(Self.count(none.sent, from: 21, to: 9) > 100)
        for outcome in [gentle, strict] {
            #expect(Self.most(outcome.sent, within: 24 * Self.hour) == 1)
            #expect(Self.most(outcome.sent, within: 168 * Self.hour) <= 3)
            #expect(outcome.verdicts["published", default: 0] < none.verdicts["published", default: 0])
        }
        #expect(Self.count(gentle.sent, from: 21, to: 9) == 0)
        #expect(Self.count(strict.sent, from: 20, to: 10) == 0)
        #expect(Self.most(strict.sent, within: 168 * Self.hour) <= 2)
        // A tenth of the customers, but for chance.
        let heldOut = strict.verdicts["holdout", default: 0]
        #expect(8...12 ~= heldOut * 100 / (heldOut + strict.sent.count))

        // Where nothing is held every start counts as it does without a policy: the same instances end, each once.
        let drops = try Self.replay(
            "delivery: { salt: \"2026\", holdout: 10%, caps: [{ at_most: 1, per: 24h }] }\n", drops: true, in: scratch,
            name: "drops")
        #expect(drops.sum == none.sum)
        for verdict in ["cancelled", "condition_false"] { #expect(drops.verdicts[verdict] == none.verdicts[verdict]) }
        let decided = ["published", "capped", "holdout"].reduce(0) { $0 + drops.verdicts[$1, default: 0] }
        #expect(decided == none.verdicts["published"])
        #expect(Self.most(drops.sent, within: 24 * Self.hour) == 1)

        // The table says what was found.
        let page = try #require(Case.text(Case.root + "/docs/delivery.md"))
        var rows: [String] = []
        for verdict in ["published", "cancelled", "condition_false", "capped", "expired", "holdout"] {
            let cells = [none, gentle, strict].map { String($0.verdicts[verdict, default: 0]) }
            rows.append("| `\(verdict)` | \(cells.joined(separator: " | ")) |")
        }
        rows.append("| together | \([none, gentle, strict].map { String($0.sum) }.joined(separator: " | ")) |")
        let most = [none, gentle, strict].map { String(Self.most($0.sent, within: 24 * Self.hour)) }
        rows.append("| most for one customer within 24 hours | \(most.joined(separator: " | ")) |")
        let night = [none, gentle, strict].map { String(Self.count($0.sent, from: 21, to: 9)) }
        rows.append("| sent between 21 and 9 o'clock | \(night.joined(separator: " | ")) |")
        for row in rows { #expect(page.contains(row + "\n"), "docs/delivery.md lacks the row \(row)") }
    }
}
