import CLinux
import Engine
import Glibc
import Ingest
import Outbox
import Storage

/// What the service runs: read anew when it is told to reload.
package struct Deployment: Sendable {
    package var settings: Settings
    package var rules: RuleSet
    /// The state directory.
    package var state: String

    package init(settings: Settings, rules: RuleSet, state: String) {
        self.settings = settings
        self.rules = rules
        self.state = state
    }
}

/// The daemon: waits for news (a log grew, a timer is due, a signal came), and lets the pipeline take one step at a time.
package struct Service: ~Copyable {
    package enum Mode: Sendable {
        case daemon
        /// Read all there is, commit, publish, end. Draining ends as a replay does.
        case once(drain: Bool)
    }

    var deployment: Deployment
    /// Reads the configuration anew; throws, having said why, if it is bad.
    let reload: () throws -> Deployment
    let log = ServiceLog()
    let notification = ServiceNotification()
    let store: Store
    var pipeline: Pipeline
    private let watch = FileWatch()
    private let controlWatch: ControlWatch
    private let outboxWatch = FileWatch(tellsWrites: false)
    private let mounts = MountWatch()
    let started = Service.wallClock()
    var isStopping = false
    var troubles: [String] = []
    var wasBlocked = false
    var wasAdopting = false
    var statusWrittenAt: Instant = 0
    private var scannedAt: Instant = 0
    /// More may be beyond its time than one piece took.
    private var isExpiring = false
    private var rounds = OutboxRounds()
    /// Whether inotify tells of all that happens to the outboxes.
    private var isOutboxWatched = false
    /// Something is left of an erasure.
    private var isErasing = false
    /// Open before anything else is: a signal that comes during the start waits.
    private let signals: Int32
    /// Why nothing can be committed, while the disk is full.
    var pauseReason: String?
    /// The pipeline has failed and not been made anew yet: nothing of it may be written.
    var isAbandoned = false
    var tally: ServiceTally
    var pace = Pace()
    var metricsWrittenAt: Instant = 0
    var metricsFailed = false
    /// Whether something has been done that has not been told yet.
    var hasNews = (status: false, metrics: false)
    var refusal: String?
    /// Dead letters that the log has been told of, and when.
    var toldDeadLetters = (count: 0, at: Instant(0))
    /// How much inotify tells of the logs' directories.
    private var coverage = FileWatch.Coverage.partial

    /// Directories are scanned so often besides: where inotify tells everything, as a second look alone.
    private var scanEvery: Milliseconds {
        switch coverage {
        case .all: pipeline.needsLooks ? 30_000 : 3_600_000
        case .directories: 30_000
        case .partial: 10_000
        }
    }
    /// Metrics are written this often while there is something to do; idle, with the next wake-up for another reason.
    static let metricsEvery: Milliseconds = 5000

    /// From here on a signal waits until the service takes it. To be called first of all: a reload that comes while the configuration is still being read
    /// would end the process.
    package static func holdSignals() { nudged_block_signals() }

    package init(_ deployment: Deployment, version: String = "", reload: @escaping () throws -> Deployment) throws {
        let signals = nudged_signal_descriptor()
        guard signals >= 0 else { throw StoreError(.other, "signals can't be received (\(String(cString: strerror(errno))))") }
        let store = try Store.open(directory: deployment.state)
        let pipeline = try Self.assemble(deployment, store)
        self.signals = signals
        controlWatch = ControlWatch(deployment.state + "/" + ControlLog.fileName)
        self.deployment = deployment
        self.reload = reload
        self.store = store
        self.pipeline = pipeline
        tally = ServiceTally(version: version, startedAt: started)
        hook()
    }

    /// Between pieces of work a step tells of progress, and ends early if a signal waits.
    mutating func hook() {
        pipeline.hooks.endsEarly = { [notification, signals] in
            notification.watchdog()
            var descriptor = pollfd(fd: signals, events: Int16(POLLIN), revents: 0)
            return poll(&descriptor, 1, 0) > 0
        }
        pipeline.hooks.seconds = { Double(Self.monotonicMicroseconds()) / 1e6 }
    }

    static func assemble(_ deployment: Deployment, _ store: Store) throws -> Pipeline {
        var publishFrom: Instant?
        if deployment.rules.definitions.publishFrom == nil, deployment.settings.clock == .wall {
            // The first start: what the logs held before it builds state, and makes no messages.
            let key = "publish_from"
            let first = try store.metaNumber(key) ?? wallClock()
            try store.begin()
            try store.setMeta(key, String(first))
            try store.commit()
            publishFrom = first
        }
        var settings = deployment.settings
        let controlLog = ControlLog(path: deployment.state + "/" + ControlLog.fileName)
        if settings.secret.isEmpty {
            settings.secret = try Secret.own(
                in: deployment.state, isUsed: !store.tombstones().isEmpty || !controlLog.tombstones().isEmpty)
        }
        return try Pipeline(
            settings: settings, rules: deployment.rules, store: store,
            destination: .outboxes(
                try OutboxSet.open(
                    deployment.settings.outboxes, store: store, safety: settings.safety, restored: settings.restored)),
            controlLog: controlLog, publishFrom: publishFrom, follows: true,
            committer: try Committer(beside: store))
    }

    package static func wallClock() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(time.tv_sec) * 1000 + Instant(time.tv_nsec) / 1_000_000
    }

    static func monotonicMicroseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }

    /// The wall clock where it counts.
    var wallNow: Instant? { deployment.settings.clock == .wall ? Self.wallClock() : nil }

    // MARK: Running

    package mutating func run(_ mode: Mode) throws {
        defer { Glibc.close(signals) }
        scan()
        notification.ready()
        nudged_release_code()
        tellOfEmptySources()
        tellOfOpenState()
        report()
        switch mode {
        case .once(let drain): try runOnce(drain: drain, signals)
        case .daemon: try loop(signals)
        }
        if !isAbandoned {
            do { try pipeline.end() } catch  where Self.isFullDisk(error) {
                // What could not be marked as published is found out by the next start.
                store.rollback()
            }
        }
        notification.stopping()
        try? tell(force: true)
    }

    /// Ends the process after a run. To take the state of many customers apart piece by piece takes longer than a restart should; it goes as a whole.
    package consuming func exit(_ code: Int32) -> Never {
        pipeline.close()
        withExtendedLifetime(pipeline) { Glibc.exit(code) }
    }

    private mutating func runOnce(drain: Bool, _ signals: Int32) throws {
        // What waits from before goes first, unless it is paused still.
        if pipeline.pendingMessages > 0 {
            try pipeline.commitOrders(wallNow: wallNow)
            try pipeline.tendOutboxes(wallNow: Self.wallClock(), clockIsWall: deployment.settings.clock == .wall)
        }
        repeat {
            while !pipeline.isCaughtUp, !isStopping {
                if pipeline.isBlocked { throw ReadingPaused(pipeline) }
                try pipeline.step(wallNow: wallNow)
                try take(signals)
                report()
            }
            guard !isStopping else { return }
            scan()
        } while !pipeline.isCaughtUp || pipeline.needsAnotherScan
        while try pipeline.expire(wallNow: wallNow), !isStopping {
            notification.watchdog()
            try take(signals)
        }
        // Also where there is no event, and so no time to which it could be drained, what the control log asks for is done.
        try pipeline.step(wallNow: wallNow)
        if drain { try pipeline.finish(until: nil, wallNow: wallNow) }
        try pipeline.tendOutboxes(wallNow: Self.wallClock(), clockIsWall: deployment.settings.clock == .wall)
        try pipeline.finishErasures()
        report()
    }

    private mutating func loop(_ signals: Int32) throws {
        while !isStopping {
            do { try turn(signals) } catch  where Self.isFullDisk(error) { try pause("\(error)", signals) }
        }
        log(.notice, "stopping")
        // What a full disk keeps from being committed is read again by the next start.
        guard !isAbandoned else { return }
        do { try pipeline.commitAll(wallNow: wallNow) } catch  where Self.isFullDisk(error) { store.rollback() }
    }

    /// Whether the state's disk has no room: that passes, and nothing is lost by it.
    static func isFullDisk(_ error: any Error) -> Bool {
        switch error {
        case let error as StoreError: error.kind == .full
        case let error as ControlLogError: error.code == ENOSPC || error.code == EDQUOT
        default: false
        }
    }

    private mutating func turn(_ signals: Int32) throws {
        // Measured before the files are looked at: what was written before it is seen by the step.
        let measured = wallNow
        if hasToScan() { scan() }
        if pipeline.isBlocked {
            try pipeline.commitOrders(wallNow: measured)
        } else if try pipeline.step(wallNow: measured, hasLooked: true, lingers: true) {
            hasNews = (true, true)
            rounds.note()
        }
        notification.watchdog()
        report()
        try take(signals)
        guard !isStopping else { return }
        let now = Self.wallClock()
        if now >= nextRound {
            rounds.begin(at: now)
            // Watched before they are looked at: what comes in between is told.
            watchOutboxes()
            try pipeline.tendOutboxes(wallNow: now, clockIsWall: deployment.settings.clock == .wall)
            isErasing = try !pipeline.finishErasures()
            isExpiring = true
        }
        if isExpiring { isExpiring = try pipeline.expire(wallNow: wallNow) }
        if pipeline.isCaughtUp || pipeline.isBlocked { try wait(signals) }
    }

    /// The disk is full: nothing of the batch at hand is committed, also not when the daemon is told to end meanwhile. Once a second it goes back to
    /// what is, and tries again.
    private mutating func pause(_ reason: String, _ signals: Int32) throws {
        isAbandoned = true
        pipeline.abandon()
        store.rollback()
        if pauseReason == nil {
            log(.error, "paused: \(reason)", .event("paused"))
            tally.pausedByDisk += 1
        }
        pauseReason = reason
        tally.isPausedByDisk = true
        while !isStopping {
            notification.watchdog()
            try? tell(force: false)
            var descriptor = pollfd(fd: signals, events: Int16(POLLIN), revents: 0)
            poll(&descriptor, 1, 1000)
            try take(signals)
            guard !isStopping else { return }
            do {
                pipeline = try Self.assemble(deployment, store)
                isAbandoned = false
                hook()
                scan()
                return
            } catch  where Self.isFullDisk(error) { store.rollback() }
        }
    }

    /// Sleeps until a log changes, a signal comes, or something is due.
    mutating func wait(_ signals: Int32) throws {
        let now = Self.wallClock()
        var until = min(scannedAt + scanEvery, nextRound)
        if let due = pipeline.commitsBy(now) { until = min(until, max(due, now + 1)) }
        if pipeline.hasUnmarked { until = min(until, now + 1000) }
        if isExpiring { until = now }
        if pipeline.needsAnotherScan { until = min(until, now + 100) }
        if deployment.settings.clock == .wall, !pipeline.isBlocked, let next = try pipeline.nextMoment() {
            // What is at t is taken once wall clock less lateness is above t.
            until = min(until, next + pipeline.reader.largestLateness + 1)
        }
        if hasNews.status { until = min(until, statusWrittenAt + 1000) }
        if hasNews.metrics, deployment.settings.metrics != nil { until = min(until, metricsWrittenAt + Self.metricsEvery) }
        if let period = notification.watchdogPeriod { until = min(until, now + period / 2) }
        var descriptors = [
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
            pollfd(fd: watch.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: controlWatch.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: outboxWatch.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: mounts.descriptor, events: Int16(POLLPRI), revents: 0),
        ]
        let timeout = Int32(clamping: max(0, until - now))
        if timeout > 0 { try tell(force: false) }
        let ready = poll(&descriptors, nfds_t(descriptors.count), timeout)
        controlWatch.drain()
        if outboxWatch.drain() != .none { rounds.note() }
        if descriptors[4].revents != 0 { mountsChanged() }
        if ready == 0, pipeline.hasUnmarked { try pipeline.settle() }
    }

    /// Whether the files have to be looked at, or what inotify tells is enough.
    private mutating func hasToScan() -> Bool {
        let news = watch.drain()
        if coverage == .partial || pipeline.needsAnotherScan || Self.wallClock() - scannedAt >= scanEvery { return true }
        switch news {
        case .none: return false
        case .written(let paths): return !pipeline.hear(ofChangesAt: paths)
        case .other: return true
        }
    }

    mutating func scan() {
        var looks = 0
        repeat {
            pipeline.scan()
            coverage = watch.watch(pipeline.directories)
            looks += 1
            // What happened between the look and the beginning of the watch is seen by one more.
        } while watch.hasBegun && looks < 4
        if watch.hasBegun { coverage = .partial }
        if mounts.descriptor < 0, coverage == .all { coverage = .directories }
        if !FileWatch.tellsAll(pipeline.directories) { coverage = .partial }
        scannedAt = Self.wallClock()
    }

    private mutating func watchOutboxes() {
        let paths = pipeline.outboxPaths
        isOutboxWatched =
            mounts.descriptor >= 0 && outboxWatch.watch(paths, once: Set(paths.map { $0 + "/cur" })) == .all
            && FileWatch.tellsAll(paths)
    }

    private var nextRound: Instant {
        rounds.next(
            isTroubled: pipeline.isTroubled, isWatched: isOutboxWatched, claim: pipeline.nextTimeout, isUnfinished: isErasing)
    }

    /// Paths may lead to other directories now.
    private mutating func mountsChanged() {
        watch.forget()
        outboxWatch.forget()
        coverage = .partial
        scannedAt = 0
        isOutboxWatched = false
        rounds.note()
    }
}
