/// What a scan found out. Trouble with one file or directory is a warning, never an error.
package struct ScanReport: Sendable {
    /// Files that had to be given up because other content took their place, or that vanished unread.
    package struct PossibleLoss: Hashable, Sendable {
        package enum Reason: String, Sendable {
            /// Cut or replaced under the same inode.
            case truncated
            /// Got shorter, yet what had been read is still there.
            case shrunk
            /// Gone before all of it had been read.
            case vanished
        }

        package var file: FileID
        package var path: String
        /// How far it had been read.
        package var offset: Int
        package var reason: Reason
        /// Whether a copy with the same content was found, in which the reading goes on.
        package var continues: Bool
    }

    /// New files of this scan, each once, also those without a complete first line yet. A held compressed file that turns out to be
    /// no copy, while it is read, is not here: `Tailer.unnumbered` names every file that waits for a number.
    package var found: [FileID] = []
    /// Files of which nothing more can come and that no longer exist: read `readUnterminated`, commit, `forget`. Each once.
    package var ended: [FileID] = []
    package var possibleLosses: [PossibleLoss] = []
    /// New since the last scan.
    package var warnings: [TailWarning] = []
}
