import Engine

/// A small drawing in SVG. Colours come from the page.
protocol Plot {
    var isEmpty: Bool { get }
    var svg: String { get }
    /// HTML below the drawing; empty if it explains itself.
    var legend: String { get }
}

enum PlotText {
    static let colours = 8

    /// A colour of the page, by place.
    static func colour(_ place: Int) -> String { "var(--s\(place % colours))" }

    static func legend(_ names: [String]) -> String {
        let items = names.enumerated().map { "<span><i style=\"background:\(colour($0))\"></i>\(HTML.escape($1))</span>" }
        return "<div class=\"legend\">\(items.joined())</div>"
    }

    /// One decimal, without a useless one.
    static func number(_ value: Double) -> String {
        func rounded(_ value: Double) -> String {
            let tenths = Int((value * 10).rounded())
            return tenths % 10 == 0 ? String(tenths / 10) : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
        }
        switch abs(value) {
        case 10_000_000...: return rounded(value / 1_000_000) + "M"
        case 10_000...: return rounded(value / 1000) + "k"
        case 0.1..., 0: return rounded(value)
        default: return ReplaySummary.decimal(value)
        }
    }

    /// A coordinate.
    static func place(_ value: Double) -> String { number1(value) }

    private static func number1(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }

    /// Ticks at round numbers that cover 0 to `highest`: 1, 2 or 5 times a power of ten apart.
    static func ticks(to highest: Double, about count: Int = 4) -> [Double] {
        guard highest > 0, highest.isFinite else { return [0, 1] }
        var step = 1e-9
        while step * 10 < highest / Double(count) { step *= 10 }
        for factor in [1.0, 2, 5, 10] where step * factor >= highest / Double(count) {
            step *= factor
            break
        }
        var ticks: [Double] = [0]
        while let last = ticks.last, last < highest, ticks.count < 20 { ticks.append(Double(ticks.count) * step) }
        return ticks
    }
}

/// Values over time, one line a series.
struct LinePlot: Plot {
    /// How points are put together where there are more than the drawing can show.
    enum Merging { case sum, highest, last }

    let unit: String
    /// Points in order of time (ms).
    let series: [(name: String, points: [(at: Instant, value: Double)])]
    /// How far apart points are; where one is missing the line falls to zero if values are sums, else it goes straight on.
    let step: Milliseconds
    var merging = Merging.sum

    private static let (width, height, left, right, top, bottom) = (760.0, 210.0, 52.0, 10.0, 24.0, 24.0)
    private static let mostPoints = 360

    var isEmpty: Bool { series.allSatisfy(\.points.isEmpty) }
    var legend: String { series.count > 1 ? PlotText.legend(series.map(\.name)) : "" }

    /// Start of the first slot, width of a slot, number of slots.
    private var slots: (first: Instant, width: Milliseconds, count: Int) {
        let times = series.flatMap { [$0.points.first?.at, $0.points.last?.at].compactMap { $0 } }
        let first = (times.min() ?? 0) / step * step
        let steps = ((times.max() ?? 0) - first) / step + 1
        let factor = max(1, (steps + Milliseconds(Self.mostPoints) - 1) / Milliseconds(Self.mostPoints))
        return (first, step * factor, Int((steps + factor - 1) / factor))
    }

    private func merged(_ points: [(at: Instant, value: Double)]) -> [Double?] {
        let slots = slots
        var values = [Double?](repeating: nil, count: slots.count)
        for point in points {
            let place = min(slots.count - 1, max(0, Int((point.at - slots.first) / slots.width)))
            switch merging {
            case .sum: values[place] = (values[place] ?? 0) + point.value
            case .highest: values[place] = max(values[place] ?? point.value, point.value)
            case .last: values[place] = point.value
            }
        }
        return merging == .sum ? values.map { $0 ?? 0 } : values
    }

    var svg: String {
        let lines = series.map { merged($0.points) }
        let slots = slots
        let count = max(2, lines.map(\.count).max() ?? 2)
        let ticks = PlotText.ticks(to: lines.flatMap { $0.compactMap { $0 } }.max() ?? 0)
        let highest = ticks.last ?? 1
        func x(_ place: Double) -> String {
            PlotText.place(Self.left + place / Double(count - 1) * (Self.width - Self.left - Self.right))
        }
        func y(_ value: Double) -> String {
            PlotText.place(Self.height - Self.bottom - value / highest * (Self.height - Self.top - Self.bottom))
        }
        var parts = ["<text x=\"0\" y=\"10\">\(HTML.escape(unit))</text>"]
        for tick in ticks {
            parts.append(
                "<path class=\"axis\" d=\"M\(PlotText.place(Self.left)) \(y(tick))H\(PlotText.place(Self.width - Self.right))\"/>"
                    + "<text x=\"\(PlotText.place(Self.left - 6))\" y=\"\(y(tick))\" dy=\"4\" text-anchor=\"end\">\(PlotText.number(tick))</text>"
            )
        }
        let isShort = slots.width * Milliseconds(count) <= 2 * 86_400_000
        for quarter in 0...4 {
            let place = Double(count - 1) * Double(quarter) / 4
            let time = Array((slots.first + Milliseconds(place * Double(slots.width))).rfc3339)
            let label = isShort ? String(time[5..<16]).replacingT : String(time[..<10])
            let anchor = quarter == 0 ? "start" : quarter == 4 ? "end" : "middle"
            parts.append(
                "<text x=\"\(x(place))\" y=\"\(PlotText.place(Self.height - 6))\" text-anchor=\"\(anchor)\">\(label)</text>")
        }
        for (index, values) in lines.enumerated() {
            var path = ""
            for (place, value) in values.enumerated() {
                guard let value else { continue }
                path += "\(path.isEmpty ? "M" : "L")\(x(Double(place))) \(y(value))"
            }
            // A single point is a short stroke.
            if values.count == 1 { path += "h3" }
            parts.append(
                "<path fill=\"none\" stroke=\"\(PlotText.colour(index))\" stroke-width=\"1.6\" stroke-linejoin=\"round\" d=\"\(path)\"/>"
            )
        }
        return "<svg viewBox=\"0 0 760 210\" role=\"img\" aria-label=\"\(HTML.escape(unit)) over time\">\(parts.joined())</svg>"
    }
}

extension String {
    /// A time of day after a blank instead of the T.
    fileprivate var replacingT: String { String(map { $0 == "T" ? " " : $0 }) }
}
