import Dispatch
import Engine
import Synchronization

/// The records of the customers that a batch changed, in order: some hundred at a time, made on another core while those before them are
/// written. All at once they would take as much memory as the profiles.
struct RecordStripes: ~Copyable {
    private static let stripe = 256
    /// How many stripes are begun before the first of them is written.
    private static let depth = 3

    private let engine: Engine
    private let slots: [Int]
    private let queue = DispatchQueue(label: "nudged.records")
    private var begun: [Stripe] = []
    private var next = 0

    init(_ slots: [Int], of engine: Engine) {
        self.slots = slots
        self.engine = engine
    }

    /// The engine's owner gets it back for itself: else its next change would copy everything.
    deinit { queue.sync {} }

    /// The next records; nil when there are no more.
    mutating func take() -> [CustomerRecord]? {
        // A live batch is done before another core has woken up.
        let isSmall = slots.count <= Self.stripe
        while begun.count < Self.depth, next < slots.count {
            let stripe = Stripe(slots[next..<min(slots.count, next + Self.stripe)])
            next += Self.stripe
            begun.append(stripe)
            if !isSmall { queue.async { [engine] in stripe.make(engine) } }
        }
        guard !begun.isEmpty else { return nil }
        return begun.removeFirst().take(engine)
    }
}

/// Whoever comes first makes its records: the queue, or the one who would have to wait for them.
private final class Stripe: Sendable {
    private enum State: Sendable {
        case waiting
        case begun
        case made([CustomerRecord])
    }

    private let slots: ArraySlice<Int>
    private let state = Mutex(State.waiting)
    private let isMade = DispatchSemaphore(value: 0)

    init(_ slots: ArraySlice<Int>) { self.slots = slots }

    func make(_ engine: Engine) {
        let isMine = state.withLock { state in
            guard case .waiting = state else { return false }
            state = .begun
            return true
        }
        guard isMine else { return }
        let records = slots.map { engine.record($0) }
        state.withLock { $0 = .made(records) }
        isMade.signal()
    }

    func take(_ engine: Engine) -> [CustomerRecord] {
        make(engine)
        isMade.wait()
        return state.withLock { state in
            guard case .made(let records) = state else { return [] }
            state = .begun
            return records
        }
    }
}
