import Engine
import Foundation
import Testing

@testable import Ingest

/// The third-party cases: a folder of their own that is never committed.
enum JSONCases {
    static let folder: String = {
        if let folder = ProcessInfo.processInfo.environment["NUDGED_JSON_CASES"] { return folder }
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return package.appendingPathComponent("../shared/data/json").standardized.path
    }()

    static let names: [String] = {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return all.filter { $0.hasSuffix(".json") }.sorted()
    }()

    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)))
    }
}

/// The parser's verdict on bytes with padding that would continue them.
func parses(_ bytes: [UInt8], padding: [UInt8] = Array(#"1]}":,e0\u"#.utf8)) -> Bool {
    var parser = JSONParser()
    var padded = bytes
    while padded.count < bytes.count + 64 { padded += padding }
    return padded.withUnsafeBytes {
        if case .document = parser.parse(UnsafeRawBufferPointer(rebasing: $0[..<bytes.count])) { true } else { false }
    }
}

@Suite(
    .enabled(
        if: !JSONCases.names.isEmpty, "no JSON cases in \(JSONCases.folder); set NUDGED_JSON_CASES to JSONTestSuite's folder"))
struct JSONConformanceTests {
    @Test(arguments: JSONCases.names) func aCaseGetsItsVerdict(_ name: String) throws {
        let bytes = try JSONCases.bytes(name)
        let accepted = parses(bytes)
        if name.hasPrefix("y_") { #expect(accepted) }
        if name.hasPrefix("n_") { #expect(!accepted) }
        let fault = bytes.withUnsafeBytes { JSONFault.find(in: $0) }
        #expect((fault == nil) == accepted, "the slow scan says \(String(describing: fault))")
    }

    /// Left open by the suite and settled by the contract.
    @Test(arguments: [
        ("i_number_huge_exp.json", false), ("i_number_neg_int_huge_exp.json", false),
        ("i_number_pos_double_huge_exp.json", false), ("i_number_real_pos_overflow.json", false),
        ("i_number_real_underflow.json", true), ("i_number_double_huge_neg_exp.json", true),
        ("i_number_too_big_pos_int.json", true), ("i_number_very_big_negative_int.json", true),
        ("i_string_1st_surrogate_but_2nd_missing.json", false), ("i_string_1st_valid_surrogate_2nd_invalid.json", false),
        ("i_string_incomplete_surrogate_and_escape_valid.json", false), ("i_string_invalid_lonely_surrogate.json", false),
        ("i_string_invalid_surrogate.json", false), ("i_string_lone_second_surrogate.json", false),
        ("i_string_UTF-8_invalid_sequence.json", false), ("i_string_UTF8_surrogate_U+D800.json", false),
        ("i_string_overlong_sequence_6_bytes.json", false), ("i_structure_500_nested_arrays.json", true),
    ])
    func whatTheSuiteLeavesOpenIsSettled(_ name: String, _ accepted: Bool) throws {
        #expect(parses(try JSONCases.bytes(name)) == accepted)
    }

    @Test(arguments: JSONCases.names) func aCaseAsTheWholeLineIsADeadLetterOrRead(_ name: String) throws {
        let bytes = try JSONCases.bytes(name)
        var decoder = Decoder(vocabulary: Vocabulary(), format: .segment)
        let decoded = decoder.decode(bytes)
        #expect(decoded.event == nil)
        let isBlank = bytes.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
        #expect(decoded.ignored == isBlank)
        guard let letter = decoded.letter else { return }
        #expect(letter.head == Array(bytes.prefix(4096)))
        let isUTF8 = String(validating: bytes, as: UTF8.self) != nil
        #expect((letter.reason == .badUTF8) == !isUTF8)
        if name.hasPrefix("y_") { #expect(letter.reason == .unknownType || letter.reason == .notAnObject) }
        if name.hasPrefix("n_"), isUTF8 {
            #expect(letter.reason == .badJSON)
            #expect(letter.column != nil)
        }
    }

    /// A case is also a property of an event; what breaks out of its place by closing it is no case of this kind.
    @Test(arguments: JSONCases.names) func aCaseAsAPropertyGetsItsVerdict(_ name: String) throws {
        let bytes = try JSONCases.bytes(name)
        let head =
            #"{"type":"track","event":"Product Added","userId":"u","timestamp":"2026-03-01T12:00:00Z","properties":{"case":"#
        var decoder = Decoder(vocabulary: Vocabulary(), format: .segment)
        let decoded = decoder.decode(Array(head.utf8) + bytes + Array("}}".utf8))
        if name.hasPrefix("y_") {
            #expect(decoded.event != nil, "\(String(describing: decoded.letter?.message))")
            // Foundation reads the same value, but for this case, whose long number it reads 4 ulps off.
            if name != "y_number_double_close_to_zero.json", let text = decoded.properties {
                let ours = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary
                let wrapped = Data("{\"case\":".utf8) + Data(bytes) + Data("}".utf8)
                let theirs = try JSONSerialization.jsonObject(with: wrapped) as? NSDictionary
                #expect(ours == theirs)
            }
        }
        if name.hasPrefix("n_") { #expect(decoded.event == nil) }
    }
}
