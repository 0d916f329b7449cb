import Engine
import Ingest
import Storage

/// What a pipeline is run with, apart from rules and state.
package struct Settings: Sendable {
    /// What moves time once all files are caught up.
    package enum Clock: Sendable, Equatable {
        /// The wall clock, less the lateness.
        case wall
        /// The largest of the files' watermarks: replays, staging, tests, feeding old logs through a running daemon.
        case log
    }

    package struct OutboxSettings: Sendable {
        package var name: String
        package var path: String
        package var claimTimeout: Milliseconds
        package var maxPending: Int
        package var keep: Milliseconds

        package init(name: String, path: String, claimTimeout: Milliseconds, maxPending: Int, keep: Milliseconds) {
            self.name = name
            self.path = path
            self.claimTimeout = claimTimeout
            self.maxPending = maxPending
            self.keep = keep
        }
    }

    package var sources: [LogSource]
    package var outboxes: [OutboxSettings] = []
    package var clock: Clock = .log
    package var maxFuture: Milliseconds = 5 * 60_000
    package var maxLineBytes = 1 << 20
    /// Bytes of profiles that may be held in memory.
    package var memory = 256 << 20

    /// Where metrics are written; nil: nowhere.
    package var metrics: String?

    /// About how many lines one commit takes when far behind.
    package var batchEvents = 1_000_000
    /// About how many bytes one read takes.
    package var readBytes = 1 << 20

    /// So many new messages of a batch have their files written while the batch goes on; fewer are staged by the commit.
    package var stagedAhead = 32

    /// Renders a message's content, by its rule; nil: messages go out as they were decided.
    package var render: (@Sendable (_ rule: String, _ json: [UInt8]) -> [UInt8])?
    /// The key under which erased customers are known again.
    package var secret: [UInt8] = []
    /// Erased customers that a replay is told of.
    package var tombstones: [(hash: String, until: Instant)] = []

    package var retention = Retention()
    /// More messages than this within the span stop staging until `nudged resume`.
    package var safety: (atMost: Int, per: Milliseconds)?
    /// After a restored backup: what was decided before this is taken as published.
    package var restored: Instant?

    package init(sources: [LogSource]) { self.sources = sources }

    /// What a profile is taken to need at least, where it is to be said how many may be brought in at once.
    static let profileBytes = 3 << 10
}
