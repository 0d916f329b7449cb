import CEL
import Foundation
import Testing

/// The cases of google/cel-spec, as JSON; see the README beside them. They are not part of this repository.
enum ConformanceCases {
    static let directory: URL = {
        if let path = ProcessInfo.processInfo.environment["NUDGED_CEL_CASES"] { return URL(fileURLWithPath: path) }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return root.appendingPathComponent("../shared/data/cel").standardizedFileURL
    }()

    static let files: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return names.filter { $0.hasSuffix(".json") }.sorted()
    }()

    static let zones: @Sendable (String) -> CEL.TimeZone? = { name in
        FileManager.default.contents(atPath: "/usr/share/zoneinfo/" + name).flatMap { CEL.TimeZone(tzif: Array($0)) }
    }
}

@Suite struct ConformanceTests {
    /// Cases that are not for us, by "file/section/name", each with its reason. Only protocol buffers belong here.
    static let exceptions: [String: String] = [:]

    // Skipped where the cases are not: they are third-party data beside the repository (NUDGED_CEL_CASES says where).
    @Test(
        "every conformance case of a file passes",
        .enabled(if: !ConformanceCases.files.isEmpty, "no conformance cases: set NUDGED_CEL_CASES to their directory"),
        arguments: ConformanceCases.files)
    func conformance(file: String) throws {
        let data = try Data(contentsOf: ConformanceCases.directory.appendingPathComponent(file))
        let root = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        var passed = 0
        for section in root["sections"] as? [[String: Any]] ?? [] {
            for test in section["tests"] as? [[String: Any]] ?? [] {
                let name = "\(file.dropLast(5))/\(section["name"] ?? "")/\(test["name"] ?? "")"
                if Self.exceptions[name] != nil { continue }
                do {
                    if let problem = try ConformanceCase(test).problem() {
                        Issue.record("\(name): \(test["expr"] ?? ""): \(problem)")
                    } else {
                        passed += 1
                    }
                } catch {
                    Issue.record("\(name): \(test["expr"] ?? ""): \(error)")
                }
            }
        }
        print("conformance: \(file): \(passed) passed")
        #expect(passed > 0)
    }
}

/// One case: proto3 JSON of cel-spec's `SimpleTest`.
struct ConformanceCase {
    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    private let test: [String: Any]

    init(_ test: [String: Any]) { self.test = test }

    /// Nil if the case passes.
    func problem() throws -> String? {
        var environment = Environment(timeZone: ConformanceCases.zones)
        environment.container = test["container"] as? String ?? ""
        environment.isUnchecked = test["disableCheck"] as? Bool ?? false
        // The cases want constant parts that fail to fail when they run.
        environment.refusesFailingConstants = false
        var host = Bindings()
        for (name, binding) in test["bindings"] as? [String: [String: Any]] ?? [:] {
            host.variables[name] = try Self.value(binding["value"] as? [String: Any] ?? [:])
            environment.declare(name, .dyn)
        }
        for declaration in test["typeEnv"] as? [[String: Any]] ?? [] {
            guard let name = declaration["name"] as? String, let identifier = declaration["ident"] as? [String: Any] else {
                continue
            }
            environment.declare(name, try Self.type(identifier["type"] as? [String: Any] ?? [:]))
        }
        let program = try environment.compile(test["expr"] as? String ?? "")
        let result = program.evaluate(host)
        if test["evalError"] != nil {
            return result.error == nil ? "expected an error, got \(result)" : nil
        }
        let expected = try (test["value"] as? [String: Any]).map(Self.value) ?? .bool(true)
        guard let value = result.value else { return "expected \(expected), got the error \(result.error?.message ?? "")" }
        return Self.isSame(value, expected) ? nil : "expected \(expected), got \(value)"
    }

    /// Same type and content, but maps in any order, and any NaN for another.
    private static func isSame(_ left: Value, _ right: Value) -> Bool {
        switch (left, right) {
        case (.double(let a), .double(let b)): return a.isNaN && b.isNaN || left == right
        case (.type(let a), .type(let b)): return a.runtimeName == b.runtimeName
        case (.list(let a), .list(let b)): return a.count == b.count && zip(a, b).allSatisfy { isSame($0, $1) }
        case (.map(let a), .map(let b)):
            return a.count == b.count
                && zip(a.keys, a.values).allSatisfy { key, value in
                    Key(key).flatMap { b[$0] }.map { isSame(value, $0) } ?? false
                }
        default: return left == right
        }
    }

    static func value(_ json: [String: Any]) throws -> Value {
        guard let (kind, content) = json.first else { return .null }
        switch kind {
        case "nullValue": return .null
        case "boolValue": if let value = content as? Bool { return .bool(value) }
        case "int64Value": if let text = content as? String, let value = Int(text) { return .int(value) }
        case "uint64Value": if let text = content as? String, let value = UInt(text) { return .uint(value) }
        case "doubleValue":
            if let text = content as? String { return .double(Double(text) ?? .nan) }
            if let number = content as? NSNumber { return .double(number.doubleValue) }
        case "stringValue": if let text = content as? String { return .string(text) }
        case "bytesValue": if let text = content as? String, let data = Data(base64Encoded: text) { return .bytes(Array(data)) }
        case "typeValue":
            if let name = content as? String {
                let names: [String: Type] = [
                    "bool": .bool, "int": .int, "uint": .uint, "double": .double, "string": .string, "bytes": .bytes,
                    "list": .list(.dyn), "map": .map(.dyn, .dyn), "null_type": .null, "type": .type,
                    "google.protobuf.Timestamp": .timestamp, "google.protobuf.Duration": .duration,
                ]
                if let type = names[name] { return .type(type) }
            }
        case "listValue":
            let elements = (content as? [String: Any])?["values"] as? [[String: Any]] ?? []
            return .list(try elements.map(value))
        case "mapValue":
            let entries = (content as? [String: Any])?["entries"] as? [[String: Any]] ?? []
            return .map(
                ValueMap(
                    try entries.map { entry in
                        guard let key = Key(try value(entry["key"] as? [String: Any] ?? [:])) else {
                            throw Unreadable(description: "a key of \(entry)")
                        }
                        return (key, try value(entry["value"] as? [String: Any] ?? [:]))
                    }))
        case "objectValue": if let object = content as? [String: Any], let value = wellKnown(object) { return value }
        default: break
        }
        throw Unreadable(description: "value \(json)")
    }

    private static func wellKnown(_ object: [String: Any]) -> Value? {
        guard let name = object["@type"] as? String, let text = object["value"] as? String else { return nil }
        if name.hasSuffix("google.protobuf.Duration") { return DurationText.parse(text).map(Value.duration) }
        if name.hasSuffix("google.protobuf.Timestamp") { return Timestamp(rfc3339: text).map(Value.timestamp) }
        return nil
    }

    static func type(_ json: [String: Any]) throws -> Type {
        guard let (kind, content) = json.first else { return .dyn }
        let inner = content as? [String: Any] ?? [:]
        switch kind {
        case "primitive":
            let names: [String: Type] = [
                "BOOL": .bool, "INT64": .int, "UINT64": .uint, "DOUBLE": .double, "STRING": .string, "BYTES": .bytes,
            ]
            if let name = content as? String, let type = names[name] { return type }
        case "wellKnown":
            if content as? String == "TIMESTAMP" { return .timestamp }
            if content as? String == "DURATION" { return .duration }
            if content as? String == "ANY" { return .dyn }
        case "messageType":
            if content as? String == "google.protobuf.Timestamp" { return .timestamp }
            if content as? String == "google.protobuf.Duration" { return .duration }
        case "null": return .null
        case "dyn": return .dyn
        case "listType": return .list(try type(inner["elemType"] as? [String: Any] ?? [:]))
        case "mapType":
            return .map(
                try type(inner["keyType"] as? [String: Any] ?? [:]), try type(inner["valueType"] as? [String: Any] ?? [:]))
        default: break
        }
        throw Unreadable(description: "type \(json)")
    }
}
