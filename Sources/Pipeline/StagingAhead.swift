import Dispatch
import Engine
import Outbox
import Synchronization

/// Writes the files of a batch's messages on another core while the engine goes on with the batch. None of them counts before the batch's
/// owner has taken it as staged, and those that he does not take are removed.
final class StagingAhead: Sendable {
    /// A file that has been written.
    struct Written: Sendable {
        let box: Int
        let file: String
        /// The message's bytes as written, without the newline.
        let json: [UInt8]
    }

    /// A message on its way to a file.
    struct Unwritten: Sendable {
        let sequence: Int64
        let rule: String
        let file: String
        let json: [UInt8]
    }

    private let queue = DispatchQueue(label: "nudged.stage")
    private let written = Mutex<[Int64: Written]>([:])

    /// What can't be written is left to the batch's owner, who tries again and says why.
    ///
    /// - Parameter directory: a copy of that of the outbox `box`, which its owner leaves alone until `take`.
    func submit(
        _ messages: [Unwritten], to directory: OutboxDirectory, box: Int,
        _ render: (@Sendable (_ rule: String, _ json: [UInt8]) -> [UInt8])?
    ) {
        queue.async { [self] in
            var directory = directory
            for message in messages {
                let json = render.map { $0(message.rule, message.json) } ?? message.json
                do { try directory.write(ahead: message.file, json + [0x0A]) } catch { continue }
                written.withLock { $0[message.sequence] = Written(box: box, file: message.file, json: json) }
            }
        }
    }

    /// Waits until nothing is being written.
    func finish() { queue.sync {} }

    /// Waits, and gives what has been written, by the messages' sequence.
    func take() -> [Int64: Written] {
        finish()
        return written.withLock { files in
            defer { files = [:] }
            return files
        }
    }
}
