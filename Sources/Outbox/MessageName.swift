import Engine

/// The names of a message's files: `<time>-<id>.json`, time as `20260301T120000123Z`, so that names sort by time; the id is
/// 32 characters of lower-case base32. Nothing of another shape is ever touched in an outbox.
package enum MessageName {
    /// The file name of the message `id`, decided at `time` (milliseconds since 1970 UTC).
    ///
    /// Times outside the years 0001–9999 are moved to the nearest millisecond inside, so that every name keeps its length.
    package static func file(time: Int64, id: String) -> String {
        "\(stamp(time))-\(id).json"
    }

    /// `time` (milliseconds since 1970 UTC) as `YYYYMMDDThhmmssmmmZ`, held within the years 0001–9999: RFC 3339 without its marks.
    package static func stamp(_ time: Instant) -> String {
        let marks = [UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: ".")]
        return String(decoding: time.rfc3339.utf8.filter { !marks.contains($0) }, as: UTF8.self)
    }

    /// Whether `name` has the shape of a message's file.
    package static func isMessage(_ name: String) -> Bool { isMessage(name.utf8[...]) }

    /// The message of which `name` is the witness of a withdrawal (`NAME.withdrawn`), or nil.
    package static func withdrawn(by name: String) -> String? { message(before: ".withdrawn", in: name) }

    /// The message of which `name` holds the reason of giving up (`NAME.reason`), or nil.
    package static func failed(by name: String) -> String? { message(before: ".reason", in: name) }

    static func witness(of name: String) -> String { name + ".withdrawn" }
    static func reason(of name: String) -> String { name + ".reason" }

    private static func message(before suffix: String, in name: String) -> String? {
        guard name.hasSuffix(suffix) else { return nil }
        let message = String(name.dropLast(suffix.count))
        return isMessage(message) ? message : nil
    }

    private static func isMessage(_ name: Substring.UTF8View) -> Bool {
        // 8 digits, T, 9 digits, Z, -, 32 of base32, .json
        guard name.count == 57 else { return false }
        for (place, byte) in name.enumerated() {
            let fits =
                switch place {
                case 8: byte == UInt8(ascii: "T")
                case 18: byte == UInt8(ascii: "Z")
                case 19: byte == UInt8(ascii: "-")
                case 0..<18: (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                case 20..<52:
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                        || (UInt8(ascii: "2")...UInt8(ascii: "7")).contains(byte)
                default: true
                }
            guard fits else { return false }
        }
        return name.suffix(5).elementsEqual(".json".utf8)
    }
}
