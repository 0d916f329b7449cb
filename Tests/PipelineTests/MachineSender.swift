import CrashSimulation
import Glibc
import Outbox
import Synchronization
import Testing

/// A sender on a simulated machine. As the reference senders do, it sends only what it has claimed durably; it also claims in the very moment
/// before the daemon takes a message back.
final class MachineSender: Sendable {
    private let outbox: String
    private let machine: SimulatedMachine
    private let random: Mutex<SeededNumbers>

    init(outbox: String, machine: SimulatedMachine, seed: UInt64) {
        self.outbox = outbox
        self.machine = machine
        random = Mutex(SeededNumbers(seed: seed))
    }

    /// Claims some of what is new, and finishes some of what it has claimed.
    func work(share: Int) {
        for name in Files.names(outbox + "/new") where chance(share) { claim(name) }
        for name in Files.names(outbox + "/cur") where chance(50) {
            guard chance(60) else {
                move(name, .cur, .done)
                continue
            }
            #expect(unlink("\(outbox)/cur/\(name)") == 0)
            machine.note(.sent(.cur, name))
        }
    }

    private func chance(_ percent: Int) -> Bool { random.withLock { $0.chance(percent) } }

    private func claim(_ name: String) { move(name, .new, .cur) }

    private func move(_ name: String, _ from: Folder, _ to: Folder) {
        guard rename("\(outbox)/\(from.name)/\(name)", "\(outbox)/\(to.name)/\(name)") == 0 else { return }
        machine.note(.outbox(.rename(from, name, to, name)))
        machine.note(.outbox(.syncFolder(to)))
        machine.note(.outbox(.syncFolder(from)))
    }

    /// What the outbox does, and what the sender does just before it.
    var observer: OutboxDirectory.Observer {
        { (operation: FileOperation) throws(OutboxError) in
            if case .rename(.new, let name, .tmp, _) = operation, !self.machine.isDown, self.chance(35) { self.claim(name) }
            let code = self.machine.perform(.outbox(operation))
            if self.machine.isDown { throw OutboxError(kind: .other, operation: "crash", path: "") }
            if code != 0 { throw OutboxError(operation: "test", path: "", code: code) }
        }
    }
}
