import Engine

/// Which id of a source's lines names the customer instead of the format's own (`identity` of the configuration), so that one
/// person in several systems is one customer.
///
/// A line that has such an id also links the format's own ids to it, as anonymous ids; a line that lacks it is about whoever that
/// own id belongs to: it counts for the customer as soon as any line has said both.
package struct IdentityKey: Sendable, Equatable {
    /// What stands before the format's own ids, `stripe:cus_1`, so that the ids of different systems never meet by chance.
    package var name: String
    /// Keys from the object that the line is about down to the id.
    package var path: [String]
    /// The key of the hashes that stand for e-mail addresses; without it an address is no id.
    package var secret: [UInt8]?

    package init(name: String, path: String, secret: [UInt8]?) {
        self.name = name
        self.path = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        self.secret = secret
    }
}

/// Who a line is about; empty texts are absent.
struct Person: Equatable {
    var user: String
    var anonymous: String
    /// Further anonymous ids that are the user's.
    var links: [String] = []
}

extension IdentityKey {
    /// Who a line is about in which `found` stands at the path, and which its format says is about `user` and `anonymous`.
    func person(_ found: String?, user: String, anonymous: String) -> Person {
        guard let key = found.flatMap(id) else {
            return user.isEmpty ? Person(user: "", anonymous: anonymous) : Person(user: "", anonymous: own(user))
        }
        var others = user.isEmpty || user == found ? [] : [own(user)]
        if !anonymous.isEmpty { others.append(anonymous) }
        return Person(user: key, anonymous: others.last ?? "", links: others.dropLast())
    }

    private func own(_ id: String) -> String { name + ":" + (self.id(id) ?? id) }

    /// A text as an id: as it is, an e-mail address as its hash, whatever its capitals and the spaces around it.
    private func id(_ text: String) -> String? {
        guard text.utf8.contains(UInt8(ascii: "@")) else { return text.isEmpty ? nil : text }
        guard let secret else { return nil }
        var address = Array(text.lowercased().utf8)[...]
        while let last = address.last, last == 0x20 || last == 0x09 { address.removeLast() }
        while let first = address.first, first == 0x20 || first == 0x09 { address.removeFirst() }
        let digits = Array("0123456789abcdef".utf8)
        let hash = HMAC(key: secret, sha256: Digest.sha256).of(Array(address)).prefix(16).flatMap {
            [digits[Int($0 >> 4)], digits[Int($0 & 15)]]
        }
        return "email:" + String(decoding: hash, as: UTF8.self)
    }
}
