import Glibc

/// A block of a plain file that another core reads before it is asked for. It holds bytes and says nothing of them: whether the file is still the one it
/// was is looked at when they are taken, which is after they were read.
final class ReadAhead: Sendable {
    /// Of its first byte in the file.
    let offset: Int
    /// How many bytes it is to have.
    let count: Int
    private let file: FileDescriptor
    private let work: Job<LineBuffer, LineBuffer>

    /// - Parameter buffer: to be filled; whatever it holds is dropped.
    init(_ file: FileDescriptor, at offset: Int, count: Int, into buffer: LineBuffer) {
        self.file = file
        self.offset = offset
        self.count = count
        work = Job(buffer)
    }

    /// Reads the block, unless it has been asked for already.
    func read() {
        guard var buffer = work.take() else { return }
        buffer.removeAll()
        buffer.append(room: count) { room in
            guard case .bytes(let found) = file.read(at: offset, into: room) else { return 0 }
            return found
        }
        work.finish(buffer)
    }

    /// The bytes; nil where nobody has begun to read them, or where there were fewer. To be called once.
    func take() -> LineBuffer? {
        guard work.take() == nil, let buffer = work.wait(), buffer.count == count else { return nil }
        return buffer
    }
}
