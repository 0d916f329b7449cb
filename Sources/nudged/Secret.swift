import Configuration
import Engine
import Glibc
import Pipeline

extension Configuration {
    /// The bytes of `secret_file`; nil where it is not configured. Throws if it can't be read, or is so short that it could be guessed.
    func secret() throws(Secret.Fault) -> [UInt8]? {
        guard let secretFile else { return nil }
        let bytes = try Secret.read(secretFile.value)
        if !identity.keys.isEmpty, Self.withoutSpace(bytes).count < Secret.leastBytes { throw .short }
        return bytes
    }

    /// The key of e-mail addresses' hashes: the secret without the white space at its end; nil where `identity` needs none.
    func addressKey() throws -> [UInt8]? {
        guard !identity.keys.isEmpty else { return nil }
        do {
            return try secret().map(Self.withoutSpace)
        } catch {
            throw Failure(.configuration, "\(secretFile?.value ?? ""): \(error.message); \(secretHint)")
        }
    }

    /// What is wrong with `secret_file`. That this user may not read it is no error: the daemon may.
    var secretIssue: Issue? {
        do {
            _ = try secret()
            return nil
        } catch {
            guard let secretFile else { return nil }
            let isForbidden = error == .unreadable(EACCES) || error == .unreadable(EPERM)
            return Issue(
                isForbidden ? .warning : .error, at: secretFile.position, error.message,
                hint: isForbidden ? "Check it as the user that the daemon runs as." : secretHint)
        }
    }

    /// What to do about a secret that can't be used.
    var secretHint: String { "make one with head -c 32 /dev/urandom | base64 > \(secretFile?.value ?? "FILE")" }

    private static func withoutSpace(_ bytes: [UInt8]) -> [UInt8] {
        var key = bytes
        while let last = key.last, last <= 0x20 { key.removeLast() }
        return key
    }
}

extension Secret.Fault {
    var message: String {
        switch self {
        case .unreadable(let code): "the `secret_file` can't be read (\(String(cString: strerror(code))))"
        case .short: "the key in `secret_file` has fewer than \(Secret.leastBytes) bytes"
        }
    }
}
