import Engine

/// Writes values of a tape as `PackedJSON` into a buffer that it keeps from line to line.
struct JSONPacker {
    private var buffer: [UInt8] = []
    private var count = 0
    private var members = 0

    /// The longest packed form of a value for each byte of its text: a number of one digit and its comma take 9.
    private static let growth = 5

    init() {}

    /// The finished value; holds until the next `begin` or `pack`.
    var packed: ArraySlice<UInt8> { buffer[..<count] }

    private mutating func reserve(_ bytes: Int) {
        guard buffer.count < count + bytes else { return }
        buffer.append(contentsOf: repeatElement(0, count: max(count + bytes, 2 * buffer.count) - buffer.count))
    }

    /// Packs one whole value of a text of `length` bytes.
    mutating func pack(_ index: Int, of tape: JSONTape, length: Int) {
        count = 0
        append(index, of: tape, length: length)
    }

    /// Opens an object that is put together from several places.
    mutating func begin() {
        count = 9
        members = 0
        reserve(0)
        if buffer.count < 9 { buffer.append(contentsOf: repeatElement(0, count: 9 - buffer.count)) }
    }

    /// Adds all members of an object, none if it is no object.
    mutating func addMembers(of object: Int, tape: JSONTape, length: Int) {
        guard object != 0, tape.tag(object) == JSONTape.object else { return }
        reserve(Self.growth * length + 64)
        let start = count
        let (end, added) = buffer.withUnsafeMutableBytes { Self.packMembers(object, tape, $0, start) }
        count = end
        members += Int(added)
    }

    /// Adds a member.
    mutating func add(_ key: some Collection<UInt8>, _ value: Int, of tape: JSONTape, length: Int) {
        reserve(4 + key.count)
        Self.store(UInt32(key.count), &buffer, count)
        buffer.replaceSubrange((count + 4)..<(count + 4 + key.count), with: key)
        count += 4 + key.count
        members += 1
        append(value, of: tape, length: length)
    }

    /// Closes the object that `begin` opened.
    mutating func end() {
        buffer[0] = PackedJSON.Tag.object.rawValue
        Self.store(UInt32(count - 9), &buffer, 1)
        Self.store(UInt32(members), &buffer, 5)
    }

    private mutating func append(_ index: Int, of tape: JSONTape, length: Int) {
        reserve(Self.growth * length + 64)
        let start = count
        count = buffer.withUnsafeMutableBytes { Self.pack(index, tape, $0, start) }
    }

    private static func store(_ value: UInt32, _ buffer: inout [UInt8], _ offset: Int) {
        for byte in 0..<4 { buffer[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte)) }
    }

    /// Packs a value and gives the offset after it. The recursion is bounded by the parser's depth.
    private static func pack(_ index: Int, _ tape: JSONTape, _ out: UnsafeMutableRawBufferPointer, _ start: Int) -> Int {
        switch tape.tag(index) {
        case JSONTape.string:
            out[start] = PackedJSON.Tag.string.rawValue
            return copy(tape.text(index), out, start + 1)
        case JSONTape.int: return number(.int, tape.bits(index), out, start)
        case JSONTape.uint: return number(.uint, tape.bits(index), out, start)
        case JSONTape.double: return number(.double, tape.bits(index), out, start)
        case JSONTape.object:
            let (end, count) = packMembers(index, tape, out, start + 9)
            close(.object, count, out, start, end)
            return end
        case JSONTape.array:
            var end = start + 9
            var count: UInt32 = 0
            var element = index + 1
            let close = tape.close(index)
            while element < close {
                end = pack(element, tape, out, end)
                element = tape.next(element)
                count &+= 1
            }
            self.close(.array, count, out, start, end)
            return end
        case JSONTape.true:
            out[start] = PackedJSON.Tag.true.rawValue
            return start + 1
        case JSONTape.null:
            out[start] = PackedJSON.Tag.null.rawValue
            return start + 1
        default:
            out[start] = PackedJSON.Tag.false.rawValue
            return start + 1
        }
    }

    private static func packMembers(
        _ object: Int, _ tape: JSONTape, _ out: UnsafeMutableRawBufferPointer, _ start: Int
    ) -> (end: Int, count: UInt32) {
        var end = start
        var count: UInt32 = 0
        var index = object + 1
        let close = tape.close(object)
        while index < close {
            end = copy(tape.text(index), out, end)
            end = pack(index + 1, tape, out, end)
            index = tape.next(index + 1)
            count &+= 1
        }
        return (end, count)
    }

    private static func close(
        _ tag: PackedJSON.Tag, _ count: UInt32, _ out: UnsafeMutableRawBufferPointer, _ start: Int, _ end: Int
    ) {
        out[start] = tag.rawValue
        out.storeBytes(of: UInt32(truncatingIfNeeded: end - start - 9).littleEndian, toByteOffset: start + 1, as: UInt32.self)
        out.storeBytes(of: count.littleEndian, toByteOffset: start + 5, as: UInt32.self)
    }

    @inline(__always)
    private static func number(
        _ tag: PackedJSON.Tag, _ bits: UInt64, _ out: UnsafeMutableRawBufferPointer, _ start: Int
    ) -> Int {
        out[start] = tag.rawValue
        out.storeBytes(of: bits.littleEndian, toByteOffset: start + 1, as: UInt64.self)
        return start + 9
    }

    /// Length and bytes.
    @inline(__always)
    private static func copy(_ text: UnsafeRawBufferPointer, _ out: UnsafeMutableRawBufferPointer, _ start: Int) -> Int {
        out.storeBytes(of: UInt32(truncatingIfNeeded: text.count).littleEndian, toByteOffset: start, as: UInt32.self)
        UnsafeMutableRawBufferPointer(rebasing: out[(start + 4)..<(start + 4 + text.count)]).copyMemory(from: text)
        return start + 4 + text.count
    }
}
