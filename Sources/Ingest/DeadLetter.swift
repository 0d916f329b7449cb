import Engine

/// A line that can't become an event, and why. It is stored, counted and never stops the stream.
package struct DeadLetter: Sendable, Equatable {
    /// The contract's reasons, in its spelling.
    package enum Reason: String, Sendable, CaseIterable {
        case badJSON = "bad_json"
        case notAnObject = "not_an_object"
        case badUTF8 = "bad_utf8"
        case tooLong = "too_long"
        case tooLate = "too_late"
        case missingCustomer = "missing_customer"
        case missingEvent = "missing_event"
        case badTimestamp = "bad_timestamp"
        case future
        case unknownType = "unknown_type"
    }

    package var reason: Reason
    /// What is wrong, in a sentence for whoever writes the log; it never quotes the line's values.
    package var message: String
    /// The byte of the line where it is wrong, from 1, if one place can be named.
    package var column: Int?
    /// Position of the line, as in `Event`.
    package var source: UInt32
    package var file: UInt32
    package var offset: UInt64
    /// Length of the line in bytes, with its newline.
    package var length: UInt32
    /// The first 4 KiB of the line.
    package var head: [UInt8]
    /// Name of the source: filled in by the reader, which knows it.
    package var sourceName = ""
    /// Whose event it is and when it happened, of a line that is refused for its time alone.
    package var customers: [CustomerKey] = []
    package var time: Instant?

    package static let headLimit = 4096

    package init(
        reason: Reason, message: String, column: Int? = nil, line: UnsafeRawBufferPointer, source: UInt32, file: UInt32,
        offset: UInt64, length: UInt32
    ) {
        self.reason = reason
        self.message = message
        self.column = column
        self.source = source
        self.file = file
        self.offset = offset
        self.length = length
        head = Array(line.prefix(Self.headLimit))
    }
}
