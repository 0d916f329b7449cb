import Glibc

/// What the database says about a message that a file in `tmp/` belongs to. No row at all is nil.
package enum RowState: String, Equatable, Sendable {
    /// Decided; no file counts yet.
    case pending
    /// Committed with its file in `tmp/`.
    case staged
    case published
    /// Expired before its file was published; there will be none.
    case stale
    /// The intent to take it back is committed, the outcome is not.
    case withdrawing
    /// Taken back, and that is committed.
    case withdrawn
}

/// What `recover` found and did.
package struct Recovery: Equatable, Sendable {
    /// Staged rows whose files were in `tmp/` and are in `new/` now.
    package var renamed: [String] = []
    /// Staged rows whose files still are in `tmp/`, because a foreign file of that name is in `new/` or the rename failed.
    /// These rows stay `staged`; **every other staged row is published**.
    package var waiting: [String: Publication] = [:]
    /// Files in `tmp/` that were deleted: of no row, of a pending, stale or withdrawn row, and witnesses that were done with.
    package var deleted: [String] = []
    /// Messages with a committed intent whose witness is there: the outcome "taken back" is to be committed, then `discard`.
    package var takenBack: [String] = []
    /// Names of a message's shape that no crash explains, left alone: a published row whose file is in `tmp/`, a witness of a
    /// message that nobody meant to take back. A disk that lied about an fsync or a restored backup makes such.
    package var unexplained: [String] = []
    /// Other names in `tmp/`; left alone.
    package var foreign: [String] = []

    package init() {}
}

/// What became of a message that was to be taken back.
package enum Withdrawal: Equatable, Sendable {
    /// No sender has claimed it nor can any more; its witness is `tmp/NAME.withdrawn`.
    case takenBack
    /// A sender has claimed it, or is through with it.
    case claimed
}

extension OutboxDirectory {
    /// Settles what a crash left in `tmp/`; to be called once after `open`, before anything is staged.
    ///
    /// After it, with `staged` rows: those in `waiting` wait, all others are published, durably. Rows that are `withdrawing` are
    /// to be given to `withdraw` again, whatever is listed here.
    ///
    /// It can crash anywhere itself and be called again.
    ///
    /// - Parameter row: the state of the row of the message that has this file name, nil if there is none. Called once for each
    ///   file in `tmp/`, so the cost does not depend on how many rows there are.
    /// - Throws: `OutboxError`, or whatever `row` throws; before any change if the outbox is not there.
    package mutating func recover(row: (String) throws -> RowState?) throws -> Recovery {
        if let broken { throw broken }
        try check()
        var recovery = Recovery()
        mayHaveLinks = true
        for name in try entries(.tmp).sorted() {
            if MessageName.isMessage(name) {
                try settle(name, row: try row(name), in: &recovery)
            } else if let message = MessageName.withdrawn(by: name) {
                switch try row(message) {
                case .withdrawing: recovery.takenBack.append(message)
                case .staged, .published: recovery.unexplained.append(name)
                case nil, .pending, .stale, .withdrawn:
                    try remove(.tmp, name)
                    recovery.deleted.append(name)
                }
            } else {
                recovery.foreign.append(name)
            }
        }
        mayHaveLinks = !recovery.waiting.isEmpty
        // Always: the renames of the process before this one may not be durable, and the caller is about to rely on them.
        try syncRenames()
        return recovery
    }

    private mutating func settle(_ name: String, row: RowState?, in recovery: inout Recovery) throws(OutboxError) {
        switch row {
        case nil, .pending, .stale, .withdrawn:
            try remove(.tmp, name)
            recovery.deleted.append(name)
        case .staged:
            let outcome = publishOne(name)
            if outcome == .published { recovery.renamed.append(name) } else { recovery.waiting[name] = outcome }
        case .published:
            recovery.unexplained.append(name)
        case .withdrawing:
            break  // `withdraw` takes it from `tmp/` as it would from `new/`.
        }
    }

    /// Takes messages back whose intent is committed: renames `new/NAME` to `tmp/NAME.withdrawn`, durably when this returns.
    ///
    /// A file that is still in `tmp/` is taken from there, and a witness that is there already counts, so it may be repeated
    /// after a crash.
    ///
    /// - Returns: the outcome of each, in the order of `names`, for the caller to commit; then `discard` those taken back.
    package mutating func withdraw(_ names: [String]) throws(OutboxError) -> [Withdrawal] {
        if let broken { throw broken }
        if names.isEmpty { return [] }
        for name in names where !MessageName.isMessage(name) {
            throw OutboxError(kind: .invalidName, operation: "withdraw", path: place(.new, name))
        }
        try check()
        var outcomes: [Withdrawal] = []
        for name in names { outcomes.append(try withdrawOne(name)) }
        do throws(OutboxError) {
            try sync(.tmp)
            try sync(.new)
        } catch {
            broken = error
            throw error
        }
        return outcomes
    }

    /// Deletes the witnesses of messages taken back, after the commit of that outcome. None there is no error.
    package func discard(_ names: [String]) throws(OutboxError) {
        if names.isEmpty { return }
        try check()
        for name in names where MessageName.isMessage(name) { try remove(.tmp, MessageName.witness(of: name)) }
        try sync(.tmp)
    }

    private func withdrawOne(_ name: String) throws(OutboxError) -> Withdrawal {
        let witness = MessageName.witness(of: name)
        if status(.tmp, witness) != nil { return .takenBack }
        // A second name in tmp/ of a file that is published (see `isLinked`) is not what keeps it back.
        if isLinked(name) { try remove(.tmp, name) }
        // One that is still in tmp/ was not published: what is in new/ under its name is somebody else's.
        if try move(.tmp, name, to: .tmp, witness, fallback: .look) == .moved { return .takenBack }
        return try move(.new, name, to: .tmp, witness, fallback: .look) == .moved ? .takenBack : .claimed
    }
}
