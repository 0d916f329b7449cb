import Outbox
import Storage

/// A directory that is an outbox, or was one until the configuration named another one, or none: messages may lie there still.
struct OutboxPlace {
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

    /// Those that a name stood for before.
    static func all(_ name: String, _ store: Store, isConfigured: Bool) throws(StoreError) -> [OutboxPlace] {
        var result = try store.metaEntries(prefix: prefix).compactMap { OutboxPlace(key: $0.key, path: $0.value) }
            .filter { $0.name == name }
        if !isConfigured, let place = try store.meta("outbox.\(name)"), let last = OutboxPlace(name: name, place: place) {
            result.append(last)
        }
        return result
    }

    func open(_ observer: OutboxDirectory.Observer? = nil) throws(OutboxError) -> OutboxDirectory {
        try OutboxDirectory.open(path: path, expecting: id, observer: observer)
    }
}
