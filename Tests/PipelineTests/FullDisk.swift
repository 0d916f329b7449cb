import Glibc
import Outbox
import Synchronization

/// A disk that has no room now and then, when files are to be made durable.
final class FullDisk: Sendable {
    private let chance: Int
    private let random: Mutex<SeededNumbers>
    private let refused = Atomic(0)
    private let isCleared = Atomic(false)

    init(seed: UInt64, chance: Int) {
        self.chance = chance
        random = Mutex(SeededNumbers(seed: seed ^ 0xD15C))
    }

    var refusals: Int { refused.load(ordering: .relaxed) }

    /// From now on there is room.
    func clear() { isCleared.store(true, ordering: .relaxed) }

    var observer: OutboxDirectory.Observer {
        { (operation: FileOperation) throws(OutboxError) in
            switch operation {
            case .syncFile, .syncAll:
                guard !self.isCleared.load(ordering: .relaxed), self.random.withLock({ $0.chance(self.chance) }) else { return }
                self.refused.wrappingAdd(1, ordering: .relaxed)
                throw OutboxError(operation: "fsync", path: "", code: ENOSPC)
            default: return
            }
        }
    }
}
