import Foundation
import Testing

@testable import Outbox

@Suite struct StagingTests {
    let fixture: OutboxFixture
    let recorder = Recorder()
    let name = OutboxFixture.name(1)

    init() throws { fixture = try OutboxFixture() }

    @Test func aMessageIsWrittenSyncedAndRenamedInThatOrder() throws {
        var outbox = try fixture.create(observer: recorder.observer)
        try outbox.stage(name, Array("hello".utf8))
        try outbox.sync()
        #expect(try fixture.all() == ["tmp/" + name])
        #expect(try fixture.mode(fixture.file(.tmp, name)) == 0o640)
        #expect(try outbox.publish([name]) == [.published])
        #expect(try fixture.read(.new, name) == "hello")
        #expect(try fixture.all() == ["new/" + name])
        #expect(
            recorder.operations == [
                .create(.tmp, name), .write(.tmp, name, Array("hello".utf8)), .syncFile(.tmp, name), .syncFolder(.tmp),
                .rename(.tmp, name, .new, name), .syncFolder(.new), .syncFolder(.tmp),
            ])
    }

    /// A copy writes ahead; what its owner takes is synced and published with the batch, the rest is removed.
    @Test func whatWasWrittenAheadIsTakenOrDropped() throws {
        var outbox = try fixture.create(observer: recorder.observer)
        let (first, second) = (OutboxFixture.name(2), OutboxFixture.name(3))
        try fixture.write(.tmp, first, "left by a crash")
        var copy = outbox
        try copy.write(ahead: first, Array("one".utf8))
        try copy.write(ahead: second, Array("two".utf8))
        #expect(outbox.unsyncedCount == 0)
        outbox.take(written: first)
        outbox.drop(written: [second])
        try outbox.stage(name, Array("three".utf8))
        recorder.clear()
        try outbox.sync()
        #expect(recorder.operations == [.syncAll, .syncFolder(.tmp)])
        #expect(try outbox.publish([first, name]) == [.published, .published])
        #expect(try fixture.all().sorted() == ["new/" + name, "new/" + first].sorted())
        #expect(try fixture.read(.new, first) == "one")
    }

    @Test func aLargeBatchIsSyncedAtOnce() throws {
        var outbox = try fixture.create(observer: recorder.observer)
        let names = (0...OutboxDirectory.filesSyncedOneByOne).map(OutboxFixture.name)
        for name in names { try outbox.stage(name, [1]) }
        #expect(outbox.unsyncedCount == names.count)
        recorder.clear()
        try outbox.sync()
        #expect(recorder.operations == [.syncAll, .syncFolder(.tmp)])
        #expect(outbox.unsyncedCount == 0)
        recorder.clear()
        #expect(try outbox.publish(names) == names.map { _ in .published })
        #expect(recorder.operations.suffix(2) == [.syncFolder(.new), .syncFolder(.tmp)])
        #expect(recorder.operations.count == names.count + 2)
    }

    @Test func nothingStagedNeedsNoSync() throws {
        var outbox = try fixture.create(observer: recorder.observer)
        try outbox.sync()
        #expect(try outbox.publish([]) == [])
        #expect(recorder.operations.isEmpty)
    }

    @Test func anEmptyAndALargeMessageAreWrittenCompletely() throws {
        var outbox = try fixture.create()
        let large = [UInt8](repeating: 7, count: 3_000_000)
        try outbox.stage(name, [])
        try outbox.stage(OutboxFixture.name(2), large)
        try outbox.sync()
        _ = try outbox.publish([name, OutboxFixture.name(2)])
        #expect(try fixture.read(.new, name) == "")
        #expect(try Data(contentsOf: URL(fileURLWithPath: fixture.file(.new, OutboxFixture.name(2)))) == Data(large))
    }

    @Test func aLeftoverOfTheSameNameIsReplacedNotRewritten() throws {
        var outbox = try fixture.create()
        try fixture.write(.tmp, name, "a longer leftover")
        try FileManager.default.linkItem(atPath: fixture.file(.tmp, name), toPath: fixture.directory.path + "/witness")
        try outbox.stage(name, Array("new".utf8))
        #expect(try fixture.read(.tmp, name) == "new")
        #expect(try String(contentsOfFile: fixture.directory.path + "/witness", encoding: .utf8) == "a longer leftover")
    }

    @Test func aLinkInPlaceOfAMessageIsNotFollowed() throws {
        var outbox = try fixture.create()
        let target = fixture.directory.path + "/target"
        try FileManager.default.createSymbolicLink(atPath: fixture.file(.tmp, name), withDestinationPath: target)
        try outbox.stage(name, [1])
        #expect(!FileManager.default.fileExists(atPath: target))
    }

    @Test(arguments: ["../evil", "notes.txt", "", "a/b"])
    func aNameOfAnotherShapeIsRefused(name: String) throws {
        var outbox = try fixture.create(observer: recorder.observer)
        #expect(throws: OutboxError.self) { try outbox.stage(name, [1]) }
        #expect(throws: OutboxError.self) { _ = try outbox.withdraw([name]) }
        guard case .failed(let error) = try outbox.publish([self.name, name])[1] else {
            Issue.record("published")
            return
        }
        #expect(error.kind == .invalidName)
    }

    @Test func aFileThatCannotBeWrittenLeavesNothingAndTheOthersStay() throws {
        var outbox = try fixture.create(observer: recorder.observer)
        try outbox.stage(name, [1])
        let other = OutboxFixture.name(2)
        for refused in [FileOperation.create(.tmp, other), .write(.tmp, other, [2])] {
            recorder.fail { $0 == refused ? ENOSPC : nil }
            #expect(throws: OutboxError(operation: "test", path: "test", code: ENOSPC)) { try outbox.stage(other, [2]) }
            #expect(try fixture.names(.tmp) == [name])
        }
        recorder.fail(nil)
        try outbox.sync()
        #expect(try outbox.publish([name]) == [.published])
    }

    @Test(arguments: [1, 20])
    func aSyncThatFailsLeavesNoFileOfTheBatch(count: Int) throws {
        var outbox = try fixture.create(observer: recorder.observer)
        let names = (0..<count).map(OutboxFixture.name)
        for name in names { try outbox.stage(name, [1]) }
        recorder.fail { operation in
            if case .syncFolder = operation { ENOSPC } else { nil }
        }
        #expect(throws: OutboxError.self) { try outbox.sync() }
        #expect(try fixture.names(.tmp).isEmpty)
        recorder.fail(nil)
        for name in names { try outbox.stage(name, [1]) }
        try outbox.sync()
        #expect(try outbox.publish(names) == names.map { _ in .published })
    }

    @Test func afterAnErrorOfTheDiskNothingIsSyncedOrPublishedAnyMore() throws {
        var outbox = try fixture.create(observer: recorder.observer)
        try outbox.stage(name, [1])
        try outbox.sync()
        recorder.fail { $0 == .syncFolder(.new) ? EIO : nil }
        #expect(throws: OutboxError.self) { _ = try outbox.publish([name]) }
        recorder.fail(nil)
        // The rename happened, but nobody knows whether it lasts: a second try must not say so.
        #expect(throws: OutboxError.self) { _ = try outbox.publish([name]) }
        #expect(throws: OutboxError.self) { try outbox.stage(OutboxFixture.name(2), [1]) }
        var again = try fixture.open()
        #expect(try again.recover { _ in .staged }.waiting.isEmpty)
    }

    @Test(arguments: [true, false])
    func aForeignFileIsNeverOverwritten(renames: Bool) throws {
        var outbox = try fixture.create()
        outbox.renamesWithoutReplacing = renames
        try outbox.stage(name, Array("ours".utf8))
        try outbox.sync()
        try fixture.write(.new, name, "foreign")
        #expect(try outbox.publish([name]) == [.foreign])
        #expect(try fixture.read(.new, name) == "foreign")
        #expect(try fixture.read(.tmp, name) == "ours")
        // Once it has gone, the message goes on.
        try FileManager.default.removeItem(atPath: fixture.file(.new, name))
        #expect(try outbox.publish([name]) == [.published])
        #expect(try fixture.read(.new, name) == "ours")
        #expect(try outbox.publish([name]) == [.missing])
    }

    @Test func aRenameThatFailsLeavesItsMessageWaiting() throws {
        var outbox = try fixture.create(observer: recorder.observer)
        let names = (0..<3).map(OutboxFixture.name)
        for name in names { try outbox.stage(name, [1]) }
        try outbox.sync()
        recorder.fail { $0 == .rename(.tmp, names[1], .new, names[1]) ? ENOSPC : nil }
        let full = OutboxError(operation: "test", path: "test", code: ENOSPC)
        #expect(try outbox.publish(names) == [.published, .failed(full), .published])
        recorder.fail(nil)
        #expect(try outbox.publish([names[1]]) == [.published])
    }

    @Test func whereRenamesReplaceAFileIsLinkedAndItsOldNameRemoved() throws {
        var outbox = try fixture.create(observer: recorder.observer)
        outbox.renamesWithoutReplacing = false
        try outbox.stage(name, [1])
        try outbox.sync()
        recorder.clear()
        #expect(try outbox.publish([name]) == [.published])
        #expect(try fixture.all() == ["new/" + name])
        #expect(
            recorder.operations == [
                .link(.tmp, name, .new, name), .syncFolder(.new), .remove(.tmp, name), .syncFolder(.new), .syncFolder(.tmp),
            ])
    }

    @Test func aBatchGivenUpLeavesNothing() throws {
        var outbox = try fixture.create()
        try outbox.stage(name, [1])
        outbox.abandon()
        #expect(try fixture.all().isEmpty)
        #expect(outbox.unsyncedCount == 0)
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "no /dev/full here"))
    func aFullDiskIsToldAsSuch() throws {
        let outbox = try fixture.create()
        let full = Descriptor(owning: open("/dev/full", O_WRONLY | O_CLOEXEC))
        #expect(throws: OutboxError(operation: "write", path: fixture.file(.tmp, name), code: ENOSPC)) {
            try outbox.write([1], to: full, .tmp, name)
        }
    }
}
