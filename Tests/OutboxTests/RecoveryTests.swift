import Foundation
import Testing

@testable import Outbox

@Suite struct RecoveryTests {
    let fixture: OutboxFixture
    let name = OutboxFixture.name(1)

    init() throws { fixture = try OutboxFixture() }

    private struct LookupFailed: Error {}

    @Test(arguments: [nil, .pending, .stale, .withdrawn] as [RowState?])
    func aFileOfNoRowOrOfOneWithoutAFileIsDeleted(state: RowState?) throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name)
        var outbox = try fixture.open()
        let recovery = try outbox.recover { _ in state }
        #expect(recovery.deleted == [name])
        #expect(try fixture.all().isEmpty)
    }

    @Test func aStagedRowsFileIsRenamed() throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name, "hello")
        var outbox = try fixture.open()
        #expect(try outbox.recover { $0 == name ? .staged : nil }.renamed == [name])
        #expect(try fixture.read(.new, name) == "hello")
        #expect(try fixture.all() == ["new/" + name])
    }

    @Test(arguments: [Folder.new, .cur, .done, .failed, .tmp])
    func aStagedRowWhoseFileHasGoneWasRenamedWhateverASenderDidSince(folder: Folder) throws {
        _ = try fixture.create()
        if folder != .tmp { try fixture.write(folder, name) }  // .tmp stands for: deleted by a sender
        let before = try fixture.all()
        let recorder = Recorder()
        var outbox = try fixture.open(observer: recorder.observer)
        let recovery = try outbox.recover { _ in .staged }
        #expect(recovery == Recovery())
        #expect(try fixture.all() == before)
        // What the process before this one renamed may not be durable yet, and the row is about to say that it is.
        #expect(recorder.operations == [.syncFolder(.new), .syncFolder(.tmp)])
    }

    @Test func aForeignFileKeepsAStagedRowWaiting() throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name, "ours")
        try fixture.write(.new, name, "foreign")
        var outbox = try fixture.open()
        #expect(try outbox.recover { _ in .staged }.waiting == [name: .foreign])
        #expect(try fixture.read(.new, name) == "foreign")
        #expect(try fixture.read(.tmp, name) == "ours")
    }

    @Test func onlyNamesOfAMessageAreTouched() throws {
        _ = try fixture.create()
        let foreign = ["notes.txt", ".hidden", "20260301.json", name + ".bak", "note.withdrawn"]
        for file in foreign { try fixture.write(.tmp, file) }
        var outbox = try fixture.open()
        let recovery = try outbox.recover { _ in
            Issue.record("asked for a row of a foreign file")
            return nil
        }
        #expect(recovery.foreign == foreign.sorted())
        #expect(try fixture.names(.tmp) == foreign.sorted())
    }

    @Test func whatNoCrashExplainsIsLeftAndReported() throws {
        _ = try fixture.create()
        let witness = OutboxFixture.name(2) + ".withdrawn"
        try fixture.write(.tmp, name)
        try fixture.write(.tmp, witness)
        var outbox = try fixture.open()
        #expect(try outbox.recover { _ in .published }.unexplained == [name, witness])
        #expect(try fixture.names(.tmp) == [name, witness])
    }

    @Test(arguments: [Folder.new, .cur, .done, .failed])
    func aFileThatWasLinkedButNotUnlinkedIsPublishedAndNotAgain(folder: Folder) throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name)
        try FileManager.default.linkItem(atPath: fixture.file(.tmp, name), toPath: fixture.file(folder, name))
        var outbox = try fixture.open()
        #expect(try outbox.recover { _ in .staged }.renamed == [name])
        #expect(try fixture.all() == ["\(folder.name)/\(name)"])
    }

    @Test func aBackupsLinkElsewhereIsNoPublication() throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name)
        try FileManager.default.linkItem(atPath: fixture.file(.tmp, name), toPath: fixture.directory.path + "/backup")
        var outbox = try fixture.open()
        #expect(try outbox.recover { _ in .staged }.renamed == [name])
        #expect(try fixture.all() == ["new/" + name])
    }

    @Test func aLookupThatFailsStopsTheRecovery() throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name)
        var outbox = try fixture.open()
        #expect(throws: LookupFailed.self) { _ = try outbox.recover { _ throws in throw LookupFailed() } }
        #expect(try fixture.names(.tmp) == [name])
    }

    // MARK: Taking back

    @Test(arguments: [true, false])
    func aMessageNobodyClaimedIsTakenBack(renames: Bool) throws {
        let recorder = Recorder()
        var outbox = try fixture.create(observer: recorder.observer)
        outbox.renamesWithoutReplacing = renames
        try fixture.write(.new, name)
        #expect(try outbox.withdraw([name]) == [.takenBack])
        #expect(try fixture.all() == ["tmp/\(name).withdrawn"])
        #expect(recorder.operations.suffix(2) == [.syncFolder(.tmp), .syncFolder(.new)])
        // Repeated after a crash, the witness tells.
        #expect(try outbox.withdraw([name]) == [.takenBack])
        try outbox.discard([name])
        try outbox.discard([name])
        #expect(try fixture.all().isEmpty)
    }

    @Test(arguments: [Folder.cur, .done, .failed, .tmp])
    func aMessageThatWasClaimedIsNot(folder: Folder) throws {
        var outbox = try fixture.create()
        if folder != .tmp { try fixture.write(folder, name) }
        let before = try fixture.all()
        #expect(try outbox.withdraw([name]) == [.claimed])
        #expect(try fixture.all() == before)
    }

    @Test func aMessageThatStillWaitsInTmpIsTakenFromThere() throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name)
        var outbox = try fixture.open()
        #expect(try outbox.recover { _ in .withdrawing } == Recovery())
        #expect(try outbox.withdraw([name]) == [.takenBack])
        #expect(try fixture.all() == ["tmp/\(name).withdrawn"])
    }

    @Test(arguments: [true, false])
    func aForeignFileUnderTheNameOfOneThatWaitsIsNotTouched(renames: Bool) throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name)
        try fixture.write(.new, name, "foreign")
        var outbox = try fixture.open()
        outbox.renamesWithoutReplacing = renames
        #expect(try outbox.recover { _ in .staged }.waiting.keys.sorted() == [name])
        #expect(try outbox.withdraw([name]) == [.takenBack])
        try outbox.discard([name])
        #expect(try fixture.all() == ["new/\(name)"])
        #expect(try fixture.read(.new, name) == "foreign")
    }

    @Test func aWitnessTellsTheOutcomeAfterACrash() throws {
        _ = try fixture.create()
        try fixture.write(.tmp, name + ".withdrawn")
        var outbox = try fixture.open()
        #expect(try outbox.recover { $0 == name ? .withdrawing : nil }.takenBack == [name])
        #expect(try fixture.all() == ["tmp/\(name).withdrawn"])
        // Once the outcome is committed, the witness is done with.
        #expect(try outbox.recover { _ in .withdrawn }.deleted == [name + ".withdrawn"])
        #expect(try fixture.all().isEmpty)
    }
}
