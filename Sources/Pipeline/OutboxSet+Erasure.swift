import Engine
import Outbox
import Storage

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
            for former in try OutboxPlace.all(entry.outbox, store, isConfigured: index != nil) {
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
            for former in try OutboxPlace.all(entry.outbox, store, isConfigured: configured.contains(entry.outbox)) {
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
