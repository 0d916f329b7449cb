/// How many events a customer had in each hour of the local day, over about the last month: by weeks since 1970, so that old ones leave.
package struct Activity: Sendable, Equatable {
    package struct Cell: Sendable, Equatable {
        package var week: Int32
        package var hour: UInt8
        package var count: UInt32
    }

    package var cells: [Cell] = []

    /// Fewer events than this tell nothing.
    package static let enough = 10
    /// The week of now and four before it.
    private static let weeks: Int32 = 5
    private static let week: Instant = 7 * 86_400_000

    package init() {}

    private static func week(of time: Instant) -> Int32 { Int32(clamping: time >= 0 ? time / week : (time - week + 1) / week) }

    mutating func count(hour: Int, at time: Instant, now: Instant) {
        let oldest = Self.week(of: now) - Self.weeks
        let week = Self.week(of: time)
        guard week > oldest else { return }
        if let place = cells.lastIndex(where: { $0.week == week && $0.hour == hour }) {
            cells[place].count &+= 1
            return
        }
        cells.removeAll { $0.week <= oldest }
        cells.append(Cell(week: week, hour: UInt8(clamping: hour), count: 1))
    }

    /// Events by local hour, 24 of them.
    func hours(now: Instant) -> [Int] {
        let oldest = Self.week(of: now) - Self.weeks
        var counts = [Int](repeating: 0, count: 24)
        for cell in cells where cell.week > oldest && cell.hour < 24 { counts[Int(cell.hour)] += Int(cell.count) }
        return counts
    }

    mutating func merge(_ other: Activity) {
        for cell in other.cells {
            if let place = cells.firstIndex(where: { $0.week == cell.week && $0.hour == cell.hour }) {
                cells[place].count &+= cell.count
            } else {
                cells.append(cell)
            }
        }
    }
}
