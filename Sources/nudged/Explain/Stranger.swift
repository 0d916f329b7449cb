import Engine
import Ingest
import Pipeline
import Storage

/// An id that the state knows no customer by: what can be said of it all the same.
struct Stranger {
    let text: String

    init(_ id: CustomerID, _ live: LiveState) throws {
        let shown = DisplayText.safe(id.text)
        if let until = try Self.erasedUntil(id.key, live) {
            text =
                "\(shown) was erased: what it did up to \(until.rfc3339) is forgotten for ever, and nothing came from it since, so that no rule "
                + "could start"
            return
        }
        let letters = try live.store.deadLetters(holding: id.key.id)
        guard let letter = letters.last else {
            text =
                "there is no customer \(shown) in the state: no event of this id was read, or it was idle for longer than "
                + "`retention.profiles`; an anonymous one is written anonymous:ID"
            return
        }
        text =
            "there is no customer \(shown) in the state, but \(letters.count) dead letter\(letters.count == 1 ? " holds" : "s hold") this "
            + "text: `nudged deadletters show \(letter.number)` says what is wrong with the line"
    }

    /// Until when events of this id are dropped; nil if it was not erased, or the key of the hashes can't be read.
    static func erasedUntil(_ key: CustomerKey, _ live: LiveState) throws -> Instant? {
        let tombstones = try live.store.tombstones()
        guard !tombstones.isEmpty, let secret = try? live.loaded.erasureKey(), !secret.isEmpty else { return nil }
        let hash = Tombstones(secret: secret, sha256: Digest.sha256).hash(key)
        return tombstones.first { $0.hash == hash }?.until
    }
}
