import Glibc

/// When the daemon first saw each claim in `cur/`; kept by the caller between calls of `reclaim`, and as text from one run to the next.
package struct ClaimTable: Equatable, Sendable {
    /// A claim is a file and the moment of its last rename: given back and claimed again, it is another claim.
    struct Claim: Equatable, Sendable {
        let inode: UInt
        let changedSeconds: Int
        let changedNanoseconds: Int
        /// Milliseconds, of the caller's `now`.
        var firstSeen: Int64
    }

    var claims: [String: Claim] = [:]

    package init() {}

    /// How many claims were in `cur/` at the last call.
    package var count: Int { claims.count }
    /// When the oldest of them was first seen; nil if there were none.
    package var oldest: Int64? { claims.values.map(\.firstSeen).min() }

    /// One claim a line: name, inode, seconds and nanoseconds of its last change, and when it was first seen.
    package var text: String {
        claims.sorted { $0.key < $1.key }.map { name, claim in
            "\(name) \(claim.inode) \(claim.changedSeconds) \(claim.changedNanoseconds) \(claim.firstSeen)\n"
        }.joined()
    }

    /// The table of such a text. A line that says something else is left out: its claim counts anew.
    package init(text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count == 5, let inode = UInt(parts[1]), let seconds = Int(parts[2]), let nanoseconds = Int(parts[3]),
                let firstSeen = Int64(parts[4])
            else { continue }
            claims[String(parts[0])] = Claim(
                inode: inode, changedSeconds: seconds, changedNanoseconds: nanoseconds, firstSeen: firstSeen)
        }
    }
}

/// What `reclaim` did with the claims that were too old.
package struct Reclaimed: Equatable, Sendable {
    /// Moved back to `new/`, for the next sender.
    package var returned: [String] = []
    /// Withdrawn ones, deleted instead.
    package var deleted: [String] = []
    /// Too old, but a live sender holds the lock.
    package var held: [String] = []
    /// Too old, but a file of that name is in `new/`; left alone, worth an alarm.
    package var foreign: [String] = []

    package init() {}
}

extension OutboxDirectory {
    /// Gives back what senders claimed and never finished: those that died, and those that took no lock and are slow.
    ///
    /// A claim's age counts from the first call that saw it. At `timeout` the daemon takes the file's lock itself, without waiting:
    /// whoever holds it lives, and keeps the claim however long it takes. With the lock held, and the name still that of the
    /// locked file, the file goes back to `new/`.
    ///
    /// - Parameters:
    ///   - now: milliseconds on any clock that the caller keeps to; a clock set back restarts the ages it would make negative.
    ///   - firstSeen: the table of the last call.
    ///   - timeout: milliseconds; `outbox.claim_timeout`.
    ///   - isWithdrawn: whether the message of this file name is withdrawn; its file is deleted instead of given back.
    /// - Throws: `OutboxError`, or whatever `isWithdrawn` throws. What was moved until then stays moved and is found by the
    ///   next call or start.
    package func reclaim(
        now: Int64, firstSeen: inout ClaimTable, timeout: Int64, isWithdrawn: (String) throws -> Bool
    ) throws -> Reclaimed {
        try check()
        var seen: [String: ClaimTable.Claim] = [:]
        var old: [String] = []
        for name in try entries(.cur) where MessageName.isMessage(name) {
            guard let status = status(.cur, name), status.isRegular else { continue }
            var claim = ClaimTable.Claim(
                inode: UInt(status.st_ino), changedSeconds: status.st_ctim.tv_sec, changedNanoseconds: status.st_ctim.tv_nsec,
                firstSeen: now)
            if let known = firstSeen.claims[name], known.firstSeen <= now {
                var same = known
                same.firstSeen = now
                if same == claim { claim.firstSeen = known.firstSeen }
            }
            seen[name] = claim
            if now - claim.firstSeen >= timeout { old.append(name) }
        }
        firstSeen.claims = seen

        var result = Reclaimed()
        for name in old.sorted() { try settleClaim(name, isWithdrawn: isWithdrawn, in: &result) }
        if !result.returned.isEmpty { try sync(.new) }
        if !result.returned.isEmpty || !result.deleted.isEmpty { try sync(.cur) }
        for name in result.returned + result.deleted { firstSeen.claims[name] = nil }
        return result
    }

    private func settleClaim(_ name: String, isWithdrawn: (String) throws -> Bool, in result: inout Reclaimed) throws {
        let number = retrying { openat(descriptor(.cur), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
        guard number >= 0 else {
            if errno == ENOENT { return }  // Finished in the meantime.
            throw failure("open", .cur, name)
        }
        // The lock is on this open file, and goes with it.
        let file = Descriptor(owning: number)
        guard retrying({ flock(file.number, LOCK_EX | LOCK_NB) }) == 0 else {
            guard errno == EWOULDBLOCK else { throw failure("lock", .cur, name) }
            result.held.append(name)
            return
        }
        guard let locked = file.status else { throw failure("look at", .cur, name) }
        // Finished, or finished and claimed anew, between the listing and the lock.
        guard let current = status(.cur, name), Identity(current) == Identity(locked) else { return }
        if try isWithdrawn(name) {
            if try remove(.cur, name) { result.deleted.append(name) }
            return
        }
        switch try move(.cur, name, to: .new, name, fallback: .look) {
        case .moved: result.returned.append(name)
        case .taken: result.foreign.append(name)
        case .absent: break
        }
    }
}
