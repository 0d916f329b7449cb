/// A JSON value packed into bytes: what an event's properties and a customer's traits are kept as.
///
/// Format, little-endian: one tag byte, then
/// - `null`, `false`, `true`: nothing
/// - `double`, `int`, `uint`: 8 bytes
/// - `string`: UInt32 length, UTF-8 bytes
/// - `array`: UInt32 byte length of the elements, UInt32 count, the elements
/// - `object`: UInt32 byte length of the entries, UInt32 count, entries of (UInt32 key length, key, value)
///
/// Lengths let a reader skip what it does not need. Integers keep their exact value, because ids are often numbers.
/// Of an object's duplicate keys the last one wins (RFC 8259 leaves it open, the contract decides).
package enum PackedJSON {
    package enum Tag: UInt8 {
        case null, `false`, `true`, double, int, uint, string, array, object
    }
}

/// A read-only view of one packed value inside a larger buffer.
///
/// A view is only ever made of what `PackedJSON.Writer` (or the decoder's packer) wrote, so that its lengths are right; looking up a member,
/// which is on the hot path, relies on that.
package struct JSONView: Sendable {
    package let bytes: [UInt8]
    package let offset: Int

    package init(bytes: [UInt8], offset: Int) {
        self.bytes = bytes
        self.offset = offset
    }

    package var tag: PackedJSON.Tag { PackedJSON.Tag(rawValue: bytes[offset]) ?? .null }

    /// The bytes after this value.
    package var end: Int { bytes.withUnsafeBytes { Self.end($0, offset) } }

    /// This value alone, in a buffer of its own.
    package var packed: [UInt8] { Array(bytes[offset..<end]) }

    /// The UTF-8 bytes of a string, else nil.
    package var stringBytes: ArraySlice<UInt8>? {
        guard tag == .string else { return nil }
        return bytes[(offset + 5)..<(offset + 5 + bytes.littleUInt32(at: offset + 1))]
    }

    package var string: String? { stringBytes.map { String(decoding: $0, as: UTF8.self) } }

    /// A string as it is, or a number's or boolean's JSON text: how ids are read, because logs write them either way.
    package var identifier: String? {
        switch tag {
        case .string: string
        case .int: String(int64)
        case .uint: String(UInt64(bitPattern: int64))
        case .double: number.map(CanonicalJSON.number)
        case .true: "true"
        case .false: "false"
        case .null, .array, .object: nil
        }
    }

    /// Any number as a double, as CEL sees JSON numbers.
    package var number: Double? {
        switch tag {
        case .double: Double(bitPattern: UInt64(bitPattern: int64))
        case .int: Double(int64)
        case .uint: Double(UInt64(bitPattern: int64))
        default: nil
        }
    }

    package var bool: Bool? {
        switch tag {
        case .true: true
        case .false: false
        default: nil
        }
    }

    /// An exact decimal from a number or from a string that holds one (some shops send prices as text).
    package var decimal: Decimal? {
        switch tag {
        case .int: int64.magnitude < Decimal.magnitudeLimit ? Decimal(int64) : nil
        case .double, .uint: number.flatMap { Decimal($0) }
        case .string: stringBytes.flatMap { Decimal(text: $0) }
        default: nil
        }
    }

    /// Raw 8 bytes of a number.
    package var int64: Int64 { Int64(bitPattern: bytes.littleUInt64(at: offset + 1)) }

    /// The member of an object with exactly this key; the last one if it stands there twice.
    package subscript(key: StaticString) -> JSONView? {
        key.withUTF8Buffer { member($0) }
    }

    package subscript(key: String) -> JSONView? {
        var key = key
        return key.withUTF8 { member($0) }
    }

    private func member(_ key: UnsafeBufferPointer<UInt8>) -> JSONView? {
        let key = UnsafeRawBufferPointer(key)
        var found = -1
        forEachMember { name, value in if areEqual(name, key) { found = value } }
        return found < 0 ? nil : JSONView(bytes: bytes, offset: found)
    }

    /// Each member of an object, in the order of the text: the bytes of its key, and its value's offset in `bytes`. None if this is no object.
    @inline(__always)
    func forEachMember(_ body: (_ key: UnsafeRawBufferPointer, _ value: Int) -> Void) {
        bytes.withUnsafeBytes { bytes in
            guard bytes[offset] == PackedJSON.Tag.object.rawValue else { return }
            let end = Self.end(bytes, offset)
            var position = offset + 9
            while position < end {
                let length = Self.length(bytes, position)
                let value = position &+ 4 &+ length
                body(UnsafeRawBufferPointer(rebasing: bytes[(position &+ 4)..<value]), value)
                position = Self.end(bytes, value)
            }
        }
    }

    @inline(__always)
    private static func length(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> Int {
        Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
    }

    /// The byte after the value at a position.
    @inline(__always)
    private static func end(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> Int {
        switch PackedJSON.Tag(rawValue: bytes[position]) ?? .null {
        case .null, .false, .true: position &+ 1
        case .double, .int, .uint: position &+ 9
        case .string: position &+ 5 &+ length(bytes, position &+ 1)
        case .array, .object: position &+ 9 &+ length(bytes, position &+ 1)
        }
    }

    /// The elements of an array; empty for anything else.
    package var elements: [JSONView] {
        guard tag == .array else { return [] }
        var result: [JSONView] = []
        var position = offset + 9
        let end = self.end
        while position < end {
            let view = JSONView(bytes: bytes, offset: position)
            result.append(view)
            position = view.end
        }
        return result
    }

    /// The entries of an object in the order of the text, each key once (the last value of a repeated key).
    package var entries: [(key: String, value: JSONView)] {
        guard tag == .object else { return [] }
        var result: [(key: String, value: JSONView)] = []
        // Swift's String keys compare by canonical equivalence; JSON keys are equal only as the same code points.
        var keys: [ArraySlice<UInt8>] = []
        var seen: [ArraySlice<UInt8>: Int] = [:]
        var position = offset + 9
        let end = self.end
        while position < end {
            let length = bytes.littleUInt32(at: position)
            let key = bytes[(position + 4)..<(position + 4 + length)]
            let value = JSONView(bytes: bytes, offset: position + 4 + length)
            // A look through a few keys is quicker than hashing them; among many it would be slow.
            if keys.count == Self.fewKeys, seen.isEmpty { for (index, key) in keys.enumerated() { seen[key] = index } }
            let known = keys.count < Self.fewKeys ? keys.firstIndex(of: key) : seen[key]
            if let known {
                result[known].value = value
            } else {
                if keys.count < Self.fewKeys { keys.append(key) } else { seen[key] = result.count }
                result.append((String(decoding: key, as: UTF8.self), value))
            }
            position = value.end
        }
        return result
    }

    private static let fewKeys = 16

    /// The value at a path of object keys.
    package func value(at path: [String]) -> JSONView? {
        var view = self
        for key in path {
            guard let next = view[key] else { return nil }
            view = next
        }
        return view
    }
}

// MARK: Values that are compared

extension JSONView {
    /// The same bytes for whatever conditions hold equal: `1`, `1.0` and `1e0` are one number, and members stand in one order. Whole numbers that no double
    /// has are kept as they are, because ids often are such.
    package var canonical: [UInt8] {
        switch tag {
        case .null, .false, .true, .string: return packed
        default:
            var writer = PackedJSON.Writer()
            writeCanonical(to: &writer)
            return writer.bytes
        }
    }

    private func writeCanonical(to writer: inout PackedJSON.Writer) {
        switch tag {
        case .null, .false, .true, .string: writer.value(self)
        case .double, .int, .uint:
            let number = number ?? 0
            let isExact: Bool =
                switch tag {
                case .int: Int64(exactly: number) == int64
                case .uint: UInt64(exactly: number) == UInt64(bitPattern: int64)
                default: true
                }
            if isExact { writer.number(number == 0 ? 0 : number) } else { writer.value(self) }
        case .array:
            let elements = elements
            let mark = writer.open(.array)
            for element in elements { element.writeCanonical(to: &writer) }
            writer.close(mark, count: elements.count)
        case .object:
            let entries = entries.sorted { $0.key.precedes($1.key) }
            let mark = writer.open(.object)
            for entry in entries {
                writer.key(entry.key.utf8)
                entry.value.writeCanonical(to: &writer)
            }
            writer.close(mark, count: entries.count)
        }
    }

    /// Order among values: null, false, true, numbers by value, texts by code points, lists, maps.
    func precedes(_ other: JSONView) -> Bool {
        if let number, let another = other.number, number != another { return number < another }
        if let text = stringBytes, let another = other.stringBytes { return text.lexicographicallyPrecedes(another) }
        return rank != other.rank ? rank < other.rank : packed.lexicographicallyPrecedes(other.packed)
    }

    private var rank: Int {
        switch tag {
        case .null: 0
        case .false: 1
        case .true: 2
        case .double, .int, .uint: 3
        case .string: 4
        case .array: 5
        case .object: 6
        }
    }
}

extension PackedJSON {
    /// Appends packed values to a buffer.
    package struct Writer: Sendable {
        package var bytes: [UInt8]

        package init(_ bytes: [UInt8] = []) { self.bytes = bytes }

        package mutating func null() { bytes.append(Tag.null.rawValue) }
        package mutating func bool(_ value: Bool) { bytes.append((value ? Tag.true : Tag.false).rawValue) }

        package mutating func number(_ value: Double) {
            bytes.append(Tag.double.rawValue)
            bytes.appendLittle(value.bitPattern)
        }

        package mutating func int(_ value: Int64) {
            bytes.append(Tag.int.rawValue)
            bytes.appendLittle(UInt64(bitPattern: value))
        }

        package mutating func uint(_ value: UInt64) {
            bytes.append(Tag.uint.rawValue)
            bytes.appendLittle(value)
        }

        package mutating func string(_ value: some Collection<UInt8>) {
            bytes.append(Tag.string.rawValue)
            bytes.appendLittle(UInt32(value.count))
            bytes.append(contentsOf: value)
        }

        package mutating func string(_ value: String) { string(value.utf8) }

        /// A key; an object's value follows it.
        package mutating func key(_ value: some Collection<UInt8>) {
            bytes.appendLittle(UInt32(value.count))
            bytes.append(contentsOf: value)
        }

        /// Opens an array or object; the mark goes to `close`.
        package mutating func open(_ tag: Tag) -> Int {
            bytes.append(tag.rawValue)
            let mark = bytes.count
            bytes.append(contentsOf: [0, 0, 0, 0, 0, 0, 0, 0])
            return mark
        }

        package mutating func close(_ mark: Int, count: Int) {
            bytes.storeLittle(UInt32(bytes.count - mark - 8), at: mark)
            bytes.storeLittle(UInt32(count), at: mark + 4)
        }

        /// Copies a packed value as it is.
        package mutating func value(_ view: JSONView) { bytes.append(contentsOf: view.bytes[view.offset..<view.end]) }
    }
}

extension [UInt8] {
    package func littleUInt32(at offset: Int) -> Int {
        Int(withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) })
    }

    package func littleUInt64(at offset: Int) -> UInt64 {
        withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
    }

    package mutating func appendLittle(_ value: UInt32) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    package mutating func appendLittle(_ value: UInt64) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    package mutating func storeLittle(_ value: UInt32, at offset: Int) {
        for index in 0..<4 { self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(index * 8)) }
    }
}
