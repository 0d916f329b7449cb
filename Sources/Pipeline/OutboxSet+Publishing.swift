import Engine
import Outbox
import Storage

/// Steps 3 and 4 of exactly once, taking back, and trying again.
extension OutboxSet {
    /// What the next transaction says of the outboxes.
    struct Marks: Sendable {
        /// Published before (step 4).
        var published: [Int64]
        /// The valve's pause.
        var tripped: Pause?

        func write(to store: Store) throws(StoreError) {
            try store.markPublished(published)
            if let tripped { try store.set(tripped) }
        }
    }

    /// To be written within the transaction of step 2.
    mutating func takeMarks() -> Marks {
        defer {
            published.removeAll()
            tripped = nil
        }
        return Marks(published: published, tripped: tripped)
    }

    /// The rows of a transaction are to be renamed once it is committed.
    mutating func add(staged rows: [MessageRow]) {
        for row in rows where row.state == .staged {
            staged.append((row.sequence, boxes.firstIndex { $0.settings.name == row.outbox } ?? 0, row.file))
        }
    }

    /// Takes back what is committed to be (`outbox.md`, "Taking a message back"): renames, commits the outcome, deletes. A sender that has claimed
    /// a message keeps it; then its retraction, if there is one, goes out.
    package mutating func takeBack(_ store: Store) throws {
        let rows = try store.messages(in: .withdrawing)
        staged.removeAll { entry in rows.contains { $0.sequence == entry.sequence } }
        for index in boxes.indices where boxes[index].directory != nil {
            let mine = rows.filter { $0.outbox == boxes[index].settings.name }
            guard !mine.isEmpty else { continue }
            do {
                let outcomes = try boxes[index].directory?.withdraw(mine.map(\.file)) ?? []
                let takenBack = zip(mine, outcomes).filter { $0.1 == .takenBack }.map(\.0)
                try store.begin()
                try store.settleWithdrawal(of: mine.map(\.sequence), takenBack: takenBack.map(\.sequence))
                try store.commit()
                try boxes[index].directory?.discard(takenBack.map(\.file))
            } catch let error as OutboxError {
                if error.kind == .inputOutput { throw error }
                boxes[index].trouble = "\(error)"
            }
        }
        try recount(store)
        withdrawingCount = try store.count(.withdrawing)
    }

    /// The renames of step 3, and what came of them. They are made by copies of the outboxes' directories, on any thread: their owner changes nothing
    /// in the directories until he has got them back (`take`).
    struct Renames: Sendable {
        fileprivate struct Entry: Sendable {
            let sequence: Int64
            let file: String
        }

        fileprivate var boxes: [(directory: OutboxDirectory?, staged: [Entry])]
        /// By box; nil: there is no directory.
        fileprivate var outcomes: [Result<[Publication], OutboxError>?] = []

        /// Makes them. A foreign file of the same name is an alarm, and the message waits.
        mutating func make() {
            outcomes = boxes.indices.map { index in
                guard !boxes[index].staged.isEmpty, boxes[index].directory != nil else { return nil }
                let files = boxes[index].staged.map(\.file)
                do throws(OutboxError) {
                    return .success(try boxes[index].directory?.publish(files) ?? [])
                } catch {
                    return .failure(error)
                }
            }
        }
    }

    /// What is staged, to be renamed.
    mutating func takeRenames() -> Renames {
        defer { staged.removeAll() }
        return Renames(
            boxes: boxes.indices.map { index in
                (
                    boxes[index].directory,
                    staged.filter { $0.box == index }.map { Renames.Entry(sequence: $0.sequence, file: $0.file) }
                )
            })
    }

    /// Takes in what came of renames. What could not be renamed waits.
    mutating func take(_ renames: Renames) throws {
        for (index, (directory, entries)) in renames.boxes.enumerated() where !entries.isEmpty {
            boxes[index].directory = directory
            let waiting = entries.map { (sequence: $0.sequence, box: index, file: $0.file) }
            switch renames.outcomes[index] {
            case nil: staged += waiting
            case .failure(let error):
                if error.kind == .inputOutput { throw error }
                boxes[index].trouble = "\(error)"
                staged += waiting
            case .success(let outcomes):
                for (entry, outcome) in zip(waiting, outcomes) {
                    switch outcome {
                    case .published, .missing:
                        published.append(entry.sequence)
                        publishedCount += 1
                    case .foreign:
                        boxes[index].trouble =
                            "\(boxes[index].settings.path): new/\(entry.file) is a foreign file; move it away, and the message is published"
                        staged.append(entry)
                    case .failed(let error):
                        boxes[index].trouble = "\(error)"
                        staged.append(entry)
                    }
                }
            }
        }
    }

    /// Step 3: renames everything staged.
    package mutating func publish() throws {
        guard !staged.isEmpty else { return }
        var renames = takeRenames()
        renames.make()
        try take(renames)
    }

    /// How many pending rows go through the steps at a time.
    private static let retried = 1000

    /// Takes pending rows through all the steps, once their outbox can be written again.
    package mutating func retry(_ store: Store, wallNow: Instant?) throws {
        for index in boxes.indices where boxes[index].directory?.isBroken ?? true { try attach(index, store) }
        for index in boxes.indices where boxes[index].directory != nil { boxes[index].trouble = nil }
        if withdrawingCount > 0 { try takeBack(store) }
        // One by one, so that what waits for an outbox that is away keeps nobody else's back.
        for index in boxes.indices where boxes[index].directory != nil { try retry(index, store, wallNow: wallNow) }
        try publish()
    }

    mutating func retry(_ index: Int, _ store: Store, wallNow: Instant?) throws {
        let name = boxes[index].settings.name
        while pending[name] ?? 0 > 0, !isPaused {
            var rows = try store.pendingMessages(of: name, except: pauses.compactMap(\.rule), limit: Self.retried)
            stage(&rows, wallNow: wallNow)
            let done = rows.filter { $0.state != .pending }
            guard !done.isEmpty else { break }
            try store.begin()
            try store.setState(.staged, of: rows.filter { $0.state == .staged }.map(\.sequence))
            try store.setState(.stale, of: rows.filter { $0.state == .stale }.map(\.sequence))
            try store.setState(.published, of: rows.filter { $0.state == .published }.map(\.sequence))
            try takeMarks().write(to: store)
            try store.commit()
            pending[name, default: 0] -= done.count
            add(staged: done)
            try publish()
            guard done.count == rows.count else { break }
        }
        try recount(store)
    }

    /// Gives back claims of dead senders, and prunes what senders are through with.
    package mutating func maintain(_ store: Store, wallNow: Instant) throws {
        for index in boxes.indices {
            guard let directory = boxes[index].directory else { continue }
            let settings = boxes[index].settings
            do {
                _ = try directory.reclaim(now: wallNow, firstSeen: &boxes[index].claims, timeout: settings.claimTimeout) { file in
                    try store.state(ofFile: file, outbox: settings.name) == .withdrawn
                }
                _ = try directory.prune(now: wallNow, keep: settings.keep)
            } catch let error as OutboxError {
                boxes[index].trouble = "\(error)"
            }
        }
    }
}
