import Engine
import Ingest
import Storage

/// What one transaction writes. It is taken before the transaction begins, so that the engine and the reader may go on while it is written.
struct Transaction: Sendable {
    /// Without their messages: those are in `messages`. The customers' records are made while it is written.
    var changes: Changes
    var messages: [MessageRow] = []
    var rules: RuleSet
    /// Where reading has come to; nil in the store of a replay.
    var input: Input?
    /// What lines of the control log did; nil where it is not followed.
    var control: Control?
    var adoption: Adoption?
    var marks: OutboxSet.Marks?

    /// Where reading has come to, and what it met.
    struct Input: Sendable {
        var files: [SourceFileRow]
        /// Lines that wait and are not stored yet.
        var waiting: WaitingLines
        var hours: [HourRow]
        var deadLetters: [DeadLetterRow]
        /// How many dead letters are kept, and how many beyond that are removed at once.
        var deadLetterLimit: (kept: Int, removed: Int)
    }

    struct Control: Sendable {
        var applied: Int
        var work: ControlWork
    }

    /// Writes all of it but begins and commits nothing.
    ///
    /// - Parameter records: those of the customers, some at a time, until there are no more.
    func write(to store: Store, _ records: () -> [CustomerRecord]?) throws(StoreError) {
        try store.write(changes, rules: rules)
        try store.write(messages)
        try store.moveHistory(changes.output.merged)
        // Before the erasures, which go through the dead letters.
        if let input { try write(input, store) }
        for erasure in changes.output.erasures { try store.erase(erasure, at: changes.clock) }
        if let control { try write(control, store) }
        if let adoption { try store.setJudgedUpTo(adoption.isComplete ? nil : adoption.cursor) }
        try marks?.write(to: store)
        if !changes.output.withdrawals.isEmpty { try store.intendWithdrawal(of: changes.output.withdrawals) }
        try store.write(customers: records)
    }

    private func write(_ input: Input, _ store: Store) throws(StoreError) {
        if input.waiting.replacesKept { try store.dropWaiting(before: .max) }
        try store.write(input.hours)
        try store.write(input.files)
        if !input.waiting.bytes.isEmpty { try store.addWaiting(input.waiting.bytes, lastOrder: input.waiting.lastOrder) }
        try store.dropWaiting(before: changes.clock.now)
        try store.write(input.deadLetters)
        if !input.deadLetters.isEmpty {
            try store.keepDeadLetters(input.deadLetterLimit.kept, removing: input.deadLetterLimit.removed)
        }
    }

    private func write(_ control: Control, _ store: Store) throws(StoreError) {
        try store.setMeta("control", String(control.applied))
        for rule in control.work.resumed {
            try store.endPause(of: rule)
            // The safety valve counts from here on.
            if rule == nil { try store.setMeta("resumed", String(changes.clock.sequence)) }
        }
        for pause in control.work.pauses { try store.set(pause) }
        try store.removeDeadLetters(control.work.retried)
        for (number, letter) in control.work.refused {
            try store.judgeAgain(
                number, reason: letter.reason.rawValue, message: letter.message, place: letter.column.map { Int64($0) })
        }
    }
}
