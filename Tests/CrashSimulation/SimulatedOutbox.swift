import Outbox

/// What would be in an outbox after a power loss: a model of a file system that is told every operation and keeps apart what was
/// synced and what was not.
///
/// It promises no more than POSIX: bytes are durable after an fsync of their file, names after an fsync of a directory they are
/// in, a rename happens wholly or not at all, and unsynced changes may survive in any combination that respects, for each
/// name and each file, the order in which they were made.
package struct SimulatedOutbox: Sendable {
    package struct Place: Hashable, Sendable {
        package let folder: Folder
        package let name: String

        package init(folder: Folder, name: String) {
            self.folder = folder
            self.name = name
        }
    }

    private enum Change: Sendable {
        case add(Place, file: Int)
        case rename(Place, Place, file: Int)
        case remove(Place, file: Int)

        var places: [Place] {
            switch self {
            case .add(let place, _), .remove(let place, _): [place]
            case .rename(let from, let to, _): [from, to]
            }
        }

        var file: Int {
            switch self {
            case .add(_, let file), .rename(_, _, let file), .remove(_, let file): file
            }
        }

        func apply(to names: inout [Place: Int]) {
            switch self {
            case .add(let place, let file): names[place] = file
            case .rename(let from, let to, let file):
                names[from] = nil
                names[to] = file
            case .remove(let place, _): names[place] = nil
            }
        }

        func precedes(_ later: Change) -> Bool {
            file == later.file || places.contains { later.places.contains($0) }
        }
    }

    private struct File: Sendable {
        var bytes: [UInt8] = []
        var isDurable = false
    }

    private var files: [File] = []
    private var names: [Place: Int] = [:]
    private var durable: [Place: Int] = [:]
    private var pending: [Change] = []

    package init() {}

    /// The bytes of every file as the running system sees them.
    package var content: [Place: [UInt8]] { names.mapValues { files[$0].bytes } }

    package mutating func apply(_ operation: FileOperation) {
        switch operation {
        case .create(let folder, let name):
            let place = Place(folder: folder, name: name)
            guard names[place] == nil else { return }
            files.append(File())
            change(.add(place, file: files.count - 1))
        case .write(let folder, let name, let bytes):
            guard let file = names[Place(folder: folder, name: name)] else { return }
            files[file].bytes = bytes
        case .syncFile(let folder, let name):
            guard let file = names[Place(folder: folder, name: name)] else { return }
            files[file].isDurable = true
        case .syncFolder(let folder): sync { $0.places.contains { $0.folder == folder } }
        case .syncAll:
            sync { _ in true }
            for file in files.indices { files[file].isDurable = true }
        case .rename(let from, let name, let to, let newName):
            let (old, new) = (Place(folder: from, name: name), Place(folder: to, name: newName))
            guard let file = names[old], names[new] == nil else { return }
            change(.rename(old, new, file: file))
        case .link(let from, let name, let to, let newName):
            let new = Place(folder: to, name: newName)
            guard let file = names[Place(folder: from, name: name)], names[new] == nil else { return }
            change(.add(new, file: file))
        case .remove(let folder, let name):
            let place = Place(folder: folder, name: name)
            guard let file = names[place] else { return }
            change(.remove(place, file: file))
        }
    }

    /// Loses power: of the unsynced changes each survives or not, of the unsynced bytes some do.
    package mutating func losePower(using generator: inout some RandomNumberGenerator) {
        // All, none, or any combination.
        let odds = [0, 4, 1, 2, 3].randomElement(using: &generator) ?? 0
        var lost: [Change] = []
        for change in pending {
            if lost.contains(where: { $0.precedes(change) }) || Int.random(in: 0..<4, using: &generator) >= odds {
                lost.append(change)
            } else {
                change.apply(to: &durable)
            }
        }
        pending = []
        names = durable
        for file in files.indices where !files[file].isDurable {
            let kept = Int.random(in: 0...files[file].bytes.count, using: &generator)
            files[file].bytes = Array(files[file].bytes.prefix(odds == 4 ? files[file].bytes.count : kept))
            files[file].isDurable = true
        }
    }

    /// Names that lead to the same file, first of them first, for making the directory anew.
    package var sameFiles: [[Place]] {
        Dictionary(grouping: names.keys) { names[$0] ?? -1 }.values.map { places in
            places.sorted { ($0.folder.rawValue, $0.name) < ($1.folder.rawValue, $1.name) }
        }
    }

    private mutating func change(_ change: Change) {
        change.apply(to: &names)
        pending.append(change)
    }

    /// Makes those durable that `isSynced`, and whatever they build upon.
    private mutating func sync(_ isSynced: (Change) -> Bool) {
        var chosen: [Bool] = pending.map(isSynced)
        for later in pending.indices.reversed() where chosen[later] {
            for earlier in 0..<later where pending[earlier].precedes(pending[later]) { chosen[earlier] = true }
        }
        for (change, isChosen) in zip(pending, chosen) where isChosen { change.apply(to: &durable) }
        pending = zip(pending, chosen).filter { !$0.1 }.map(\.0)
    }
}
