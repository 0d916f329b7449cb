import ArgumentParser
import Configuration
import Engine
import Ingest
import Pipeline
import Storage

struct ForgetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Erases a customer: everything in the state, the outboxes and the control log, for ever.",
        discussion: """
            What is kept is a keyed hash of the ids and the time, so that events up to now are dropped for ever, also in replays; later ones start \
            afresh. Backups are not touched: they hold the customer until they are deleted. A message that a sender has read already may still be sent.
            """)

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A user id, or anonymous:ID.", valueName: "id"))
    var id: CustomerID

    func run() throws {
        try reporting {
            let orders = try Orders(config)
            let live = orders.live
            let secret = try live.loaded.erasureKey()
            guard !secret.isEmpty else {
                let path = live.directory + "/" + Secret.fileName
                guard try live.store.tombstones().isEmpty else { throw SecretLost(path: path) }
                throw Failure(.data, "\(path): there is no secret yet; start the daemon once, or configure `secret_file`")
            }
            let hashing = Tombstones(secret: secret, sha256: Digest.sha256)
            let (numbers, keys) = try live.store.everybody(of: [id.key], includesProfiles: true)
            var letters: [[Int64]] = []
            for key in keys { letters += try live.store.deadLetters(holding: key.id).map { [$0.number, $0.offset] } }
            // Up to this moment: by the clock, or by the newest event where the log is the clock.
            let newest = try live.store.sourceFiles().compactMap(\.watermark).max() ?? 0
            let until = max(try live.now, newest, live.loaded.configuration.clock == .wall ? wallClock() : 0)
            let order = ControlLine.Forgetting(
                hashes: keys.map { hashing.hash($0) }, customer: numbers.first,
                nextCustomer: try live.store.engineClock()?.nextCustomer, until: until, deadLetters: letters)
            try orders.give([.forget(order)])
            print(
                "Forgetting \(DisplayText.safe(id.text))"
                    + (numbers.isEmpty ? ", of whom nothing is in the state: only its events are dropped" : "")
                    + ", up to \(until.rfc3339)")
        }
    }
}
