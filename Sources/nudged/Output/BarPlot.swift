/// One bar a name, made of parts of several kinds.
struct BarPlot: Plot {
    let unit: String
    let kinds: [String]
    /// So many values as there are kinds.
    let bars: [(name: String, values: [Double])]

    private static let (width, left, right, row) = (760.0, 170.0, 60.0, 22.0)

    var isEmpty: Bool { bars.isEmpty }
    var legend: String { PlotText.legend(kinds) }

    var svg: String {
        let longest = max(1e-9, bars.map { $0.values.reduce(0, +) }.max() ?? 0)
        let height = Double(bars.count) * Self.row + 4
        var parts: [String] = []
        for (place, bar) in bars.enumerated() {
            let top = Double(place) * Self.row + 2
            let middle = PlotText.place(top + Self.row / 2 + 3)
            var start = Self.left
            parts.append(
                "<text class=\"value\" x=\"\(PlotText.place(Self.left - 8))\" y=\"\(middle)\" text-anchor=\"end\">"
                    + HTML.escape(DisplayText.cut(bar.name, to: 26)) + "</text>")
            for (kind, value) in bar.values.enumerated() where value > 0 {
                let width = value / longest * (Self.width - Self.left - Self.right)
                parts.append(
                    "<rect x=\"\(PlotText.place(start))\" y=\"\(PlotText.place(top + 2))\" width=\"\(PlotText.place(max(0.5, width)))\" "
                        + "height=\"\(PlotText.place(Self.row - 6))\" fill=\"\(PlotText.colour(kind))\">"
                        + "<title>\(HTML.escape("\(bar.name): \(kinds[kind]) \(PlotText.number(value))"))</title></rect>")
                start += width
            }
            parts.append(
                "<text x=\"\(PlotText.place(start + 6))\" y=\"\(middle)\">\(PlotText.number(bar.values.reduce(0, +)))</text>")
        }
        return "<svg viewBox=\"0 0 760 \(PlotText.place(height))\" role=\"img\" aria-label=\"\(HTML.escape(unit)) by name\">"
            + parts.joined() + "</svg>"
    }
}
