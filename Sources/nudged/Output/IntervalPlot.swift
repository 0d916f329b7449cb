/// Estimates with the interval that holds the true value in 95 of 100 cases.
struct IntervalPlot: Plot {
    let unit: String
    /// `value` and the interval's ends are shares; a colour is a kind.
    let rows: [(name: String, kind: Int, value: Double, low: Double, high: Double)]
    let kinds: [String]

    private static let (width, left, right, row) = (760.0, 210.0, 60.0, 22.0)

    var isEmpty: Bool { rows.isEmpty }
    var legend: String { PlotText.legend(kinds) }

    var svg: String {
        let ticks = PlotText.ticks(to: max(0.001, rows.map(\.high).max() ?? 0) * 100)
        let highest = (ticks.last ?? 1) / 100
        let bottom = Double(rows.count) * Self.row + 4
        func x(_ share: Double) -> String { PlotText.place(Self.left + share / highest * (Self.width - Self.left - Self.right)) }
        var parts: [String] = ticks.map { tick in
            "<path class=\"axis\" d=\"M\(x(tick / 100)) 2V\(PlotText.place(bottom))\"/>"
                + "<text x=\"\(x(tick / 100))\" y=\"\(PlotText.place(bottom + 14))\" text-anchor=\"middle\">\(PlotText.number(tick)) %</text>"
        }
        for (place, entry) in rows.enumerated() {
            let middle = Double(place) * Self.row + Self.row / 2 + 2
            let colour = PlotText.colour(entry.kind)
            parts.append(
                "<text class=\"value\" x=\"\(PlotText.place(Self.left - 10))\" y=\"\(PlotText.place(middle + 4))\" text-anchor=\"end\">"
                    + HTML.escape(DisplayText.cut(entry.name, to: 32)) + "</text>"
                    + "<path stroke=\"\(colour)\" stroke-width=\"2\" d=\"M\(x(entry.low)) \(PlotText.place(middle))H\(x(entry.high))\"/>"
                    + "<circle cx=\"\(x(entry.value))\" cy=\"\(PlotText.place(middle))\" r=\"4.5\" fill=\"\(colour)\"/>")
        }
        return "<svg viewBox=\"0 0 760 \(PlotText.place(bottom + 20))\" role=\"img\" aria-label=\"\(HTML.escape(unit))\">"
            + parts.joined() + "</svg>"
    }
}
