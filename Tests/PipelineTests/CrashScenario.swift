import Configuration
import CrashSimulation
import Engine
import Glibc
import Ingest
import Outbox
import Testing

@testable import Pipeline
@testable import Storage

/// A run of the whole pipeline on a simulated machine: logs that grow and are rotated, several lives of the daemon, a sender. What a machine
/// keeps, and nothing else, is handed from life to life.
///
/// One directory serves all runs of a scenario, because the state knows outbox and logs by path and inode.
final class CrashScenario {
    struct Input {
        var lines: [LoggedLine]
        /// How many lines are written between two steps, at most.
        var pieces: Int
        /// The watermarks of several files may overtake each other: what is decided then is in the control log.
        var isOvertaking: Bool
    }

    let scratch = Scratch()
    let input: Input
    private let rules: RuleSet
    private let settings: Settings
    private var seed: UInt64
    private var names = 0
    private var feeder: LogFeeder

    private var outbox: String { scratch.path + "/outbox" }
    private var state: String { scratch.path + "/state" }
    private var control: String { state + "/" + ControlLog.fileName }

    init(_ input: Input, rules: String, seed: UInt64) throws {
        self.input = input
        self.seed = seed
        let path = scratch.path + "/nudged.yaml"
        Files.write(ShopLog.configuration(in: scratch.path, rules: rules), to: path)
        self.rules = try LoadedConfiguration(path: path).rules
        settings = ShopLog.settings(in: scratch.path)
        feeder = LogFeeder(directory: scratch.path + "/logs", streams: ShopLog.streams)
        mkdir(state, 0o700)
    }

    /// Runs the scenario without a crash; gives every operation, in order.
    func record() throws -> [SimulatedMachine.Operation] {
        var random = SeededNumbers(seed: seed)
        let machine = SimulatedMachine(SimulatedDisk(), marker: outbox + "/.nudged-outbox")
        var written = 0
        while written < input.lines.count {
            try life(on: machine, &random) { daemon, random in
                let count = min(1 + random.below(input.pieces), input.lines.count - written)
                feeder.write(input.lines[written..<(written + count)], keeping: random.chance(20) ? 5 : 0)
                written += count
                if random.chance(15) { feeder.rotate(random.below(ShopLog.streams.count)) }
                daemon.scan()
                try daemon.step(wallNow: nil)
                // The daemon is stopped and started again now and then.
                return written < input.lines.count && !random.chance(20)
            }
        }
        feeder.complete()
        try life(on: machine, &random) { daemon, _ in
            try daemon.drain()
            return false
        }
        return machine.operations
    }

    /// Goes on from what a machine has kept, to the end of the logs; with further crashes if `crashes` says so.
    ///
    /// - Returns: what is kept in the end.
    func recover(_ disk: SimulatedDisk, crashes: Int, losesPower: Bool, seed: UInt64) throws -> SimulatedDisk {
        var random = SeededNumbers(seed: seed)
        var disk = disk
        for life in 0... {
            try restore(disk)
            let fault = life < crashes ? SimulatedMachine.Fault.crash(at: 1 + random.below(60)) : .none
            let machine = SimulatedMachine(disk, marker: outbox + "/.nudged-outbox", fault: fault)
            do {
                try self.life(on: machine, &random) { daemon, _ in
                    try daemon.drain()
                    return false
                }
            } catch {
                guard machine.isDown else { throw error }
            }
            disk = machine.disk
            guard machine.isDown else { return disk }
            if losesPower { disk.losePower(using: &random) }
        }
        return disk
    }

    /// Goes on from what a machine has kept while one operation fails, and then, in another life, to the end.
    ///
    /// - Returns: what is kept in the end, and whether there was such an operation.
    func endure(_ disk: SimulatedDisk, _ fault: SimulatedMachine.Fault, at place: Int, seed: UInt64) throws -> (
        SimulatedDisk, Bool
    ) {
        var random = SeededNumbers(seed: seed)
        try restore(disk)
        let machine = SimulatedMachine(disk, marker: outbox + "/.nudged-outbox", fault: fault)
        do {
            try life(on: machine, &random) { daemon, _ in
                try daemon.drain()
                return false
            }
        } catch let error as StoreError {
            #expect([.io, .full, .readOnly].contains(error.kind), "\(error)")
        } catch let error as OutboxError {
            #expect(error.kind == .inputOutput || error.kind == .diskFull, "\(error)")
        } catch let error as ControlLogError {
            #expect(error.code == EIO || error.code == ENOSPC, "\(error)")
        }
        return (try recover(machine.disk, crashes: 0, losesPower: false, seed: random.next()), machine.count >= place)
    }

    /// One life of the daemon: opens everything, and works until `body` is through.
    private func life(
        on machine: SimulatedMachine, _ random: inout SeededNumbers,
        _ body: (inout Pipeline, inout SeededNumbers) throws -> Bool
    ) throws {
        names += 1
        let vfs = SimulatedVFS(machine, name: "crash-\(scratch.path)-\(names)")
        try withExtendedLifetime(vfs) {
            let sender = MachineSender(outbox: outbox, machine: machine, seed: random.next())
            let store = try Store.reopen(directory: state, vfs: vfs.name)
            let set = try OutboxSet.open(settings.outboxes, store: store, observer: sender.observer)
            let log = ControlLog(path: control) { (operation: ControlLog.Operation) throws(ControlLogError) in
                let code = machine.perform(.state(operation.onDisk))
                if code != 0 { throw ControlLogError(path: "test", code: code) }
            }
            var daemon = try Pipeline(
                settings: settings, rules: rules, store: store, destination: .outboxes(set), controlLog: log,
                follows: true)
            daemon.scan()
            while try body(&daemon, &random) {
                sender.work(share: 30)
                try daemon.tendOutboxes(wallNow: ShopLog.start, clockIsWall: false)
            }
            try daemon.tendOutboxes(wallNow: ShopLog.start, clockIsWall: false)
            sender.work(share: 30)
            try daemon.settle()
        }
    }

    /// Makes the real outbox and the real control log what a machine has kept of them.
    private func restore(_ disk: SimulatedDisk) throws {
        unlink(control)
        if let bytes = disk.state.content(ControlLog.fileName) { Files.write(bytes, to: control) }
        guard let marker = disk.marker else {
            Files.removeTree(outbox)
            return
        }
        for folder in [""] + Folder.allCases.map(\.name) { mkdir("\(outbox)/\(folder)", 0o770) }
        Files.write(marker, to: outbox + "/.nudged-outbox")
        for folder in Folder.allCases {
            for name in Files.names("\(outbox)/\(folder.name)") { unlink("\(outbox)/\(folder.name)/\(name)") }
        }
        func path(_ place: SimulatedOutbox.Place) -> String { "\(outbox)/\(place.folder.name)/\(place.name)" }
        for places in disk.outbox.sameFiles {
            Files.write(disk.outbox.content[places[0]] ?? [], to: path(places[0]))
            for other in places.dropFirst() { #expect(link(path(places[0]), path(other)) == 0) }
        }
    }

    // MARK: What must be

    /// What one replay of all the logs decides, by sequence number.
    func replay() throws -> [MessageRow] {
        let directory = scratch.path + "/replay"
        Files.removeTree(directory)
        mkdir(directory, 0o700)
        var boxes = settings.outboxes
        boxes[0].path = directory + "/outbox"
        // A replay may publish what the live run took back: it is compared by rows, which hold the bytes.
        let store = try Store.reopen(directory: directory + "/state")
        var replay = try Pipeline(
            settings: settings, rules: rules, store: store, destination: .outboxes(try OutboxSet.open(boxes, store: store)),
            controlLog: ControlLog(path: control))
        try replay.drain()
        return try store.messages(limit: .max).reversed()
    }

    struct Outcome: Equatable {
        var published = 0
        var takenBack = 0
        var retracted = 0
    }

    /// The one oracle: the database is whole, what was decided is what a replay decides, byte for byte, and of each message there is exactly
    /// one file, or none if it was taken back.
    func check(_ disk: SimulatedDisk, against expected: [MessageRow], _ what: String) throws -> Outcome {
        names += 1
        let machine = SimulatedMachine(disk, marker: outbox + "/.nudged-outbox")
        let vfs = SimulatedVFS(machine, name: "crash-\(scratch.path)-\(names)")
        return try withExtendedLifetime(vfs) {
            let store = try Store.reopen(directory: state, vfs: vfs.name)
            #expect(try store.database.text("PRAGMA integrity_check") == "ok", "\(what)")
            #expect(try store.integer("SELECT count(*) FROM waiting") == 0, "\(what)")
            let rows = try Array(store.messages(limit: .max).reversed())
            #expect(rows.map(\.sequence) == expected.map(\.sequence), "\(what)")
            #expect(rows.map(\.id) == expected.map(\.id), "\(what)")
            #expect(rows.map(\.json) == expected.map(\.json), "\(what)")
            var outcome = Outcome()
            var left = Set(disk.sent.keys)
            for folder in [Folder.new, .cur, .done, .failed] { left.formUnion(Files.names("\(outbox)/\(folder.name)")) }
            for row in rows {
                left.remove(row.file)
                var found = disk.sent[row.file] ?? 0
                for folder in [Folder.new, .cur, .done, .failed] {
                    guard let bytes = Files.read("\(outbox)/\(folder.name)/\(row.file)") else { continue }
                    found += 1
                    #expect(bytes == row.json + [0x0A], "\(what): \(row.file)")
                }
                let retraction = rows.first { $0.retracts == row.sequence }
                switch row.state {
                case .published:
                    #expect(found == 1, "\(what): \(row.file) is published and there \(found) times")
                    outcome.published += 1
                case .withdrawn where row.retracts != nil:
                    #expect(found == 0, "\(what): \(row.file) was not needed and is there \(found) times")
                case .withdrawn:
                    // A sender had it if and only if the retraction went out, where the rule has one.
                    let isRetracted = retraction.map { $0.state == .published } ?? (found > 0)
                    #expect(
                        found == (isRetracted ? 1 : 0),
                        "\(what): \(row.file) is withdrawn, retracted: \(isRetracted), there \(found) times")
                    if isRetracted { outcome.retracted += 1 } else { outcome.takenBack += 1 }
                default: Issue.record("\(what): \(row.file) is \(row.state.rawValue)")
                }
            }
            #expect(left.isEmpty, "\(what): files of no row")
            #expect(Files.names(outbox + "/tmp").isEmpty, "\(what)")
            return outcome
        }
    }
}

extension ControlLog.Operation {
    fileprivate var onDisk: StateOperation {
        switch self {
        case .create: .create(ControlLog.fileName)
        case .write(let offset, let bytes): .write(ControlLog.fileName, offset: offset, bytes)
        case .sync: .sync(ControlLog.fileName)
        case .syncDirectory: .syncDirectory
        }
    }
}
