import Engine
import Glibc
import Ingest

/// What the service counts beside its pipeline.
package struct ServiceTally: Sendable {
    package var version: String
    package var startedAt: Instant
    package var reloadsTaken = 0
    package var reloadsRefused = 0
    package var isLastReloadTaken = true
    package var pausedByOutbox = 0
    package var pausedByDisk = 0
    package var isPausedByDisk = false

    package init(version: String, startedAt: Instant) {
        self.version = version
        self.startedAt = startedAt
    }
}

extension MetricsText {
    /// Everything that can be said of a running pipeline. Counters begin anew when the configuration is reloaded, as after a restart.
    package init(_ pipeline: inout Pipeline, _ service: ServiceTally, wallNow: Instant) throws {
        self.init()
        let tally = pipeline.tally
        add(.buildInfo, 1, ["version": service.version])
        add(.start, Self.seconds(service.startedAt))
        add(.written, Self.seconds(wallNow))
        add(.lines, tally.lines)
        add(.readBytes, tally.bytes)
        add(.events, pipeline.engine.counters.events)
        add(.duplicates, pipeline.engine.counters.duplicates)
        add(.late, pipeline.engine.counters.late)
        add(.overtaken, tally.overtaken)
        for reason in DeadLetter.Reason.allCases {
            add(.deadLetters, tally.deadLetters[reason.rawValue] ?? 0, ["reason": reason.rawValue])
        }
        add(.losses, tally.losses)
        add(.conditionErrors, pipeline.engine.counters.conditionErrors)
        for (key, count) in Self.sorted(tally.messagesByOutbox) {
            add(.messages, count, ["rule": key.rule, "outbox": key.other])
        }
        for (key, count) in Self.sorted(tally.verdictsByRule) { add(.verdicts, count, ["rule": key.rule, "verdict": key.other]) }
        addStanding(pipeline, service)
        try addTimes(&pipeline, wallNow)
        add(.commits, tally.commits)
        add(.commitDuration, tally.commitSeconds)
        add(.batchLines, tally.batchLines)
        add(.reloads, service.reloadsTaken, ["outcome": "taken"])
        add(.reloads, service.reloadsRefused, ["outcome": "refused"])
        add(.reloadSuccessful, service.isLastReloadTaken ? 1 : 0)
    }

    private mutating func addStanding(_ pipeline: borrowing Pipeline, _ service: ServiceTally) {
        add(.pending, pipeline.pendingMessages)
        add(.staged, pipeline.stagedMessages)
        add(.paused, pipeline.isBlocked ? 1 : 0, ["reason": "outbox_full"])
        add(.paused, service.isPausedByDisk ? 1 : 0, ["reason": "disk_full"])
        add(.pauses, service.pausedByOutbox, ["reason": "outbox_full"])
        add(.pauses, service.pausedByDisk, ["reason": "disk_full"])
        add(.outboxTroubles, pipeline.troubles.count)
        add(.residentCustomers, pipeline.engine.residentCustomers)
        add(.residentProducts, pipeline.engine.residentProducts)
        add(.waitingEvents, pipeline.reader.sequencer.count)
    }

    private mutating func addTimes(_ pipeline: inout Pipeline, _ wallNow: Instant) throws {
        for lag in pipeline.reader.lags {
            add(.sourceLag, lag.reached.map { max(0, Self.seconds(wallNow - $0)) } ?? 0, ["source": lag.name])
            add(.sourceUnread, lag.unreadBytes, ["source": lag.name])
            add(.sourceFiles, lag.files, ["source": lag.name])
            if let newest = lag.newest { add(.sourceNewest, Self.seconds(newest), ["source": lag.name]) }
        }
        let now = pipeline.engine.clock.now
        if now > .min { add(.watermark, Self.seconds(now)) }
        let due = pipeline.settings.clock == .wall ? wallNow - pipeline.reader.largestLateness : now
        add(.timersDue, try pipeline.dueCustomers(before: due, limit: 100_000))
        if let next = try pipeline.nextMoment() { add(.nextTimer, Self.seconds(next)) }
    }

    private static func seconds(_ time: Instant) -> Double { Double(time) / 1000 }

    private static func sorted(_ counts: [TallyKey: Int]) -> [(TallyKey, Int)] {
        counts.sorted { ($0.key.rule, $0.key.other) < ($1.key.rule, $1.key.other) }.map { ($0.key, $0.value) }
    }
}

/// Files that others read while they are written anew.
enum ReplacedFile {
    /// Replaces `path` atomically; false where it can't be done.
    static func write(_ bytes: [UInt8], to path: String, mode: mode_t) -> Bool {
        // Not named like what the node exporter collects.
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard file >= 0 else { return false }
        fchmod(file, mode)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                close(file)
                unlink(temporary)
                return false
            }
            rest = rest.dropFirst(count)
        }
        close(file)
        return rename(temporary, path) == 0
    }
}
