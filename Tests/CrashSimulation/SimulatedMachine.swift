import Glibc
import Outbox
import Synchronization

/// Everything that is kept by a run: the outbox, the state directory, and what a sender has sent and deleted.
package struct SimulatedDisk: Sendable {
    package var outbox = SimulatedOutbox()
    package var state = SimulatedFiles()
    /// Whether the outbox directory has been made.
    package var hasOutbox = false
    package var sent: [String: Int] = [:]

    package init() {}

    package mutating func apply(_ operation: SimulatedMachine.Operation) {
        switch operation {
        case .outbox(let operation): outbox.apply(operation)
        case .state(let operation): state.apply(operation)
        case .madeOutbox: hasOutbox = true
        case .sent(let folder, let name):
            outbox.apply(.remove(folder, name))
            outbox.apply(.syncFolder(folder))
            sent[name, default: 0] += 1
        }
    }

    package mutating func losePower(using generator: inout some RandomNumberGenerator) {
        outbox.losePower(using: &generator)
        state.losePower(using: &generator)
    }
}

/// A machine that can stop at any operation: from then on every operation fails and nothing changes what it keeps.
///
/// Outbox files are real and followed by a model; the database and its journals are in the model alone, behind `SimulatedVFS`.
package final class SimulatedMachine: Sendable {
    package enum Operation: Equatable, Sendable {
        case outbox(FileOperation)
        case state(StateOperation)
        /// The outbox directory is there, with its marker.
        case madeOutbox
        /// A sender is through with a message: it was sent, and its file is deleted, durably.
        case sent(Folder, String)
    }

    private struct Content {
        var disk: SimulatedDisk
        var operations: [Operation] = []
        var crashAt: Int
        var count = 0
        var isDown = false
    }

    private let content: Mutex<Content>
    private let marker: String

    /// - Parameters:
    ///   - marker: the path of the outbox's marker, which tells that it has been made.
    ///   - crashAt: the first operation that is not done any more, counted from 1.
    package init(_ disk: SimulatedDisk, marker: String, crashAt: Int = .max) {
        content = Mutex(Content(disk: disk, crashAt: crashAt))
        self.marker = marker
    }

    package var disk: SimulatedDisk { content.withLock { $0.disk } }
    package var isDown: Bool { content.withLock { $0.isDown } }
    /// What was done, in order.
    package var operations: [Operation] { content.withLock { $0.operations } }

    /// Does an operation of the daemon; false if the machine is down.
    package func perform(_ operation: Operation) -> Bool {
        content.withLock { content in
            if !content.isDown, !content.disk.hasOutbox, access(marker, F_OK) == 0 { Self.apply(.madeOutbox, to: &content) }
            content.count += 1
            if content.count >= content.crashAt { content.isDown = true }
            if !content.isDown { Self.apply(operation, to: &content) }
            return !content.isDown
        }
    }

    /// Something that others do, as senders: never a place to crash at.
    package func note(_ operation: Operation) { content.withLock { Self.apply(operation, to: &$0) } }

    private static func apply(_ operation: Operation, to content: inout Content) {
        content.disk.apply(operation)
        content.operations.append(operation)
    }

    package func read(_ name: String, at offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        content.withLock { $0.disk.state.read(name, at: offset, into: target) }
    }

    package func size(_ name: String) -> Int? { content.withLock { $0.disk.state.size(name) } }
}
