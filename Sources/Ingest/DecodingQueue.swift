import Dispatch
import Engine
import Synchronization

/// A stretch of lines on its way to become events. Whoever comes first decodes it: the queue's thread, or the owner of the events, who
/// would have to wait for it.
final class DecodingJob: Sendable {
    private enum State: Sendable {
        case waiting(RawLines)
        case taken
        case done(DecodedLines)
    }

    let file: FileID
    private let state: Mutex<State>
    private let finished = DispatchSemaphore(value: 0)

    init(_ lines: RawLines, of file: FileID) {
        self.file = file
        state = Mutex(.waiting(lines))
    }

    /// The lines, for the one who is to decode them; nil for everybody else.
    func take() -> RawLines? {
        state.withLock { state in
            guard case .waiting(let lines) = state else { return nil }
            state = .taken
            return lines
        }
    }

    func finish(_ lines: DecodedLines) {
        state.withLock { $0 = .done(lines) }
        finished.signal()
    }

    var isDone: Bool { state.withLock { if case .done = $0 { true } else { false } } }

    /// Waits until somebody has decoded it. To be called once.
    func wait() -> DecodedLines? {
        finished.wait()
        return state.withLock { state in
            guard case .done(let lines) = state else { return nil }
            state = .taken
            return lines
        }
    }
}

/// Decodes lines on another core, in the order in which they are submitted. Its thread exists only while there is something to do.
final class DecodingQueue: Sendable {
    private let queue = DispatchQueue(label: "nudged.decode")
    /// One for each source; only the queue's thread uses them.
    private let decoders: Mutex<[DecoderCell]>

    init(sources: [LogSource], vocabulary: Vocabulary) {
        decoders = Mutex(sources.map { DecoderCell(vocabulary: vocabulary, source: $0) })
    }

    func submit(_ job: DecodingJob) {
        queue.async { [self] in
            guard var lines = job.take() else { return }
            job.finish(decoders.withLock { lines.decoded(by: $0[lines.source]) })
        }
    }
}
