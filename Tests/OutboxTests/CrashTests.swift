import CrashSimulation
import Foundation
import Synchronization
import Testing

@testable import Outbox

/// The daemon's way with an outbox, against a model of its database, crashed at every single operation.
///
/// A run decides messages batch by batch, stages, commits, publishes, and takes some back, while a sender claims and finishes
/// others. Every change of a file and every side of every commit is a place to crash at: a run is repeated for each of
/// them, and goes on after it until all is done, with further crashes at random, also within the recovery. A crash is a
/// killed process (nothing is lost) or a power loss (whatever was not synced may be).
@Suite struct CrashTests {
    /// `NUDGED_CRASH_SEEDS=1000` for a longer run.
    private static let seeds = ProcessInfo.processInfo.environment["NUDGED_CRASH_SEEDS"].flatMap(UInt64.init) ?? 6

    @Test(arguments: 0..<seeds)
    func everyCommittedMessageIsOneFileAndNoOtherIs(seed: UInt64) throws {
        var place = 1
        while true {
            let run = try Run(seed: seed, crashAt: place)
            try run.toTheEnd()
            if run.crashes == 0 { break }
            place += 1
        }
        #expect(place > 30, "seed \(seed): a run has more places to crash at than \(place)")
    }
}

private struct Crash: Error {}

/// The outbox is broken after an error of a sync: the daemon opens it anew, nothing is lost.
private struct Restart: Error {}

/// What is shared with the observer: the disk's model and the countdown to the crash.
private final class Machine: Sendable {
    struct State {
        var disk = SimulatedOutbox()
        var crashAt: Int
        var operations = 0
        var isDown = false
        var generator: SeededGenerator
        /// Chance in 1000 that an operation fails with a full disk.
        var fullDisk = 0
    }

    let state: Mutex<State>

    init(_ state: State) { self.state = Mutex(state) }

    /// One place to crash at; true if it is the one.
    func crashes() -> Bool {
        state.withLock { state in
            state.operations += 1
            if state.operations >= state.crashAt { state.isDown = true }
            return state.isDown
        }
    }

    var observer: OutboxDirectory.Observer {
        { (operation: FileOperation) throws(OutboxError) in
            if self.crashes() { throw OutboxError(kind: .other, operation: "crash", path: "") }
            let isFull = self.state.withLock { state in
                var full = Int.random(in: 0..<1000, using: &state.generator) < state.fullDisk
                if case .remove = operation { full = false }  // That works on a full disk too.
                if !full { state.disk.apply(operation) }
                return full
            }
            if isFull { throw OutboxError(operation: "test", path: "", code: ENOSPC) }
        }
    }
}

private final class Run {
    /// What is committed, and nothing else survives.
    private struct Database {
        var decided = 0
        var rows: [String: RowState] = [:]
    }

    private let fixture: OutboxFixture
    private let machine: Machine
    private var generator: SeededGenerator
    private var database = Database()
    /// Messages that a sender finished and deleted.
    private var delivered: [String: Int] = [:]
    private let names: [String]
    private let renames: Bool
    private let losesPower: Bool
    private let seed: UInt64
    private(set) var crashes = 0
    private var restarts = 0

    init(seed: UInt64, crashAt: Int) throws {
        fixture = try OutboxFixture()
        self.seed = seed
        generator = SeededGenerator(seed: seed)
        renames = seed % 3 != 0
        losesPower = seed % 2 == 0
        names = (0..<14).map(OutboxFixture.name)
        machine = Machine(
            .init(crashAt: crashAt, generator: SeededGenerator(seed: seed ^ 0xD15C), fullDisk: seed % 4 == 1 ? 60 : 0))
        _ = try fixture.create()
    }

    func toTheEnd() throws {
        while true {
            do {
                try live()
                try check(isEnd: true)
                return
            } catch is Crash {
                crashes += 1
                try crash()
            } catch is Restart {
                restarts += 1
                if restarts > 100 { throw Restart() }
            }
        }
    }

    /// One life of the daemon.
    private func live() throws {
        var outbox = try fixture.open(observer: machine.observer)
        outbox.renamesWithoutReplacing = renames
        try start(&outbox)
        try check(isEnd: false)
        while database.decided < names.count || database.rows.values.contains(where: { $0 == .pending || $0 == .staged }) {
            try batch(&outbox)
            if Int.random(in: 0..<3, using: &generator) == 0 { try takeBack(&outbox) }
            if Bool.random(using: &generator) { try sender() }
            if outbox.isBroken { throw failed() }
        }
    }

    private func start(_ outbox: inout OutboxDirectory) throws {
        let rows = database.rows
        let recovery: Recovery
        do { recovery = try outbox.recover { rows[$0] } } catch { throw failed() }
        #expect(recovery.unexplained.isEmpty && recovery.foreign.isEmpty, "seed \(seed)")
        try commit { database in
            for (name, state) in rows where state == .staged && recovery.waiting[name] == nil { database.rows[name] = .published }
        }
        try settleIntents(&outbox)
    }

    private func batch(_ outbox: inout OutboxDirectory) throws {
        let decided = min(names.count, database.decided + Int.random(in: 1...11, using: &generator))
        let retried = database.rows.filter { $0.value == .pending }.map(\.key)
        var states: [String: RowState] = [:]
        for name in (names[database.decided..<decided] + retried).sorted() {
            do {
                try outbox.stage(name, bytes(name))
                states[name] = .staged
            } catch {
                states[name] = .pending
            }
        }
        do { try outbox.sync() } catch { states = states.mapValues { _ in .pending } }
        try commit { database in
            database.decided = decided
            database.rows.merge(states) { $1 }
        }
        let waiting = database.rows.filter { $0.value == .staged }.map(\.key).sorted()
        guard let outcomes = try? outbox.publish(waiting) else { throw failed() }
        try commit { database in
            for (name, outcome) in zip(waiting, outcomes) where outcome == .published || outcome == .missing {
                database.rows[name] = .published
            }
        }
    }

    private func takeBack(_ outbox: inout OutboxDirectory) throws {
        let published = database.rows.filter { $0.value == .published }.map(\.key).sorted()
        guard let name = published.randomElement(using: &generator) else { return }
        try commit { $0.rows[name] = .withdrawing }
        try settleIntents(&outbox)
    }

    private func settleIntents(_ outbox: inout OutboxDirectory) throws {
        let intents = database.rows.filter { $0.value == .withdrawing }.map(\.key).sorted()
        guard !intents.isEmpty else { return }
        guard let outcomes = try? outbox.withdraw(intents) else { throw failed() }
        try commit { database in
            for (name, outcome) in zip(intents, outcomes) {
                database.rows[name] = outcome == .takenBack ? .withdrawn : .published
            }
        }
        try? outbox.discard(intents)
        if machine.state.withLock({ $0.isDown }) { throw Crash() }
    }

    private func failed() -> any Error { machine.state.withLock { $0.isDown } ? Crash() : Restart() }

    /// A crash before a commit loses it, one after it does not.
    private func commit(_ change: (inout Database) -> Void) throws {
        if machine.crashes() { throw Crash() }
        change(&database)
        if machine.crashes() { throw Crash() }
    }

    /// A sender that claims, sends and finishes some messages, and syncs what it did as the reference senders do.
    private func sender() throws {
        for name in try fixture.names(.new) where Bool.random(using: &generator) {
            let folder = [Folder.done, .failed, .cur].randomElement(using: &generator)
            try fixture.move(name, from: .new, to: folder ?? .cur)
            apply(.rename(.new, name, folder ?? .cur, name))
        }
        for folder in [Folder.done, .failed] {
            for name in try fixture.names(folder) where Int.random(in: 0..<3, using: &generator) == 0 {
                // The one moment that docs/senders.md concedes for file systems without non-replacing renames.
                if !renames && FileManager.default.fileExists(atPath: fixture.file(.tmp, name)) { continue }
                try FileManager.default.removeItem(atPath: fixture.file(folder, name))
                apply(.remove(folder, name))
                delivered[name, default: 0] += 1
            }
        }
        for folder in Folder.allCases where folder != .tmp { apply(.syncFolder(folder)) }
    }

    private func apply(_ operation: FileOperation) { machine.state.withLock { $0.disk.apply(operation) } }

    private func crash() throws {
        let disk = machine.state.withLock { state in
            if losesPower { state.disk.losePower(using: &state.generator) }
            state.isDown = false
            // The next crash: soon, often within the recovery; none after the third.
            state.operations = 0
            state.crashAt = crashes < 4 ? Int.random(in: 1...20, using: &state.generator) : .max
            return state.disk
        }
        if losesPower {
            for path in try fixture.all() { try FileManager.default.removeItem(atPath: fixture.path + "/" + path) }
            for places in disk.sameFiles {
                let first = places[0]
                let path = fixture.file(first.folder, first.name)
                try Data(disk.content[first] ?? []).write(to: URL(fileURLWithPath: path))
                for other in places.dropFirst() {
                    try FileManager.default.linkItem(atPath: path, toPath: fixture.file(other.folder, other.name))
                }
            }
        }
        // The model must know what the real directory holds, or nothing here means anything.
        let known = disk.content.keys.map { "\($0.folder.name)/\($0.name)" }.sorted()
        #expect(try fixture.all().sorted() == known, "seed \(seed)")
    }

    private func bytes(_ name: String) -> [UInt8] { Array("the message \(name)\n".utf8) }

    /// The promise itself.
    private func check(isEnd: Bool) throws {
        for (index, name) in names.enumerated() {
            var found = delivered[name] ?? 0
            for folder in [Folder.new, .cur, .done, .failed]
            where FileManager.default.fileExists(atPath: fixture.file(folder, name)) {
                found += 1
                #expect(try fixture.read(folder, name) == String(decoding: bytes(name), as: UTF8.self), "seed \(seed)")
            }
            let state = database.rows[name]
            #expect((state != nil) == (index < database.decided), "seed \(seed)")
            switch state {
            case .published: #expect(found == 1, "seed \(seed): \(name) is published and there \(found) times")
            // A link whose old name could not be removed is published by the next try.
            case .staged: #expect(!isEnd && found <= (renames ? 0 : 1), "seed \(seed): \(name) waits and is there \(found) times")
            default: #expect(found == 0, "seed \(seed): \(name) is \(state?.rawValue ?? "no row") and there \(found) times")
            }
            if isEnd { #expect(state == .published || state == .withdrawn, "seed \(seed)") }
        }
        if isEnd { #expect(try fixture.names(.tmp).isEmpty, "seed \(seed)") }
    }
}
