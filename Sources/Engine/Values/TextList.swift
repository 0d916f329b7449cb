/// A short list of ids in one piece of memory: strings of more than 15 bytes have one each, of at least 64, and there are millions of such ids.
///
/// Each text is its length times two as LEB128 and its UTF-8; a UUID in its usual spelling is the number 1 and 16 bytes.
package struct TextList: Sendable, Equatable, Sequence {
    private var bytes: [UInt8] = []

    package init() {}

    package init(_ texts: some Sequence<String>) {
        for text in texts { append(text) }
    }

    package var isEmpty: Bool { bytes.isEmpty }
    /// What it has allocated, in bytes.
    var capacity: Int { bytes.capacity }

    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            if let uuid = UUIDBytes(utf8) {
                bytes.reserveTight(17)
                bytes.append(1)
                uuid.append(to: &bytes)
                return
            }
            bytes.reserveTight(utf8.count + 1)
            var length = UInt64(utf8.count) << 1
            while length > 127 {
                bytes.append(UInt8(truncatingIfNeeded: length) | 128)
                length >>= 7
            }
            bytes.append(UInt8(length))
            bytes.append(contentsOf: utf8)
        }
    }

    package mutating func removeFirst() {
        guard !isEmpty else { return }
        bytes.removeFirst(piece(at: 0).end)
    }

    /// Takes out all that have the bytes of `text`, but for the first `count`.
    package mutating func remove(_ text: String, after count: Int = 0) {
        guard contains(text, after: count) else { return }
        self = TextList(enumerated().filter { $0.offset < count || !$0.element.same(as: text) }.map(\.element))
    }

    /// Whether one after the first `count` has the bytes of `text`.
    package func contains(_ text: String, after count: Int = 0) -> Bool {
        var text = text
        return text.withUTF8 { utf8 in
            let uuid = UUIDBytes(utf8)
            var start = 0
            var passed = 0
            while start < bytes.count {
                if passed >= count, holds(utf8, uuid, at: start) { return true }
                start = piece(at: start).end
                passed += 1
            }
            return false
        }
    }

    package var first: String? { isEmpty ? nil : text(at: 0) }

    /// Whether the first has the bytes of `text`.
    package func first(is text: String) -> Bool {
        var text = text
        return !isEmpty && text.withUTF8 { holds($0, UUIDBytes($0), at: 0) }
    }

    /// - Parameter uuid: of `text`, if it is one.
    private func holds(_ text: UnsafeBufferPointer<UInt8>, _ uuid: UUIDBytes?, at start: Int) -> Bool {
        let piece = piece(at: start)
        if piece.isUUID { return uuid == UUIDBytes(packed: bytes[piece.text..<piece.end]) }
        guard uuid == nil, piece.end - piece.text == text.count else { return false }
        return bytes.withUnsafeBytes { bytes in
            areEqual(UnsafeRawBufferPointer(rebasing: bytes[piece.text..<piece.end]), UnsafeRawBufferPointer(text))
        }
    }

    package var count: Int {
        var start = 0
        var count = 0
        while start < bytes.count {
            start = piece(at: start).end
            count += 1
        }
        return count
    }

    package var last: String? {
        var start = 0
        while start < bytes.count {
            let end = piece(at: start).end
            if end == bytes.count { return text(at: start) }
            start = end
        }
        return nil
    }

    package func makeIterator() -> Iterator { Iterator(list: self) }

    package struct Iterator: IteratorProtocol {
        let list: TextList
        var start = 0

        package mutating func next() -> String? {
            guard start < list.bytes.count else { return nil }
            defer { start = list.piece(at: start).end }
            return list.text(at: start)
        }
    }

    private func piece(at start: Int) -> (isUUID: Bool, text: Int, end: Int) {
        if bytes[start] == 1 { return (true, start + 1, start + 17) }
        var length: UInt64 = 0
        var shift: UInt64 = 0
        var place = start
        while bytes[place] > 127 {
            length |= UInt64(bytes[place] & 127) << shift
            shift += 7
            place += 1
        }
        length |= UInt64(bytes[place]) << shift
        return (false, place + 1, place + 1 + Int(length >> 1))
    }

    private func text(at start: Int) -> String {
        let piece = piece(at: start)
        if piece.isUUID { return UUIDBytes(packed: bytes[piece.text..<piece.end]).text }
        return String(decoding: bytes[piece.text..<piece.end], as: UTF8.self)
    }
}

/// A UUID in lower case with its four hyphens, as 16 bytes.
private struct UUIDBytes: Equatable {
    private var high: UInt64 = 0
    private var low: UInt64 = 0

    /// Nil if it is not spelt so.
    init?(_ text: UnsafeBufferPointer<UInt8>) {
        guard text.count == 36 else { return nil }
        guard text[8] == 0x2D, text[13] == 0x2D, text[18] == 0x2D, text[23] == 0x2D else { return nil }
        let bytes = UnsafeRawBufferPointer(text)
        func four(_ place: Int) -> UInt64 {
            UInt64(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)))
        }
        guard let first = Self.number(four(0) << 32 | four(4)), let second = Self.number(four(9) << 32 | four(14)),
            let third = Self.number(four(19) << 32 | four(24)), let fourth = Self.number(four(28) << 32 | four(32))
        else { return nil }
        high = first << 32 | second
        low = third << 32 | fourth
    }

    /// The number that eight digits spell, all at once; nil if they are not of 0 to 9 and a to f.
    private static func number(_ text: UInt64) -> UInt64? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        // One in each byte of a letter, by which it differs from a digit: 0x61 for 10, 0x30 for 0.
        let letters = (text >> 6) & ones
        let low = text & (ones &* 0x0F)
        let isRow = text & (ones &* 0xF0) == (ones &* 0x30) &+ (letters &* 0x30)
        // Carries into the fifth bit: of digits from 10 on, of letters from 7 on; and of letters below 1, by its absence.
        let isInRange = (low &+ (ones &* 6) &+ (letters &* 3)) & (ones &* 0x10) == 0
        let hasNoZero = (low &+ (ones &* 0x0F)) & (letters &* 0x10) == letters &* 0x10
        guard isRow, isInRange, hasNoZero else { return nil }
        var number = low &+ (letters &* 9)
        number = (number | number >> 4) & 0x00FF_00FF_00FF_00FF
        number = (number | number >> 8) & 0x0000_FFFF_0000_FFFF
        return (number | number >> 16) & 0xFFFF_FFFF
    }

    init(packed: ArraySlice<UInt8>) {
        for byte in packed {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(byte)
        }
    }

    func append(to bytes: inout [UInt8]) {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { bytes.append(contentsOf: $0) }
    }

    var text: String {
        String(unsafeUninitializedCapacity: 36) { text in
            func write(_ count: Int, of word: UInt64, at place: Int, shift: UInt64) {
                for index in 0..<count {
                    let digit = UInt8(truncatingIfNeeded: word >> (shift &- 4 &* UInt64(index))) & 0xF
                    text[place + index] = digit < 10 ? 0x30 + digit : 0x57 + digit
                }
            }
            write(8, of: high, at: 0, shift: 60)
            write(4, of: high, at: 9, shift: 28)
            write(4, of: high, at: 14, shift: 12)
            write(4, of: low, at: 19, shift: 60)
            write(12, of: low, at: 24, shift: 44)
            for place in [8, 13, 18, 23] { text[place] = 0x2D }
            return 36
        }
    }
}

extension Array {
    /// Makes room for so many more elements, and for few that are not asked for: what grows by doubling is a third empty on average, and there are
    /// hundreds of thousands of such arrays.
    mutating func reserveTight(_ more: Int = 1) {
        guard count + more > capacity else { return }
        reserveCapacity(count + more + (count + more) / 8)
    }

    mutating func appendTightly(_ element: Element) {
        reserveTight()
        append(element)
    }
}
