import Foundation
import Testing

@testable import Pipeline

/// The metrics file, read by the parser that Prometheus' own Python client has.
@Suite(.serialized) struct MetricsTests {
    static let parser: String? = {
        let outcome = try? Program.run(
            Program.root + "/scripts/python-with", "prometheus_client", "prometheus_client==0.23.1")
        guard let outcome, outcome.status == 0 else { return nil }
        return outcome.lines.last.map(String.init)
    }()

    @Test(.enabled(if: parser != nil, "prometheus_client can't be had from PyPI here: metrics are not checked by a real parser"))
    func aRealParserReadsThem() throws {
        let parser = try #require(Self.parser)
        var lines = (0..<100).map { Daemon.added("u\($0 / 2 % 20)", at: $0 * 10, id: "m\($0 / 2)") }
        lines += ["not json\n", "[1]\n"]
        let daemon = try Daemon(logs: lines.joined())
        #expect(daemon.wait { $0.contains { $0.hasPrefix("STATUS=") && $0.contains("caught up") } })
        #expect(daemon.end().status == 0)
        try daemon.scratch.write(Self.program, to: "parse.py")
        let outcome = try Program.run(parser, daemon.scratch.path + "/parse.py", daemon.scratch.path + "/nudged.prom")
        #expect(outcome.status == 0, "\(outcome.error)")
        let values = Set(outcome.lines.map(String.init))
        #expect(values.contains("nudged_lines_total {} 102"), "\(outcome.output)")
        #expect(values.contains("nudged_duplicate_events_total {} 50") || values.contains("nudged_duplicate_events_total {} 49"))
        #expect(values.contains("nudged_dead_letters_total {'reason': 'bad_json'} 1"))
        #expect(values.contains("nudged_source_lag_seconds {'source': 'shop'} 0"))
        let decided = daemon.scratch.names("outbox/new").count
        #expect(decided > 0)
        #expect(values.contains("nudged_messages_total {'outbox': 'default', 'rule': 'cart'} \(decided)"))
        // All that are always there.
        for metric in Metric.allCases where ![.messages, .verdicts, .nextTimer].contains(metric) {
            #expect(outcome.output.contains(metric.rawValue), "\(metric.rawValue) is missing")
        }
        let mode = try Program.run("stat", "-c", "%a", daemon.scratch.path + "/nudged.prom")
        #expect(mode.output == "644\n")
        #expect(daemon.scratch.names("").filter { $0.hasPrefix("nudged.prom") } == ["nudged.prom"])
    }

    /// Parses, and checks the conventions that the parser leaves to people.
    private static let program = """
        import sys
        from prometheus_client.parser import text_string_to_metric_families
        text = open(sys.argv[1]).read()
        seen = set()
        for family in text_string_to_metric_families(text):
            assert family.name not in seen, family.name
            seen.add(family.name)
            assert family.documentation and family.documentation.endswith("."), family.name
            assert family.type in ("counter", "gauge", "histogram"), family.name
            assert family.name.startswith("nudged_"), family.name
            for word in ("ms", "milliseconds", "kilobytes", "mb", "minutes"):
                assert word not in family.name.split("_"), family.name
            for sample in family.samples:
                if family.type == "counter":
                    assert sample.name.endswith("_total"), sample.name
                elif family.type == "gauge":
                    assert not sample.name.endswith("_total"), sample.name
                print(sample.name, dict(sorted(sample.labels.items())), sample.value)
        """

    @Test func labelsAreEscaped() {
        var text = MetricsText()
        text.add(.messages, 1, ["rule": "a\"b\\c\nd", "outbox": "é"])
        #expect(text.text.hasSuffix("nudged_messages_total{rule=\"a\\\"b\\\\c\\nd\",outbox=\"é\"} 1\n"))
    }

    @Test func histogramsCumulate() {
        var histogram = Histogram(bounds: [1, 10])
        for value in [0.5, 1, 5, 50] { histogram.observe(value) }
        var text = MetricsText()
        text.add(.batchLines, histogram)
        #expect(
            text.text.split(separator: "\n").dropFirst(2).map(String.init) == [
                #"nudged_batch_lines_bucket{le="1"} 2"#, #"nudged_batch_lines_bucket{le="10"} 3"#,
                #"nudged_batch_lines_bucket{le="+Inf"} 4"#, "nudged_batch_lines_sum 56.5", "nudged_batch_lines_count 4",
            ])
    }

    /// The documentation lists every metric, with an alert each, and no other; so does the dashboard use no other.
    @Test func documentationAndCodeAgree() throws {
        let text = try String(contentsOfFile: Program.root + "/docs/metrics.md", encoding: .utf8)
        let documented = text.matches(of: /(?m)^### `(nudged_[a-z_]+)`, (counter|gauge|histogram)$/).map {
            (String($0.1), String($0.2))
        }
        #expect(documented.map(\.0) == Metric.allCases.map(\.rawValue))
        #expect(documented.map(\.1) == Metric.allCases.map(\.kind.rawValue))
        for section in text.components(separatedBy: "\n### ").dropFirst() {
            let name = section.prefix { $0 != "," }
            #expect(section.contains("```yaml\n- alert: "), "\(name) has no example alert")
        }
        let dashboard = try String(contentsOfFile: Program.root + "/share/grafana/nudged.json", encoding: .utf8)
        _ = try JSONSerialization.jsonObject(with: Data(dashboard.utf8))
        let known = Set(Metric.allCases.map(\.rawValue))
        for use in (text + dashboard).matches(of: /nudged_[a-z_]+/) {
            let name = String(use.0)
            let base = ["_bucket", "_sum", "_count"].first { name.hasSuffix($0) }.map { String(name.dropLast($0.count)) }
            #expect(known.contains(name) || base.map(known.contains) ?? false, "\(name) is used, and does not exist")
        }
    }
}
