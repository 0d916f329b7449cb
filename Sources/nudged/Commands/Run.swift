import ArgumentParser
import Configuration
import Engine
import Pipeline

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The daemon: tails the logs, keeps the state, publishes messages.",
        discussion: """
            Ends cleanly on SIGTERM and SIGINT; SIGHUP reads the configuration anew. With --once it reads all there is, commits, publishes \
            and ends (for cron): what is within lateness waits, durably. With --drain as well it ends as a replay does: everything that waits \
            is applied, and the timers due up to the last event fire.
            """)

    @OptionGroup var config: ConfigurationOption

    @Flag(help: "Read all there is, then end.")
    var once = false

    @Flag(help: "With --once: apply also what is within lateness, as at the end of a replay.")
    var drain = false

    @Option(
        help: ArgumentHelp(
            "After a backup was restored: take what was decided before this time (RFC 3339, or a date) as published, and go on.",
            valueName: "time"))
    var restored: String?

    func validate() throws {
        if let restored, Instant.parse(restored) == nil {
            throw ValidationError("--restored takes a time such as 2026-03-01T12:00:00Z, not \"\(restored)\"")
        }
        if let restored, let time = Instant.parse(rfc3339: Array(restored.utf8)), time > wallClock() {
            throw ValidationError("--restored takes a time that has been: until \(restored) nothing would be sent")
        }
        if drain, !once { throw ValidationError("--drain goes with --once") }
    }

    func run() throws {
        Service.holdSignals()
        try reporting {
            let path = absolute(config.path)
            let deploy: () throws -> Deployment = {
                let loaded = try Loaded.load(path)
                var settings = loaded.settings
                if loaded.configuration.secretFile != nil { settings.secret = try loaded.erasureKey() }
                settings.restored = restored.flatMap { Instant.parse($0) }
                return Deployment(settings: settings, rules: loaded.rules, state: loaded.configuration.state)
            }
            var service = try Service(try deploy(), version: Nudged.version, reload: deploy)
            try service.run(once ? .once(drain: drain) : .daemon)
            service.exit(ExitCode.success.rawValue)
        }
    }
}
