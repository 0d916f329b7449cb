import Glibc

/// Files that were written but are not known to be durable.
struct Unsynced: Sendable {
    var names: [String] = []
    /// Open as long as there are few enough to be synced one by one: an error of writing back is told to those who had the
    /// file open all along.
    var files: [Descriptor] = []
}

/// What became of one message in `publish`.
package enum Publication: Equatable, Sendable {
    /// It is in `new/`, durably.
    case published
    /// Another file of its name is in `new/`. It is not touched; the message waits in `tmp/` and its row stays `staged`.
    /// Worth an alarm: nothing but this daemon makes such names.
    case foreign
    /// There is no such file in `tmp/`: by the rule of the witness it was renamed already, and its row becomes `published`.
    /// It is to be expected only after a `publish` that threw.
    case missing
    /// The rename failed, for example with a full disk: the message waits in `tmp/` and its row stays `staged`.
    case failed(OutboxError)
}

/// Steps 1 and 3 of exactly once.
extension OutboxDirectory {
    /// With more files than this in a batch, one `syncfs` replaces an fsync for each. An fsync costs a commit of the file
    /// system's journal; a syncfs costs one, and the writing of whatever else is unwritten on that file system.
    package static let filesSyncedOneByOne = 8

    /// How many files were staged since the last `sync`.
    package var unsyncedCount: Int { unsynced.names.count }

    /// Whether an error has left unknown what is on the disk, so that this value stages and publishes nothing more. A new `open`
    /// and `recover` settle it, in this process (after `diskFull`) or the next (after `inputOutput`).
    package var isBroken: Bool { broken != nil }

    /// Writes `tmp/name` completely; it is durable after the next `sync`.
    ///
    /// A file of this name that is left in `tmp/` is replaced: the caller stages only messages whose rows say that no file
    /// counts yet (no row, or `pending`).
    ///
    /// - Throws: when it cannot be written. What was written of it is removed again, the other files of the batch are not
    ///   touched, and the row is to be committed as `pending`.
    package mutating func stage(_ name: String, _ bytes: [UInt8]) throws(OutboxError) {
        try admit(name)
        if unsynced.names.isEmpty { try check() }
        let file = try writeNew(name, bytes)
        unsynced.names.append(name)
        if unsynced.names.count <= Self.filesSyncedOneByOne {
            unsynced.files.append(file)
        } else {
            unsynced.files = []
        }
    }

    private func admit(_ name: String) throws(OutboxError) {
        if let broken { throw broken }
        guard MessageName.isMessage(name) else {
            throw OutboxError(kind: .invalidName, operation: "stage", path: place(.tmp, name))
        }
    }

    private mutating func writeNew(_ name: String, _ bytes: [UInt8]) throws(OutboxError) -> Descriptor {
        do throws(OutboxError) {
            let file = try create(.tmp, name)
            try write(bytes, to: file, .tmp, name)
            return file
        } catch {
            _ = try? remove(.tmp, name)
            throw error
        }
    }

    /// Writes `tmp/name` ahead of its batch, by a copy of the owner's value and on any thread, while the owner does nothing with it. The caller
    /// has called `check`. The file counts as staged once the owner was given it by `take(written:)`; else it is to be given to `drop(written:)`,
    /// or the next `recover` deletes it.
    ///
    /// - Throws: as `stage`.
    package mutating func write(ahead name: String, _ bytes: [UInt8]) throws(OutboxError) {
        try admit(name)
        _ = try writeNew(name, bytes)
    }

    /// Takes a file that was written ahead as staged, as if by `stage`.
    package mutating func take(written name: String) {
        unsynced.names.append(name)
        // Its descriptor is closed, so that the batch is synced as a whole.
        unsynced.files = []
    }

    /// Removes files that were written ahead and are not to be staged.
    package func drop(written names: [String]) { for name in names { _ = try? remove(.tmp, name) } }

    /// Makes everything staged since the last `sync` durable: the files, then their names. After it the caller commits the
    /// rows as `staged`.
    ///
    /// - Throws: when that fails. None of these files counts then, they are removed where possible, and all their rows are to
    ///   be committed as `pending`. After `inputOutput` nothing more is staged or published by this value: what the disk holds
    ///   is unknown, and a second fsync would not tell.
    package mutating func sync() throws(OutboxError) {
        if let broken { throw broken }
        if unsynced.names.isEmpty { return }
        let batch = unsynced
        unsynced = Unsynced()
        do throws(OutboxError) {
            if batch.names.count <= Self.filesSyncedOneByOne, batch.files.count == batch.names.count {
                for (name, file) in zip(batch.names, batch.files) { try sync(file, .tmp, name) }
                try sync(.tmp)
            } else {
                try syncAll()
                try sync(.tmp)
            }
        } catch {
            for name in batch.names { _ = try? remove(.tmp, name) }
            if error.kind == .inputOutput { broken = error }
            throw error
        }
    }

    /// A copy that is to sync and publish what is staged, on any thread, while this value stages nothing.
    package mutating func handOver() -> OutboxDirectory {
        defer { unsynced = Unsynced() }
        return self
    }

    /// Removes what was staged since the last `sync`, for a batch that is given up before its commit.
    package mutating func abandon() {
        for name in unsynced.names { _ = try? remove(.tmp, name) }
        unsynced = Unsynced()
    }

    /// Renames `tmp/NAME` to `new/NAME` for each of `names`, never over a file, and makes that durable once for all.
    ///
    /// To be called after the commit that made their rows `staged`, and again for rows that still wait; calling it twice does
    /// no harm.
    ///
    /// - Returns: what became of each, in the order of `names`.
    /// - Throws: when the outbox is not there (nothing was done) or the renames could not be made durable; the rows stay
    ///   `staged` then. Also the latter leaves this value unable to publish: the next `open` and `recover` settle it.
    package mutating func publish(_ names: [String]) throws(OutboxError) -> [Publication] {
        if let broken { throw broken }
        if names.isEmpty { return [] }
        try check()
        var outcomes: [Publication] = []
        outcomes.reserveCapacity(names.count)
        for name in names { outcomes.append(publishOne(name)) }
        try syncRenames()
        return outcomes
    }

    mutating func publishOne(_ name: String) -> Publication {
        guard MessageName.isMessage(name) else {
            return .failed(OutboxError(kind: .invalidName, operation: "publish", path: place(.tmp, name)))
        }
        do throws(OutboxError) {
            if mayHaveLinks, isLinked(name) {
                try remove(.tmp, name)
                return .published
            }
            let renamed = try rename(.tmp, name, to: .new, name)
            if renamed == nil { mayHaveLinks = true }
            let outcome =
                if let renamed { renamed } else { try moveOtherwise(.tmp, name, to: .new, name, fallback: .link) }
            switch outcome {
            case .moved: return .published
            case .taken: return .foreign
            case .absent: return .missing
            }
        } catch {
            return .failed(error)
        }
    }

    /// Makes renames between `tmp/` and `new/` durable: first where files arrive, so that none is in neither.
    mutating func syncRenames() throws(OutboxError) {
        do throws(OutboxError) {
            try sync(.new)
            try sync(.tmp)
        } catch {
            broken = error
            throw error
        }
    }
}
