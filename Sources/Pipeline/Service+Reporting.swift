import Engine
import Glibc
import Ingest
import Outbox

/// Saying how it goes: log, status, metrics.
extension Service {
    mutating func report() {
        for warning in pipeline.takeWarnings() { log(.warning, warning) }
        // What was to be written when there was no room has been, or nothing was.
        if pauseReason != nil, pipeline.tally.commits > 0 || pipeline.isCaughtUp && !pipeline.hasUncommitted {
            pauseReason = nil
            hasNews = (true, true)
            log(.notice, "there is room again: going on", .event("resumed"))
        }
        let now = pipeline.troubles
        for trouble in now where !troubles.contains(trouble) { log(.error, trouble, .event("outbox_trouble")) }
        if now.isEmpty, !troubles.isEmpty { log(.notice, "publishing again", .event("outbox_well")) }
        troubles = now
        if pipeline.isBlocked != wasBlocked {
            wasBlocked = pipeline.isBlocked
            if wasBlocked {
                tally.pausedByOutbox += 1
                log(.error, "paused: \(pipeline.pendingMessages) messages wait for the outbox", .event("paused"))
            } else {
                log(.notice, "the outbox takes messages again: going on", .event("resumed"))
            }
        }
        if (pipeline.adoptedPercent != nil) != wasAdopting {
            wasAdopting.toggle()
            log(
                .notice,
                wasAdopting
                    ? "segments, calendars or rules have changed: that is applied to every customer, then reading goes on"
                    : "the changed segments, calendars and rules have been applied to every customer: going on",
                .event(wasAdopting ? "judging" : "judged"))
        }
        tally.isPausedByDisk = pauseReason != nil
        tellOfDeadLetters()
        try? tell(force: false)
    }

    /// Most often a path is mistyped, or the directory is closed to the daemon.
    func tellOfEmptySources() {
        for source in pipeline.reader.sourcesWithoutFiles {
            log(
                .warning,
                "source \(source.name): no file matches \(source.patterns.joined(separator: ", ")) so far; is the `path` right, and may the daemon "
                    + "look into the directory?", .event("no_files"))
        }
    }

    /// What was made by somebody else stays as it is; but it holds customers' data.
    func tellOfOpenState() {
        var status = stat()
        guard stat(deployment.state, &status) == 0, status.st_mode & 0o077 != 0 else { return }
        log(
            .warning,
            "\(deployment.state): the state is open to others (mode \(String(status.st_mode & 0o777, radix: 8))); chmod 700 it",
            .path(deployment.state))
    }

    /// At most once a minute, and never a word of what they hold.
    mutating func tellOfDeadLetters() {
        let letters = pipeline.tally.deadLetters
        let count = letters.values.reduce(0, +)
        if count < toldDeadLetters.count { toldDeadLetters.count = 0 }
        let now = Self.wallClock()
        guard count > toldDeadLetters.count, now - toldDeadLetters.at >= 60_000 else { return }
        let reasons = letters.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        log(
            .warning,
            "\(count - toldDeadLetters.count) more lines could not be read as events (so far: \(reasons)); `nudged deadletters` shows them",
            .event("dead_letters"))
        toldDeadLetters = (count, now)
    }

    mutating func tell(force: Bool) throws {
        writeStatus(force: force)
        try writeMetrics(force: force)
    }

    mutating func writeMetrics(force: Bool) throws {
        guard let path = deployment.settings.metrics else { return }
        let now = Self.wallClock()
        guard force || now - metricsWrittenAt >= Self.metricsEvery else { return }
        metricsWrittenAt = now
        hasNews.metrics = false
        let text = try MetricsText(&pipeline, tally, wallNow: now).text
        let isWritten = ReplacedFile.write(Array(text.utf8), to: path, mode: 0o644)
        if !isWritten, !metricsFailed {
            log(
                .warning, "\(path): metrics can't be written (\(String(cString: strerror(errno)))); check the directory",
                .path(path))
        }
        metricsFailed = !isWritten
    }

    mutating func writeStatus(force: Bool) {
        let now = Self.wallClock()
        guard force || now - statusWrittenAt >= 1000 else { return }
        statusWrittenAt = now
        hasNews.status = false
        let tally = pipeline.tally
        pace.note(seconds: Double(Self.monotonicMicroseconds()) / 1e6, lines: tally.lines, messages: tally.messages)
        var text = pace.text + "; " + Lag(pipeline.reader.lags, wallNow: now).text
        if let percent = pipeline.adoptedPercent { text += "; applying the changed configuration to everybody, \(percent) %" }
        if pipeline.pendingMessages > 0 { text += "; \(pipeline.pendingMessages) messages wait" }
        if let pauseReason {
            text += "; paused: " + pauseReason
        } else if pipeline.isBlocked {
            text += "; paused: " + (pipeline.pausedByHand ?? "the outbox is full")
        } else if let paused = pipeline.pausedByHand, pipeline.pendingMessages > 0 {
            text += "; " + paused
        }
        if let trouble = troubles.first { text += "; " + trouble }
        if let refusal { text += "; the configuration was not reloaded, " + refusal }
        notification.status(text)
        StatusFile(
            pid: Int(getpid()), startedAt: started, writtenAt: now, lines: tally.lines, events: pipeline.engine.counters.events,
            duplicates: pipeline.engine.counters.duplicates, late: pipeline.engine.counters.late, messages: tally.messages,
            commits: tally.commits, engineNow: pipeline.engine.clock.now, caughtUp: pipeline.isCaughtUp,
            blocked: pipeline.isBlocked || pauseReason != nil,
            troubles: (pauseReason.map { ["paused: " + $0] } ?? []) + troubles + pipeline.reader.unreadable,
            linesPerSecond: pace.rates.lines, messagesPerSecond: pace.rates.messages
        ).write(to: deployment.state)
    }
}
