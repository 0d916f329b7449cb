import ArgumentParser
import Engine
import Glibc
import Storage

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Writes a consistent copy of the state to a new file while the daemon runs.",
        discussion: """
            To restore: stop the daemon, put the file in the state directory as nudged.db (and remove nudged.db-wal and nudged.db-shm), start it. \
            It starts paused: `nudged run --restored TIME` takes what was decided before TIME as published and goes on.
            """)

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("The file to write; it must not exist.", valueName: "file"))
    var file: String

    func validate() throws {
        if file.isEmpty { throw ValidationError("name the file to write") }
    }

    func run() throws {
        try reporting {
            let live = try LiveState(config)
            let path = absolute(file)
            guard access(path, F_OK) != 0 else { throw Failure(.noOutput, "\(file) exists already; name another file") }
            // It holds customers' data.
            umask(0o077)
            do {
                try live.store.backUp(to: path, wallNow: wallClock())
            } catch {
                unlink(path)
                throw Failure(.noOutput, "\(file): the backup can't be written: \(error)")
            }
            print("Wrote \(file), the state as of \(max(try live.now, 0).rfc3339)")
        }
    }
}
