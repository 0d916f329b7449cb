import ArgumentParser
import Configuration
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

    func validate() throws {
        if drain, !once { throw ValidationError("--drain goes with --once") }
    }

    func run() throws {
        try reporting {
            let path = absolute(config.path)
            let deploy: () throws -> Deployment = {
                let loaded = try Loaded.load(path)
                var settings = loaded.settings
                if loaded.configuration.secretFile != nil { settings.secret = try loaded.secret() }
                return Deployment(settings: settings, rules: loaded.rules, state: loaded.configuration.state)
            }
            var service = try Service(try deploy(), reload: deploy)
            try service.run(once ? .once(drain: drain) : .daemon)
        }
    }
}
