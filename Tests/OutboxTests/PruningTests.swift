import Foundation
import Testing

@testable import Outbox

@Suite struct PruningTests {
    let fixture: OutboxFixture
    let outbox: OutboxDirectory
    private let start: Int64 = 1_772_366_400_000
    private let day: Int64 = 86_400_000

    init() throws {
        fixture = try OutboxFixture()
        outbox = try fixture.create()
    }

    private func write(_ folder: Folder, _ name: String, at time: Int64) throws {
        try fixture.write(folder, name)
        let date = Date(timeIntervalSince1970: Double(time) / 1000)
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: fixture.file(folder, name))
    }

    @Test func whatIsOlderThanItsTimeGoesAndNothingElse() throws {
        for folder in Folder.allCases {
            try write(folder, OutboxFixture.name(1), at: start - 7 * day - 1)
            try write(folder, OutboxFixture.name(2), at: start - 7 * day)
            try write(folder, "notes.txt", at: 0)
        }
        #expect(try outbox.prune(now: start, keep: 7 * day) == 2)
        #expect(try fixture.names(.done) == [OutboxFixture.name(2), "notes.txt"])
        #expect(try fixture.names(.failed) == [OutboxFixture.name(2), "notes.txt"])
        for folder in [Folder.tmp, .new, .cur] { #expect(try fixture.names(folder).count == 3) }
    }

    @Test func aReasonGoesWithItsMessageAndNotBefore() throws {
        // Written long ago, given up just now.
        try write(.failed, OutboxFixture.name(1), at: start - 30 * day)
        try write(.failed, OutboxFixture.name(1) + ".reason", at: start - day)
        // An orphan.
        try write(.failed, OutboxFixture.name(2) + ".reason", at: start - 30 * day)
        #expect(try outbox.prune(now: start, keep: 7 * day) == 1)
        #expect(try fixture.names(.failed).count == 2)
        #expect(try outbox.prune(now: start + 7 * day, keep: 7 * day) == 2)
        #expect(try fixture.names(.failed).isEmpty)
    }

    @Test func anErasedMessageHasNoFileLeftAnywhere() throws {
        let recorder = Recorder()
        let outbox = try fixture.open(observer: recorder.observer)
        let (erased, kept) = (OutboxFixture.name(1), OutboxFixture.name(2))
        for name in [erased, kept] {
            for folder in Folder.allCases { try fixture.write(folder, name) }
            try fixture.write(.tmp, name + ".withdrawn")
            try fixture.write(.failed, name + ".reason")
        }
        #expect(try outbox.erase([erased, "../../etc/passwd"]) == 7)
        #expect(try fixture.all().allSatisfy { $0.contains(kept) })
        #expect(try fixture.all().count == 7)
        #expect(recorder.operations.suffix(5) == Folder.allCases.map { .syncFolder($0) }[...])
        #expect(try outbox.erase([erased]) == 0)
    }

    @Test func aMessageThatASenderMovesMeanwhileIsErasedToo() throws {
        let name = OutboxFixture.name(1)
        let fixture = fixture
        // While new/ is being erased the sender gives another copy back there: found by a further pass.
        let outbox = try fixture.open { (operation: FileOperation) throws(OutboxError) in
            if operation == .remove(.new, name) { try? fixture.move(name, from: .done, to: .cur) }
            if operation == .remove(.cur, name) { try? fixture.move(name, from: .failed, to: .tmp) }
        }
        for folder in [Folder.new, .done, .failed] { try fixture.write(folder, name) }
        #expect(try outbox.erase([name]) == 3)
        #expect(try fixture.all().isEmpty)
    }
}
