import Engine
import Ingest
import Storage

/// A file's position as the store keeps it: what identifies the file as JSON, the rest as columns.
enum FileRecord {
    static func row(_ position: FilePosition) -> SourceFileRow {
        let checkpoint = position.checkpoint
        func digest(_ sample: ContentSample) -> CanonicalJSON {
            .object([("length", .number(Double(sample.length))), ("digest", .string(sample.digest.hexadecimal))])
        }
        func identity(_ inode: InodeIdentity) -> [(String, CanonicalJSON)] {
            [
                ("device", .string(String(inode.device))), ("inode", .string(String(inode.number))),
                ("generation", .number(Double(inode.generation))),
            ]
        }
        let record = CanonicalJSON.object(
            identity(checkpoint.fingerprint.inode) + [
                ("head", digest(checkpoint.fingerprint.head)), ("mark", digest(checkpoint.mark)),
                ("compressed", .bool(checkpoint.isCompressed)), ("complete", .bool(checkpoint.isComplete)),
                ("superseded", .bool(checkpoint.isSuperseded)), ("gone", .bool(checkpoint.isGone)),
                ("target", .string(checkpoint.target)), ("copies", .array(checkpoint.copies.map { .object(identity($0)) })),
            ])
        return SourceFileRow(
            number: Int64(position.number), source: checkpoint.source, path: checkpoint.path, record: record.bytes,
            offset: Int64(checkpoint.offset), watermark: position.newest, isEnded: position.isEnded)
    }

    /// Nil if the row cannot be read, which is a damaged database.
    static func position(_ row: SourceFileRow) -> FilePosition? {
        guard let packed = JSONText.pack(row.record) else { return nil }
        let view = JSONView(bytes: packed, offset: 0)
        func sample(_ key: String) -> ContentSample? {
            guard let sample = view[key], let length = sample["length"]?.number,
                let digest = sample["digest"]?.string.flatMap(ContentDigest.init(hexadecimal:))
            else { return nil }
            return Int(exactly: length).map { ContentSample(length: $0, digest: digest) }
        }
        func identity(_ view: JSONView) -> InodeIdentity? {
            guard let device = view["device"]?.string.flatMap({ UInt64($0) }),
                let inode = view["inode"]?.string.flatMap({ UInt64($0) }),
                let generation = view["generation"]?.number.flatMap({ UInt32(exactly: $0) })
            else { return nil }
            return InodeIdentity(device: device, number: inode, generation: generation)
        }
        guard row.offset >= 0, row.number >= 0, let inode = identity(view), let head = sample("head"), let mark = sample("mark")
        else { return nil }
        let copies = view["copies"]?.elements.compactMap(identity) ?? []
        let isComplete = view["complete"]?.bool ?? false
        let checkpoint = FileCheckpoint(
            source: row.source,
            fingerprint: Fingerprint(inode: inode, head: head), path: row.path,
            target: view["target"]?.string ?? row.path, offset: Int(row.offset), mark: mark, number: Int(row.number),
            isCompressed: view["compressed"]?.bool ?? false, isComplete: isComplete,
            isSuperseded: view["superseded"]?.bool ?? false,
            // Versions before this one did not say so. A compressed file that is complete has ended, and may be there.
            isGone: view["gone"]?.bool ?? (row.isEnded && !isComplete), copies: copies)
        return FilePosition(number: Int(row.number), checkpoint: checkpoint, newest: row.watermark, isEnded: row.isEnded)
    }
}
