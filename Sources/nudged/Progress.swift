import ArgumentParser
import Engine
import Glibc

enum ProgressStyle: String, ExpressibleByArgument, CaseIterable { case auto, plain, none }

/// How far a replay is: a bar with lines a second and time left on a terminal, else a line now and then.
struct ProgressBar {
    private let style: ProgressStyle
    private let isTerminal: Bool
    private let started = wallClock()
    private var shown: Instant = 0
    private var drawn = false

    init(_ style: ProgressStyle) {
        isTerminal = isatty(2) == 1
        // `auto` shows nothing where nobody looks.
        self.style = style == .auto && !isTerminal ? .none : style
    }

    mutating func show(_ progress: (read: Int, total: Int), lines: Int) {
        guard style != .none else { return }
        let now = wallClock()
        guard now - shown >= (style == .plain ? 2000 : 100) else { return }
        shown = now
        let seconds = Double(max(1, now - started)) / 1000
        let share = progress.total > 0 ? min(1, Double(progress.read) / Double(progress.total)) : 0
        let left = share > 0 ? Int(seconds / share - seconds) : 0
        let figures =
            "\(Int(share * 100)) %  \(lines) lines  \(Int(Double(lines) / seconds))/s  \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left"
        if style == .plain {
            complain("nudged: \(figures)")
            return
        }
        let width = max(10, min(40, columns - figures.utf8.count - 4))
        let filled = Int(share * Double(width))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        write("\r[\(bar)] \(figures)\u{1B}[K")
        drawn = true
    }

    private var columns: Int {
        var size = winsize()
        return ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    private func write(_ text: String) {
        var text = text
        text.withUTF8 { _ = Glibc.write(2, $0.baseAddress, $0.count) }
    }

    mutating func end() {
        if drawn { write("\r\u{1B}[K") }
        drawn = false
    }
}
