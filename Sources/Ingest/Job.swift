import Dispatch
import Synchronization

/// A piece of work that whoever comes first does: a queue's thread, or the one who would have to wait for it.
package final class Job<Input: Sendable, Output: Sendable>: Sendable {
    private enum State: Sendable {
        case waiting(Input)
        case taken
        case done(Output)
    }

    private let state: Mutex<State>
    private let finished = DispatchSemaphore(value: 0)

    package init(_ input: Input) { state = Mutex(.waiting(input)) }

    /// What is to be worked on, for the one who does it; nil for everybody else.
    package func take() -> Input? {
        state.withLock { state in
            guard case .waiting(let input) = state else { return nil }
            state = .taken
            return input
        }
    }

    /// Hands over the result; to be called by the one who took the work.
    package func finish(_ output: Output) {
        state.withLock { $0 = .done(output) }
        finished.signal()
    }

    package var isDone: Bool { state.withLock { if case .done = $0 { true } else { false } } }

    /// Waits until somebody has done it. To be called once.
    package func wait() -> Output? {
        finished.wait()
        return state.withLock { state in
            guard case .done(let output) = state else { return nil }
            state = .taken
            return output
        }
    }
}
