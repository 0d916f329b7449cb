import Dispatch
import Engine
import Ingest
import Synchronization

/// The records of the customers that a batch changed, in order: a hundred at a time, made on one core while those before them are written on
/// another. All at once they would take as much memory as the profiles.
final class RecordStripes: Sendable {
    private static let stripe = 128
    /// How many stripes are made before the first of them is written, where memory is to be spared.
    private static let few = 3

    private let stripes: [Job<ArraySlice<Int>, [CustomerRecord]>]
    /// For how many stripes more there is room.
    private let room: DispatchSemaphore
    private let taken = Atomic(0)

    /// - Parameters:
    ///   - slots: those of the customers.
    ///   - spares: only few records are to be in memory at once; else whoever makes them need not wait for whoever takes them.
    init(_ slots: [Int], sparingMemory spares: Bool) {
        stripes = stride(from: 0, to: slots.count, by: Self.stripe).map { first in
            Job(slots[first..<min(slots.count, first + Self.stripe)])
        }
        room = DispatchSemaphore(value: spares ? Self.few : max(Self.few, stripes.count))
    }

    /// A live batch is done before another core has woken up.
    var isSmall: Bool { stripes.count <= 1 }

    /// Makes them all, no faster than there is room. The engine must not go on before it is through.
    func make(with engine: Engine) {
        for stripe in stripes {
            room.wait()
            if let slots = stripe.take() { stripe.finish(engine.records(slots)) }
        }
    }

    /// The next records; nil when there are no more. For one taker.
    ///
    /// - Parameter engine: for what nobody has begun to make; nil: they are waited for.
    func take(with engine: Engine? = nil) -> [CustomerRecord]? {
        let index = taken.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < stripes.count else { return nil }
        if let engine, let slots = stripes[index].take() { stripes[index].finish(engine.records(slots)) }
        let records = stripes[index].wait()
        room.signal()
        return records
    }

    /// Nobody takes any more: whoever makes them need not wait.
    func abandon() { for _ in stripes { room.signal() } }
}
