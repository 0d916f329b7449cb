/// The static type of an expression, and what `type(x)` gives at run time.
package indirect enum Type: Hashable, Sendable {
    /// Anything: checked at run time.
    case dyn
    case null
    case bool
    /// 64 bits, signed.
    case int
    /// 64 bits, unsigned.
    case uint
    case double
    case string
    case bytes
    case timestamp
    case duration
    case list(Type)
    case map(Type, Type)
    /// A value that may be missing.
    case optional(Type)
    /// A declared struct type, by name; its fields are in the environment.
    case structure(String)
    /// The type of types.
    case type
    /// A type variable in the signature of a function, such as the `T` of `list(T)`.
    case parameter(Int)

    /// As the author of an expression would write it.
    package var name: String {
        switch self {
        case .dyn: "dyn"
        case .null: "null"
        case .bool: "bool"
        case .int: "int"
        case .uint: "uint"
        case .double: "double"
        case .string: "string"
        case .bytes: "bytes"
        case .timestamp: "timestamp"
        case .duration: "duration"
        case .list(let element): "list(\(element.name))"
        case .map(let key, let value): "map(\(key.name), \(value.name))"
        case .optional(let value): "optional_type(\(value.name))"
        case .structure(let name): name
        case .type: "type"
        case .parameter: "any"
        }
    }

    /// The name that CEL gives the type as a value; parameters of lists and maps are not part of it.
    package var runtimeName: String {
        switch self {
        case .null: "null_type"
        case .list: "list"
        case .map: "map"
        case .optional: "optional_type"
        case .timestamp: "google.protobuf.Timestamp"
        case .duration: "google.protobuf.Duration"
        default: name
        }
    }

    var isNumber: Bool { self == .int || self == .uint || self == .double }

    /// What selecting from an optional gives: optional itself, and of what is optional already no more so.
    var asOptional: Type { if case .optional = self { self } else { .optional(self) } }

    /// The names in an expression that stand for types.
    static func named(_ name: String) -> Type? {
        switch name {
        case "bool": .bool
        case "int": .int
        case "uint": .uint
        case "double": .double
        case "string": .string
        case "bytes": .bytes
        case "list": .list(.dyn)
        case "map": .map(.dyn, .dyn)
        case "null_type": .null
        case "type": .type
        case "optional_type": .optional(.dyn)
        case "google.protobuf.Timestamp": .timestamp
        case "google.protobuf.Duration": .duration
        default: nil
        }
    }
}
