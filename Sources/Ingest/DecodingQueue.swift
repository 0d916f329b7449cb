import Dispatch
import Engine
import Synchronization

/// A stretch of lines on its way to become events.
struct DecodingJob: Sendable {
    let file: FileID
    let work: Job<RawLines, DecodedLines>

    init(_ lines: RawLines, of file: FileID) {
        self.file = file
        work = Job(lines)
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

    /// - Parameter next: a block to be read before the lines are decoded: it is asked for sooner than they are.
    func submit(_ job: DecodingJob, reading next: ReadAhead?) {
        queue.async { [self] in
            next?.read()
            guard var lines = job.work.take() else { return }
            job.work.finish(decoders.withLock { lines.decoded(by: $0[lines.source]) })
        }
    }
}
