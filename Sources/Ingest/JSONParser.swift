import CSimdjson

/// A JSON parser that validates the whole of every text: simdjson's DOM, reused from line to line.
///
/// It owns the C parser and its buffers, which grow to the longest line seen and stay. One thread at a time.
struct JSONParser: ~Copyable {
    /// What became of a text.
    enum Outcome {
        case document(JSONTape)
        /// Not JSON, or a number beyond a double's range, or half of a surrogate pair.
        case malformed
        case invalidUTF8
        /// A value within more than 512 arrays and objects.
        case tooDeep
        case outOfMemory
    }

    private let handle: OpaquePointer?

    init() { handle = nudged_json_parser_create() }

    deinit { if let handle { nudged_json_parser_destroy(handle) } }

    /// Parses one text; 64 bytes after its end have to be readable, whatever they hold. The tape holds until the next call.
    mutating func parse(_ text: UnsafeRawBufferPointer) -> Outcome {
        guard let handle, let start = text.baseAddress else { return handle == nil ? .outOfMemory : .malformed }
        let document = nudged_json_parse(handle, start.assumingMemoryBound(to: UInt8.self), text.count)
        switch document.outcome {
        case Int32(NUDGED_JSON_OK):
            guard let words = document.tape, let strings = document.strings else { return .outOfMemory }
            return .document(JSONTape(words: UnsafeRawPointer(words), strings: UnsafeRawPointer(strings)))
        case Int32(NUDGED_JSON_BAD_UTF8): return .invalidUTF8
        case Int32(NUDGED_JSON_TOO_DEEP): return .tooDeep
        case Int32(NUDGED_JSON_NO_MEMORY): return .outOfMemory
        default: return .malformed
        }
    }
}

/// A parsed text as simdjson leaves it: 64-bit words with a tag in the top byte (simdjson's doc/tape.md), strings aside.
///
/// Word 0 is the root, word 1 the first value; so an index of 0 never is a value and stands for an absent one. An object's
/// keys and values alternate between its opening and its closing word.
struct JSONTape {
    let words: UnsafeRawPointer
    let strings: UnsafeRawPointer

    static let object = UInt8(ascii: "{")
    static let array = UInt8(ascii: "[")
    static let string = UInt8(ascii: "\"")
    static let int = UInt8(ascii: "l")
    static let uint = UInt8(ascii: "u")
    static let double = UInt8(ascii: "d")
    static let null = UInt8(ascii: "n")
    static let `true` = UInt8(ascii: "t")

    @inline(__always) func word(_ index: Int) -> UInt64 { words.load(fromByteOffset: index &* 8, as: UInt64.self) }

    @inline(__always) func tag(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: word(index) &>> 56) }

    /// The index of the value or key after this value.
    @inline(__always) func next(_ index: Int) -> Int {
        let word = word(index)
        switch UInt8(truncatingIfNeeded: word &>> 56) {
        case Self.object, Self.array: return Int(truncatingIfNeeded: word & 0xFFFF_FFFF)
        case Self.int, Self.uint, Self.double: return index &+ 2
        default: return index &+ 1
        }
    }

    /// The index of the closing word of an object or array.
    @inline(__always) func close(_ index: Int) -> Int { Int(truncatingIfNeeded: word(index) & 0xFFFF_FFFF) &- 1 }

    /// The 8 bytes of a number.
    @inline(__always) func bits(_ index: Int) -> UInt64 { word(index &+ 1) }

    /// The bytes of a string or key; 8 bytes after its end can be read.
    @inline(__always) func text(_ index: Int) -> UnsafeRawBufferPointer {
        let start = strings + Int(truncatingIfNeeded: word(index) & 0x00FF_FFFF_FFFF_FFFF)
        return UnsafeRawBufferPointer(start: start + 4, count: Int(start.loadUnaligned(as: UInt32.self)))
    }

    /// The last value of an object's member of this key, 0 if it has none or is no object.
    func member(_ key: [UInt8], of object: Int) -> Int {
        guard object != 0, tag(object) == Self.object else { return 0 }
        var found = 0
        var index = object + 1
        let close = close(object)
        while index < close {
            if text(index).elementsEqual(key) { found = index + 1 }
            index = next(index + 1)
        }
        return found
    }

    /// Where the value or key of an index stands in the text it was parsed from; slow, for messages and for numbers that a
    /// double cannot hold.
    func sourceOffset(of target: Int, in line: UnsafeRawBufferPointer) -> Int? {
        var index = 1
        var at = 0
        while at < line.count {
            switch line[at] {
            case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: ":"):
                at += 1
                continue
            case _ where index == target: return at
            case UInt8(ascii: "\""):
                at += 1
                while at < line.count, line[at] != UInt8(ascii: "\"") { at += line[at] == UInt8(ascii: "\\") ? 2 : 1 }
                at += 1
                index += 1
            case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"):
                at += 1
                index += 1
            case UInt8(ascii: "t"), UInt8(ascii: "n"):
                at += 4
                index += 1
            case UInt8(ascii: "f"):
                at += 5
                index += 1
            default:
                at += JSONTape.numberLength(in: line, from: at)
                index += 2
            }
        }
        return nil
    }

    /// The length of the number at an offset, at least 1.
    static func numberLength(in line: UnsafeRawBufferPointer, from start: Int) -> Int {
        var end = start + 1
        while end < line.count {
            switch line[end] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"),
                UInt8(ascii: "+"), UInt8(ascii: "-"):
                end += 1
            default: return end - start
            }
        }
        return end - start
    }
}
