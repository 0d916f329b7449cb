/// Trouble with one file or directory: reported once when it starts, and again only after it had cleared.
package struct TailWarning: Hashable, Sendable {
    /// What is wrong; stable names, for metrics and logs.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A file that matches can't be opened or read; retried at every scan.
        case unreadable
        /// A directory can't be listed; retried at every scan, and nothing in it counts as deleted.
        case directoryUnreadable = "directory_unreadable"
        /// A FIFO, device, socket or directory matches; not read.
        case notRegular = "not_regular"
        /// One file has two names that match, or matches two sources; read once, for the first.
        case matchedTwice = "matched_twice"
        /// Two files begin with the same 4 KiB; both are read. A copy of a log would be read twice.
        case sameHead = "same_head"
        /// Content was cut or replaced under the same inode (copytruncate): lines may be lost.
        case truncated
        /// A file is gone or got shorter before all of it had been read: lines may be lost.
        case unreadLost = "unread_lost"
        /// A file that was known at the last stop is not there any more.
        case notFoundAgain = "not_found_again"
        /// NULs at the start of a line, as after a crash; skipped.
        case nulBytes = "nul_bytes"
        /// Compressed data that does not decode; what came before is read.
        case corrupt
        /// A compressed file that ends too early and does not grow; what is there is read.
        case cutShort = "cut_short"
    }

    package var kind: Kind
    /// The source's name.
    package var source: String
    package var path: String
    /// One sentence for people: what, where, what to do.
    package var message: String
}

/// Which warnings are on, so that each is told once.
struct WarningLedger {
    private struct Key: Hashable {
        var kind: TailWarning.Kind
        var path: String
    }

    private var fresh: [TailWarning] = []
    private var lasting: [Key: (round: Int, message: String)] = [:]
    private var once: Set<Key> = []
    private var round = 0

    /// Starts a scan: what is not raised again until `endRound` has cleared.
    mutating func beginRound() { round += 1 }

    /// A condition that every scan finds again while it lasts.
    mutating func condition(_ warning: TailWarning) {
        let key = Key(kind: warning.kind, path: warning.path)
        if lasting.updateValue((round, warning.message), forKey: key) == nil { fresh.append(warning) }
    }

    /// What of a kind lasts, in order of path.
    func messages(of kinds: [TailWarning.Kind]) -> [String] {
        lasting.filter { kinds.contains($0.key.kind) }.sorted { $0.key.path < $1.key.path }.map(\.value.message)
    }

    /// Something that happened: told every time, or once a path.
    mutating func happened(_ warning: TailWarning, oncePerPath: Bool = false) {
        if !oncePerPath || once.insert(Key(kind: warning.kind, path: warning.path)).inserted { fresh.append(warning) }
    }

    /// What is new since the last round.
    mutating func endRound() -> [TailWarning] {
        lasting = lasting.filter { $0.value.round == round }
        if once.count > 100_000 { once.removeAll() }
        defer { fresh = [] }
        return fresh
    }
}
