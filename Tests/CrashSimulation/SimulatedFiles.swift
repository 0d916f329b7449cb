/// A change in the state directory: the database with its journals, and the control log.
package enum StateOperation: Equatable, Sendable {
    /// A new, empty file.
    case create(String)
    case write(String, offset: Int, [UInt8])
    case truncate(String, size: Int)
    /// fsync of a file.
    case sync(String)
    /// fsync of the directory: the names in it are durable.
    case syncDirectory
    case delete(String)
}

/// What would be in a directory of files that are written in place, after a power loss.
///
/// It promises no more than POSIX: an unsynced write survives, survives in some of its sectors, or is lost, each by itself; a file that was
/// growing may have grown by other bytes than those written; a name is durable once its directory is synced, and so is its removal.
package struct SimulatedFiles: Sendable {
    /// What a disk writes wholly or not at all.
    private static let sector = 512

    private enum Change: Sendable {
        case write(offset: Int, [UInt8])
        case truncate(size: Int)
    }

    private struct File: Sendable {
        var bytes: [UInt8] = []
        var durable: [UInt8] = []
        var pending: [Change] = []

        mutating func change(_ change: Change) {
            switch change {
            case .write(let offset, let written): Self.write(written[...], at: offset, to: &bytes)
            case .truncate(let size): Self.truncate(size, &bytes)
            }
            pending.append(change)
        }

        mutating func sync() {
            durable = bytes
            pending = []
        }

        /// - Parameter odds: of 4, how many of the unsynced changes survive wholly.
        mutating func losePower(odds: Int, using generator: inout some RandomNumberGenerator) {
            for change in pending {
                let isKept = Int.random(in: 0..<4, using: &generator) < odds
                switch change {
                case .truncate(let size): if isKept { Self.truncate(size, &durable) }
                case .write(let offset, let written):
                    if isKept {
                        Self.write(written[...], at: offset, to: &durable)
                    } else if odds > 0, Int.random(in: 0..<3, using: &generator) == 0 {
                        tear(written, at: offset, using: &generator)
                    }
                }
            }
            bytes = durable
            pending = []
        }

        private mutating func tear(_ written: [UInt8], at offset: Int, using generator: inout some RandomNumberGenerator) {
            let end = durable.count
            var start = 0
            while start < written.count {
                // Sectors are those of the file, not of the write.
                let next = min(
                    written.count,
                    (offset + start) / SimulatedFiles.sector * SimulatedFiles.sector + SimulatedFiles.sector - offset)
                let part = written[start..<next]
                switch Int.random(in: 0..<4, using: &generator) {
                case 0, 1: Self.write(part, at: offset + start, to: &durable)
                case 2 where offset + start >= end:
                    let rubbish = part.map { _ in UInt8.random(in: 0...255, using: &generator) }
                    Self.write(rubbish[...], at: offset + start, to: &durable)
                default: break
                }
                start = next
            }
        }

        private static func write(_ written: ArraySlice<UInt8>, at offset: Int, to bytes: inout [UInt8]) {
            if bytes.count < offset + written.count {
                bytes += [UInt8](repeating: 0, count: offset + written.count - bytes.count)
            }
            written.withUnsafeBytes { source in
                bytes.withUnsafeMutableBytes { target in
                    UnsafeMutableRawBufferPointer(rebasing: target[offset..<(offset + source.count)]).copyMemory(from: source)
                }
            }
        }

        private static func truncate(_ size: Int, _ bytes: inout [UInt8]) {
            if size < bytes.count { bytes.removeLast(bytes.count - size) }
        }
    }

    private var files: [String: File] = [:]
    /// Names that a power loss keeps, and what they lead to unless that is in `files`.
    private var durableNames: Set<String> = []
    /// Removed, but the directory was not synced since.
    private var removed: [String: File] = [:]

    package init() {}

    package var names: [String] { files.keys.sorted() }

    /// The bytes of a file as the running system sees them; nil if there is none.
    package func content(_ name: String) -> [UInt8]? { files[name]?.bytes }

    package func size(_ name: String) -> Int? { files[name]?.bytes.count }

    /// Copies bytes of a file.
    ///
    /// - Returns: how many there were.
    package func read(_ name: String, at offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        guard let bytes = files[name]?.bytes, offset < bytes.count else { return 0 }
        let count = min(target.count, bytes.count - offset)
        bytes.withUnsafeBytes { source in
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<(offset + count)]))
        }
        return count
    }

    package mutating func apply(_ operation: StateOperation) {
        switch operation {
        case .create(let name): if files[name] == nil { files[name] = File() }
        case .write(let name, let offset, let bytes): files[name]?.change(.write(offset: offset, bytes))
        case .truncate(let name, let size): files[name]?.change(.truncate(size: size))
        case .sync(let name): files[name]?.sync()
        case .syncDirectory:
            durableNames = Set(files.keys)
            removed = [:]
        case .delete(let name):
            guard let file = files.removeValue(forKey: name) else { return }
            // Of a name's files the oldest is the durable one.
            if durableNames.contains(name), removed[name] == nil { removed[name] = file }
        }
    }

    package mutating func losePower(using generator: inout some RandomNumberGenerator) {
        // All, none, or any combination.
        let odds = [0, 4, 1, 2, 3].randomElement(using: &generator) ?? 0
        for name in Set(files.keys).union(removed.keys).sorted() {
            let isNamed = durableNames.contains(name)
            let isKept = odds == 4 || Int.random(in: 0..<4, using: &generator) < odds
            if let old = removed[name], !isKept {
                files[name] = old
            } else if files[name] != nil, !isNamed, !isKept {
                files[name] = nil
            }
            files[name]?.losePower(odds: odds, using: &generator)
        }
        removed = [:]
        durableNames = Set(files.keys)
    }
}
