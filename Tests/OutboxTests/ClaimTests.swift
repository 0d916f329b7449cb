import Foundation
import Testing

@testable import Outbox

/// A process that runs Python code with the module of `scripts/senders/claim.py` at hand.
final class PythonProcess {
    static let senders = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("scripts/senders")

    static let interpreter: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        .map { "\($0)/python3" }.first { FileManager.default.isExecutableFile(atPath: $0) }

    static let absent: Comment = "python3 is not installed: the senders are not tested"

    let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    init(_ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: try #require(Self.interpreter))
        process.arguments = ["-B"] + arguments
        process.currentDirectoryURL = Self.senders
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    /// A process that says `ready`, waits for a line, claims, says `won` or `lost`, and then lives until its input ends.
    static func claimer(_ outbox: String, _ name: String) throws -> PythonProcess {
        let code = """
            import sys, claim
            print("ready", flush=True)
            sys.stdin.readline()
            mine = claim.Claim.take(*sys.argv[1:])
            print("won" if mine else "lost", flush=True)
            sys.stdin.read()
            """
        return try PythonProcess(["-c", code, outbox, name])
    }

    func tell(_ line: String) throws { try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8)) }

    func line() throws -> String {
        var line = ""
        while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
            line.unicodeScalars.append(Unicode.Scalar(byte))
        }
        return line
    }

    func rest() throws -> String {
        try input.fileHandleForWriting.close()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return text
    }

    func end(_ signal: Int32) {
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
    }
}

@Suite(.serialized) struct ClaimTests {
    let fixture: OutboxFixture
    let outbox: OutboxDirectory
    let name = OutboxFixture.name(1)

    init() throws {
        fixture = try OutboxFixture()
        outbox = try fixture.create()
    }

    @Test func aClaimsAgeCountsFromWhenItWasFirstSeen() throws {
        var claims = ClaimTable()
        // Its modification time is of no account, nor is the daemon's start.
        try fixture.write(.cur, name)
        for now in [5000, 5001, 5999] as [Int64] {
            #expect(try outbox.reclaim(now: now, firstSeen: &claims, timeout: 1000) { _ in false } == Reclaimed())
            #expect(claims.count == 1)
        }
        #expect(try outbox.reclaim(now: 6000, firstSeen: &claims, timeout: 1000) { _ in false }.returned == [name])
        #expect(try fixture.all() == ["new/" + name])
        #expect(claims.count == 0)
    }

    @Test func aClaimGivenBackAndTakenAgainIsAnotherClaim() throws {
        var claims = ClaimTable()
        try fixture.write(.cur, name)
        _ = try outbox.reclaim(now: 0, firstSeen: &claims, timeout: 1000) { _ in false }
        // The same file under the same name, seen by no call in between; the coarse clock of some file systems ticks in between.
        var before = stat()
        var after = stat()
        #expect(stat(fixture.file(.cur, name), &before) == 0)
        repeat {
            try fixture.move(name, from: .cur, to: .new)
            try fixture.move(name, from: .new, to: .cur)
            #expect(stat(fixture.file(.cur, name), &after) == 0)
        } while before.st_ctim.tv_nsec == after.st_ctim.tv_nsec && before.st_ctim.tv_sec == after.st_ctim.tv_sec
        #expect(try outbox.reclaim(now: 1000, firstSeen: &claims, timeout: 1000) { _ in false } == Reclaimed())
        #expect(try outbox.reclaim(now: 2000, firstSeen: &claims, timeout: 1000) { _ in false }.returned == [name])
    }

    @Test func aClockSetBackStartsTheAgeAnew() throws {
        var claims = ClaimTable()
        try fixture.write(.cur, name)
        _ = try outbox.reclaim(now: 10_000, firstSeen: &claims, timeout: 1000) { _ in false }
        #expect(try outbox.reclaim(now: 500, firstSeen: &claims, timeout: 1000) { _ in false } == Reclaimed())
        #expect(try outbox.reclaim(now: 1500, firstSeen: &claims, timeout: 1000) { _ in false }.returned == [name])
    }

    @Test func aLiveSenderKeepsItsClaimAsLongAsItHoldsTheLock() throws {
        var claims = ClaimTable()
        try fixture.write(.cur, name)
        let file = open(fixture.file(.cur, name), O_RDONLY | O_CLOEXEC)
        #expect(flock(file, LOCK_EX | LOCK_NB) == 0)
        _ = try outbox.reclaim(now: 0, firstSeen: &claims, timeout: 1000) { _ in false }
        for now in [1000, 1_000_000] as [Int64] {
            #expect(try outbox.reclaim(now: now, firstSeen: &claims, timeout: 1000) { _ in true }.held == [name])
            #expect(try fixture.all() == ["cur/" + name])
        }
        close(file)
        #expect(try outbox.reclaim(now: 1_000_001, firstSeen: &claims, timeout: 1000) { _ in false }.returned == [name])
    }

    @Test func aWithdrawnOneIsDeletedInstead() throws {
        var claims = ClaimTable()
        try fixture.write(.cur, name)
        try fixture.write(.cur, OutboxFixture.name(2))
        let result = try outbox.reclaim(now: 0, firstSeen: &claims, timeout: 0) { $0 == name }
        #expect(result.deleted == [name])
        #expect(result.returned == [OutboxFixture.name(2)])
        #expect(try fixture.all() == ["new/" + OutboxFixture.name(2)])
    }

    @Test func aForeignFileInNewIsNotOverwrittenAndOtherNamesAreLeft() throws {
        var claims = ClaimTable()
        try fixture.write(.cur, name, "claimed")
        try fixture.write(.new, name, "foreign")
        try fixture.write(.cur, "notes.txt")
        try FileManager.default.createDirectory(
            atPath: fixture.file(.cur, OutboxFixture.name(2)), withIntermediateDirectories: false)
        #expect(try outbox.reclaim(now: 0, firstSeen: &claims, timeout: 0) { _ in false }.foreign == [name])
        #expect(try fixture.read(.new, name) == "foreign")
        #expect(try fixture.read(.cur, name) == "claimed")
        #expect(try fixture.names(.cur).count == 3)
    }

    @Test(.enabled(if: PythonProcess.interpreter != nil, PythonProcess.absent))
    func ofSixteenRacingClaimersOneWins() throws {
        try fixture.write(.new, name)
        let claimers = try (0..<16).map { _ in try PythonProcess.claimer(fixture.path, name) }
        for claimer in claimers { #expect(try claimer.line() == "ready") }
        for claimer in claimers { try claimer.tell("go") }
        #expect(try claimers.map { try $0.line() }.sorted() == [String](repeating: "lost", count: 15) + ["won"])
        #expect(try fixture.all() == ["cur/" + name])
        // The others do not hold anything: the winner's death alone frees the claim.
        var claims = ClaimTable()
        #expect(try outbox.reclaim(now: 0, firstSeen: &claims, timeout: 0) { _ in false }.held == [name])
        for claimer in claimers { claimer.end(SIGKILL) }
        #expect(try outbox.reclaim(now: 0, firstSeen: &claims, timeout: 0) { _ in false }.returned == [name])
    }

    @Test(.enabled(if: PythonProcess.interpreter != nil, PythonProcess.absent))
    func aKilledClaimersMessageIsGivenBackAndClaimedAgain() throws {
        try fixture.write(.new, name)
        var claims = ClaimTable()
        for round in 0..<3 {
            let claimer = try PythonProcess.claimer(fixture.path, name)
            #expect(try claimer.line() == "ready")
            try claimer.tell("go")
            #expect(try claimer.line() == "won")
            let now = Int64(round) * 10_000
            #expect(try outbox.reclaim(now: now, firstSeen: &claims, timeout: 900) { _ in false } == Reclaimed())
            #expect(try outbox.reclaim(now: now + 900, firstSeen: &claims, timeout: 900) { _ in false }.held == [name])
            claimer.end(SIGKILL)
            #expect(try fixture.all() == ["cur/" + name])
            #expect(try outbox.reclaim(now: now + 901, firstSeen: &claims, timeout: 900) { _ in false }.returned == [name])
        }
    }

    @Test(.enabled(if: PythonProcess.interpreter != nil, PythonProcess.absent))
    func theReferenceSendersPassTheirOwnTests() throws {
        let process = try PythonProcess(["-m", "unittest", "test_senders"])
        let output = try process.rest()
        #expect(process.process.terminationStatus == 0, "\(output)")
    }
}
