/// What a file is known by, never its name: the inode it lives in and the beginning of what it holds.
///
/// The head grows with the file until it is `Fingerprint.sampleBytes` long, so the fingerprint of a small file changes as
/// the file grows; as a lasting key use the number that the caller gave the file, not this value.
package struct Fingerprint: Hashable, Sendable {
    /// Bytes of content that a head, and the mark before an offset, cover at most: 4 KiB.
    package static let sampleBytes = 4096

    /// Which inode of which device.
    package var inode: InodeIdentity
    /// The first bytes of the (decompressed) content.
    package var head: ContentSample

    package init(inode: InodeIdentity, head: ContentSample) {
        self.inode = inode
        self.head = head
    }
}

/// An inode, told apart from an earlier one of the same number by its generation.
package struct InodeIdentity: Hashable, Sendable {
    /// `st_dev`.
    package var device: UInt64
    /// `st_ino`.
    package var number: UInt64
    /// `FS_IOC_GETVERSION`; 0 where the file system has none.
    package var generation: UInt32

    package init(device: UInt64, number: UInt64, generation: UInt32) {
        self.device = device
        self.number = number
        self.generation = generation
    }

    /// Device and number without the generation: what a directory scan sees without opening the file.
    var key: InodeKey { InodeKey(device: device, number: number) }
}

/// Device and inode number: unique among the files that exist at one moment.
struct InodeKey: Hashable {
    var device: UInt64
    var number: UInt64
}

/// The digest of some consecutive bytes of a file's content, 0 to `Fingerprint.sampleBytes` of them.
package struct ContentSample: Hashable, Sendable {
    /// How many bytes the digest covers; 0 says that nothing is known and equals any content.
    package var length: Int
    package var digest: ContentDigest

    /// From stored values.
    package init(length: Int, digest: ContentDigest) {
        self.length = length
        self.digest = digest
    }

    /// The sample of `bytes`.
    package init(_ bytes: UnsafeRawBufferPointer) {
        self.init(length: bytes.count, digest: bytes.isEmpty ? ContentSample.none.digest : ContentDigest(bytes))
    }

    /// Nothing known.
    package static let none = ContentSample(length: 0, digest: ContentDigest(high: 0, low: 0))

    /// Whether the first `length` of `bytes` are what was sampled; false when there are fewer.
    func matchesStart(of bytes: UnsafeRawBufferPointer) -> Bool {
        if length == 0 { return true }
        guard bytes.count >= length else { return false }
        return ContentDigest(UnsafeRawBufferPointer(rebasing: bytes[..<length])) == digest
    }
}
