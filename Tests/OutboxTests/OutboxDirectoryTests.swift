import Foundation
import Testing

@testable import Outbox

@Suite struct OutboxDirectoryTests {
    let fixture: OutboxFixture

    init() throws { fixture = try OutboxFixture() }

    private func kind(_ body: () throws -> Void) -> OutboxError.Kind? {
        do { try body() } catch { return (error as? OutboxError)?.kind }
        return nil
    }

    @Test func aNewOutboxHasItsDirectoriesAndMarkerAndParents() throws {
        let path = fixture.directory.path + "/a/b/outbox/"
        _ = try OutboxDirectory.create(path: path, id: "x")
        for folder in Folder.allCases { #expect(try fixture.mode(path + folder.name) == 0o2770) }
        #expect(try String(contentsOfFile: path + ".nudged-outbox", encoding: .utf8) == "x\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).count == 6)
        _ = try OutboxDirectory.open(path: path, expecting: "x")
    }

    @Test func creatingIsRepeatedWithTheSameIdOnly() throws {
        _ = try fixture.create()
        try fixture.write(.new, OutboxFixture.name(1))
        _ = try fixture.create()
        #expect(try fixture.names(.new).count == 1)
        #expect(kind { _ = try OutboxDirectory.create(path: fixture.path, id: "another") } == .markerDiffers)
    }

    @Test func creatingGoesOnAfterACrashBeforeTheMarker() throws {
        try FileManager.default.createDirectory(atPath: fixture.path + "/tmp", withIntermediateDirectories: true)
        try Data("hal".utf8).write(to: URL(fileURLWithPath: fixture.path + "/.nudged-outbox.new"))
        _ = try fixture.create()
        _ = try fixture.open()
        #expect(!FileManager.default.fileExists(atPath: fixture.path + "/.nudged-outbox.new"))
    }

    @Test func aDirectoryWithFilesOfSomebodyElseBecomesNoOutbox() throws {
        try FileManager.default.createDirectory(atPath: fixture.path + "/new", withIntermediateDirectories: true)
        try fixture.write(.new, "1234.mail")
        #expect(kind { _ = try fixture.create() } == .occupied)
        #expect(!FileManager.default.fileExists(atPath: fixture.path + "/.nudged-outbox"))
    }

    @Test func openingCreatesNothing() throws {
        #expect(kind { _ = try fixture.open() } == .missing)
        #expect(!FileManager.default.fileExists(atPath: fixture.path))
        try FileManager.default.createDirectory(atPath: fixture.path, withIntermediateDirectories: true)
        #expect(kind { _ = try fixture.open() } == .markerMissing)
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.path).isEmpty)
    }

    @Test(arguments: ["", "3f6d0c5", "3f6d0c5ex", "3f6d0c5e\n\n"])
    func anotherMarkerIsRefused(marker: String) throws {
        _ = try fixture.create()
        try Data(marker.utf8).write(to: URL(fileURLWithPath: fixture.path + "/.nudged-outbox"))
        #expect(kind { _ = try fixture.open() } == .markerDiffers)
    }

    /// Every call that changes anything, on an outbox that has gone since it was opened.
    @Test(arguments: ["marker gone", "marker differs", "unmounted", "moved away", "folder anew"])
    func nothingIsDoneInAnOutboxThatHasGone(how: String) throws {
        var outbox = try fixture.create()
        let name = OutboxFixture.name(1)
        try outbox.stage(name, [1])
        try outbox.sync()
        try fixture.write(.tmp, OutboxFixture.name(2))
        try fixture.write(.new, OutboxFixture.name(3))
        try fixture.write(.cur, OutboxFixture.name(4))
        try fixture.write(.done, OutboxFixture.name(5))
        let files = FileManager.default
        var expected = OutboxError.Kind.markerMissing
        switch how {
        case "marker gone": try files.removeItem(atPath: fixture.path + "/.nudged-outbox")
        case "marker differs":
            try Data("another".utf8).write(to: URL(fileURLWithPath: fixture.path + "/.nudged-outbox"))
            expected = .markerDiffers
        case "unmounted":
            try files.moveItem(atPath: fixture.path, toPath: fixture.path + ".disk")
            try files.createDirectory(atPath: fixture.path, withIntermediateDirectories: false)
        case "moved away":
            try files.moveItem(atPath: fixture.path, toPath: fixture.path + ".disk")
            expected = .missing
        default:
            try files.moveItem(atPath: fixture.path + "/new", toPath: fixture.path + "/old")
            try files.createDirectory(atPath: fixture.path + "/new", withIntermediateDirectories: false)
            expected = .replaced
        }
        let before = try files.subpathsOfDirectory(atPath: fixture.directory.path).sorted()
        var claims = ClaimTable()
        #expect(kind { try outbox.check() } == expected)
        #expect(kind { try outbox.stage(OutboxFixture.name(9), [1]) } == expected)
        #expect(kind { _ = try outbox.publish([name]) } == expected)
        #expect(kind { _ = try outbox.recover { _ in nil } } == expected)
        #expect(kind { _ = try outbox.withdraw([OutboxFixture.name(3)]) } == expected)
        #expect(kind { try outbox.discard([name]) } == expected)
        #expect(kind { _ = try outbox.reclaim(now: 0, firstSeen: &claims, timeout: 0) { _ in false } } == expected)
        #expect(kind { _ = try outbox.prune(now: .max, keep: 0) } == expected)
        #expect(kind { _ = try outbox.erase([OutboxFixture.name(5)]) } == expected)
        #expect(try files.subpathsOfDirectory(atPath: fixture.directory.path).sorted() == before)
    }

    @Test func anOutboxThatComesBackGoesOnByItself() throws {
        var outbox = try fixture.create()
        try FileManager.default.moveItem(atPath: fixture.path, toPath: fixture.path + ".disk")
        #expect(kind { try outbox.stage(OutboxFixture.name(1), [1]) } == .missing)
        try FileManager.default.moveItem(atPath: fixture.path + ".disk", toPath: fixture.path)
        try outbox.stage(OutboxFixture.name(1), [1])
        try outbox.sync()
        #expect(try outbox.publish([OutboxFixture.name(1)]) == [.published])
    }

    @Test(
        arguments: [
            (ENOSPC, .diskFull), (EDQUOT, .diskFull), (EIO, .inputOutput), (EACCES, .permission), (EPERM, .permission),
            (EROFS, .readOnly),
            (ENOENT, .missing), (EXDEV, .unsupported), (EMFILE, .other),
        ] as [(Int32, OutboxError.Kind)])
    func everyErrnoHasItsKindAndASentence(code: Int32, kind: OutboxError.Kind) {
        let error = OutboxError(operation: "write", path: "/outbox/tmp", code: code)
        #expect(error.kind == kind)
        #expect(error.description.hasPrefix("cannot write /outbox/tmp (\(String(cString: strerror(code)))): "))
        #expect(!error.description.contains("\n"))
    }
}
