import Pipeline

extension Pipeline {
    /// As `run --once --drain` and as a replay does.
    mutating func drain() throws {
        scan()
        repeat {
            while !isCaughtUp { try step(wallNow: nil) }
            scan()
        } while !isCaughtUp || needsAnotherScan
        try finish(until: nil, wallNow: nil)
    }
}
