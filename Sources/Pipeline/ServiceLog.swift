import Glibc

/// What the service says to whoever runs it: lines on standard error, with the journal's priorities where it listens. Never a payload or
/// a trait.
package struct ServiceLog: Sendable {
    package enum Priority: Int, Sendable { case error = 3, warning = 4, notice = 5, information = 6 }

    private let isJournal: Bool

    package init(isJournal: Bool = getenv("JOURNAL_STREAM") != nil) { self.isJournal = isJournal }

    package func callAsFunction(_ priority: Priority, _ text: String) {
        let line = text.split(separator: "\n", omittingEmptySubsequences: true).map {
            (isJournal ? "<\(priority.rawValue)>" : "nudged: ") + $0 + "\n"
        }.joined()
        var bytes = Array(line.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
