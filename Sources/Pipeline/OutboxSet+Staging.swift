import Engine
import Outbox
import Storage

/// Step 1 of exactly once: the files of new messages.
extension OutboxSet {
    /// Step 1 but its end, which is `Publishing.sync`: writes the files of new messages. What can't be written stays `pending`; what expired by the
    /// wall clock is `stale`. What is withdrawn in the same batch gets no file, nor does its retraction; any other retraction waits for what becomes of the original.
    ///
    /// - Parameter written: files of the batch that were written ahead. What is not staged after all is removed.
    mutating func stage(
        _ messages: [Message], withdrawals: [Int64], written: [Int64: StagingAhead.Written] = [:], wallNow: Instant?
    ) -> [MessageRow] {
        var rows = messages.map { message in
            MessageRow(
                message, outbox: name(of: message), file: MessageName.file(time: message.time, id: message.id), state: .pending)
        }
        if !withdrawals.isEmpty {
            let gone = Set(withdrawals).intersection(rows.map(\.sequence))
            for place in rows.indices where gone.contains(rows[place].retracts ?? rows[place].sequence) {
                rows[place].state = .withdrawn
            }
        }
        // The one that is too many stays, and all after it; those before it go on.
        var allowed = rows.count
        let before = pauses
        for index in rows.indices where safety != nil && !isPaused {
            count(rows[index].decidedAt)
            if isPaused { allowed = index }
        }
        let held = Array(rows[allowed...])
        rows.removeLast(held.count)
        let after = pauses
        pauses = before
        write(&rows, written: written, wallNow: wallNow) { $0.retracts == nil }
        pauses = after
        rows += held
        for row in rows where row.state == .pending { pending[row.outbox, default: 0] += 1 }
        pausedCount += rows.count { $0.state == .pending && isPaused($0.rule) }
        return rows
    }

    // MARK: Staging ahead

    /// Has the files of messages written that will most likely be staged with the batch at hand.
    ///
    /// - Parameter messages: all of the batch, in order; those that have been given before are passed over.
    mutating func stageAhead(
        _ messages: [Message], atLeast few: Int, _ render: (@Sendable (_ rule: String, _ json: [UInt8]) -> [UInt8])?
    ) {
        // Where something may hold them back, the commit decides.
        guard let last = messages.last, safety == nil, restored == nil, pauses.isEmpty else { return }
        let first = (messages.lastIndex { $0.sequence <= lastAhead } ?? -1) + 1
        guard messages.count - first >= few else { return }
        lastAhead = last.sequence
        var unwritten: [[StagingAhead.Unwritten]] = boxes.map { _ in [] }
        for message in messages[first...] where message.retracts == nil {
            unwritten[box(of: message)].append(
                .init(
                    sequence: message.sequence, rule: message.rule, file: MessageName.file(time: message.time, id: message.id),
                    json: message.json))
        }
        for index in boxes.indices where !unwritten[index].isEmpty {
            guard let directory = boxes[index].directory, (try? directory.check()) != nil else { continue }
            ahead.submit(unwritten[index], to: directory, box: index, render)
        }
    }

    /// Waits until no file is being written.
    func finishStaging() { ahead.finish() }

    /// What has been written ahead since the last call.
    func stagedAhead() -> [Int64: StagingAhead.Written] { ahead.take() }

    /// Step 1 for rows that wait.
    mutating func stage(_ rows: inout [MessageRow], wallNow: Instant?) {
        write(&rows, written: [:], wallNow: wallNow) { _ in true }
        for index in boxes.indices {
            do { try boxes[index].directory?.sync() } catch {
                boxes[index].trouble = "\(error)"
                let name = boxes[index].settings.name
                for place in rows.indices where rows[place].outbox == name && rows[place].state == .staged {
                    rows[place].state = .pending
                }
            }
        }
    }

    private mutating func write(
        _ rows: inout [MessageRow], written: [Int64: StagingAhead.Written], wallNow: Instant?, where isReady: (MessageRow) -> Bool
    ) {
        guard !boxes.isEmpty else { return }
        var unused = written
        defer {
            for index in boxes.indices {
                boxes[index].directory?.drop(written: unused.values.filter { $0.box == index }.map(\.file).sorted())
            }
        }
        for index in boxes.indices {
            guard boxes[index].directory != nil else { continue }
            let mine = rows.indices.filter {
                rows[$0].outbox == boxes[index].settings.name && rows[$0].state == .pending && isReady(rows[$0])
                    && !isPaused(rows[$0].rule)
            }
            for place in mine {
                if let restored, rows[place].decidedAt < restored {
                    rows[place].state = .published
                    continue
                }
                if let wallNow, rows[place].expiresAt <= wallNow {
                    rows[place].state = .stale
                    continue
                }
                if let file = unused.removeValue(forKey: rows[place].sequence), boxes[index].directory?.isBroken == false {
                    boxes[index].directory?.take(written: file.file)
                    rows[place].state = .staged
                    continue
                }
                do {
                    try boxes[index].directory?.stage(rows[place].file, rows[place].json + [0x0A])
                    rows[place].state = .staged
                } catch {
                    boxes[index].trouble = "\(error)"
                    break
                }
            }
        }
    }
}
