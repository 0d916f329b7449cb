/// All that is needed to go on with a file after a restart, however it was renamed, rotated or compressed meanwhile.
///
/// The caller stores it in the transaction that makes the lines before `offset` durable, with fields of its own beside it.
package struct FileCheckpoint: Hashable, Sendable {
    /// The name of the source that the file belongs to.
    package var source: String
    /// The file that the content was last read from: the plain one, or the compressed copy that took its place.
    package var fingerprint: Fingerprint
    /// Where it was last seen; for people and for finding it again in its directory, not for knowing it.
    package var path: String
    /// What the path led to: another one where it is a link.
    package var target: String
    /// The first byte that is not consumed, counted in uncompressed content.
    package var offset: Int
    /// Up to 4 KiB of content that end at `offset`; of length 0 where they could no longer be read.
    package var mark: ContentSample
    /// The number that the caller gave the file, once it had a first line.
    package var number: Int?
    /// Whether `fingerprint` is of a compressed file.
    package var isCompressed: Bool
    /// Whether everything there was up to the end has been read and no more can come: a compressed file that was read to
    /// its end, or a plain one that is gone.
    package var isComplete: Bool
    /// Whether the inode has been truncated and holds other content now, so that it must not be taken for this file; only a
    /// copy with the same content can still be.
    package var isSuperseded: Bool
    /// Whether it was not there any more, neither under a name nor open. It is known again should it come back; that it does not is no news.
    package var isGone: Bool
    /// Plain files that hold nothing but a beginning of the same content, in order; they are not read as long as that is so.
    package var copies: [InodeIdentity]

    package init(
        source: String, fingerprint: Fingerprint, path: String, target: String, offset: Int, mark: ContentSample, number: Int?,
        isCompressed: Bool, isComplete: Bool, isSuperseded: Bool, isGone: Bool, copies: [InodeIdentity]
    ) {
        self.source = source
        self.fingerprint = fingerprint
        self.path = path
        self.target = target
        self.offset = offset
        self.mark = mark
        self.number = number
        self.isCompressed = isCompressed
        self.isComplete = isComplete
        self.isSuperseded = isSuperseded
        self.isGone = isGone
        self.copies = copies
    }
}
