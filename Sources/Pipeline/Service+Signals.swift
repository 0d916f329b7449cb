import CLinux
import Glibc
import Storage

/// What the service is told by signals: to end, and to read its configuration anew.
extension Service {
    mutating func take(_ signals: Int32) throws {
        while true {
            switch nudged_next_signal(signals) {
            case 0: return
            case SIGHUP:
                if isAbandoned {
                    refuse(Self.noRoom)
                } else {
                    try reloadConfiguration()
                }
            default: isStopping = true
            }
        }
    }

    private static var noRoom: String { "the old one stays: the disk is full; reload again when there is room" }

    /// A bad configuration is refused, and the old one stays.
    private mutating func reloadConfiguration() throws {
        notification.reloading(at: Self.monotonicMicroseconds())
        let fresh: Deployment
        do { fresh = try reload() } catch {
            refuse("the old one stays: \(error)")
            return
        }
        guard fresh.state == deployment.state else {
            refuse("the old one stays: `state` can't change while running; restart instead")
            return
        }
        // What fails here has nothing to do with the configuration, and ends the run, or pauses it until there is room.
        do {
            try pipeline.commitAll(wallNow: wallNow)
            try pipeline.end()
            // Counters begin anew: what they have reached is told before.
            try writeMetrics(force: true)
            do { pipeline = try Self.assemble(fresh, store) } catch let error as StoreError { throw error } catch {
                refuse("the old one stays: \(error)")
                return
            }
            try pipeline.noteReload()
        } catch  where Self.isFullDisk(error) {
            refuse(Self.noRoom)
            throw error
        }
        deployment = fresh
        hook()
        scan()
        refusal = nil
        tally.reloadsTaken += 1
        tally.isLastReloadTaken = true
        log(.notice, "configuration reloaded", .event("reloaded"))
        tellOfEmptySources()
        notification.ready()
        try tell(force: true)
    }

    private mutating func refuse(_ reason: String) {
        refusal = reason
        tally.reloadsRefused += 1
        tally.isLastReloadTaken = false
        log(.error, "the configuration was not reloaded, " + reason, .event("reload_refused"))
        notification.ready()
        writeStatus(force: true)
    }
}
