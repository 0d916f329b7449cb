import Engine
import Glibc
import Storage

/// Where a message is now.
struct MessagePlace {
    let message: MessageRow
    /// The folder that holds its file at this moment.
    let folder: String?

    /// - Parameter path: of its outbox; nil if that is not configured any more.
    init(_ message: MessageRow, in path: String?) {
        self.message = message
        folder = path.flatMap { OutboxFolder.find(message.file, in: $0) }
    }

    /// In words.
    func text(_ pauses: [Pause]) -> String {
        switch message.state {
        case .pending:
            let pause = pauses.first { $0.rule == nil || $0.rule == message.rule }
            return "it waits to be put into outbox \(message.outbox)"
                + (pause.map { ": paused since \($0.since.rfc3339), \($0.reason)" } ?? "")
        case .stale: return "it came too late: it had expired before it could be put into outbox \(message.outbox)"
        case .withdrawing: return "it is being taken back"
        case .withdrawn: return "it was taken back" + (folder.map { "; \(Self.holder($0))" } ?? "; its file is gone")
        case .staged, .published:
            switch folder {
            case "new"?: return "in outbox \(message.outbox), no sender has taken it yet"
            case "cur"?: return "a sender of outbox \(message.outbox) has it"
            case "done"?: return "a sender of outbox \(message.outbox) has sent it"
            case "failed"?: return "a sender of outbox \(message.outbox) gave it up: failed/\(message.file).reason says why"
            case "tmp"?: return "on its way into outbox \(message.outbox)"
            default: return "given to outbox \(message.outbox); its file is gone, as a sender leaves it that has sent it"
            }
        }
    }

    /// What a sender had done with a message before it was taken back.
    private static func holder(_ folder: String) -> String {
        switch folder {
        case "cur": "a sender had it already"
        case "done": "a sender had sent it already"
        case "failed": "a sender had given it up already"
        default: "its file is still in \(folder)/"
        }
    }
}

/// The folders of an outbox as senders use them.
enum OutboxFolder {
    static let all = ["tmp", "new", "cur", "done", "failed"]

    /// The folder that holds a file at this moment.
    static func find(_ file: String, in path: String) -> String? {
        all.first { access(path + "/" + $0 + "/" + file, F_OK) == 0 }
    }
}
