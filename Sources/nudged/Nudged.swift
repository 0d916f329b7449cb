import ArgumentParser

/// The command line. One file a command; everything they do is in the libraries.
@main
struct Nudged: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "nudged",
        abstract: "Tails event logs, keeps every customer's rolling state, and fires trigger rules into an outbox directory.",
        discussion: """
            Start with `nudged init`, check what it wrote with `nudged check`, and try it on old logs with `nudged replay`.

            Exit codes: 0 success, 64 bad usage, 65 bad data, 73 output can't be created, 74 the disk failed, 75 another daemon holds the \
            state, 78 bad configuration.
            """,
        version: version,
        subcommands: [
            Run.self, Replay.self, BacktestCommand.self, Check.self, Init.self, Status.self, ReportCommand.self, Simulate.self,
            ProfileCommand.self, SegmentsCommand.self,
            TimersCommand.self, DecisionsCommand.self, OutboxCommand.self, DeadLettersCommand.self, ExportCommand.self,
            BackupCommand.self, PauseCommand.self,
            ResumeCommand.self, ConsentCommand.self, ForgetCommand.self, ExplainCommand.self,
        ])
}
