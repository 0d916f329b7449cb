/// What the operators do to values.
enum Operation {
    /// Applies a binary operator by its code, see ``BinaryOperator/code``.
    static func apply(_ code: Int, _ left: Value, _ right: Value, _ work: inout Work) throws(Fault) -> Value {
        switch code {
        case 0: .bool(try areEqual(left, right, &work))
        case 1: .bool(!(try areEqual(left, right, &work)))
        case 2: .bool(try order(left, right, "<").map { $0 < 0 } ?? false)
        case 3: .bool(try order(left, right, "<=").map { $0 <= 0 } ?? false)
        case 4: .bool(try order(left, right, ">").map { $0 > 0 } ?? false)
        case 5: .bool(try order(left, right, ">=").map { $0 >= 0 } ?? false)
        case 6: try add(left, right, &work)
        case 7: try subtract(left, right)
        case 8: try multiply(left, right)
        case 9: try divide(left, right)
        case 10: try remainder(left, right)
        default: .bool(try isIn(left, right, &work))
        }
    }

    private static func noOverload(_ left: Value, _ sign: String, _ right: Value) -> Fault {
        .noSuchOverload("\(left.type.name) \(sign) \(right.type.name)")
    }

    // MARK: Equality and order

    /// CEL's equality: numbers by their value whatever their type, everything else only within its type.
    static func areEqual(_ left: Value, _ right: Value, _ work: inout Work) throws(Fault) -> Bool {
        switch (left, right) {
        case (.int(let a), .int(let b)): return a == b
        case (.double(let a), .double(let b)): return a == b
        case (.string(let a), .string(let b)): return Text.areEqual(a, b)
        case (.bool(let a), .bool(let b)): return a == b
        case (.null, .null): return true
        case (.uint(let a), .uint(let b)): return a == b
        case (.bytes(let a), .bytes(let b)): return a == b
        case (.timestamp(let a), .timestamp(let b)): return a == b
        case (.duration(let a), .duration(let b)): return a == b
        case (.type(let a), .type(let b)): return a.runtimeName == b.runtimeName
        case (.list(let a), .list(let b)):
            guard a.count == b.count else { return false }
            for (x, y) in zip(a, b) {
                try work.charge(1)
                if !(try areEqual(x, y, &work)) { return false }
            }
            return true
        case (.map(let a), .map(let b)):
            guard a.count == b.count else { return false }
            for (key, value) in zip(a.keys, a.values) {
                try work.charge(1)
                guard let key = Key(key), let other = b[key] else { return false }
                if !(try areEqual(value, other, &work)) { return false }
            }
            return true
        case (.optional(let a), .optional(let b)):
            guard let a, let b else { return a == nil && b == nil }
            return try areEqual(a, b, &work)
        default: return compareNumbers(left, right) == 0
        }
    }

    /// Less than, equal to or greater than 0; nil if there is no order between the two (NaN) or one is no number.
    private static func compareNumbers(_ left: Value, _ right: Value) -> Int? {
        switch (left, right) {
        case (.int(let a), .int(let b)): three(a, b)
        case (.uint(let a), .uint(let b)): three(a, b)
        case (.double(let a), .double(let b)): three(a, b)
        case (.int(let a), .uint(let b)): a < 0 ? -1 : three(UInt(a), b)
        case (.uint(let a), .int(let b)): b < 0 ? 1 : three(a, UInt(b))
        // Through double, as in other implementations of CEL: 2^63 as double equals the greatest int.
        case (.int(let a), .double(let b)): three(Double(a), b)
        case (.double(let a), .int(let b)): three(a, Double(b))
        case (.uint(let a), .double(let b)): three(Double(a), b)
        case (.double(let a), .uint(let b)): three(a, Double(b))
        default: nil
        }
    }

    private static func three<Number: Comparable>(_ left: Number, _ right: Number) -> Int? {
        if left < right { return -1 }
        if left > right { return 1 }
        return left == right ? 0 : nil
    }

    private static func order(_ left: Value, _ right: Value, _ sign: String) throws(Fault) -> Int? {
        switch (left, right) {
        case (.int(let a), .int(let b)): return three(a, b)
        case (.double(let a), .double(let b)): return three(a, b)
        case (.int, .uint), (.int, .double), (.uint, .int), (.uint, .uint), (.uint, .double), (.double, .int), (.double, .uint):
            return compareNumbers(left, right)
        case (.string(let a), .string(let b)): return Text.compare(a, b)
        case (.bool(let a), .bool(let b)): return three(a ? 1 : 0, b ? 1 : 0)
        case (.bytes(let a), .bytes(let b)): return Text.compare(a, b)
        case (.timestamp(let a), .timestamp(let b)): return three(a, b)
        case (.duration(let a), .duration(let b)): return three(a, b)
        default: throw noOverload(left, sign, right)
        }
    }

    /// The order of two numbers, for `math.greatest`.
    static func compare(_ left: Value, _ right: Value) throws(Fault) -> Int? { try order(left, right, "<") }

    private static func isIn(_ element: Value, _ container: Value, _ work: inout Work) throws(Fault) -> Bool {
        switch container {
        case .list(let elements):
            for other in elements {
                try work.charge(1)
                if try areEqual(element, other, &work) { return true }
            }
            return false
        case .map(let map): return Key(element).map { map[$0] != nil } ?? false
        default: throw noOverload(element, "in", container)
        }
    }

    // MARK: Arithmetic

    private static func checked<Number>(_ result: (partialValue: Number, overflow: Bool)) throws(Fault) -> Number {
        if result.overflow { throw .overflow }
        return result.partialValue
    }

    private static func add(_ left: Value, _ right: Value, _ work: inout Work) throws(Fault) -> Value {
        switch (left, right) {
        case (.int(let a), .int(let b)): return .int(try checked(a.addingReportingOverflow(b)))
        case (.double(let a), .double(let b)): return .double(a + b)
        case (.uint(let a), .uint(let b)): return .uint(try checked(a.addingReportingOverflow(b)))
        case (.string(let a), .string(let b)):
            try work.charge(bytes: a.utf8.count + b.utf8.count)
            return .string(a + b)
        case (.bytes(let a), .bytes(let b)):
            try work.charge(bytes: a.count + b.count)
            return .bytes(a + b)
        case (.list(let a), .list(let b)):
            try work.charge(a.count + b.count)
            return .list(a + b)
        case (.timestamp(let a), .duration(let b)), (.duration(let b), .timestamp(let a)): return .timestamp(try a.adding(b))
        case (.duration(let a), .duration(let b)): return .duration(try duration(a.addingReportingOverflow(b)))
        default: throw noOverload(left, "+", right)
        }
    }

    private static func duration(_ result: (partialValue: Int, overflow: Bool)) throws(Fault) -> Int {
        if result.overflow { throw .outOfRange("duration") }
        return result.partialValue
    }

    private static func subtract(_ left: Value, _ right: Value) throws(Fault) -> Value {
        switch (left, right) {
        case (.int(let a), .int(let b)): return .int(try checked(a.subtractingReportingOverflow(b)))
        case (.double(let a), .double(let b)): return .double(a - b)
        case (.uint(let a), .uint(let b)): return .uint(try checked(a.subtractingReportingOverflow(b)))
        case (.timestamp(let a), .timestamp(let b)): return .duration(try a.nanoseconds(since: b))
        case (.timestamp(let a), .duration(let b)):
            // The smallest duration has no opposite; it is out of range for any timestamp anyway.
            guard b != Int.min else { throw .outOfRange("timestamp") }
            return .timestamp(try a.adding(-b))
        case (.duration(let a), .duration(let b)): return .duration(try duration(a.subtractingReportingOverflow(b)))
        default: throw noOverload(left, "-", right)
        }
    }

    private static func multiply(_ left: Value, _ right: Value) throws(Fault) -> Value {
        switch (left, right) {
        case (.int(let a), .int(let b)): return .int(try checked(a.multipliedReportingOverflow(by: b)))
        case (.double(let a), .double(let b)): return .double(a * b)
        case (.uint(let a), .uint(let b)): return .uint(try checked(a.multipliedReportingOverflow(by: b)))
        default: throw noOverload(left, "*", right)
        }
    }

    private static func divide(_ left: Value, _ right: Value) throws(Fault) -> Value {
        switch (left, right) {
        case (.double(let a), .double(let b)): return .double(a / b)
        case (.int(let a), .int(let b)):
            if b == 0 { throw .divisionByZero }
            return .int(try checked(a.dividedReportingOverflow(by: b)))
        case (.uint(let a), .uint(let b)):
            if b == 0 { throw .divisionByZero }
            return .uint(a / b)
        default: throw noOverload(left, "/", right)
        }
    }

    private static func remainder(_ left: Value, _ right: Value) throws(Fault) -> Value {
        switch (left, right) {
        case (.int(let a), .int(let b)):
            if b == 0 { throw .modulusByZero }
            return .int(try checked(a.remainderReportingOverflow(dividingBy: b)))
        case (.uint(let a), .uint(let b)):
            if b == 0 { throw .modulusByZero }
            return .uint(a % b)
        default: throw noOverload(left, "%", right)
        }
    }

    static func negate(_ value: Value) throws(Fault) -> Value {
        switch value {
        case .int(let value):
            if value == Int.min { throw .overflow }
            return .int(-value)
        case .double(let value): return .double(-value)
        default: throw .noSuchOverload("-\(value.type.name)")
        }
    }

    // MARK: Elements

    /// `container.?field`: nothing where there is none.
    static func optionalSelect(_ container: Value, _ field: String) throws(Fault) -> Value {
        switch container {
        case .map(let map): map[field].asOptional
        case .optional(nil): container
        case .optional(let inner?): try optionalSelect(inner, field)
        default: throw .noSuchOverload("\(container.type.name) has no fields, so no '\(field)'")
        }
    }

    /// `container[?key]`: nothing where there is none.
    static func optionalIndex(_ container: Value, _ key: Value) throws(Fault) -> Value {
        switch container {
        case .list(let elements):
            let place = try Self.place(key)
            return elements.indices.contains(place) ? Optional(elements[place]).asOptional : .optional(nil)
        case .map(let map): return Key(key).flatMap { map[$0] }.asOptional
        case .optional(nil): return container
        case .optional(let inner?): return try optionalIndex(inner, key)
        default: throw .noSuchOverload("\(container.type.name)[?\(key.type.name)]")
        }
    }

    /// A number of any type that is whole.
    private static func place(_ key: Value) throws(Fault) -> Int {
        guard case .int(let place)? = Key(key) else {
            throw .invalidArgument("a list is indexed by int, not \(key.type.name)")
        }
        return place
    }

    static func index(_ container: Value, _ key: Value) throws(Fault) -> Value {
        switch container {
        case .list(let elements):
            let place = try place(key)
            guard elements.indices.contains(place) else { throw .indexOutOfRange(place) }
            return elements[place]
        case .map(let map):
            let key = Key(key)
            guard let key, let value = map[key] else { throw .noSuchKey(key) }
            return value
        case .optional: return try optionalIndex(container, key)
        default: throw .noSuchOverload("\(container.type.name)[\(key.type.name)]")
        }
    }
}

extension Value? {
    /// What selecting from an optional gives: optional itself, and of what is optional already no more so.
    fileprivate var asOptional: Value { if case .optional? = self { self ?? .optional(nil) } else { .optional(self) } }
}

extension Value {
    /// The zero of its type, which `optional.ofNonZeroValue` takes for missing.
    var isZero: Bool {
        switch self {
        case .null: true
        case .bool(let value): !value
        case .int(let value), .duration(let value): value == 0
        case .uint(let value): value == 0
        case .double(let value): value == 0
        case .string(let value): value.isEmpty
        case .bytes(let value): value.isEmpty
        case .timestamp(let value): value.seconds == 0 && value.nanoseconds == 0
        case .list(let value): value.isEmpty
        case .map(let value): value.count == 0
        case .optional(let value): value == nil
        case .type: false
        }
    }

    /// Whether the value may stand where a type is asked for. Looks into lists and maps no further than their own type.
    package func fits(_ type: Type) -> Bool {
        switch (type, self) {
        case (.dyn, _), (.parameter, _), (.null, .null), (.bool, .bool), (.int, .int), (.uint, .uint), (.double, .double),
            (.string, .string), (.bytes, .bytes), (.timestamp, .timestamp), (.duration, .duration), (.list, .list), (.map, .map),
            (.type, .type), (.optional, .optional), (.structure, .map), (.structure, .null):
            true
        default: false
        }
    }
}
