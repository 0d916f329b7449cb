import Glibc
import Outbox
import Synchronization

/// Everything that is kept by a run: the outbox, the state directory, and what a sender has sent and deleted.
package struct SimulatedDisk: Sendable {
    package var outbox = SimulatedOutbox()
    package var state = SimulatedFiles()
    /// The marker of the outbox directory, once that has been made.
    package var marker: [UInt8]?
    package var sent: [String: Int] = [:]

    package init() {}

    package mutating func apply(_ operation: SimulatedMachine.Operation) {
        switch operation {
        case .outbox(let operation): outbox.apply(operation)
        case .state(let operation): state.apply(operation)
        case .madeOutbox(let bytes): marker = bytes
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

/// A machine that can stop at any operation: from then on every operation fails and nothing changes what it keeps. Or one operation alone fails.
///
/// Outbox files are real and followed by a model; the database and its journals are in the model alone, behind `SimulatedVFS`.
package final class SimulatedMachine: Sendable {
    package enum Operation: Equatable, Sendable {
        case outbox(FileOperation)
        case state(StateOperation)
        /// The outbox directory is there, with its marker.
        case madeOutbox(marker: [UInt8])
        /// A sender is through with a message: it was sent, and its file is deleted, durably.
        case sent(Folder, String)
    }

    /// What is to go wrong, at which operation, counted from 1.
    package enum Fault: Sendable, Equatable {
        case none
        /// The machine stops just before it.
        case crash(at: Int)
        /// It alone fails and does nothing; the disk is fine again after it.
        case failure(at: Int, code: Int32)

        fileprivate func code(at count: Int) -> Int32 {
            if case .failure(at: count, let code) = self { code } else { 0 }
        }
    }

    private struct Content {
        var disk: SimulatedDisk
        var operations: [Operation] = []
        var fault: Fault
        var count = 0
        var isDown = false
    }

    private let content: Mutex<Content>
    private let marker: String

    /// - Parameter marker: the path of the outbox's marker, which tells that it has been made.
    package init(_ disk: SimulatedDisk, marker: String, fault: Fault = .none) {
        content = Mutex(Content(disk: disk, fault: fault))
        self.marker = marker
    }

    package var disk: SimulatedDisk { content.withLock { $0.disk } }
    package var isDown: Bool { content.withLock { $0.isDown } }
    /// What was done, in order.
    package var operations: [Operation] { content.withLock { $0.operations } }

    /// How many operations of the daemon there were.
    package var count: Int { content.withLock { $0.count } }

    /// Does an operation of the daemon.
    ///
    /// - Returns: 0, or the errno of why it was not done.
    package func perform(_ operation: Operation) -> Int32 {
        content.withLock { content in
            if !content.isDown, content.disk.marker == nil, let bytes = Self.bytes(of: marker) {
                Self.apply(.madeOutbox(marker: bytes), to: &content)
            }
            content.count += 1
            if case .crash(let place) = content.fault, content.count >= place { content.isDown = true }
            let code = content.isDown ? EIO : content.fault.code(at: content.count)
            if code == 0 { Self.apply(operation, to: &content) }
            return code
        }
    }

    /// Something that others do, as senders: never a place to crash at.
    package func note(_ operation: Operation) { content.withLock { Self.apply(operation, to: &$0) } }

    /// A short file's bytes; nil if there is none.
    private static func bytes(of path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var room = [UInt8](repeating: 0, count: 256)
        let count = Glibc.read(file, &room, room.count)
        return count < 0 ? nil : Array(room.prefix(count))
    }

    private static func apply(_ operation: Operation, to content: inout Content) {
        content.disk.apply(operation)
        content.operations.append(operation)
    }

    package func read(_ name: String, at offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        content.withLock { $0.disk.state.read(name, at: offset, into: target) }
    }

    package func size(_ name: String) -> Int? { content.withLock { $0.disk.state.size(name) } }
}
