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

    /// What is staged on its way into `new/`: the end of step 1 and step 3, and what came of them. Both are done by copies of the outboxes'
    /// directories, on any thread: their owner changes nothing in the directories until he has got them back (`take`).
    struct Publishing: Sendable {
        fileprivate struct Entry: Sendable {
            let sequence: Int64
            let file: String
        }

        fileprivate struct Box: Sendable {
            var directory: OutboxDirectory?
            var staged: [Entry]
            /// How many of them, the last, the transaction commits as staged; those before it has been committed.
            var fresh: Int
            /// Why the files of those are not known to be durable.
            var trouble: OutboxError?
            /// Nil: there is no directory, or nothing to rename.
            var outcome: Result<[Publication], OutboxError>?

            /// What may be renamed.
            var durable: ArraySlice<Entry> { trouble == nil ? staged[...] : staged.dropLast(fresh) }
        }

        fileprivate var boxes: [Box]

        /// Ends step 1, before the commit.
        mutating func sync() {
            for index in boxes.indices {
                do throws(OutboxError) { try boxes[index].directory?.sync() } catch { boxes[index].trouble = error }
            }
        }

        /// The messages that are to be committed as `pending` after all.
        var undurable: [Int64] {
            boxes.flatMap { $0.trouble == nil ? [] : $0.staged.suffix($0.fresh).map(\.sequence) }
        }

        /// Makes the renames, after the commit. A foreign file of the same name is an alarm, and the message waits.
        mutating func rename() {
            for index in boxes.indices where boxes[index].directory != nil {
                let files = boxes[index].durable.map(\.file)
                guard !files.isEmpty else { continue }
                do throws(OutboxError) {
                    boxes[index].outcome = .success(try boxes[index].directory?.publish(files) ?? [])
                } catch {
                    boxes[index].outcome = .failure(error)
                }
            }
        }
    }

    /// What is staged, to be published.
    ///
    /// - Parameter rows: those of the transaction to come, which are added to what is staged. None: all of it has been committed.
    mutating func takePublishing(_ rows: [MessageRow] = []) -> Publishing {
        let before = boxes.indices.map { index in staged.count { $0.box == index } }
        add(staged: rows)
        defer { staged.removeAll() }
        return Publishing(
            boxes: boxes.indices.map { index in
                let mine = staged.filter { $0.box == index }.map { Publishing.Entry(sequence: $0.sequence, file: $0.file) }
                return Publishing.Box(
                    directory: boxes[index].directory?.handOver(), staged: mine, fresh: mine.count - before[index])
            })
    }

    /// Takes in what came of it. What could not be renamed waits.
    mutating func take(_ publishing: Publishing) throws {
        for (index, box) in publishing.boxes.enumerated() where box.trouble != nil || !box.staged.isEmpty {
            boxes[index].directory = box.directory
            if let trouble = box.trouble {
                boxes[index].trouble = "\(trouble)"
                pending[boxes[index].settings.name, default: 0] += box.fresh
            }
            let waiting = box.durable.map { (sequence: $0.sequence, box: index, file: $0.file) }
            switch box.outcome {
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
        var publishing = takePublishing()
        publishing.rename()
        try take(publishing)
    }

    /// How many pending rows go through the steps at a time.
    private static let retried = 1000

    /// Takes pending rows through all the steps, once their outbox can be written again.
    ///
    /// - Parameter endsEarly: asked between pieces of work; what is left stays pending.
    package mutating func retry(_ store: Store, wallNow: Instant?, endsEarly: () -> Bool = { false }) throws {
        for index in boxes.indices where boxes[index].directory?.isBroken ?? true { try attach(index, store) }
        for index in boxes.indices where boxes[index].directory != nil { boxes[index].trouble = nil }
        if withdrawingCount > 0 { try takeBack(store) }
        // One by one, so that what waits for an outbox that is away keeps nobody else's back.
        for index in boxes.indices where boxes[index].directory != nil { try retry(index, store, wallNow: wallNow, endsEarly) }
        try publish()
    }

    private mutating func retry(_ index: Int, _ store: Store, wallNow: Instant?, _ endsEarly: () -> Bool) throws {
        let name = boxes[index].settings.name
        while pending[name] ?? 0 > 0, !isPaused, !endsEarly() {
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

    /// Notes when claims were first seen, so that they time out over any number of runs.
    package func keepClaims(_ store: Store) throws(StoreError) {
        for box in boxes {
            let text = box.claims.text
            guard text != (try store.meta(Self.claimsKey(box.settings.name)) ?? "") else { continue }
            try store.begin()
            try store.setMeta(Self.claimsKey(box.settings.name), text)
            try store.commit()
        }
    }

    static func claimsKey(_ outbox: String) -> String { "claims.\(outbox)" }

    /// Gives back claims of dead senders, and prunes what senders are through with.
    package mutating func maintain(_ store: Store, wallNow: Instant) throws {
        for index in boxes.indices {
            guard let directory = boxes[index].directory else { continue }
            let settings = boxes[index].settings
            do {
                let reclaimed = try directory.reclaim(
                    now: wallNow, firstSeen: &boxes[index].claims, timeout: settings.claimTimeout
                ) { file in try store.state(ofFile: file, outbox: settings.name) == .withdrawn }
                boxes[index].foreignClaims = reclaimed.foreign
                _ = try directory.prune(now: wallNow, keep: settings.keep)
            } catch let error as OutboxError {
                boxes[index].trouble = "\(error)"
            }
        }
    }
}
