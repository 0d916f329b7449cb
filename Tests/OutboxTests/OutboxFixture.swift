import Foundation
import Synchronization
import Testing

@testable import Outbox

/// A temporary directory, removed with its last owner. In memory where possible: what is tested is the order of things, and an
/// fsync there costs nothing.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        path = parent + "/nudged-outbox-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Looks at an outbox, and meddles with it, from outside.
struct OutboxFixture: Sendable {
    static let id = "3f6d0c5e"

    let directory: TemporaryDirectory
    var path: String { directory.path + "/outbox" }

    init() throws { directory = try TemporaryDirectory() }

    func create(observer: OutboxDirectory.Observer? = nil) throws -> OutboxDirectory {
        try OutboxDirectory.create(path: path, id: Self.id, observer: observer)
    }

    func open(observer: OutboxDirectory.Observer? = nil) throws -> OutboxDirectory {
        try OutboxDirectory.open(path: path, expecting: Self.id, observer: observer)
    }

    func file(_ folder: Folder, _ name: String) -> String { "\(path)/\(folder.name)/\(name)" }

    func names(_ folder: Folder) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder.name)").sorted()
    }

    /// All files, as `folder/name`.
    func all() throws -> [String] {
        try Folder.allCases.flatMap { folder in try names(folder).map { "\(folder.name)/\($0)" } }
    }

    func write(_ folder: Folder, _ name: String, _ text: String = "x") throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file(folder, name)))
    }

    func read(_ folder: Folder, _ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: file(folder, name))), as: UTF8.self)
    }

    func move(_ name: String, from: Folder, to: Folder) throws {
        guard rename(file(from, name), file(to, name)) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }

    func mode(_ path: String) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue ?? -1
    }

    /// The name of the `number`th message.
    static func name(_ number: Int) -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")
        var id = ""
        var rest = number
        for _ in 0..<32 {
            id.append(alphabet[rest % 32])
            rest /= 32
        }
        return MessageName.file(time: 1_772_366_400_000 + Int64(number), id: id)
    }
}

/// An observer that records, and that fails where it is told to.
final class Recorder: Sendable {
    private struct State {
        var operations: [FileOperation] = []
        var failure: (@Sendable (FileOperation) -> Int32?)?
    }

    private let state = Mutex(State())

    var operations: [FileOperation] { state.withLock { $0.operations } }

    func clear() { state.withLock { $0.operations = [] } }

    /// From now on an operation fails with the errno that `failure` returns for it.
    func fail(_ failure: (@Sendable (FileOperation) -> Int32?)?) { state.withLock { $0.failure = failure } }

    var observer: OutboxDirectory.Observer {
        { (operation: FileOperation) throws(OutboxError) in
            let code = self.state.withLock { state in
                state.operations.append(operation)
                return state.failure?(operation)
            }
            if let code { throw OutboxError(operation: "test", path: "test", code: code) }
        }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
