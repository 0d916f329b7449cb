import Engine
import Outbox
import Storage

/// A directory that was an outbox until the configuration named another one, or none: messages may lie there still.
struct FormerOutbox {
    let name: String
    let id: String
    let path: String

    private static let prefix = "left."

    /// Under which entry of the table `meta` its path is kept, once its name stands for another directory.
    var key: String { "\(Self.prefix)\(id).\(name)" }

    /// From the entry of an outbox; nil if its directory has never been made.
    init?(name: String, place: String) {
        let parts = place.split(separator: " ", maxSplits: 2)
        guard parts.count == 3, parts[0] == "open" else { return nil }
        (self.name, id, path) = (name, String(parts[1]), String(parts[2]))
    }

    private init?(key: String, path: String) {
        let parts = key.dropFirst(Self.prefix.count).split(separator: ".", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        (name, id, self.path) = (String(parts[1]), String(parts[0]), path)
    }

    /// Those of a name.
    static func all(_ name: String, _ store: Store, isConfigured: Bool) throws(StoreError) -> [FormerOutbox] {
        var result = try store.metaEntries(prefix: prefix).compactMap { FormerOutbox(key: $0.key, path: $0.value) }
            .filter { $0.name == name }
        if !isConfigured, let place = try store.meta("outbox.\(name)"), let last = FormerOutbox(name: name, place: place) {
            result.append(last)
        }
        return result
    }

    func open() throws(OutboxError) -> OutboxDirectory { try OutboxDirectory.open(path: path, expecting: id) }
}

extension OutboxSet {
    /// Removes the files of erased customers wherever they are, also from directories that are no outboxes any more. What was on its way is not
    /// published any more.
    ///
    /// - Parameter hash: of a customer as messages name it.
    /// - Returns: the outboxes of which every directory could be looked through.
    mutating func erase(_ leaving: [LeavingFiles], _ store: Store, hash: (String) -> String) throws -> [String] {
        var reached: [String] = []
        for entry in leaving {
            func erase(in directory: OutboxDirectory) throws -> [String] {
                let strays = try directory.strays { customer, sequence in
                    entry.customers[hash(customer)].map { sequence <= $0 } ?? false
                } isKnown: {
                    try store.state(ofFile: $0, outbox: entry.outbox) != nil
                }
                let files = entry.files + strays
                try directory.erase(files)
                return files
            }
            let index = boxes.firstIndex { $0.settings.name == entry.outbox }
            var isReached = true
            if let index {
                do {
                    if let directory = boxes[index].directory {
                        let files = Set(try erase(in: directory))
                        staged.removeAll { $0.box == index && files.contains($0.file) }
                    } else {
                        isReached = false
                    }
                } catch let error as OutboxError {
                    boxes[index].trouble = "\(error)"
                    isReached = false
                }
            }
            for former in try FormerOutbox.all(entry.outbox, store, isConfigured: index != nil) {
                do { _ = try erase(in: former.open()) } catch is OutboxError { isReached = false }
            }
            if isReached { reached.append(entry.outbox) }
        }
        unreached = try Self.unreached(
            leaving.filter { !reached.contains($0.outbox) }, store, boxes.map(\.settings.name))
        return reached
    }

    /// What to do about files of erased customers in directories that can't be used and are no outboxes any more. (Of an outbox that is away is told
    /// anyway.)
    static func unreached(_ leaving: [LeavingFiles], _ store: Store, _ configured: [String]) throws(StoreError) -> [String] {
        var result: [String] = []
        for entry in leaving {
            for former in try FormerOutbox.all(entry.outbox, store, isConfigured: configured.contains(entry.outbox)) {
                do throws(OutboxError) { _ = try former.open() } catch {
                    result.append(
                        "\(former.path): was the outbox \(former.name), and may hold files of erased customers; \(error): they are deleted when it is there again"
                    )
                }
            }
        }
        return result
    }
}
