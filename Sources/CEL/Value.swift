/// A value of the language.
///
/// `==` and `hashValue` are *identity*: same type and same content, bit for bit. CEL's own equality, in which `1 == 1.0`, is
/// ``equals(_:)``. Strings are sequences of code points and never compared by Unicode's canonical equivalence.
package enum Value: Sendable {
    case null
    case bool(Bool)
    case int(Int)
    case uint(UInt)
    case double(Double)
    case string(String)
    case bytes([UInt8])
    case timestamp(Timestamp)
    /// Nanoseconds; about 292 years either way.
    case duration(Int)
    case list([Value])
    case map(ValueMap)
    case type(Type)
    /// A value, or nil where it is missing.
    indirect case optional(Value?)

    /// The type of the value as `type()` sees it: lists and maps without their parameters.
    package var type: Type {
        switch self {
        case .null: .null
        case .bool: .bool
        case .int: .int
        case .uint: .uint
        case .double: .double
        case .string: .string
        case .bytes: .bytes
        case .timestamp: .timestamp
        case .duration: .duration
        case .list: .list(.dyn)
        case .map: .map(.dyn, .dyn)
        case .type: .type
        case .optional: .optional(.dyn)
        }
    }
}

extension Value: Hashable {
    package static func == (left: Value, right: Value) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.uint(let a), .uint(let b)): a == b
        case (.double(let a), .double(let b)): a.bitPattern == b.bitPattern
        case (.string(let a), .string(let b)): Text.areEqual(a, b)
        case (.bytes(let a), .bytes(let b)): a == b
        case (.timestamp(let a), .timestamp(let b)): a == b
        case (.duration(let a), .duration(let b)): a == b
        case (.list(let a), .list(let b)): a == b
        case (.map(let a), .map(let b)): a == b
        case (.type(let a), .type(let b)): a == b
        case (.optional(let a), .optional(let b)): a == b
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .int(let value): hasher.combine(value)
        case .uint(let value): hasher.combine(value)
        case .double(let value): hasher.combine(value.bitPattern)
        case .string(let value): Text.hash(value, into: &hasher)
        case .bytes(let value): hasher.combine(value)
        case .timestamp(let value): hasher.combine(value)
        case .duration(let value): hasher.combine(value)
        case .list(let value): hasher.combine(value)
        case .map(let value): hasher.combine(value.count)
        case .type(let value): hasher.combine(value)
        case .optional(let value): hasher.combine(value)
        }
    }
}

/// A key of a map, and a step of a path. Numbers that CEL holds equal are one key: `2u`, `2` and `2.0`.
package enum Key: Sendable, Hashable {
    case bool(Bool)
    case int(Int)
    /// Only above `Int.max`; smaller ones are `int`.
    case uint(UInt)
    case string(String)

    /// Nil if the value cannot be equal to any key.
    package init?(_ value: Value) {
        switch value {
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .uint(let value): self = Int(exactly: value).map(Key.int) ?? .uint(value)
        case .string(let value): self = .string(value)
        case .double(let value):
            if let int = Int(exactly: value) {
                self = .int(int)
            } else if let uint = UInt(exactly: value) {
                self = .uint(uint)
            } else {
                return nil
            }
        default: return nil
        }
    }

    package static func == (left: Key, right: Key) -> Bool {
        switch (left, right) {
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.uint(let a), .uint(let b)): a == b
        case (.string(let a), .string(let b)): Text.areEqual(a, b)
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .bool(let value): hasher.combine(value)
        case .int(let value): hasher.combine(value)
        case .uint(let value): hasher.combine(value)
        case .string(let value): Text.hash(value, into: &hasher)
        }
    }

    /// As it would be written in an expression.
    package var description: String {
        switch self {
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .uint(let value): "\(value)u"
        case .string(let value): Text.quoted(value)
        }
    }
}

/// A map that keeps the order of insertion and finds keys by CEL's equality of numbers.
package struct ValueMap: Sendable {
    /// One word in ``Value``: the arrays sit behind a reference and never change.
    private final class Storage: Sendable {
        let keys: [Value]
        let values: [Value]
        /// Only for maps that are too big to scan.
        let index: [Key: Int]

        init(keys: [Value], values: [Value], index: [Key: Int]) {
            self.keys = keys
            self.values = values
            self.index = index
        }
    }

    private let storage: Storage

    /// Below this a scan is quicker than hashing.
    private static let scanLimit = 8

    /// The last of equal keys wins.
    package init(_ entries: some Sequence<(Key, Value)>) {
        var builder = Builder()
        for (key, value) in entries { builder.set(key, value) }
        storage = builder.storage
    }

    /// Of texts that the caller knows to differ from each other: nothing is hashed unless there are many.
    package init(fields: [(name: String, value: Value)]) {
        if fields.count <= Self.scanLimit {
            storage = Storage(keys: fields.map { .string($0.name) }, values: fields.map(\.value), index: [:])
        } else {
            var builder = Builder()
            for field in fields { builder.set(.string(field.name), field.value) }
            storage = builder.storage
        }
    }

    /// - Throws: ``Fault`` if a key cannot be one or stands twice.
    init(keys: [Value], values: [Value]) throws(Fault) {
        var builder = Builder()
        for (key, value) in zip(keys, values) {
            guard let normal = Key(key), key.type != .double else { throw .unsupportedKey(key.type) }
            guard builder.insert(normal, as: key, value) else { throw .repeatedKey(normal) }
        }
        storage = builder.storage
    }

    private struct Builder {
        var keys: [Value] = []
        var values: [Value] = []
        var seen: [Key: Int] = [:]

        mutating func insert(_ key: Key, as original: Value, _ value: Value) -> Bool {
            guard seen[key] == nil else { return false }
            seen[key] = keys.count
            keys.append(original)
            values.append(value)
            return true
        }

        mutating func set(_ key: Key, _ value: Value) {
            if let place = seen[key] { values[place] = value } else { _ = insert(key, as: Value(key), value) }
        }

        var storage: Storage {
            Storage(keys: keys, values: values, index: keys.count > ValueMap.scanLimit ? seen : [:])
        }
    }

    package var count: Int { storage.keys.count }
    /// In order of insertion.
    package var keys: [Value] { storage.keys }
    /// In the order of ``keys``.
    package var values: [Value] { storage.values }

    package subscript(key: Key) -> Value? {
        if storage.keys.count > Self.scanLimit { return storage.index[key].map { storage.values[$0] } }
        for place in storage.keys.indices where storage.keys[place].matches(key) { return storage.values[place] }
        return nil
    }

    package subscript(name: String) -> Value? { self[Key.string(name)] }
}

extension ValueMap: Hashable {
    package static func == (left: ValueMap, right: ValueMap) -> Bool {
        left.keys == right.keys && left.values == right.values
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(count) }
}

extension Value {
    package init(_ key: Key) {
        switch key {
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .uint(let value): self = .uint(value)
        case .string(let value): self = .string(value)
        }
    }

    fileprivate func matches(_ key: Key) -> Bool {
        switch (self, key) {
        case (.string(let a), .string(let b)): Text.areEqual(a, b)
        case (.int(let a), .int(let b)): a == b
        case (.bool(let a), .bool(let b)): a == b
        case (.uint(let a), .int(let b)): b >= 0 && a == UInt(b)
        case (.uint(let a), .uint(let b)): a == b
        default: false
        }
    }
}
